"""Core stability: which coalition would earn more on its own than its members are paid, and by how
much.

A coalition on its own earns R(S), the revenue of its model. It objects where that exceeds what its
members are paid together, r(S) (Gillies 1959; least core: Maschler, Peleg, Shapley 1979). Its
members bear their costs c(S) in either case, so that R(S) - c(S) against the profits r(S) - c(S) is
the same comparison.
"""

from fractions import Fraction

import numpy as np
from scipy.optimize import linprog

from fedjax_shap.audits.evidence import Evidence, Finding, shown
from fedjax_shap.typing import HostArray, Masks

MOST_IN_A_PROGRAM = 12  # players: 4,094 coalitions; the linear program of more takes long
NAMED = 5  # coalitions listed in the numbers, those that object most


def core_stability(case: Evidence) -> Finding:
    """No coalition of some of the players would do better alone, by a minor unit a member or more.

    Revenues of coalitions are those of `case.curve`. Every coalition whose utility is known is
    looked at, exactly; where not all are, the property can be refuted but not shown. Where all of
    at most 12 players' are, a linear program tells the least e with which some division would leave
    no coalition more than e to gain: at e > 0 the core is empty, and no division whatever is
    stable.
    """
    name, curve = "core_stability", case.curve
    if case.masks is None or curve is None:
        missing = (
            "everybody's utility is not known to be above nobody's, and no revenue curve is given"
        )
        why = "no utilities are known" if case.masks is None else missing
        return Finding(
            name=name,
            holds=None,
            sentence=f"What coalitions would earn alone cannot be told: {why}.",
        )
    sizes = case.masks.sum(axis=1)
    proper = (sizes > 0) & (sizes < len(case.names))
    masks, sizes = case.masks[proper], sizes[proper]
    if not len(masks):
        return Finding(
            name=name, holds=None, sentence="No coalition of some of the players is known."
        )
    earned = curve.of(np.asarray(case.utilities)[proper].tolist())
    excess = [alone - paid for alone, paid in zip(earned, _paid(case, masks))]
    unit = Fraction(case.settlement.minor_unit)
    objecting = sum(gain >= unit * size for gain, size in zip(excess, sizes.tolist()))
    order = sorted(range(len(masks)), key=lambda at: -excess[at])
    least = _least_excess(case, earned, masks)
    named = [(_members(case, masks[at]), excess[at]) for at in order[:NAMED]]
    told = [_told(case, named[0], objecting, len(masks)), *_empty(case, least)]
    if case.revenue is None:
        told.append(
            "Revenues of coalitions were taken in proportion to what they add to nobody's utility."
        )
    numbers = {
        "objecting": objecting,
        "known": len(masks),
        "worst": [{"members": members, "gain": float(gain)} for members, gain in named],
        "least_excess": None if least is None else least[1],
        "least_core_payments": None if least is None else least[0].tolist(),
    }
    holds = False if objecting else True if case.table is not None else None
    return Finding(name=name, holds=holds, sentence=" ".join(told), numbers=numbers)


def least_excess(earned: HostArray, masks: Masks, total: float) -> tuple[HostArray, float]:
    """A division that leaves the coalition with most to gain alone as little to gain as can be.

    Args:
        earned: money[M], what coalitions earn alone.
        masks: bool[M, P], theirs; neither nobody nor everybody.
        total: money, what everybody together earns.

    Returns:
        (r, e): payments float64[P] that sum to `total`, not the only such ones, and the least e
        with r(S) + e >= R(S) for all of these coalitions.
    """
    num_players = masks.shape[1]
    scale = float(max(np.abs(earned).max(initial=0.0), abs(total))) or 1.0
    solved = linprog(
        np.eye(num_players + 1)[-1],
        A_ub=-np.pad(masks.astype(np.float64), ((0, 0), (0, 1)), constant_values=1),
        b_ub=-earned / scale,
        A_eq=np.append(np.ones(num_players), 0)[None],
        b_eq=[total / scale],
        bounds=(None, None),
        method="highs",
    )
    if not solved.success:
        raise RuntimeError(f"The linear program of the least core was not solved: {solved.message}")
    return solved.x[:-1] * scale, float(solved.x[-1]) * scale


def _paid(case: Evidence, masks: Masks) -> list[Fraction]:
    """money[M]: what the members of each coalition are paid together, exactly, counted in minor
    units.
    """
    unit = Fraction(case.settlement.minor_unit)
    counts = np.array(
        [int(Fraction(payment) / unit) for payment in case.settlement.payments], object
    )
    return [count * unit for count in (masks.astype(object) @ counts).tolist()]


def _least_excess(
    case: Evidence, earned: tuple[Fraction, ...], masks: Masks
) -> tuple[HostArray, float] | None:
    """The least excess of the case's game, where all of it is known and it is small enough."""
    if case.table is None or not 1 < len(case.names) <= MOST_IN_A_PROGRAM:
        return None
    return least_excess(np.array(list(map(float, earned))), masks, float(case.settlement.revenue))


def _told(case: Evidence, nearest: tuple[list[str], Fraction], objecting: int, count: int) -> str:
    """Who would do better alone, and by how much; or how far the nearest to it is from doing so."""
    members, gain = " + ".join(nearest[0]), nearest[1]
    known = f"the {count} coalitions of some of the players" + (
        "" if case.table is not None else " that are known"
    )
    if objecting:
        return f"{objecting} of {known} would do better alone, most of all {members}, by {shown(gain, case)}."
    if gain > 0:
        return f"None of {known} would do better alone by a minor unit a member."
    return f"None of {known} would do better alone; {members} is nearest, with {shown(-gain, case)} to lose."


def _empty(case: Evidence, least: tuple[HostArray, float] | None) -> list[str]:
    """Whether any division would be stable, where that was computed."""
    if least is None:
        return []
    if least[1] > float(case.settlement.minor_unit):
        amount = shown(Fraction(least[1]), case)
        return [
            f"The core is empty: whatever the division, some coalition has at least {amount} to "
            "gain."
        ]
    return ["Some division would leave no coalition anything to gain."]


def _members(case: Evidence, mask: HostArray) -> list[str]:
    return [name for name, member in zip(case.names, mask) if member]
