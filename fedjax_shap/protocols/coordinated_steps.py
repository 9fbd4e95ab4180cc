"""Steps of a party on its own weights, from its own gradient: rules that act weight by weight.

Rules that act weight by weight give the same steps at each party as where all gradients are
together, so no gradient has to leave its party for them.

References:
    Hinton, "Neural networks for machine learning", lecture 6, 2012 (RMSProp); Kingma and Ba, "Adam:
    a method for stochastic optimization", ICLR 2015.
"""

from typing import NamedTuple, Protocol, TypedDict

import numpy as np

from fedjax_shap._validate import number, one_of
from fedjax_shap.protocols.given import on_or_off
from fedjax_shap.typing import HostArray

RMSPROP_DECAY = 0.99
RMSPROP_EPSILON = 1e-6  # inside the root
ADAM_DECAYS = (0.9, 0.999)
ADAM_EPSILON = 1e-8


class Moments(NamedTuple):
    """What a rule keeps of earlier gradients.

    Attributes:
        first: float64[F], their mean.
        second: float64[F], the mean of their squares.
        steps: how many there were.
    """

    first: HostArray
    second: HostArray
    steps: int


class Rule(Protocol):
    """A direction from a gradient."""

    def __call__(self, gradient: HostArray, moments: Moments, /) -> tuple[HostArray, Moments]:
        """What is taken off the weights, before the learning rate, and the new moments.

        Args:
            gradient: float64[F].
            moments: of the gradients before it.
        """


class Schedule(NamedTuple):
    """How a party steps.

    Attributes:
        optimizer: a name in OPTIMIZERS.
        learning_rate: of the first epoch.
        decay: whether it is learning_rate / sqrt(1 + epoch).
        l2: lambda of the penalty lambda / 2 |weights|^2, which leaves out the intercept.
    """

    optimizer: str
    learning_rate: float
    decay: bool
    l2: float

    def rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return float(self.learning_rate / np.sqrt(1 + epoch * self.decay))


class Steps(TypedDict, total=False):
    """The keywords of `schedule`."""

    optimizer: str
    learning_rate: float
    decay: bool
    l2: float


def schedule(
    *,
    optimizer: str = "rmsprop",
    learning_rate: float = 0.15,
    decay: bool = True,
    l2: float = 0.01,
) -> Schedule:
    """How a party steps.

    Args:
        optimizer: "rmsprop", "sgd" or "adam".
        learning_rate: of the first epoch.
        decay: whether it is learning_rate / sqrt(1 + epoch).
        l2: lambda of the penalty lambda / 2 |weights|^2, which leaves out the intercept.

    Raises:
        InvalidInputError: no such optimizer, a rate that is not > 0, a penalty below 0, or a
            `decay` that is neither True nor False.
    """
    one_of("optimizer", optimizer, OPTIMIZERS)
    number("learning_rate", learning_rate, above=0)
    number("l2", l2, least=0)
    on_or_off(decay=decay)
    return Schedule(optimizer, learning_rate, bool(decay), l2)


def no_moments(count: int) -> Moments:
    """Before the first gradient of `count` weights."""
    return Moments(np.zeros(count), np.zeros(count), 0)


def sgd(gradient: HostArray, moments: Moments) -> tuple[HostArray, Moments]:
    """The gradient itself."""
    return gradient, moments


def rmsprop(gradient: HostArray, moments: Moments) -> tuple[HostArray, Moments]:
    """The gradient over the root of the mean square of all so far, as FATE has it."""
    second = RMSPROP_DECAY * moments.second + (1 - RMSPROP_DECAY) * gradient**2
    return gradient / np.sqrt(second + RMSPROP_EPSILON), moments._replace(second=second)


def adam(gradient: HostArray, moments: Moments) -> tuple[HostArray, Moments]:
    """The mean gradient over the root of the mean square, both corrected for their start at 0."""
    slow, slower = ADAM_DECAYS
    steps = moments.steps + 1
    first = slow * moments.first + (1 - slow) * gradient
    second = slower * moments.second + (1 - slower) * gradient**2
    mean = first / (1 - slow**steps)
    square = second / (1 - slower**steps)
    return mean / (np.sqrt(square) + ADAM_EPSILON), Moments(first, second, steps)


OPTIMIZERS: dict[str, Rule] = {"sgd": sgd, "rmsprop": rmsprop, "adam": adam}
