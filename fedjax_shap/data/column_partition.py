"""Partitions of columns: which party of a vertical federation gets which columns of a table."""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Protocol

import numpy as np

from fedjax_shap._validate import InvalidInputError, fraction, integer, listed, number, require
from fedjax_shap.data.aligned import column_names, with_owners
from fedjax_shap.data.column_correlation import split_by_correlation
from fedjax_shap.data.shares import MOST_DRAWS
from fedjax_shap.data.vertical import LABEL_HOLDER, OF_LABEL_HOLDER, Columns
from fedjax_shap.typing import HostArray


class ColumnPartition(Protocol):
    """Who gets which columns; made by the factories in `COLUMN_PARTITIONS`, or your own."""

    def __call__(self, rng: np.random.Generator, columns: Columns, /) -> Columns:
        """Gives columns to parties.

        Args:
            rng: decides everything that is drawn.
            columns: whose columns are split, whoever holds them so far.

        Returns:
            The same rows, their columns in the order of their new owners, see `with_owners`.

        Raises:
            InvalidInputError: it cannot be split this way.
        """


def stated(
    *, parties: dict[str, Any], label_holder: str = "", left_out: tuple[str, ...] = ()
) -> ColumnPartition:
    """Columns as stated, by the parties' names.

    A column is named as such, by a pattern such as "bill_*", or, where its categories became one
    feature each, by its own name.

    Args:
        parties: the names of its columns by the party's name.
        label_holder: which of the parties holds the labels; "" for one more without columns.
        left_out: columns that nobody gets.

    Raises:
        InvalidInputError: no party besides the label holder; later, a name that is no column's, or
            a column that two parties get or that none does.
    """
    said = {name: _named(f"parties[{name!r}]", value) for name, value in parties.items()}
    require(
        label_holder in ("", *said),
        f"Expected label_holder={label_holder!r} to be one of the parties, {listed(list(said))}.",
    )
    players = tuple(name for name in said if name != label_holder)
    require(
        len(players) > 0,
        f"Expected parties={parties!r} to name a party besides the label holder.",
    )

    def split(rng: np.random.Generator, columns: Columns) -> Columns:
        known = column_names(columns)
        owner: dict[int, str] = {}
        for party, patterns in {**said, "": _named("left_out", left_out)}.items():
            for place in _matching(party, patterns, known):
                require(
                    place not in owner,
                    f"Expected column {known[place]!r} to be given to one party, but "
                    f"{owner.get(place) or 'left_out'!r} and {party or 'left_out'!r} name it.",
                )
                owner[place] = party
        rest = [name for place, name in enumerate(known) if place not in owner]
        require(
            not rest,
            f"Expected every column to be given to a party or named in left_out, but nobody has "
            f"{listed(rest)}.",
        )
        kept = [place for place in _by_party(columns) if owner[place]]
        places = {party: number for number, party in enumerate(players)}
        owners = [places.get(owner[place], OF_LABEL_HOLDER) for place in kept]
        holder = label_holder or _holder(players, columns)
        return with_owners(columns, kept, owners, players, holder)

    return split


def random_columns(*, num_parties: int, own: tuple[str, ...] = ()) -> ColumnPartition:
    """Columns given out at random, to parties whose numbers of columns differ by one at most.

    Args:
        num_parties: P, the label holder aside.
        own: the columns that the label holder keeps, named as in `stated`.

    Raises:
        InvalidInputError: num_parties < 1; later, fewer columns than parties.
    """
    integer("num_parties", num_parties, least=1)

    def assign(rng: np.random.Generator, x: HostArray) -> HostArray:
        owners = np.empty(x.shape[1], int)
        for party, places in enumerate(np.array_split(rng.permutation(x.shape[1]), num_parties)):
            owners[places] = party
        return owners

    return _dealt(num_parties, own, assign)


def importance(
    *,
    num_parties: int,
    alpha: float | tuple[float, ...] = 1.0,
    own: tuple[str, ...] = (),
) -> ColumnPartition:
    """Parties of unequal importance: each column goes to a party with a chance drawn from
    Dirichlet(alpha), so that the expected importance of a party's columns is as its chance.

    Args:
        num_parties: P, the label holder aside.
        alpha: the concentration: small for one party that holds nearly all, large for equal ones;
            or one number a party.
        own: the columns that the label holder keeps, named as in `stated`.

    Raises:
        InvalidInputError: a setting out of range; later, fewer columns than parties, or no draw in
            1,000 that leaves every party a column.

    References:
        Wu, Hou, He 2024, "VertiBench", arXiv 2307.02040, section 3.2.
    """
    integer("num_parties", num_parties, least=1)
    weights = alpha
    if not isinstance(alpha, tuple):
        weights = (alpha,) * num_parties
    assert isinstance(weights, tuple)
    require(
        len(weights) == num_parties,
        f"Expected alpha={alpha} to be one number, or num_parties={num_parties} of them.",
    )
    for place, one in enumerate(weights):
        number(f"alpha[{place}]", one, above=0)

    def assign(rng: np.random.Generator, x: HostArray) -> HostArray:
        for _ in range(MOST_DRAWS):
            chances = rng.dirichlet(weights)
            owners = rng.choice(num_parties, size=x.shape[1], p=chances)
            if len(np.unique(owners)) == num_parties:
                return np.asarray(owners)
        raise InvalidInputError(
            f"Expected alpha={alpha} to leave each of {num_parties} parties one of {x.shape[1]} "
            f"columns, but none of {MOST_DRAWS} draws does; raise it."
        )

    return _dealt(num_parties, own, assign)


def correlation(
    *, num_parties: int, beta: float, own: tuple[str, ...] = (), trials: int = 400
) -> ColumnPartition:
    """Parties whose columns are correlated with each other's as little or as much as asked for.

    Parties get nearly equally many columns; single columns change places for as long as that brings
    the correlation between parties, less that inside them, nearer to its target between the least
    and the most that such a search finds.

    Args:
        num_parties: P >= 2, the label holder aside.
        beta: in [0, 1], 0 for parties of columns that go with their own, 1 for those that go with
            the others'.
        own: the columns that the label holder keeps, named as in `stated`.
        trials: how many changes of places a search tries.

    Raises:
        InvalidInputError: a setting out of range; later, fewer columns than parties.

    References:
        Wu, Hou, He 2024, "VertiBench", arXiv 2307.02040, section 3.3, whose measure this is; they
        search by a genetic algorithm.
    """
    integer("num_parties", num_parties, least=2)
    fraction("beta", beta)
    integer("trials", trials, least=1)

    assign = partial(split_by_correlation, num_parties=num_parties, beta=beta, trials=trials)
    return _dealt(num_parties, own, assign)


def _dealt(
    num_parties: int,
    own: Sequence[str],
    assign: Callable[[np.random.Generator, HostArray], HostArray],
) -> ColumnPartition:
    """A partition of the columns that the label holder does not keep among "party 0", ..."""
    patterns = _named("own", own)
    players = [f"party {party}" for party in range(num_parties)]

    def split(rng: np.random.Generator, columns: Columns) -> Columns:
        known = column_names(columns)
        kept = set(_matching("own", patterns, known))
        order = _by_party(columns)
        rest = [place for place in order if place not in kept]
        require(
            len(rest) >= num_parties,
            f"Expected num_parties={num_parties} to be at most the number of columns to give out, "
            f"{len(rest)}.",
        )
        owners = np.full(len(known), OF_LABEL_HOLDER)
        owners[rest] = assign(rng, columns.x[:, rest])
        holder = _holder(players, columns)
        return with_owners(columns, order, owners[order].tolist(), players, holder)

    return split


def _by_party(columns: Columns) -> list[int]:
    """All columns, whose holders so far stand in the order of their names: in which order these
    were given has no effect on a partition.
    """
    # -1, the label holder, is the last
    called = (*columns.names, columns.label_holder)
    holders = [called[owner] for owner in np.asarray(columns.owners)]
    return sorted(range(len(holders)), key=lambda place: (holders[place], place))


def _holder(players: Sequence[str], columns: Columns) -> str:
    """What the label holder is called, where it is none of the players."""
    for name in (columns.label_holder, LABEL_HOLDER):
        if name not in players:
            return name
    return f"{LABEL_HOLDER} of {', '.join(sorted(players))}"


def _named(argument: str, names: Any) -> tuple[str, ...]:
    """Names of columns as texts."""
    if isinstance(names, str):
        return (names,)
    fits = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    require(fits, f"Expected {argument}={names!r} to be names of columns, such as ['age'].")
    return tuple(names)


def _matching(party: str, patterns: Sequence[str], known: Sequence[str]) -> list[int]:
    """The columns that names or patterns stand for, each of which must stand for one."""
    found: list[int] = []
    for pattern in patterns:
        places = [
            place
            for place, name in enumerate(known)
            if name == pattern or name.startswith(f"{pattern}=") or fnmatchcase(name, pattern)
        ]
        require(
            len(places) > 0,
            f"Expected {pattern!r}, named for {party or 'left_out'!r}, to be a column or a pattern "
            f"of columns; known: {listed(list(known))}.",
        )
        found += [place for place in places if place not in found]
    return found


COLUMN_PARTITIONS: Mapping[str, Callable[..., ColumnPartition]] = {
    "columns": stated,
    "random_columns": random_columns,
    "importance": importance,
    "correlation": correlation,
}
