"""FedaGrac: estimated gradient calibration in the published form (Wu et al. 2023)."""

from typing import Literal, Unpack

import jax
import jax.numpy as jnp

from fedjax_shap._validate import number, one_of
from fedjax_shap.learning.algorithm import Algorithm, Done, Round
from fedjax_shap.learning.algorithms.fedavg import Schedule, correcting
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, Params, PyTree

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

    records: tuple[str, ...] = ("first", "mean")
    if send == "average":
        records = ("mean",)

    return correcting(schedule)._replace(
        init_client=zeros,
        correction=correction,
        records=records,
        upload=upload,
    )
