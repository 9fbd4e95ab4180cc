"""Local steps: how many each client does in a round, K_i (Wu et al. 2021, FedaGrac).

Draws are folded in by identity: those of a client are a function of (key, round, id), so another
round or another client changes nobody else's. Without `redraw` the draws of round 0 hold in every
round.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, number, require
from fedjax_shap.learning.local import MOST_STEPS, Local
from fedjax_shap.typing import HostArray, Key

__all__ = [
    "STEPS",
    "Steps",
    "as_local_says",
    "as_steps",
    "constant",
    "epochs",
    "extreme",
    "gaussian",
    "linear",
    "uniform",
]


@runtime_checkable
class Steps(Protocol):
    """A law of local steps."""

    def __call__(
        self, key: Key, sizes: HostArray, steps_per_epoch: HostArray, num_rounds: int, /
    ) -> HostArray:
        """The local steps K_i of each client in each round.

        Args:
            key: seeds what is drawn.
            sizes: int[C], the clients' numbers of examples.
            steps_per_epoch: int[C], batches in one pass over them.
            num_rounds: R.

        Returns:
            int32[R, C].
        """


def as_local_says(*, local: Local) -> Steps:
    """What local training itself says: its epochs or steps.

    Args:
        local: how the clients train.
    """
    return lambda key, sizes, steps_per_epoch, num_rounds: np.tile(
        local.num_steps(sizes), (num_rounds, 1)
    )


def constant(*, steps: int) -> Steps:
    """The same number for every client and round, K_i = K.

    Args:
        steps: K >= 0.

    Raises:
        InvalidInputError: not an integer >= 0.
    """
    integer("steps", steps, least=0, most=MOST_STEPS)
    return lambda key, sizes, steps_per_epoch, num_rounds: np.full(
        (num_rounds, len(sizes)), steps, np.int32
    )


def gaussian(
    *,
    mean: float = 50.0,
    variance: float = 100.0,
    least: int = 1,
    most: int | None = None,
    redraw: bool = False,
) -> Steps:
    """K_i = floor(|N(mean, variance)|), within bounds, as in the published code of FedaGrac (Wu et
    al. 2021).

    Args:
        mean: of the normal distribution, in steps.
        variance: of the normal distribution, in steps^2, >= 0.
        least: what a smaller draw is raised to, >= 0. The published code has no bounds, so there a
            client may do 0.
        most: what a larger draw is lowered to; none if None.
        redraw: whether each round draws anew.

    Raises:
        InvalidInputError: a number that is not finite, a negative variance, or bounds in the wrong
            order.
    """
    number("mean", mean)
    number("variance", variance, least=0)
    integer("least", least, least=0, most=MOST_STEPS)
    if most is not None:
        integer("most", most, least=least, most=MOST_STEPS)
    highest = MOST_STEPS
    if most is not None:
        highest = most

    def of_round(key: Key, num_clients: int) -> HostArray:
        drawn = mean + np.sqrt(variance) * np.asarray(
            jax.random.normal(key, (num_clients,)), np.float64
        )
        steps: HostArray = np.clip(np.floor(np.abs(drawn)), least, highest)
        return steps

    return _drawn(of_round, redraw)


def uniform(*, low: int, high: int, redraw: bool = False) -> Steps:
    """Each client's own number, each integer of [low, high) as likely as any other.

    Args:
        low: the smallest, >= 0.
        high: one more than the largest, > low.
        redraw: whether each round draws anew.

    Raises:
        InvalidInputError: not integers, or in the wrong order.
    """
    _ordered("low", low, "high", high)
    return _drawn(
        lambda key, num_clients: np.asarray(jax.random.randint(key, (num_clients,), low, high)),
        redraw,
    )


def extreme(*, low: int, high: int) -> Steps:
    """Every client does `low` steps but the last, which does `high`.

    Args:
        low: steps of all but one, >= 0.
        high: steps of the client with the highest id, >= 0.

    Raises:
        InvalidInputError: not integers >= 0.
    """
    integer("low", low, least=0, most=MOST_STEPS)
    integer("high", high, least=0, most=MOST_STEPS)

    def steps(key: Key, sizes: HostArray, steps_per_epoch: HostArray, num_rounds: int) -> HostArray:
        row = np.full(len(sizes), low, np.int32)
        row[-1:] = high
        return np.tile(row, (num_rounds, 1))

    return steps


def linear(*, start: int, slope: int) -> Steps:
    """K_i = start + slope * i for the client with id i = 0, 1, ...

    Args:
        start: steps of client 0, >= 0.
        slope: steps that each id adds; where it is negative, no client may come below 0.

    Raises:
        InvalidInputError: not integers, or a client below 0 steps.
    """
    integer("start", start, least=0, most=MOST_STEPS)
    integer("slope", slope)

    def steps(key: Key, sizes: HostArray, steps_per_epoch: HostArray, num_rounds: int) -> HostArray:
        last = start + slope * max(len(sizes) - 1, 0)
        require(
            0 <= last <= MOST_STEPS,
            f"Expected slope={slope} to leave each of {len(sizes)} clients at least 0 steps and at "
            f"most {MOST_STEPS}, got {last} for the last.",
        )
        return np.tile((start + slope * np.arange(len(sizes))).astype(np.int32), (num_rounds, 1))

    return steps


def epochs(*, epochs: int | tuple[int, int], redraw: bool = False) -> Steps:
    """Passes over a client's own examples: K_i = E_i times the batches of one pass.

    Args:
        epochs: E >= 0 of every client; or (low, high), from which each client draws its own, each
            integer of [low, high) as likely as any other.
        redraw: whether each round draws anew.

    Raises:
        InvalidInputError: not integers, or in the wrong order.
    """
    if isinstance(epochs, tuple):
        require(len(epochs) == 2, f"Expected epochs={epochs!r} to be one number or (low, high).")
        passes = uniform(low=epochs[0], high=epochs[1], redraw=redraw)
    else:
        integer("epochs", epochs, least=0)
        passes = constant(steps=epochs)

    def steps(key: Key, sizes: HostArray, steps_per_epoch: HostArray, num_rounds: int) -> HostArray:
        done = passes(key, sizes, steps_per_epoch, num_rounds).astype(np.int64) * np.asarray(
            steps_per_epoch
        )
        return as_steps(done, "epochs", epochs)

    return steps


def _drawn(of_round: Callable[[Key, int], HostArray], redraw: bool) -> Steps:
    """Steps drawn by `of_round`, a function (key of the round, num_clients) -> int[C].

    Entry i of what it gives depends on (key, i) alone.
    """

    def steps(key: Key, sizes: HostArray, steps_per_epoch: HostArray, num_rounds: int) -> HostArray:
        def of(round_: int) -> HostArray:
            return of_round(jax.random.fold_in(key, round_), len(sizes)).astype(np.int32)

        if not redraw:
            return np.tile(of(0), (num_rounds, 1))
        return np.stack([of(r) for r in range(max(num_rounds, 1))])[:num_rounds]

    return steps


def _ordered(low_name: str, low: int, high_name: str, high: int) -> None:
    """Refuses [low, high) unless it holds an integer >= 0."""
    integer(low_name, low, least=0, most=MOST_STEPS - 1)
    integer(high_name, high, least=low + 1, most=MOST_STEPS)


def as_steps(done: HostArray, name: str, value: object) -> HostArray:
    """Numbers of steps as int32, or a refusal where one does not fit."""
    if done.size and done.max() > MOST_STEPS:
        raise InvalidInputError(
            f"Expected {name}={value!r} to come to at most {MOST_STEPS} steps of a client, got "
            f"{done.max():.3g}."
        )
    return done.astype(np.int32)


STEPS: dict[str, Callable[..., Steps]] = {
    "local": as_local_says,
    "constant": constant,
    "gaussian": gaussian,
    "uniform": uniform,
    "extreme": extreme,
    "linear": linear,
    "epochs": epochs,
}
BY_EXAMPLES = (as_local_says, epochs)  # laws that go by how many examples a client has
