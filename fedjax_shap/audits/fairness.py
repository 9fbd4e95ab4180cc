"""Audits of what a settlement should be whatever anyone does: balance, rationality, fairness (Spec
5.1-5.7).

A property is judged exactly, but for what whole minor units forbid: payments may be off by less
than one. Values that come with standard errors are told apart at 95 %.
"""

from fractions import Fraction
from itertools import combinations

import numpy as np

from fedjax_shap.audits.evidence import ROUNDING, Evidence, Finding, shown
from fedjax_shap.economics import money
from fedjax_shap.economics.claims import listed
from fedjax_shap.typing import HostArray

SIGMAS = 1.96  # standard errors within which a value or a difference may be 0, at 95 %


def budget_balance(case: Evidence) -> Finding:
    """Payments sum to the revenue, exactly."""
    settled = case.settlement
    paid, revenue = sum(map(Fraction, settled.payments), Fraction(0)), Fraction(settled.revenue)
    off = paid - revenue
    told = f"Payments sum to {shown(paid, case)}, the revenue exactly."
    if off != 0:
        told = (
            f"Payments sum to {float(abs(off)):g} {'more' if off > 0 else 'less'} than the revenue."
        )
    numbers = {"paid": float(paid), "revenue": float(revenue), "difference": float(off)}
    return Finding(name="budget_balance", holds=off == 0, sentence=told, numbers=numbers)


def individual_rationality(case: Evidence) -> Finding:
    """Nobody is paid less than its cost, by a minor unit or more."""
    settled = case.settlement
    profits = list(map(Fraction, settled.profits))
    short = [
        (name, -profit)
        for name, profit in zip(settled.players, profits)
        if -profit >= settled.minor_unit
    ]
    spent = sum(map(Fraction, settled.costs), Fraction(0))
    lack = spent - Fraction(settled.revenue)
    told = "Every payment covers the player's cost."
    if short:
        told = f"Paid less than their costs, by: {listed((name, shown(by, case)) for name, by in short)}."
        if lack > 0:
            told += f" No payment could satisfy all, since costs exceed the revenue by {shown(lack, case)}."
    numbers = {"profits": list(map(float, profits)), "revenue_less_costs": float(-lack)}
    return Finding(name="individual_rationality", holds=not short, sentence=told, numbers=numbers)


def symmetry(case: Evidence) -> Finding:
    """Twins, players of equal marginal contributions to all coalitions known, have equal values.

    Equal means to rounding, or within 1.96 standard errors of the difference, taken as independent.
    """
    name = "symmetry"
    if case.masks is None:
        return Finding(
            name=name, holds=None, sentence="Twins cannot be looked for, as no utilities are known."
        )
    errors = np.zeros(len(case.names)) if case.std_errors is None else case.std_errors
    twins, apart = [], []
    for i, j in combinations(range(len(case.names)), 2):
        differences = _exchanged(case, i, j)
        if len(differences) and (np.abs(differences) <= ROUNDING * _scale(case.utilities)).all():
            twins.append((i, j))
            gap = abs(case.values[i] - case.values[j])
            if gap > ROUNDING * _scale(case.values) + SIGMAS * np.hypot(errors[i], errors[j]):
                apart.append((i, j, gap))
    told = (
        "No two players are twins"
        if not twins
        else f"Twins have equal values: {_pairs(case, twins)}"
    )
    if apart:
        told = "Twins of different values: " + ", ".join(
            f"{case.names[i]} and {case.names[j]} (by {gap:.6g})" for i, j, gap in apart
        )
    told += "." if case.table is not None else ", judged by the coalitions that are known."
    holds = False if apart else None if case.table is None else True
    return Finding(
        name=name, holds=holds, sentence=told, numbers={"twins": [list(pair) for pair in twins]}
    )


def null_players(case: Evidence) -> Finding:
    """Players that add nothing to any coalition known have value 0 and make no profit of a minor
    unit or more.
    """
    name = "null_players"
    if case.masks is None:
        return Finding(
            name=name,
            holds=None,
            sentence="Marginal contributions are not known: there are no utilities.",
        )
    marginals = [marginals_of(case, player) for player in range(len(case.names))]
    if not all(map(len, marginals)):
        told = "Too few utilities are known: of some players no marginal contribution can be told."
        return Finding(name=name, holds=None, sentence=told)
    nothing = ROUNDING * _scale(case.utilities)
    null = [player for player, each in enumerate(marginals) if (np.abs(each) <= nothing).all()]
    errors = np.zeros(len(case.names)) if case.std_errors is None else case.std_errors
    valued = [
        p for p in null if abs(case.values[p]) > ROUNDING * _scale(case.values) + SIGMAS * errors[p]
    ]
    paid = [p for p in null if case.settlement.profits[p] >= case.settlement.minor_unit]
    if not null:
        told = "Every player adds to some coalition."
    else:
        told = f"Of no use to any coalition: {', '.join(case.names[p] for p in null)}"
        wrong = [f"valued all the same: {_figures(case, valued)}"] if valued else []
        wrong += [f"in profit all the same: {_profits(case, paid)}"] if paid else []
        told += f"; {'; '.join(wrong)}." if wrong else "; neither valued nor in profit."
    whole = case.table is not None
    told += "" if whole else " Judged by the coalitions that are known."
    holds = False if valued or paid else True if whole or not null else None
    return Finding(
        name=name,
        holds=holds,
        sentence=told,
        numbers={"null": null, "valued": valued, "in_profit": paid},
    )


def free_riders(case: Evidence) -> Finding:
    """Nobody whose value cannot be told from 0, or is below it, makes a profit of a minor unit or
    more.
    """
    name = "free_riders"
    if case.std_errors is None and case.table is None:
        told = "Free riders cannot be told, as the values have no standard errors and not all utilities are known."
        return Finding(name=name, holds=None, sentence=told)
    errors = np.zeros(len(case.names)) if case.std_errors is None else case.std_errors
    idle = np.flatnonzero(case.values <= SIGMAS * errors + ROUNDING * _scale(case.values)).tolist()
    paid = [p for p in idle if case.settlement.profits[p] >= case.settlement.minor_unit]
    if not idle:
        told = "Every value is above 0 by more than its error."
    elif paid:
        told = f"Not told from worthless, and in profit: {_profits(case, paid)}."
    else:
        told = f"Not told from worthless, and without profit: {_figures(case, idle)}."
    return Finding(
        name=name, holds=not paid, sentence=told, numbers={"suspects": idle, "in_profit": paid}
    )


def proportionality(case: Evidence) -> Finding:
    """Profits of players of positive value are as their values, p_i / p_j = phi_i / phi_j (Spec
    5.1).

    What whole minor units forbid is allowed for: with w_i its share of those values, a profit may
    be off by 1 + K w_i minor units where K players have them. Players of other values are left to
    the audit of free riders.
    """
    settled, name = case.settlement, "proportionality"
    values = [max(Fraction(value), Fraction(0)) for value in settled.values]
    total, unit = sum(values), Fraction(settled.minor_unit)
    counted = [p for p, value in enumerate(values) if value > 0]
    if not counted:
        return Finding(
            name=name,
            holds=None,
            sentence="No player has a value above 0, so there is no proportion.",
        )
    profits = [
        Fraction(paid) - Fraction(cost) for paid, cost in zip(settled.payments, settled.costs)
    ]
    pool = sum((profits[p] for p in counted), Fraction(0))
    due = {p: values[p] / total * pool for p in counted}
    slack = unit / 1000  # floats stand for the exact values that were divided
    off = {p: profits[p] - due[p] for p in counted}
    wrong = [
        p for p in counted if abs(off[p]) > unit * (1 + len(counted) * values[p] / total) + slack
    ]
    told = "Profits are in proportion to values, to the minor unit."
    if wrong:
        worst = max(wrong, key=lambda p: abs(off[p]))
        told = (
            f"Profits are not in proportion to values: {case.names[worst]} makes "
            f"{shown(profits[worst], case)} where "
            f"its value is due {shown(due[worst], case)}, the furthest off of {len(wrong)} players."
        )
    numbers = {
        "profits": list(map(float, profits)),
        "due": {case.names[p]: float(d) for p, d in due.items()},
    }
    return Finding(name=name, holds=not wrong, sentence=told, numbers=numbers)


def marginals_of(case: Evidence, player: int) -> HostArray:
    """float64[K]: V(S + player) - V(S) for each coalition S of which both are known."""
    if case.masks is None:
        return np.empty(0)
    if case.table is not None:
        without = _rows_without(case, player)
        return np.asarray(case.table[without | 1 << player] - case.table[without])
    without = case.masks[~case.masks[:, player]]
    joined = without.copy()
    joined[:, player] = True
    marginals = case.known(joined) - case.known(without)
    return marginals[~np.isnan(marginals)]


def _exchanged(case: Evidence, one: int, other: int) -> HostArray:
    """float64[K]: V(S + one) - V(S + other) for each S without both of which both are known."""
    if case.table is not None:
        neither = _rows_without(case, one, other)
        return np.asarray(case.table[neither | 1 << one] - case.table[neither | 1 << other])
    masks = np.asarray(case.masks)
    held = masks[masks[:, one] & ~masks[:, other]]
    swapped = held.copy()
    swapped[:, one], swapped[:, other] = False, True
    differences = case.known(held) - case.known(swapped)
    return differences[~np.isnan(differences)]


def _rows_without(case: Evidence, *players: int) -> HostArray:
    """The rows of the table that hold none of these players."""
    rows = np.arange(2 ** len(case.names))
    return rows[(rows & sum(1 << player for player in players)) == 0]


def _scale(numbers: HostArray | None) -> float:
    return float(np.abs(np.asarray(numbers)).max(initial=0.0))


def _pairs(case: Evidence, pairs: list[tuple[int, int]]) -> str:
    return ", ".join(f"{case.names[i]} and {case.names[j]}" for i, j in pairs)


def _figures(case: Evidence, players: list[int]) -> str:
    return listed((case.names[p], f"{case.values[p]:.6g}") for p in players)


def _profits(case: Evidence, players: list[int]) -> str:
    return listed((case.names[p], money.written(case.settlement.profits[p])) for p in players)
