"""Claims: what the players bring to a settlement, read exactly and refused early."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fedjax_shap._validate import require
from fedjax_shap.economics.money import amount, amounts, counts, exact, items


@dataclass(frozen=True, kw_only=True)
class Claims:
    """The numbers that a rule divides by, all of them exact.

    Attributes:
        players: the P names, all different.
        values: phi[P], in any unit: only their ratios matter.
        costs: c[P] >= 0, in money.
        revenue: R >= 0, in money.
        sizes: examples[P], or None where they were not given.
    """

    players: tuple[str, ...]
    values: tuple[Fraction, ...]
    costs: tuple[Fraction, ...]
    revenue: Fraction
    sizes: tuple[int, ...] | None = None


def claims(
    values: Any,
    costs: Any,
    revenue: Any,
    *,
    players: Sequence[str] | None = None,
    sizes: Any = None,
) -> Claims:
    """Reads the claims of P players.

    Args:
        values: number[P], list or array; or a mapping from names to numbers.
        costs: amount[P]; see `money.amount` for what an amount may be. A mapping from names goes by
            name, as for `sizes`.
        revenue: an amount.
        players: the P names; "player 0", ... if None.
        sizes: int[P], or None.

    Returns:
        The claims, exactly as given.

    Raises:
        InvalidInputError: no players, shapes that disagree, a value that is not a finite number, a
            cost or a revenue that is not an amount >= 0, a size that is not a whole number >= 0, or
            names that are not all different.
    """
    if isinstance(values, Mapping):
        if players is None:
            players = list(values)
        values = by_name("values", values, items("players", players))
    entries = items("values", values)
    require(len(entries) > 0, "Expected values to hold at least one player, got none.")
    names = named(players, len(entries))
    costs = by_name("costs", costs, names)
    if sizes is not None:
        sizes = counts("sizes", by_name("sizes", sizes, names), names)
    return Claims(
        players=names,
        values=tuple(exact(f"values[{name!r}]", value) for name, value in zip(names, entries)),
        costs=tuple(map(Fraction, amounts("costs", costs, names))),
        revenue=Fraction(amount("revenue", revenue)),
        sizes=sizes,
    )


def by_name(argument: str, given: Any, names: Sequence[str]) -> Any:
    """The entries of a mapping from names in the order of the players; anything else as it is."""
    if not isinstance(given, Mapping):
        return given
    missing = [name for name in names if name not in given]
    strangers = [name for name in given if name not in names]
    require(
        not missing and not strangers,
        f"Expected {argument} to name each of the players {quoted(names)}, got {quoted(given)}.",
    )
    return [given[name] for name in names]


def named(players: Sequence[str] | None, length: int) -> tuple[str, ...]:
    """The players' names: those given, if they differ from each other, or "player 0", ..."""
    if players is None:
        return tuple(f"player {i}" for i in range(length))
    names = items("players", players, length)
    for i, name in enumerate(names):
        require(
            isinstance(name, str) and name.strip() != "",
            f"Expected players[{i}]={name!r} to be a name.",
        )
    twice = [name for name, times in Counter(names).items() if times > 1]
    require(
        not twice,
        f"Expected players to differ from each other, got {quoted(twice)} more than once.",
    )
    return tuple(map(str, names))


def listed(pairs: Iterable[tuple[str, str]]) -> str:
    """Players with a number each, as a note lists them: A (1.00), B (2.00)."""
    return ", ".join(f"{player} ({figure})" for player, figure in pairs)


def quoted(players: Iterable[str]) -> str:
    """Players as a refusal lists them: 'A', 'B'."""
    return ", ".join(map(repr, players))
