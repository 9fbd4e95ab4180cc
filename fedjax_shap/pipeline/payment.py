"""Who is paid what for a run: the values that the rule divides by, the costs, the payments and
their intervals.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap.devices.device import steps_done
from fedjax_shap.devices.fleet import Metered
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.division import Rule
from fedjax_shap.economics.intervals import Intervals, indistinguishable, payment_intervals
from fedjax_shap.economics.revenue import curve
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.federation import Federation
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.exact import exact

BY_VALUES = (
    "",
    "shapley",
)  # rules that divide by no values, or by those of the run, whatever these are


class Paid(NamedTuple):
    """What a run pays.

    Attributes:
        settlement: costs and payments.
        intervals: of the payments at 95 %; None where the values have no errors, or unknown ones.
        alike: pairs of members whose values do not differ at 95 %, by Holm's correction; none
            without intervals.
        metered: what the run took of the members' devices; None where these are not known.
    """

    settlement: Settlement
    intervals: Intervals | None
    alike: tuple[tuple[str, str], ...]
    metered: Metered | None


def payer(config: Config) -> Callable[[Federation, Any, int], Paid]:
    """(federation, values, rounds of the run of all) -> who is paid what by a configuration's rule
    and costs.
    """
    rule, options = (
        config.build("economics"),
        {"revenue": 1000, **config.sections["economics"].keywords},
    )
    by_devices = config.sections["costs"].name == "devices"
    reported = None if by_devices else config.build("costs")

    def pay(federation: Federation, values: Any, num_rounds: int) -> Paid:
        sizes, (num_steps, share) = (
            np.asarray(federation.data.sizes).tolist(),
            federation.work(num_rounds),
        )
        metered = federation.metered(num_steps, share)
        costs = reported or config.build("costs", bill=metered and metered.bill)
        charged = costs(sizes, steps_done(num_steps, share).sum(axis=0).tolist())
        earned = _revenue(options, values)
        implied = None if metered is None else metered.bill.total
        given = {
            "rule": _verified(rule, implied, options.get("verify")),
            "players": list(federation.data.names),
            "sizes": sizes,
        }
        given |= {
            "minor_unit": options.get("minor_unit", "0.01"),
            "efficient": efficient(config, rule),
        }
        settlement = settle(values, charged, earned, **given)
        unsure = settlement.std_errors is not None and any(settlement.std_errors)
        if not unsure:
            return Paid(settlement, None, (), metered)
        pairs = indistinguishable(
            values.values, std_errors=values.std_errors, efficient=given["efficient"]
        )
        names = federation.data.names
        alike = tuple((names[i], names[j]) for i, j in pairs)
        return Paid(settlement, payment_intervals(values, charged, earned, **given), alike, metered)

    return pay


def divided_by(
    config: Config, attribution: Attribution, value: Callable[[Any], Attribution]
) -> Attribution:
    """The values that the rule of a configuration divides by.

    Args:
        config: the configuration.
        attribution: the values of the run.
        value: estimator -> its values of the same game, from the same stored utilities.
    """
    wanted = config.build("economics").of
    if wanted in BY_VALUES or wanted == config.sections["estimator"].name:
        return attribution
    return value(_estimator(config, wanted))


def efficient(config: Config, rule: Rule) -> bool:
    """Whether the errors of the values that a rule divides by sum to zero: not where V(N) is
    uncertain itself.
    """
    given = config.sections["estimator"].keywords
    if given.get("repeats", 1) > 1 or config.sections["game"].keywords.get("resamples", 0):
        return False
    estimator = config.build("estimator") if rule.of in BY_VALUES else _estimator(config, rule.of)
    return bool(given.get("efficient") or estimator.guarantees.efficient)


def _verified(rule: Rule, implied: Any, how: str | None) -> Rule:
    """The rule, on costs held to what the members' devices imply where that is asked for."""
    return rule if how is None or implied is None else cap_costs(rule, implied, method=how)


def _revenue(options: Mapping[str, Any], values: Any) -> Any:
    """What there is to divide: as given, or read off the curve at V(N); at its end for values
    without one.
    """
    points = options.get("curve")
    if points is None:
        return options["revenue"]
    return curve(points).amount(
        float(getattr(values, "grand", points[-1][0])), options.get("minor_unit", "0.01")
    )


def _estimator(config: Config, name: str) -> Any:
    """That of the values that a rule asks for; of the whole table where the run values every
    coalition.
    """
    if config.sections["estimator"].name == "exact" and name == "banzhaf":
        return exact(semivalue="banzhaf")
    return ESTIMATORS[name]()
