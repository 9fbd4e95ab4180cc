"""What the server does with the uploads of a round, and when a federation stops."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import integer, number, one_of, require
from fedjax_shap.typing import Array, HostArray


class Algorithm(NamedTuple):
    """A federated algorithm.

    Attributes:
        weights: sizes int[C] -> float32[C], the weight of each client's upload in the mean over a coalition.
        max_rounds: R, the most rounds a coalition trains.
        tol: a coalition stops where its training loss changed by no more than this share ..., or None for never.
        patience: ... in so many rounds one after another.
    """

    weights: Callable[[HostArray], HostArray]
    max_rounds: int
    tol: float | None
    patience: int


def fedavg(
    *,
    weights: Literal["examples", "uniform"] | tuple[float, ...] = "examples",
    max_rounds: int = 20,
    tol: float | None = None,
    patience: int = 3,
) -> Algorithm:
    """Federated averaging: the weighted mean of the members' models (McMahan et al. 2017; Spec 1.1).

    Args:
        weights: "examples" (by number of examples), "uniform" (plain mean), or one weight >= 0 for each client. A
            coalition whose weights are all 0 leaves the model as it was.
        max_rounds: R >= 1.
        tol: where given, a coalition whose training loss changes by at most `tol` times its value in `patience`
            successive rounds stops there (Spec 1.1e).
        patience: >= 1.
    """
    integer("max_rounds", max_rounds, least=1)
    integer("patience", patience, least=1)
    if tol is not None:
        number("tol", tol, least=0)
    if isinstance(weights, str):
        one_of("weights", weights, ("examples", "uniform"))
    else:
        for weight in weights:
            number("weights", weight, least=0)

    def of_clients(sizes: HostArray) -> HostArray:
        if weights == "examples":
            return sizes.astype(np.float32)
        if weights == "uniform":
            return np.ones(len(sizes), np.float32)
        require(
            len(weights) == len(sizes),
            f"Expected weights={list(weights)} to have one entry for each of the {len(sizes)} clients.",
        )
        return np.asarray(weights, np.float32)

    return Algorithm(of_clients, max_rounds, tol, patience)


def settled(round_: Array, loss: Array, before: Array, tol: float) -> Array:
    """Whether a training loss hardly changed in this round (Spec 1.1e); never in the first."""
    return (round_ > 0) & (jnp.abs(loss - before) <= tol * jnp.abs(before))


ALGORITHMS: dict[str, Callable[..., Algorithm]] = {"fedavg": fedavg}
