"""Whether the sections of a configuration go together; what concerns one kind of federation alone
is checked by its row in `settings.registry`.
"""

from collections.abc import Collection
from dataclasses import replace

from fedjax_shap._validate import integer, listed, require
from fedjax_shap.data.column_partition import COLUMN_PARTITIONS
from fedjax_shap.data.transfers import TRANSFERS
from fedjax_shap.data.vertical_files import VERTICAL_SOURCES
from fedjax_shap.economics.permanent import check_terms
from fedjax_shap.learning.statistics.registry import STATISTICS
from fedjax_shap.learning.vertical.registry import VERTICAL
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.own_names import is_own
from fedjax_shap.pipeline.privacy import check_privacy
from fedjax_shap.pipeline.settings.registry import SETTINGS, kind_of
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.estimators.registry import DEFAULT
from fedjax_shap.shapley.stopping import parse_rule
from fedjax_shap.valuation.in_run_methods import IN_RUN

OF_DEVICES = {"steps": "profiles", "costs": "bill"}  # section -> what its entries take of devices


def checked(config: Config, given: Collection[str]) -> Config:
    """The configuration with the sections that its game uses.

    Args:
        config: a configuration whose sections are each in order.
        given: the names of the sections that say something.

    Raises:
        InvalidInputError: sections that do not go together.
    """
    config = _used(config, given)
    _check_data(config)
    _check_model(config)
    _check_columns(config)
    _check_devices(config)
    _check_steps(config)
    _check_estimator(config)
    _check_economics(config)
    kind_of(config).check(config)
    check_privacy(config)
    return config


def _used(config: Config, given: Collection[str]) -> Config:
    """Drops the sections that the game does not use, and refuses them where they are given."""
    game = config.sections["game"].name
    used = kind_of(config).sections
    if not used:
        return config
    left_out = [name for name in (*config.sections, "corrupt") if name not in used]
    for name in left_out:
        require(
            name not in given,
            f"Expected [{name}] to be left out with game.name={game!r}, which does not use it.",
        )
    kept = {name: one for name, one in config.sections.items() if name in used}
    return replace(config, sections=kept)


def _check_data(config: Config) -> None:
    """Refuses a federation for transfer where rows are split among members, and the other way
    round.
    """
    name = config.sections["data"].name if "data" in config.sections else ""
    if not name or is_own(name):
        return
    game = config.sections["game"].name
    transfers = kind_of(config).transfers
    require(
        transfers or name not in TRANSFERS,
        f"Expected data.name={name!r} to be rows that are split among members with game.name="
        f"{game!r}; it has sources and a target, for a game such as 'transfer'.",
    )
    require(
        not transfers or name in TRANSFERS,
        f"Expected data.name={name!r} to be a federation of sources and a target with game.name="
        f"{game!r}; known: {listed(sorted(TRANSFERS))}.",
    )


def _check_model(config: Config) -> None:
    """Refuses a model that merges statistics where models are trained, and the other way round."""
    name = config.sections["model"].name if "model" in config.sections else ""
    if not name or is_own(name):
        return
    game = config.sections["game"].name
    merges = kind_of(config).merges
    if kind_of(config).vertical or name in set(VERTICAL) - set(STATISTICS):
        _check_vertical_model(config, name)
        return
    require(
        merges or name not in STATISTICS,
        f"Expected model.name={name!r} to be a model that is trained with game.name={game!r}; "
        "it merges statistics, for a game such as 'statistics'.",
    )
    require(
        not merges or name in STATISTICS,
        f"Expected model.name={name!r} to be a model whose members send sums with game.name="
        f"{game!r}; known: {listed(sorted(STATISTICS))}.",
    )


def _check_vertical_model(config: Config, name: str) -> None:
    """Refuses a model of whole rows where members hold columns, and the other way round."""
    game = config.sections["game"].name
    require(
        name in VERTICAL,
        f"Expected model.name={name!r} to be a model of parties with different columns with "
        f"game.name={game!r}; known: {listed(sorted(VERTICAL))}.",
    )
    require(
        kind_of(config).vertical,
        f"Expected model.name={name!r} to be a model of whole rows with game.name={game!r}; it is "
        "one of parties with different columns, for a game such as 'vertical'.",
    )


def _check_columns(config: Config) -> None:
    """Refuses sources and partitions of columns where members hold rows."""
    if kind_of(config).vertical:
        return
    game = config.sections["game"].name
    for section, columns in (("data", VERTICAL_SOURCES), ("partition", COLUMN_PARTITIONS)):
        name = config.sections[section].name if section in config.sections else ""
        require(
            name not in columns,
            f"Expected {section}.name={name!r} to be of whole rows with game.name={game!r}; it is "
            "one of columns, for a game such as 'vertical'.",
        )


def _check_devices(config: Config) -> None:
    """Refuses entries that need the members' devices where these are not described."""
    for section, parameter in OF_DEVICES.items():
        if section in config.sections and config.takes(section, parameter):
            require(
                config.knows_devices,
                f"Expected devices to be given with {section}.name="
                f"{config.sections[section].name!r}, such as devices.profile='t4'.",
            )


def _check_steps(config: Config) -> None:
    """Refuses steps of local training where another entry decides them."""
    if "steps" not in config.sections or config.takes("steps", "local"):
        return
    said = sorted(config.given("local").keys() & {"steps", "epochs"})
    require(
        not said,
        f"Expected local.{'/'.join(said)} to be left out with "
        f"steps.name={config.sections['steps'].name!r}, which decides it.",
    )


def _check_estimator(config: Config) -> None:
    """Refuses what the estimator's section cannot say, or not with this game."""
    game = config.sections["game"].name
    method = config.sections["estimator"].name
    takes_methods = [repr(name) for name, kind in SETTINGS.items() if kind.takes_methods]
    require(
        method not in IN_RUN or kind_of(config).takes_methods,
        f"Expected game.name={game!r} to be {' or '.join(takes_methods)} with "
        f"estimator.name={method!r}, which values a run of rounds.",
    )
    repeats = config.value("estimator", "repeats")
    integer("estimator.repeats", repeats, least=1)
    require(
        repeats == 1 or kind_of(config).repeats,
        f"Expected estimator.repeats={repeats} to be left out with game.name={game!r}; run it once "
        "a seed.",
    )
    until = config.value("estimator", "until")
    if until is not None:
        parse_rule(until)
        estimator = config.build("estimator")
        require(
            not (isinstance(estimator, Estimator) and estimator.guarantees.at_once),
            f"Expected estimator.until={until!r} to be left out with estimator.name={method!r}, "
            "which asks for all its coalitions at once, so that no rule can stop it; use "
            f"estimator.name={DEFAULT!r}, which asks for them batch by batch.",
        )
    turn = config.value("estimator", "turn")
    if turn is not None:
        integer("estimator.turn", turn, least=1)


def _check_economics(config: Config) -> None:
    """Refuses a revenue given twice, costs held against devices that are not described, and claims
    of a permanent member that no rule knows.
    """
    verify = config.value("economics", "verify")
    require(
        verify is None or config.knows_devices,
        f"Expected devices to be given with economics.verify={verify!r}, which they imply.",
    )
    permanent = config.value("economics", "permanent")
    if permanent is not None:
        check_terms(permanent, later=("chance", "means"))
    by_curve = config.value("economics", "curve") is not None
    require(
        not by_curve or "revenue" not in config.given("economics"),
        "Expected economics.revenue to be left out with economics.curve, which decides it.",
    )
