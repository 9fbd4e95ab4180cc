"""Who takes part in which round: participation as a process of its own."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from fedjax_shap._validate import InvalidInputError, fraction, integer, places, require
from fedjax_shap.data import files
from fedjax_shap.typing import HostArray, Key

__all__ = [
    "PARTICIPATIONS",
    "Participation",
    "Sampled",
    "always",
    "cyclic",
    "dropping",
    "independent",
    "ordered",
    "trace",
    "trace_file",
    "uniform",
]

_DROPS = 2**32 - 1  # folded into the key for drop-outs; rounds are folded in as 0, 1, ...


@runtime_checkable
class Participation(Protocol):
    """A law of participation."""

    def __call__(self, key: Key, num_rounds: int, num_clients: int, /) -> HostArray:
        """Who takes part in which round.

        Args:
            key: seeds what is drawn.
            num_rounds: R.
            num_clients: C.

        Returns:
            bool[R, C]; or float[R, C], the share of the round's work that a client does. At 0 it is
            absent, at 1 it took part and uploaded; in between it dropped out in the round, and its
            upload never arrives.
        """


class _Named(NamedTuple):
    """A participation whose C columns were named in a file; `header` is () where they were not."""

    draw: Participation
    header: tuple[str, ...]

    def __call__(self, key: Key, num_rounds: int, num_clients: int, /) -> HostArray:
        return self.draw(key, num_rounds, num_clients)


class Sampled(NamedTuple):
    """A participation by a law of chance that an accountant of privacy knows.

    Attributes:
        draw: the participation.
        how: "poisson": each client by itself; "fixed": so many clients, without replacement.
        of: the chance of a client, one for all or one each; or how many clients.
    """

    draw: Participation
    how: Literal["poisson", "fixed"]
    of: float | tuple[float, ...]

    def chances(self, num_clients: int) -> HostArray:
        """float64[C]: the chance of each client to take part in a round."""
        chances = np.asarray(self.of, np.float64)
        if self.how == "fixed":
            chances = chances / num_clients
        return np.broadcast_to(chances, (num_clients,))

    def __call__(self, key: Key, num_rounds: int, num_clients: int, /) -> HostArray:
        """Who takes part in which round, see `Participation`."""
        return self.draw(key, num_rounds, num_clients)


def always() -> Participation:
    """Every client takes part in every round."""
    return lambda key, num_rounds, num_clients: np.ones((num_rounds, num_clients), bool)


def uniform(*, participants: int) -> Participation:
    """The same number of clients each round, drawn uniformly without replacement."""
    integer("participants", participants, least=1)

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        integer("participants", participants, least=1, most=num_clients)
        noise = _uniform(key, num_rounds, num_clients)
        present = np.zeros((num_rounds, num_clients), bool)
        np.put_along_axis(present, np.argsort(noise, axis=1)[:, :participants], True, axis=1)
        return present

    return Sampled(draw, "fixed", participants)


def independent(*, probability: float | tuple[float, ...]) -> Participation:
    """Each client takes part with its own probability, independently of all else.

    Args:
        probability: one for all clients, or one each, in [0, 1].
    """
    _chances("probability", probability)

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        chances = _each("probability", probability, num_clients)
        return _uniform(key, num_rounds, num_clients) < chances

    return Sampled(draw, "poisson", probability)


def cyclic(*, participants: int) -> Participation:
    """The clients take turns in the order of their ids, so many a round."""
    integer("participants", participants, least=1)

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        integer("participants", participants, least=1, most=num_clients)
        present = np.zeros((num_rounds, num_clients), bool)
        turns = np.arange(num_rounds * participants).reshape(num_rounds, participants) % num_clients
        np.put_along_axis(present, turns, True, axis=1)
        return present

    return draw


def trace(*, available: tuple[tuple[int, ...], ...], repeat: bool = False) -> Participation:
    """A given trace of availability, one row of 0s and 1s a round and one column a client.

    Args:
        available: the rows.
        repeat: whether the trace starts again where the run has more rounds than it has rows, and
            may be longer than the run; else it must have as many.

    Raises:
        InvalidInputError: rows of several lengths, or other numbers; when drawn, a trace of another
            shape than the run.
    """
    lengths = sorted({len(row) for row in available})
    require(
        len(lengths) == 1,
        f"Expected available to be rows of 0s and 1s of one length, got lengths {lengths}.",
    )
    table = np.asarray(available)
    require(
        table.ndim == 2 and bool(np.isin(table, (0, 1)).all()),
        "Expected available to be rows of 0s and 1s of one length, got an array of shape "
        f"{table.shape}.",
    )
    return _traced("available", table.astype(bool), repeat)


def trace_file(*, path: str, repeat: bool = False) -> Participation:
    """A trace of availability from a CSV file: one row of 0s and 1s a round, one column a client.

    Args:
        path: the file; a first line without a number in it is a header. Where it has the clients'
            names, `ordered` puts the columns in their order; else columns are in the order of ids.
        repeat: as in `trace`.

    Raises:
        InvalidInputError: no such file, ragged or no rows, or another cell than 0 and 1; when
            drawn, as in `trace`.
    """
    rows = files.rows(files.given(path))
    header: Sequence[str] = ()
    if not any(cell.isdecimal() for cell in rows[0][1]):
        (_, header), *rows = rows
    require(
        len(rows) > 0,
        f"Expected {path} to hold a row of 0s and 1s for each round, but there is none.",
    )
    for line, cells in rows:
        for column, cell in enumerate(cells):
            if cell not in ("0", "1"):
                raise InvalidInputError(
                    f"Expected line {line} of {path} to hold 0s and 1s, but client {column} has "
                    f"{cell!r}."
                )
    table = np.array([cells for _, cells in rows]) == "1"
    return _Named(_traced(path, table, repeat), tuple(map(str.strip, header)))


def ordered(participation: Participation, names: Sequence[str]) -> Participation:
    """A participation whose columns were named, in the order of the clients' names; any other as it
    is.

    Raises:
        InvalidInputError: some of the columns' names are clients', and some are not.
    """
    header: Sequence[str] = ()
    if isinstance(participation, _Named):
        header = participation.header
    place = places("the header of participation.path", header, names)
    if place is None:
        return participation
    return lambda key, num_rounds, num_clients: participation(key, num_rounds, num_clients)[
        :, place
    ]


def dropping(participation: Participation, drop_out: float | tuple[float, ...]) -> Participation:
    """Drop-outs during the round: a client that takes part leaves, with some probability, before it
    has uploaded.

    Args:
        participation: who starts the round.
        drop_out: the probability that a client drops out of a round in which it takes part, one for
            all or one each, in [0, 1].

    Returns:
        A participation float[R, C]: 1 who took part and uploaded, 0 who was absent, and for one
        that dropped out the share of its work done by then, uniform in (0, 1). Who starts is as
        without drop-outs. Draws are functions of (key, round, client), so another round or client
        changes nobody else's.

    Raises:
        InvalidInputError: a probability outside [0, 1]; when drawn, another number of them than of
            clients.
    """
    _chances("drop_out", drop_out)

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        chances = _each("drop_out", drop_out, num_clients)
        present = np.asarray(participation(key, num_rounds, num_clients), np.float64)
        own = jax.random.fold_in(key, _DROPS)
        drops = _uniform(jax.random.fold_in(own, 0), num_rounds, num_clients) < chances
        # a draw of [0, 1) in steps of 2^-23, moved to their middles: inside (0, 1)
        done = (
            _uniform(jax.random.fold_in(own, 1), num_rounds, num_clients).astype(np.float64)
            + 2.0**-24
        )
        return np.where((present == 1) & drops, done, present)

    if isinstance(participation, Sampled):
        return participation._replace(draw=draw)
    return draw


def _traced(name: str, table: HostArray, repeat: bool) -> Participation:
    """The participation of a trace bool[R, C], called `name` in refusals."""

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        rounds = num_rounds
        if repeat:
            rounds = len(table)
        require(
            table.shape == (rounds, num_clients),
            f"Expected {name} to be [{rounds} rounds, {num_clients} clients], got shape "
            f"{table.shape}.",
        )
        return table[np.arange(num_rounds) % len(table)]

    return draw


def _uniform(key: Key, num_rounds: int, num_clients: int) -> HostArray:
    """float32[R, C] uniform in [0, 1): the draw of a client is a function of (key, round, id)."""
    return np.stack(
        [jax.random.uniform(jax.random.fold_in(key, r), (num_clients,)) for r in range(num_rounds)]
    )


def _chances(name: str, probability: float | tuple[float, ...]) -> None:
    """Refuses a probability, or one of several, outside [0, 1]."""
    if not isinstance(probability, tuple):
        probability = (probability,)
    for value in probability:
        fraction(name, value)


def _each(name: str, probability: float | tuple[float, ...], num_clients: int) -> HostArray:
    """One probability for all or one each, refused where there are others."""
    chances = np.asarray(probability)
    require(
        chances.shape in ((), (num_clients,)),
        f"Expected {name}={probability} to be one number or one for each of {num_clients} clients.",
    )
    return chances


PARTICIPATIONS: dict[str, Callable[..., Participation]] = {
    "always": always,
    "uniform": uniform,
    "independent": independent,
    "cyclic": cyclic,
    "trace": trace,
    "trace_file": trace_file,
}
