"""Who takes part in which round: participation as a process of its own (Spec 2.7)."""

from collections.abc import Callable

import jax
import numpy as np

from fedjax_shap._validate import fraction, integer, require
from fedjax_shap.typing import HostArray, Key

Participation = Callable[[Key, int, int], HostArray]  # (key, num_rounds, num_clients) -> bool[R, C]


def always() -> Participation:
    """Every client takes part in every round."""
    return lambda key, num_rounds, num_clients: np.ones((num_rounds, num_clients), bool)


def uniform(*, participants: int) -> Participation:
    """The same number of clients each round, drawn uniformly without replacement."""
    integer("participants", participants, least=1)

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        integer("participants", participants, least=1, most=num_clients)
        noise = np.stack([jax.random.uniform(jax.random.fold_in(key, r), (num_clients,)) for r in range(num_rounds)])
        present = np.zeros((num_rounds, num_clients), bool)
        np.put_along_axis(present, np.argsort(noise, axis=1)[:, :participants], True, axis=1)
        return present

    return draw


def independent(*, probability: float | tuple[float, ...]) -> Participation:
    """Each client takes part with its own probability, independently of all else.

    Args:
        probability: one for all clients, or one each, in [0, 1].
    """
    for value in probability if isinstance(probability, tuple) else (probability,):
        fraction("probability", value)

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        chances = np.asarray(probability)
        require(
            chances.shape in ((), (num_clients,)),
            f"Expected probability={probability} to be one number or one for each of {num_clients} clients.",
        )
        noise = np.stack([jax.random.uniform(jax.random.fold_in(key, r), (num_clients,)) for r in range(num_rounds)])
        return noise < chances

    return draw


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


def trace(*, available: tuple[tuple[int, ...], ...]) -> Participation:
    """A given trace of availability, one row of 0s and 1s a round and one column a client."""
    lengths = sorted({len(row) for row in available})
    require(len(lengths) == 1, f"Expected available to be rows of 0s and 1s of one length, got lengths {lengths}.")
    table = np.asarray(available)
    require(
        table.ndim == 2 and bool(np.isin(table, (0, 1)).all()),
        f"Expected available to be rows of 0s and 1s of one length, got an array of shape {table.shape}.",
    )

    def draw(key: Key, num_rounds: int, num_clients: int) -> HostArray:
        require(
            table.shape == (num_rounds, num_clients),
            f"Expected available to be [{num_rounds} rounds, {num_clients} clients], got shape {table.shape}.",
        )
        return table.astype(bool)

    return draw


PARTICIPATIONS: dict[str, Callable[..., Participation]] = {
    "always": always,
    "uniform": uniform,
    "independent": independent,
    "cyclic": cyclic,
    "trace": trace,
}
