"""What the entries of each section make: by this those of one's own are checked.

Types are named by their modules and imported only where there is something to check.
"""

from typing import NamedTuple


class Product(NamedTuple):
    """What the entries of a section make.

    Attributes:
        section: the section.
        example: says in code what gives one.
        kinds: "module:TYPE" of which it is one; () where it is a function alone.
        arguments: what the function takes, in words; () where it is none.
        is_row: whether registries hold the product itself, and not functions that make it.
    """

    section: str
    example: str
    kinds: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    is_row: bool = False


def _of(kind: str) -> tuple[str, ...]:
    """One type of this package."""
    return (f"fedjax_shap.{kind}",)


_ALL = (
    Product(
        "data",
        "load('digits')",
        _of("data.pool:Pool")
        + _of("data.vertical:VerticalPool")
        + _of("data.transfer:TransferData"),
    ),
    Product("partition", "partitions.iid(num_clients=5)", (), ("a generator", "a pool")),
    Product(
        "corrupt",
        "corruptions.label_noise(client=0, rate=0.3)",
        (),
        ("a generator", "a federation"),
    ),
    Product("task", "tasks.regression()", _of("learning.task:Task")),
    Product(
        "model",
        "models.linear()",
        _of("learning.architecture:Model")
        + _of("learning.statistics.model:StatisticsModel")
        + _of("learning.vertical.model:VerticalModel"),
        ("the shape of an example", "the number of outputs"),
    ),
    Product("local", "local(batch_size=32)", _of("learning.local:Local")),
    Product("algorithm", "algorithms.fedavg()", _of("learning.algorithm:Algorithm")),
    Product("devices", "devices.profiles(profile='t4')", (), ("the number of clients",)),
    Product(
        "steps",
        "steps.constant(steps=5)",
        (),
        ("a key", "sizes", "steps an epoch", "the number of rounds"),
    ),
    Product(
        "participation",
        "participation.independent(probability=0.5)",
        (),
        ("a key", "the number of rounds", "the number of clients"),
    ),
    Product("privacy", "private(clip=1.0, noise=1.1)", _of("learning.private:Privacy")),
    Product(
        "game",
        "SettingKind(build=..., game=...)",
        _of("pipeline.settings.setting:SettingKind"),
        is_row=True,
    ),
    Product(
        "estimator",
        "exact()",
        _of("shapley.estimator:Estimator"),
        ("a run of rounds", "options", "a key"),
    ),
    Product("costs", "costs.per_example(price=0.01)", (), ("sizes", "steps")),
    Product("economics", "rules.cost_aware()", _of("economics.division:Rule")),
    Product("plan", "Plan(chunk=64)", _of("engine.plan:Plan")),
)
PRODUCTS = {product.section: product for product in _ALL}
