"""Audits of what a settlement should be whatever anyone does: balance, rationality, fairness.

A property is judged exactly, but for what whole minor units forbid: payments may be off by less
than one. Values that come with standard errors are compared at 95 %. Twins and null players are
those of Shapley's axioms (Shapley 1953), over all coalitions or over those that are known.
"""

from fractions import Fraction
from itertools import combinations

import numpy as np

from fedjax_shap.audits.evidence import ROUNDING, Evidence, Finding, shown
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import listed
from fedjax_shap.shapley import axioms
from fedjax_shap.typing import HostArray

SIGMAS = 1.96  # standard errors within which a value or a difference may be 0, at 95 %


def budget_balance(evidence: Evidence) -> Finding:
    """Payments sum to the revenue, exactly; a permanent member's is among them."""
    settlement = evidence.settlement
    paid = sum(map(Fraction, settlement.payments), Fraction(0))
    revenue = Fraction(settlement.revenue)
    if settlement.permanent is not None:
        paid += Fraction(settlement.permanent.payment)
        revenue = Fraction(settlement.permanent.revenue)
    off = paid - revenue
    sentence = f"Payments sum to {shown(paid, evidence)}, the revenue exactly."
    if off > 0:
        sentence = f"Payments sum to {float(off):g} more than the revenue."
    if off < 0:
        sentence = f"Payments sum to {float(-off):g} less than the revenue."
    numbers = {"paid": float(paid), "revenue": float(revenue), "difference": float(off)}
    return Finding(name="budget_balance", holds=off == 0, sentence=sentence, numbers=numbers)


def individual_rationality(evidence: Evidence) -> Finding:
    """Nobody is paid less than its cost, by a minor unit or more; nor is a permanent member."""
    settlement = evidence.settlement
    profits = list(map(Fraction, settlement.profits))
    members = list(zip(settlement.players, profits))
    if settlement.permanent is not None:
        members.append((settlement.permanent.name, Fraction(settlement.permanent.profit)))
    short = [
        (name, shown(-profit, evidence))
        for name, profit in members
        if -profit >= settlement.minor_unit
    ]
    missing = sum(map(Fraction, settlement.costs), -Fraction(settlement.revenue))
    sentence = "Every payment covers the member's cost."
    if short:
        sentence = f"Paid less than their costs, by: {listed(short)}."
        if missing > 0:
            sentence += (
                " No payment could satisfy all, since costs exceed the revenue by "
                f"{shown(missing, evidence)}."
            )
    return Finding(
        name="individual_rationality",
        holds=not short,
        sentence=sentence,
        numbers={"profits": list(map(float, profits)), "revenue_less_costs": float(-missing)},
    )


def symmetry(evidence: Evidence) -> Finding:
    """Twins, players of equal marginal contributions to all coalitions known, have equal values.

    Equal means to rounding, or within 1.96 standard errors of the difference, taken as independent.
    """
    name = "symmetry"
    if evidence.masks is None:
        sentence = "Twins cannot be looked for, as no utilities are known."
        return Finding(name=name, holds=None, sentence=sentence)
    # Find the twins, then those whose values differ by more than rounding and errors explain.
    twins = _twins(evidence)
    errors = _std_errors(evidence)
    rounding = ROUNDING * _scale(evidence.values)
    apart = []
    for i, j in twins:
        gap = abs(evidence.values[i] - evidence.values[j])
        if gap > rounding + SIGMAS * np.hypot(errors[i], errors[j]):
            apart.append(f"{_pair(evidence, i, j)} (by {gap:.6g})")
    sentence = "No two members are twins"
    if apart:
        sentence = f"Twins of different values: {', '.join(apart)}"
    elif twins:
        pairs = ", ".join(_pair(evidence, i, j) for i, j in twins)
        sentence = f"Twins have equal values: {pairs}"
    if evidence.table is None:
        sentence += ", judged by the coalitions that are known"
    return Finding(
        name=name,
        holds=_judged(broken=bool(apart), complete=evidence.table is not None),
        sentence=f"{sentence}.",
        numbers={"twins": [list(pair) for pair in twins]},
    )


def null_players(evidence: Evidence) -> Finding:
    """Players that add nothing to any coalition known have value 0 and make no profit.

    A profit of less than a minor unit is none.
    """
    name = "null_players"
    if evidence.masks is None:
        sentence = "Marginal contributions are not known: there are no utilities."
        return Finding(name=name, holds=None, sentence=sentence)
    null = _nulls(evidence)
    if null is None:
        sentence = (
            "Too few utilities are known: some members have no marginal contribution that is known."
        )
        return Finding(name=name, holds=None, sentence=sentence)
    # Find those with a value or a profit that null players should not have.
    limits = ROUNDING * _scale(evidence.values) + SIGMAS * _std_errors(evidence)
    valued = [p for p in null if abs(evidence.values[p]) > limits[p]]
    paid = _in_profit(evidence, null)
    sentence = "Every member adds to some coalition."
    if null:
        names = ", ".join(evidence.names[p] for p in null)
        sentence = f"These members add nothing to any coalition: {names}"
        wrong = []
        if valued:
            wrong.append(f"yet valued: {_figures(evidence, valued)}")
        if paid:
            wrong.append(f"yet paid a profit: {_profits(evidence, paid)}")
        sentence += f"; {'; '.join(wrong) or 'neither valued nor in profit'}."
    if evidence.table is None:
        sentence += " Judged by the coalitions that are known."
    return Finding(
        name=name,
        holds=_judged(broken=bool(valued or paid), complete=evidence.table is not None or not null),
        sentence=sentence,
        numbers={"null": null, "valued": valued, "in_profit": paid},
    )


def free_riders(evidence: Evidence) -> Finding:
    """Nobody whose value is indistinguishable from 0, or below it, makes a profit.

    A profit of less than a minor unit is none.
    """
    name = "free_riders"
    if evidence.std_errors is None and evidence.table is None:
        sentence = (
            "Free riders cannot be identified, as the values have no standard errors and not all "
            "utilities are known."
        )
        return Finding(name=name, holds=None, sentence=sentence)
    limits = SIGMAS * _std_errors(evidence) + ROUNDING * _scale(evidence.values)
    suspects = np.flatnonzero(evidence.values <= limits).tolist()
    paid = _in_profit(evidence, suspects)
    sentence = "Every value is above 0 by more than its error."
    if paid:
        riders = _profits(evidence, paid)
        sentence = f"Values indistinguishable from zero or below it, yet paid a profit: {riders}."
    elif suspects:
        figures = _figures(evidence, suspects)
        sentence = f"Values indistinguishable from zero or below it, and paid no profit: {figures}."
    return Finding(
        name=name,
        holds=not paid,
        sentence=sentence,
        numbers={"suspects": suspects, "in_profit": paid},
    )


def proportionality(evidence: Evidence) -> Finding:
    """Profits of players of positive value are as their values, p_i / p_j = phi_i / phi_j.

    What whole minor units forbid is allowed for: with w_i its share of those values, a profit may
    be off by 1 + K w_i minor units where K players have them. Players of other values are left to
    the audit of free riders.
    """
    settlement = evidence.settlement
    values = {p: Fraction(value) for p, value in enumerate(settlement.values) if value > 0}
    if not values:
        sentence = "No member has a value above 0, so there is no proportion."
        return Finding(name="proportionality", holds=None, sentence=sentence)
    total = sum(values.values(), Fraction(0))
    unit = Fraction(settlement.minor_unit)
    rows = zip(settlement.payments, settlement.costs)
    profits = [Fraction(paid) - Fraction(cost) for paid, cost in rows]
    # What each would get if the profits of all of them were divided by value.
    pool = sum((profits[p] for p in values), Fraction(0))
    due = {p: value / total * pool for p, value in values.items()}
    off = {p: profits[p] - due[p] for p in values}
    slack = unit / 1000  # floats stand for the exact values that were divided
    wrong = [
        p
        for p, value in values.items()
        if abs(off[p]) > unit * (1 + len(values) * value / total) + slack
    ]
    sentence = "Profits are in proportion to values, to the minor unit."
    if wrong:
        worst = max(wrong, key=lambda p: abs(off[p]))
        sentence = (
            f"Profits are not in proportion to values: {evidence.names[worst]} makes "
            f"{shown(profits[worst], evidence)} where its value is due "
            f"{shown(due[worst], evidence)}, the furthest off of {len(wrong)} members."
        )
    numbers = {
        "profits": list(map(float, profits)),
        "due": {evidence.names[p]: float(amount) for p, amount in due.items()},
    }
    return Finding(name="proportionality", holds=not wrong, sentence=sentence, numbers=numbers)


def _judged(*, broken: bool, complete: bool) -> bool | None:
    """Whether a property holds; None where it is not broken but the evidence is not complete."""
    if broken:
        return False
    if complete:
        return True
    return None


def _twins(evidence: Evidence) -> list[tuple[int, int]]:
    """Pairs that can be exchanged in every coalition of which both utilities are known."""
    tolerance = ROUNDING * _scale(evidence.utilities)
    if evidence.table is not None:
        return list(axioms.twin_players(evidence.table, tolerance))
    twins = []
    for one, other in combinations(range(len(evidence.names)), 2):
        differences = _exchanged(evidence, one, other)
        if len(differences) and (np.abs(differences) <= tolerance).all():
            twins.append((one, other))
    return twins


def _nulls(evidence: Evidence) -> list[int] | None:
    """Players that add nothing, as far as is known; None where of one nothing is known."""
    tolerance = ROUNDING * _scale(evidence.utilities)
    if evidence.table is not None:
        return list(axioms.null_players(evidence.table, tolerance))
    marginals = [_marginals(evidence, player) for player in range(len(evidence.names))]
    if not all(map(len, marginals)):
        return None
    return [player for player, each in enumerate(marginals) if (np.abs(each) <= tolerance).all()]


def _marginals(evidence: Evidence, player: int) -> HostArray:
    """float64[K]: V(S + player) - V(S) for each coalition S of which both are known."""
    masks = np.asarray(evidence.masks)
    without = masks[~masks[:, player]]
    joined = without.copy()
    joined[:, player] = True
    return _differences(evidence, joined, without)


def _exchanged(evidence: Evidence, one: int, other: int) -> HostArray:
    """float64[K]: V(S + one) - V(S + other) for each S without both of which both are known."""
    masks = np.asarray(evidence.masks)
    first = masks[masks[:, one] & ~masks[:, other]]
    second = first.copy()
    second[:, one] = False
    second[:, other] = True
    return _differences(evidence, first, second)


def _differences(evidence: Evidence, first: HostArray, second: HostArray) -> HostArray:
    """float64[K]: the differences of utilities of coalitions bool[M, P], where both are known."""
    differences = evidence.known(first) - evidence.known(second)
    return np.asarray(differences[~np.isnan(differences)])


def _std_errors(evidence: Evidence) -> HostArray:
    """float64[P]: the standard errors of the values, 0 where they are not known."""
    if evidence.std_errors is None:
        return np.zeros(len(evidence.names))
    return evidence.std_errors


def _scale(numbers: HostArray | None) -> float:
    return float(np.abs(np.asarray(numbers)).max(initial=0.0))


def _in_profit(evidence: Evidence, players: list[int]) -> list[int]:
    """Those of `players` that make a profit of a minor unit or more."""
    settlement = evidence.settlement
    return [p for p in players if settlement.profits[p] >= settlement.minor_unit]


def _pair(evidence: Evidence, one: int, other: int) -> str:
    return f"{evidence.names[one]} and {evidence.names[other]}"


def _figures(evidence: Evidence, players: list[int]) -> str:
    return listed((evidence.names[p], f"{evidence.values[p]:.6g}") for p in players)


def _profits(evidence: Evidence, players: list[int]) -> str:
    profits = evidence.settlement.profits
    return listed((evidence.names[p], money.written(profits[p])) for p in players)
