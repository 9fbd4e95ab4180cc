"""Audits of what a member could gain as two, as a copy, with another, or by claiming more.

Each is computed from the table of all utilities, without training, under a stated model of what
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
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.audits.counterfactual import counterfactual_payments, identify_rule, values_by
from fedjax_shap.audits.evidence import Evidence, Finding, shown
from fedjax_shap.economics import money
from fedjax_shap.typing import HostArray

# part of the contribution that one half makes without the other
MODELS = {"halves": 0.5, "complements": 0.0}
OVERSTATED = (Fraction(1, 10), Fraction(1, 2), Fraction(1))  # of the cost
MOST_SPLIT = 14  # players: the table of one more has 32,768 rows


def false_name_splitting(evidence: Evidence) -> Finding:
    """Nobody gains a minor unit by appearing as two with half of its data each, sharing its cost.

    Two models: "halves", where one half makes half of the member's contribution to any coalition,
    and "complements", where it makes none without the other. What halves make in truth takes
    training (`experiments.misreporting`).
    """

    def gains() -> dict[str, list[Fraction]]:
        return {model: _split_gains(evidence, part, copied=False) for model, part in MODELS.items()}

    phrases = {
        "halves": "appearing as two, if one half contributed half as much as both",
        "complements": "appearing as two, if one half contributed nothing without the other",
    }
    return _finding("false_name_splitting", evidence, gains, list(evidence.names), phrases)


def replication(evidence: Evidence) -> Finding:
    """Nobody gains a minor unit by appearing a second time with a copy of its data.

    The two share the cost. The model: the copy adds nothing where the original is, and stands for
    it where it is not.
    """

    def gains() -> dict[str, list[Fraction]]:
        return {"copies": _split_gains(evidence, 1.0, copied=True)}

    phrases = {"copies": "appearing a second time with a copy of its data"}
    return _finding("replication", evidence, gains, list(evidence.names), phrases)


def merging(evidence: Evidence) -> Finding:
    """No two players gain a minor unit by appearing as one, with the data and the costs of both.

    This is exact and takes no model.
    """
    pairs = list(combinations(range(len(evidence.names)), 2))

    def gains() -> dict[str, list[Fraction]]:
        if not pairs:  # one player alone, which needs no utilities
            return {"merged": []}
        before = _before(evidence)
        return {"merged": [_merge_gain(evidence, before, one, other) for one, other in pairs]}

    names = [f"{evidence.names[one]} and {evidence.names[other]}" for one, other in pairs]
    return _finding("merging", evidence, gains, names, {"merged": "appearing as one"})


def over_reported_cost(evidence: Evidence) -> Finding:
    """Nobody gains a minor unit by claiming a cost 10 % above that of the settlement.

    Under `cost_aware` d r_i / d c_i = 1 - phi_i / sum(phi). Gains at 10, 50 and 100 % are in the
    numbers. Where the costs that devices and recorded work imply are known, so are the gains with
    costs capped at them, and the sentence names the players that claim more.
    """
    claimed = list(map(Fraction, evidence.settlement.costs))

    def gains() -> dict[str, list[Fraction]]:
        by_way = {
            f"{int(100 * more)} %": _overstated_gains(evidence, claimed, more)
            for more in OVERSTATED
        }
        if evidence.metered is not None:
            for more in OVERSTATED:
                capped = _overstated_gains(evidence, claimed, more, cap="cap")
                by_way[f"{int(100 * more)} %, capped"] = capped
        return by_way

    phrases = {"10 %": "claiming 10 % more than its cost"}
    finding = _finding("over_reported_cost", evidence, gains, list(evidence.names), phrases)
    if finding.holds is None:
        return finding
    sentences = [finding.sentence]
    if not finding.holds:
        sentences.append(_remedy(evidence, finding.numbers["gains"]))
    sentences += _above(evidence, claimed)
    return Finding(
        name=finding.name,
        holds=finding.holds,
        sentence=" ".join(sentences),
        numbers=finding.numbers,
    )


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
    rows = np.arange(2 * len(table))
    bit = 1 << player
    twin = len(table)
    # Nothing, a part or all of what the player adds, by how many of the two are there.
    without = table[rows & ~(bit | twin)]
    both = table[rows & ~twin | bit]
    present = ((rows & bit) > 0).astype(int) + ((rows & twin) > 0)
    return np.asarray(without + np.array([0.0, part, 1.0])[present] * (both - without))


def merged_table(table: HostArray, one: int, other: int) -> HostArray:
    """The game in which two players are one, in the place of `one`: float64[2^(P-1)].

    `other` > `one` is left out, and those after it move up.
    """
    rows = np.arange(len(table) // 2)
    # Make room for the bit of `other`, which is then set where that of `one` is.
    below = rows & (1 << other) - 1
    opened = (rows >> other << other + 1) | below
    return np.asarray(table[opened | (rows >> one & 1) << other])


def _split_gains(evidence: Evidence, part: float, *, copied: bool) -> list[Fraction]:
    """money[P]: what each player gains as two; see `split_table`."""
    before = _before(evidence)
    gains = []
    for player, paid in enumerate(before):
        after = _split_payments(evidence, player, part, copied=copied)
        gains.append(after[player] + after[-1] - paid)
    return gains


def _split_payments(
    evidence: Evidence, player: int, part: float, *, copied: bool
) -> tuple[Fraction, ...]:
    """money[P+1]: what is paid where `player` is two, the second of them last."""
    # The two halve the cost, claimed and implied.
    costs = list(map(Fraction, evidence.settlement.costs))
    implied = evidence.metered
    if implied is not None:
        implied = _replaced(implied, player, money.EXACT.divide(implied[player], 2))
    # A copy is as large as the original; halves share the examples.
    sizes = evidence.sizes
    if sizes is not None and copied:
        sizes = _replaced(sizes, player, sizes[player])
    elif sizes is not None:
        half = sizes[player] // 2
        sizes = _replaced(sizes, player, sizes[player] - half, half)
    values = _valued(evidence, lambda table: split_table(table, player, part), 1)
    costs = _replaced(costs, player, costs[player] / 2)
    names = [*evidence.names, f"the second {evidence.names[player]}"]
    return counterfactual_payments(evidence, values, costs, sizes, implied, names=names)


def _replaced(entries: Sequence[Any], player: int, one: Any, two: Any = None) -> list[Any]:
    """The entries with `one` in the place of a player's, and `two`, or again `one`, at the end."""
    last = one if two is None else two
    return [*entries[:player], one, *entries[player + 1 :], last]


def _merge_gain(evidence: Evidence, before: tuple[Fraction, ...], one: int, other: int) -> Fraction:
    """What `one` and `other` > `one` gain together as one, against what was paid before."""

    def joined(entries: Sequence[Any] | None) -> list[Any] | None:
        if entries is None:
            return None
        both = entries[one] + entries[other]
        return [*entries[:one], both, *entries[one + 1 : other], *entries[other + 1 :]]

    names = list(evidence.names)
    names[one] = f"{names[one]} and {names.pop(other)} as one"
    costs = joined(list(map(Fraction, evidence.settlement.costs))) or []
    values = _valued(evidence, lambda table: merged_table(table, one, other), -1)
    after = counterfactual_payments(
        evidence, values, costs, joined(evidence.sizes), joined(evidence.metered), names=names
    )
    return after[one] - before[one] - before[other]


def _overstated_gains(
    evidence: Evidence, claimed: list[Fraction], more: Fraction, cap: str | None = None
) -> list[Fraction]:
    """money[P]: what each player gains by claiming so much more, as a part of its cost."""
    values = np.array(evidence.settlement.values)

    def paid(costs: list[Fraction]) -> tuple[Fraction, ...]:
        return counterfactual_payments(
            evidence, values, costs, evidence.sizes, evidence.metered, cap=cap
        )

    before = paid(claimed)
    gains = []
    for player, cost in enumerate(claimed):
        raised = [*claimed[:player], cost * (1 + more), *claimed[player + 1 :]]
        gains.append(paid(raised)[player] - before[player])
    return gains


def _before(evidence: Evidence) -> tuple[Fraction, ...]:
    """What the rule pays on the table as it is.

    The values that the settlement was made from may be estimates, and differ from these.
    """
    unchanged = _valued(evidence, lambda table: table, 0)
    costs = tuple(map(Fraction, evidence.settlement.costs))
    return counterfactual_payments(evidence, unchanged, costs, evidence.sizes, evidence.metered)


def _valued(evidence: Evidence, change: Callable[[HostArray], HostArray], more: int) -> HostArray:
    """float64[P + more]: the values that the rule divides by, in the changed game."""
    rule, _ = identify_rule(evidence.settlement)
    if rule.of == "":
        return np.zeros(len(evidence.names) + more)
    if evidence.table is None:
        raise InvalidInputError("the utilities of some coalitions are not known")
    require(len(evidence.names) <= MOST_SPLIT, f"there are more than {MOST_SPLIT} members")
    return values_by(rule.of, change(evidence.table))


def _finding(
    name: str,
    evidence: Evidence,
    gains: Callable[[], dict[str, list[Fraction]]],
    who: list[str],
    phrases: dict[str, str],
) -> Finding:
    """The finding on gains by way and player (or pair); judged by the ways that have a phrase."""
    try:
        by_way = gains()
    except InvalidInputError as error:
        reason = str(error).rstrip(".")
        sentence = f"What manipulation gains cannot be computed: {reason}."
        return Finding(name=name, holds=None, sentence=sentence)
    # A sentence a way, on the player or pair that would gain most.
    unit = Fraction(evidence.settlement.minor_unit)
    sentences = []
    for way, phrase in phrases.items():
        winners = [(gain, player) for gain, player in zip(by_way[way], who) if gain >= unit]
        sentence = f"Nobody would gain by {phrase}"
        if winners:
            gain, player = max(winners, key=lambda pair: pair[0])
            sentence = f"{player} would gain {shown(gain, evidence)} by {phrase}"
        if len(winners) > 1:
            sentence += f", the most of {len(winners)} who would gain"
        sentences.append(f"{sentence}.")
    holds = not any(gain >= unit for way in phrases for gain in by_way[way])
    numbers = {"who": who, "gains": {way: list(map(float, each)) for way, each in by_way.items()}}
    return Finding(name=name, holds=holds, sentence=" ".join(sentences), numbers=numbers)


def _remedy(evidence: Evidence, gains: dict[str, list[float]]) -> str:
    """What capped costs would leave to gain."""
    if evidence.metered is None:
        return (
            "The remedy, costs capped at what devices and recorded work imply, needs metered costs."
        )
    most = Fraction(max(gains["10 %, capped"]))
    left = "nobody anything"
    if most >= evidence.settlement.minor_unit:
        left = f"at most {shown(most, evidence)}"
    return f"Costs capped at what devices and recorded work imply would leave {left} to gain."


def _above(evidence: Evidence, claimed: list[Fraction]) -> list[str]:
    """The sentence on players that claim more than is implied, where that is known and any do."""
    above = [
        f"{name} ({shown(cost, evidence)} where {shown(Fraction(due), evidence)} are implied)"
        for name, cost, due in zip(evidence.names, claimed, evidence.metered or ())
        if cost > Fraction(due)
    ]
    if not above:
        return []
    return [f"Claimed above what devices and recorded work imply: {', '.join(above)}."]
