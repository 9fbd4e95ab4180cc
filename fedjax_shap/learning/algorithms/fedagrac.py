"""FedaGrac: estimated gradient calibration in the published form (Wu et al. 2023)."""

from typing import Literal, Unpack

import jax
import jax.numpy as jnp

from fedjax_shap._validate import number, one_of
from fedjax_shap.learning.algorithm import Algorithm, Done, Reach, Round
from fedjax_shap.learning.algorithms.fedavg import Schedule, correcting
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, HostArray, Params, PyTree

MOST_REACH = 2.5  # lam eta h sum_fast w_i K_i of a network: up to 2.9 worked, from 3 some did not
ROUNDING = 1e-5  # relative; a mean of equal numbers of steps may come out below them


def fedagrac(
    *,
    lam: float = 1.0,
    send: Literal["mixed", "average"] = "mixed",
    mean_steps: float | None = None,
    **schedule: Unpack[Schedule],
) -> Algorithm:
    """Local steps along g + lam (nu - nu_i), nu_i the client's mean raw gradient in its last round.

    nu is the weighted mean of what those who take part send: the slow (K_i <= K-bar) their mean
    gradient, the fast their first one, so that no gradient stands for a place far from x_t.

    A fast client follows the others' first gradients for all its K_i steps, so a round goes about
    lam eta sum_fast w_i K_i along them. Up to 2.9 times 1 / h, h the curvature of the loss,
    networks with a hidden layer learned as they should; from 3.0 on some lost to FedAvg by up to 4
    nats (digits, MLP 64-32-10, 4 clients, Dirichlet 1, eta .02 to .2, K_i 1 to 100, with and
    without absent clients; float64 loops do the same). h is estimated as in `learning.reach`, which
    warns from 2.5. Softmax regression recovered from any such overshoot. A smaller eta, a smaller
    lam, or send="average" helps.

    Args:
        lam: lambda >= 0; 0 is FedAvg. Without gradient noise the bias of unequal K_i goes only at
            1.
        send: "mixed" as above, or "average": everyone sends the mean gradient, which at lam = 1 and
            full participation is SCAFFOLD with local SGD.
        mean_steps: K-bar; the weighted mean of the K_i of those who take part where None.
        **schedule: the keywords of `fedavg`.

    References:
        Wu, Guo, Wang, Zhang, Qu, Zhang, Liu 2023, "FedaGrac", arXiv 2112.09355, and the authors'
        code.
    """
    number("lam", lam, least=0)
    one_of("send", send, ("mixed", "average"))
    if mean_steps is not None:
        number("mean_steps", mean_steps, above=0)

    def correction(at: Round) -> PyTree:
        return jax.tree.map(lambda nu, own: lam * (nu - own), at.broadcast, at.state)

    def upload(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
        kept = jax.tree.map(
            lambda new, old: jnp.where(at.num_steps > 0, new, old), done.mean, at.state
        )
        if send == "average":
            return done.params, kept, kept
        bound: Array | float = at.mean_steps
        if mean_steps is not None:
            bound = mean_steps
        # the fast send their first gradient, the slow their mean one
        fast = at.num_steps > bound * (1 + ROUNDING)
        sent = jax.tree.map(lambda first, mean: jnp.where(fast, first, mean), done.first, kept)
        return done.params, sent, kept

    algorithm = correcting(schedule)._replace(
        init_client=zeros, correction=correction, records=("mean",), upload=upload
    )
    if send == "average":
        return algorithm
    return algorithm._replace(records=("first", "mean"), reach=_reach(lam, mean_steps))


def _reach(lam: float, mean_steps: float | None) -> Reach:
    """How far the fast follow the others' first gradients, see `fedagrac`."""

    def reach(num_steps: HostArray, weights: HostArray, step: float) -> float:
        bound = weights @ num_steps
        if mean_steps is not None:
            bound = mean_steps
        fast = num_steps > bound * (1 + ROUNDING)
        return float(lam * step * (weights * num_steps)[fast].sum() / MOST_REACH)

    return reach
