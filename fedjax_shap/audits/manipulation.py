"""Audits of what a member could gain by not being itself: as two, as a copy, with another, or at a
higher cost.

Each is worked out on the table of all utilities, without training, under a stated model of what
parts are worth. That a member splits in two, joined by coalitions S of the others, moves its value
by (2 q - 1) times the sum over S of w(|S|) [V(S + i) - V(S)] (P - 2 |S| - 1) / (P + 1), w Shapley's
weights and q the part of its contribution that one half makes alone. So halves (q = 1/2) gain
nothing under the Shapley value, and copies (q = 1) gain where contributions fall with size. That
false names can pay: Yokoo, Conitzer et al. 2005; replication: Han et al. 2021, "Replication robust
payoff allocation in submodular cooperative games".
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.audits.counterfactual import counterfactual_payments, rule_of, values_by
from fedjax_shap.audits.evidence import Evidence, Finding, shown
from fedjax_shap.economics import money
from fedjax_shap.typing import HostArray

MODELS = {
    "halves": 0.5,
    "complements": 0.0,
}  # part of the contribution that one half makes without the other
OVERSTATED = (Fraction(1, 10), Fraction(1, 2), Fraction(1))  # of the cost
MOST_SPLIT = 14  # players: the table of one more has 32,768 rows


def false_name_splitting(case: Evidence) -> Finding:
    """Nobody gains a minor unit by appearing as two with half of its data each, sharing its cost.

    Two models: "halves", where one half makes half of the member's contribution to any coalition,
    and "complements", where it makes none without the other. What halves make in truth takes
    training (`experiments.misreporting`).
    """

    def gains() -> dict[str, list[Fraction]]:
        players = range(len(case.names))
        return {
            model: [_split(case, player, part, copied=False) for player in players]
            for model, part in MODELS.items()
        }

    said = {
        "halves": "appearing as two, if one half contributed half as much as both",
        "complements": "appearing as two, if one half contributed nothing without the other",
    }
    return _found("false_name_splitting", case, gains, list(case.names), said)


def replication(case: Evidence) -> Finding:
    """Nobody gains a minor unit by appearing a second time with a copy of its data, its cost shared
    by the two.

    The model: the copy adds nothing where the original is, and stands for it where it is not.
    """

    def gains() -> dict[str, list[Fraction]]:
        return {
            "copies": [_split(case, player, 1.0, copied=True) for player in range(len(case.names))]
        }

    said = {"copies": "appearing a second time with a copy of its data"}
    return _found("replication", case, gains, list(case.names), said)


def merging(case: Evidence) -> Finding:
    """No two players gain a minor unit by appearing as one, with the data and the costs of both;
    exact, no model.
    """
    pairs = list(combinations(range(len(case.names)), 2))

    def gains() -> dict[str, list[Fraction]]:
        return {"merged": [_merge(case, one, other) for one, other in pairs]}

    names = [f"{case.names[one]} and {case.names[other]}" for one, other in pairs]
    return _found("merging", case, gains, names, {"merged": "appearing as one"})


def over_reported_cost(case: Evidence) -> Finding:
    """Nobody gains a minor unit by claiming a cost 10 % above that of the settlement.

    Under 5.2 d r_i / d c_i = 1 - phi_i / sum(phi). Gains at 10, 50 and 100 % are in the numbers.
    Where what devices and recorded work imply is known, so are the gains with costs capped at it,
    and it is told who claims more than that.
    """
    values, claimed = np.array(case.settlement.values), list(map(Fraction, case.settlement.costs))

    def gained(more: Fraction, how: str | None = None) -> list[Fraction]:
        raised = [
            [*claimed[:p], cost * (1 + more), *claimed[p + 1 :]] for p, cost in enumerate(claimed)
        ]
        first, *others = (
            counterfactual_payments(case, values, costs, case.sizes, case.metered, how=how)
            for costs in [claimed, *raised]
        )
        return [paid[p] - first[p] for p, paid in enumerate(others)]

    def gains() -> dict[str, list[Fraction]]:
        found = {f"{int(100 * more)} %": gained(more) for more in OVERSTATED}
        if case.metered is not None:
            found |= {f"{int(100 * more)} %, capped": gained(more, "cap") for more in OVERSTATED}
        return found

    name = "over_reported_cost"
    found = _found(
        name, case, gains, list(case.names), {"10 %": "claiming 10 % more than its cost"}
    )
    if found.holds is None:
        return found
    told = [
        found.sentence,
        *([] if found.holds else [_remedy(case, found.numbers["gains"])]),
        *_above(case, claimed),
    ]
    return Finding(name=name, holds=found.holds, sentence=" ".join(told), numbers=found.numbers)


def split_table(table: HostArray, player: int, part: float) -> HostArray:
    """The game in which a player is two: itself, and a new player behind all others.

    Args:
        table: float64[2^P], in the order of `coalitions.ranks`.
        player: 0..P-1.
        part: what one of the two makes without the other, as a part of V(S + player) - V(S): 0 to
            1.

    Returns:
        float64[2^(P+1)].
    """
    rows, bit, twin = np.arange(2 * len(table)), 1 << player, len(table)
    without = table[rows & ~(bit | twin)]
    both = table[rows & ~twin | bit]
    present = ((rows & bit) > 0).astype(int) + ((rows & twin) > 0)
    return without + np.array([0.0, part, 1.0])[present] * (both - without)


def merged_table(table: HostArray, one: int, other: int) -> HostArray:
    """The game in which two players are one, in the place of `one`, and `other` > `one` is gone:
    float64[2^(P-1)].
    """
    rows = np.arange(len(table) // 2)
    opened = (rows >> other << other + 1) | (
        rows & (1 << other) - 1
    )  # a bit of room where `other` was
    return np.asarray(table[opened | (rows >> one & 1) << other])


def _split(case: Evidence, player: int, part: float, *, copied: bool) -> Fraction:
    """What `player` gains as two."""
    costs = list(map(Fraction, case.settlement.costs))
    costs = [*costs[:player], costs[player] / 2, *costs[player + 1 :], costs[player] / 2]
    implied = case.metered
    if implied is not None:
        half = money.EXACT.divide(implied[player], 2)
        implied = (*implied[:player], half, *implied[player + 1 :], half)
    sizes = case.sizes
    if sizes is not None:
        whole = sizes[player]
        one, two = (whole, whole) if copied else (whole - whole // 2, whole // 2)
        sizes = (*sizes[:player], one, *sizes[player + 1 :], two)
    after = counterfactual_payments(
        case, _valued(case, lambda t: split_table(t, player, part), 1), costs, sizes, implied
    )
    return after[player] + after[-1] - _before(case)[player]


def _merge(case: Evidence, one: int, other: int) -> Fraction:
    """What `one` and `other` > `one` gain together as one."""

    def joined(each: Sequence) -> list:  # type: ignore[type-arg]
        return [*each[:one], each[one] + each[other], *each[one + 1 : other], *each[other + 1 :]]

    costs = joined(list(map(Fraction, case.settlement.costs)))
    sizes = None if case.sizes is None else joined(case.sizes)
    implied = None if case.metered is None else joined(case.metered)
    after = counterfactual_payments(
        case, _valued(case, lambda t: merged_table(t, one, other), -1), costs, sizes, implied
    )
    before = _before(case)
    return after[one] - before[one] - before[other]


def _before(case: Evidence) -> tuple[Fraction, ...]:
    """What the rule pays on the table as it is: values of a sample may differ from the
    settlement's.
    """
    unchanged = _valued(case, lambda t: t, 0)
    costs = tuple(map(Fraction, case.settlement.costs))
    return counterfactual_payments(case, unchanged, costs, case.sizes, case.metered)


def _valued(case: Evidence, change: Callable[[HostArray], HostArray], more: int) -> HostArray:
    """The values by which the case's rule divides, in the game changed so; `more` players than
    now.
    """
    rule, _ = rule_of(case.settlement)
    if rule.of == "":
        return np.zeros(len(case.names) + more)
    table = case.table
    if table is None:
        raise InvalidInputError("the utilities of some coalitions are not known")
    if len(case.names) > MOST_SPLIT:
        raise InvalidInputError(f"there are more than {MOST_SPLIT} players")
    return values_by(rule.of, change(table))


def _found(
    name: str,
    case: Evidence,
    gains: Callable[[], dict[str, list[Fraction]]],
    who: list[str],
    said: dict[str, str],
) -> Finding:
    """The finding on gains by way and player (or pair); judged by the ways that are said."""
    try:
        found = gains()
    except InvalidInputError as why:
        reason = str(why).rstrip(".")
        return Finding(
            name=name,
            holds=None,
            sentence=f"What manipulation gains cannot be worked out: {reason}.",
        )
    unit, told = Fraction(case.settlement.minor_unit), []
    for way, saying in said.items():
        winners = [(gain, player) for gain, player in zip(found[way], who) if gain >= unit]
        if winners:
            gain, player = max(winners, key=lambda pair: pair[0])
            others = f", the most of {len(winners)} who would gain" if len(winners) > 1 else ""
            told.append(f"{player} would gain {shown(gain, case)} by {saying}{others}.")
        else:
            told.append(f"Nobody would gain by {saying}.")
    holds = not any(gain >= unit for way in said for gain in found[way])
    numbers = {"who": who, "gains": {way: list(map(float, each)) for way, each in found.items()}}
    return Finding(name=name, holds=holds, sentence=" ".join(told), numbers=numbers)


def _remedy(case: Evidence, gains: dict[str, list[float]]) -> str:
    """What verified costs would leave to gain."""
    if case.metered is None:
        return (
            "The remedy, costs capped at what devices and recorded work imply, needs metered costs."
        )
    most = Fraction(max(gains["10 %, capped"]))
    left = (
        f"at most {shown(most, case)}" if most >= case.settlement.minor_unit else "nobody anything"
    )
    return f"Costs capped at what devices and recorded work imply would leave {left} to gain."


def _above(case: Evidence, claimed: list[Fraction]) -> list[str]:
    """The sentence on who claims more than is implied, where that is known and anyone does."""
    if case.metered is None:
        return []
    above = [
        f"{name} ({shown(cost, case)} where {shown(Fraction(due), case)} are implied)"
        for name, cost, due in zip(case.names, claimed, case.metered)
        if cost > Fraction(due)
    ]
    return (
        [f"Claimed above what devices and recorded work imply: {', '.join(above)}."]
        if above
        else []
    )
