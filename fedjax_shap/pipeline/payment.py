"""Who is paid what for a run: the values that the rule divides by, the costs, the payments and
their intervals.
"""

from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.devices.fleet import Metered
from fedjax_shap.economics.cost import Bill, CostModel
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.intervals import Intervals, indistinguishable, payment_intervals
from fedjax_shap.economics.revenue import curve
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.by_name import for_members
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.permanent import claim_of, of_players, require_means
from fedjax_shap.pipeline.resettle import BY_VALUES
from fedjax_shap.pipeline.schema import SECTIONS
from fedjax_shap.pipeline.settings.setting import Setting, Work
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.exact import exact

# values that need no draws where all coalitions are valued
OF_ALL_COALITIONS = {"banzhaf": partial(exact, semivalue="banzhaf")}


class Payments(NamedTuple):
    """What a run pays.

    Attributes:
        settlement: costs and payments; None where no payment can be made.
        unpaid: why no payment can be made, in one sentence; "" where there is a settlement.
        costs: c[P], in money.
        intervals: of the payments at 95 %; None where the values have no errors, or unknown ones.
        alike: pairs of members whose values do not differ at 95 %, by Holm's correction; none
            where the values have no errors, or unknown ones.
        metered: what the run took of the members' devices; None where these are not known.
        permanent: `name` and what a member claims that is in every coalition, as
            `economics.permanent.permanent_from` takes it; None without one.
    """

    settlement: Settlement | None
    unpaid: str
    costs: tuple[Decimal, ...]
    intervals: Intervals | None
    alike: tuple[tuple[str, str], ...]
    metered: Metered | None
    permanent: dict[str, Any] | None = None


def require_payable(config: Config, setting: Setting) -> None:
    """Refuses, before anything is trained, what would be refused whatever the values turn out.

    Args:
        config: the configuration.
        setting: its federation.

    Raises:
        InvalidInputError: a price or a revenue that is not an amount, names or settings that
            `settle` refuses.
    """
    refused = pay(config, setting, np.ones(len(setting.players)), 0).unpaid
    require(not refused, refused)


def pay(
    config: Config, setting: Setting, values: Any, num_rounds: int | None, means: Any = None
) -> Payments:
    """Who is paid what by a configuration's rule and costs.

    Args:
        config: the configuration.
        setting: its federation.
        values: an `Attribution` with the values that the rule divides by, or numbers [P].
        num_rounds: how many rounds the run of all took; see `settings.setting.CountWork`.
        means: what a permanent member's rule reads of all utilities, see `permanent.mean_by_size`.

    Returns:
        The payments; without a settlement where `settle` refuses these values, costs or revenue.

    Raises:
        InvalidInputError: costs that are not amounts.
    """
    permanent = claim_of(config, setting, values, means)
    config = for_members(of_players(config, setting), setting.players)
    rule = config.build("economics")
    work = setting.work(num_rounds)
    metered = None if work is None else work.metered
    costs = _costs(config, setting, work)
    efficient = is_efficient(config, setting, rule)
    settings: dict[str, Any] = {
        "rule": _with_costs_checked(rule, metered, config.value("economics", "verify")),
        "players": list(setting.players),
        "sizes": setting.sizes.tolist(),
        "minor_unit": config.value("economics", "minor_unit"),
        "efficient": efficient,
        "permanent": permanent,
    }
    alike = _alike(setting, values, efficient)
    claimed = None if permanent is None else {"name": permanent.name, **permanent.terms}
    try:
        require_means(config, values, means)
        revenue = _revenue(config, setting, values)
        settlement = settle(values, costs, revenue, **settings)
    except InvalidInputError as error:
        return Payments(None, str(error), costs, None, alike, metered, claimed)
    intervals = None
    if settlement.std_errors is not None and any(settlement.std_errors):
        intervals = payment_intervals(values, costs, revenue, **settings)
    return Payments(settlement, "", costs, intervals, alike, metered, claimed)


def _alike(setting: Setting, values: Any, efficient: bool) -> tuple[tuple[str, str], ...]:
    """Pairs of members whose values do not differ at 95 %; none where errors are not known."""
    errors = getattr(values, "std_errors", None)
    if errors is None or not np.isfinite(errors).all() or not np.any(errors > 0):
        return ()
    pairs = indistinguishable(values.values, std_errors=errors, efficient=efficient)
    return tuple((setting.players[i], setting.players[j]) for i, j in pairs)


def estimator_for_rule(config: Config) -> Estimator | None:
    """The estimator of the values that a configuration's rule divides by; None where these are
    those of the run.
    """
    wanted = config.build("economics").of
    if wanted in BY_VALUES or wanted == config.sections["estimator"].name:
        return None
    return _estimator(config, wanted)


def is_efficient(config: Config, setting: Setting, rule: Rule) -> bool:
    """Whether the errors of the values that a rule divides by sum to zero: not where V(N) has an
    error of its own.
    """
    if not setting.grand_is_exact:
        return False
    if config.value("estimator", "efficient"):
        return True
    estimator = _estimator(config, rule.of)
    return isinstance(estimator, Estimator) and estimator.guarantees.efficient


def _costs(config: Config, setting: Setting, work: Work | None) -> tuple[Decimal, ...]:
    """The costs of the members, by the bill of their devices or by what they did."""
    bound = {}
    if config.takes("costs", "bill"):
        bound["bill"] = _bill(work)
    model = config.build("costs", **bound)
    steps = None if work is None else work.steps.tolist()
    return cast(CostModel, model)(setting.sizes.tolist(), steps)


def _bill(work: Work | None) -> Bill:
    """What the members' devices cost them."""
    metered = None if work is None else work.metered
    if metered is None:
        raise InvalidInputError(
            "Expected other costs than those of the members' devices, which this game does not "
            "meter."
        )
    return metered.bill


def _with_costs_checked(rule: Rule, metered: Metered | None, method: str | None) -> Rule:
    """The rule, on costs limited to what the members' devices imply where that is asked for."""
    if method is None or metered is None:
        return rule
    return cap_costs(rule, metered.bill.total, method=method)


def _revenue(config: Config, setting: Setting, values: Any) -> Any:
    """The revenue to divide: as given, or read off the curve at V(N); at its end for values
    without one.

    Raises:
        InvalidInputError: a curve over positive errors, which count with a minus sign.
    """
    points = config.value("economics", "curve")
    if points is None:
        return config.value("economics", "revenue")
    earned = curve(points)
    highest = float(points[-1][0])
    require(
        setting.metric_sign > 0 or highest <= 0,
        f"Expected economics.curve to be over metrics <= 0, got {highest:g}: {setting.metric!r} is "
        "an error, which counts with a minus sign.",
    )
    reached = float(getattr(values, "grand", highest))
    return earned.amount(reached, config.value("economics", "minor_unit"))


def _estimator(config: Config, wanted: str) -> Estimator:
    """That of the values called `wanted`; from the whole table where the run values every
    coalition.
    """
    if wanted in BY_VALUES:
        return cast(Estimator, config.build("estimator"))
    estimators = SECTIONS["estimator"].entries
    every_coalition = estimators[config.sections["estimator"].name] is exact
    factory = OF_ALL_COALITIONS.get(wanted) if every_coalition else None
    return (factory or ESTIMATORS[wanted])()
