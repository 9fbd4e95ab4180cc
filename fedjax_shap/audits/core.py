"""Core stability: which coalition would earn more on its own than its members are paid.

A coalition on its own earns R(S), the revenue of its model. It objects where that exceeds what its
members are paid together, r(S) (Gillies 1959; least core: Maschler, Peleg, Shapley 1979). Its
members bear their costs c(S) in either case, so that R(S) - c(S) against the profits r(S) - c(S) is
the same comparison.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap.audits.evidence import Evidence, Finding, shown
from fedjax_shap.shapley.least_core import least_subsidy
from fedjax_shap.typing import HostArray, Masks

MOST_IN_A_PROGRAM = 12  # players: 4,094 coalitions; the linear program of more takes long
NAMED = 5  # coalitions listed in the numbers, those that object most


class _Objections(NamedTuple):
    """What the coalitions of some of the players would gain alone.

    Attributes:
        masks: bool[M, P], the coalitions.
        excess: money[M], R(S) - r(S), exact.
        objecting: how many would gain a minor unit a member or more.
        order: int[M], those that would gain most first.
        least: payments float64[P] to which coalitions object least, and how much one has to gain
            even then; None where that was not computed.
    """

    masks: Masks
    excess: list[Fraction]
    objecting: int
    order: list[int]
    least: tuple[HostArray, float] | None


def core_stability(evidence: Evidence) -> Finding:
    """No coalition of some of the players would do better alone, by a minor unit a member or more.

    Revenues of coalitions are those of `evidence.curve`. Every coalition whose utility is known is
    looked at, exactly; where not all are, the property can be refuted but not shown. Where all of
    at most 12 players' are, a linear program finds the least e with which some division would leave
    no coalition more than e to gain: at e > 0 the core is empty, and no division is stable.
    """
    if evidence.masks is None:
        return _unjudged("What coalitions would earn alone is unknown: no utilities are known.")
    if evidence.curve is None:
        return _unjudged(
            "What coalitions would earn alone is unknown: the utility of everybody is not known to "
            "exceed that of the empty coalition, and no revenue curve is given."
        )
    objections = _objections(evidence)
    if objections is None:
        return _unjudged("No coalition of some of the members is known.")
    numbers = {
        "objecting": objections.objecting,
        "known": len(objections.masks),
        "worst": [
            {
                "members": _members(evidence, objections.masks[at]),
                "gain": float(objections.excess[at]),
            }
            for at in objections.order[:NAMED]
        ],
        "least_excess": objections.least and objections.least[1],
        "least_core_payments": objections.least and objections.least[0].tolist(),
    }
    # One objection refutes the property; it takes all coalitions to show it.
    holds = None
    if objections.objecting:
        holds = False
    elif evidence.table is not None:
        holds = True
    sentence = " ".join(_sentences(evidence, objections))
    return Finding(name="core_stability", holds=holds, sentence=sentence, numbers=numbers)


def _unjudged(sentence: str) -> Finding:
    """The finding where the evidence does not suffice."""
    return Finding(name="core_stability", holds=None, sentence=sentence)


def _objections(evidence: Evidence) -> _Objections | None:
    """What the coalitions that are known would gain alone; None where none of them is proper."""
    masks: Any = evidence.masks
    curve: Any = evidence.curve
    sizes = masks.sum(axis=1)
    proper = (sizes > 0) & (sizes < len(evidence.names))
    if not proper.any():
        return None
    # What each coalition earns alone, less what its members are paid together.
    masks = masks[proper]
    earned = curve.of(np.asarray(evidence.utilities)[proper].tolist())
    excess = [alone - paid for alone, paid in zip(earned, _paid(evidence, masks))]
    # A gain that rounding to minor units explains, one a member, is no reason to leave.
    unit = Fraction(evidence.settlement.minor_unit)
    pairs = zip(excess, sizes[proper].tolist())
    return _Objections(
        masks=masks,
        excess=excess,
        objecting=sum(gain >= unit * size for gain, size in pairs),
        order=sorted(range(len(masks)), key=lambda at: -excess[at]),
        least=_least_core(evidence, earned, masks),
    )


def _paid(evidence: Evidence, masks: Masks) -> list[Fraction]:
    """money[M]: what the members of each coalition are paid together, exactly."""
    # Whole minor units are integers of any size, which one product adds up.
    unit = Fraction(evidence.settlement.minor_unit)
    payments = map(Fraction, evidence.settlement.payments)
    counts = np.array([int(payment / unit) for payment in payments], object)
    return [count * unit for count in (masks.astype(object) @ counts).tolist()]


def _least_core(
    evidence: Evidence, earned: Sequence[Fraction], masks: Masks
) -> tuple[HostArray, float] | None:
    """The least core, where all utilities are known and the linear program is small enough."""
    if evidence.table is None or not 1 < len(evidence.names) <= MOST_IN_A_PROGRAM:
        return None
    revenue = float(evidence.settlement.revenue)
    return least_subsidy(masks, np.array(list(map(float, earned))), revenue)


def _sentences(evidence: Evidence, objections: _Objections) -> list[str]:
    """Which coalition would gain most, whether the core is empty, and how revenues were taken."""
    sentences = [_nearest(evidence, objections)]
    if objections.least is not None:
        amount = shown(Fraction(objections.least[1]), evidence)
        if objections.least[1] > float(evidence.settlement.minor_unit):
            sentences.append(
                f"The core is empty: whatever the division, some coalition has at least {amount} "
                "to gain."
            )
        else:
            sentences.append("Some division would leave no coalition anything to gain.")
    permanent = evidence.settlement.permanent
    if permanent is not None:
        sentences.append(
            f"Every coalition is one with {permanent.name!r}; what that is paid was taken off its "
            "revenue."
        )
    if evidence.revenue is None:
        sentences.append(
            "Revenues of coalitions were taken in proportion to what they add to the utility of "
            "the empty one."
        )
    return sentences


def _nearest(evidence: Evidence, objections: _Objections) -> str:
    """Which coalition would gain most alone; or which is nearest to it, and what it would lose."""
    first = objections.order[0]
    gain = objections.excess[first]
    members = " + ".join(_members(evidence, objections.masks[first]))
    known = f"the {len(objections.masks)} coalitions of some of the members"
    if evidence.table is None:
        known += " that are known"
    if objections.objecting:
        return (
            f"{objections.objecting} of {known} would do better alone, most of all {members}, by "
            f"{shown(gain, evidence)}."
        )
    if gain > 0:
        return f"None of {known} would do better alone by a minor unit a member."
    return (
        f"None of {known} would do better alone; {members} is nearest, with "
        f"{shown(-gain, evidence)} to lose."
    )


def _members(evidence: Evidence, mask: HostArray) -> list[str]:
    return [name for name, member in zip(evidence.names, mask) if member]
