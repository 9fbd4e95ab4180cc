"""The data that a configuration describes: read, split among members, corrupted."""

from typing import Any, NamedTuple, cast

from fedjax_shap._validate import cautions, require
from fedjax_shap.data.corrupt import corrupt
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.pool import Pool
from fedjax_shap.keys import folded, seeded
from fedjax_shap.learning.private_records import with_noisy_records
from fedjax_shap.learning.task import Task
from fedjax_shap.pipeline.by_name import for_members
from fedjax_shap.pipeline.config import Config, build
from fedjax_shap.pipeline.privacy import records_of
from fedjax_shap.typing import Key

TRAINING = 0  # folded into a configuration's key: what trains, and what values
VALUING = 1


def source_of(config: Config, task: Task | None) -> Any:
    """What the configured source gives, read as the task takes targets where it reads files.

    Args:
        config: the configuration.
        task: what is learned; None for what the data suggest.
    """
    if task is None or not config.takes("data", "targets"):
        return config.build("data")
    return config.build("data", targets=task.targets)


def _whole_rows(config: Config, given: Any) -> Any:
    """What a source gives, or a refusal of what are not rows that can be split among members."""
    require(
        isinstance(given, Pool),
        f"Expected data.name={config.sections['data'].name!r} to give rows that are split among "
        f"members with game.name={config.sections['game'].name!r}.",
    )
    return given


class Loaded(NamedTuple):
    """The data of a configuration.

    Attributes:
        config: with values by member's name in the members' order.
        data: the clients' data and the server's.
        task: what is learned; None for what the data suggest.
        notes: what was done with the data that may not have been meant, one sentence each.
    """

    config: Config
    data: FederatedData
    task: Task | None
    notes: tuple[str, ...]


def loaded(config: Config) -> Loaded:
    """Loads, splits and corrupts the data that a configuration describes."""
    task: Task | None = config.build("task")
    with cautions() as notes:
        pool = cast(Pool, _whole_rows(config, source_of(config, task)))
        data = federate(
            pool,
            config.build("partition"),
            seed=config.seed,
            validation=config.value("data", "validation"),
            member_test=config.value("data", "member_test"),
            validation_users=config.value("data", "validation_users"),
        )
        corruptions = [build("corrupt", one) for one in config.corruptions]
        data = corrupt(data, corruptions, seed=config.seed)
        of_records = records_of(config)
        if of_records is not None:
            data = with_noisy_records(data, of_records, seed=config.seed)
    return Loaded(
        for_members(config, data.names), data, task, (*pool.notes.get("said", ()), *notes)
    )


def game_seed(config: Config) -> Key:
    """The key that seeds a game and the draws of its estimator."""
    return folded(seeded(config.seed), VALUING)
