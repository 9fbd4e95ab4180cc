"""Estimated gradient calibration in the patented form, taken literally."""

from typing import Unpack

import jax
import jax.numpy as jnp

from fedjax_shap._validate import number
from fedjax_shap.learning.algorithm import Algorithm, Done, Round
from fedjax_shap.learning.algorithms.fedavg import Schedule, correcting
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, HostArray, Params, PyTree

MOST_REACH = 2.5  # eta h K-bar of a network: up to 2.2 worked, from 3.7 some diverged


def calibrated(*, lam: float = 0.1, **schedule: Unpack[Schedule]) -> Algorithm:
    """Local steps along g + c_i, c_i = v - v_i + lam / (eta K_i) (x_t - x_i), the patented
    calibration.

    v_i is the first gradient of the client's last round and x_i the model that it ended that round
    with, v the weighted mean of the members' v_i, eta the local learning rate and K_i the steps of
    the round that begins; c_i is 0 in the client's own first round. `fedagrac` is the published
    form, which is another algorithm.

    Every client follows the others' first gradients for all its steps, so a round goes about
    eta K-bar along them. Up to 2.2 times 1 / h, h the curvature of the loss, networks with a hidden
    layer learned as they should; from 3.7 on some diverged (on the settings that `fedagrac` names).
    h is estimated as in `learning.reach`, which warns from 2.5. Softmax regression learned
    throughout. lam hardly matters; a smaller eta helps.

    Args:
        lam: lambda >= 0, the strength of the last term.
        **schedule: the keywords of `fedavg`.
    """
    number("lam", lam, least=0)

    def init_client(params: Params) -> PyTree:
        return {"gradient": zeros(params), "model": zeros(params), "seen": jnp.zeros((), bool)}

    def correction(at: Round) -> PyTree:
        pull = lam / (at.learning_rate * jnp.maximum(at.num_steps, 1))

        def of(v: Array, own: Array, x_t: Array, x: Array) -> Array:
            return jnp.where(at.state["seen"], v - own + pull * (x_t - x), 0.0)

        return jax.tree.map(of, at.broadcast, at.state["gradient"], at.start, at.state["model"])

    def upload(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
        trained = at.num_steps > 0
        first = jax.tree.map(
            lambda new, old: jnp.where(trained, new, old), done.first, at.state["gradient"]
        )
        kept = {"gradient": first, "model": done.params, "seen": jnp.ones((), bool)}
        return done.params, first, kept

    def reach(num_steps: HostArray, weights: HostArray, step: float) -> float:
        return float(step * (weights @ num_steps) / MOST_REACH)

    return correcting(schedule)._replace(
        init_client=init_client,
        correction=correction,
        records=("first",),
        upload=upload,
        needs_learning_rate=True,
        reach=reach,
    )
