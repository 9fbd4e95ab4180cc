"""SCAFFOLD: control variates against the drift of clients (Karimireddy et al. 2020)."""

from typing import Unpack

import jax
import jax.numpy as jnp

from fedjax_shap._validate import number
from fedjax_shap.learning.algorithm import Algorithm, Done, Round
from fedjax_shap.learning.algorithms.fedavg import Schedule, correcting
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, Params, PyTree


def scaffold(*, server_learning_rate: float = 1.0, **schedule: Unpack[Schedule]) -> Algorithm:
    """Local steps along g - c_i + c, where c_i and c are the control variates of the client and of
    the server.

    A client's next variate is option II of the paper: c_i+ = c_i - c + (x_t - x_{t, K_i}) / (K_i
    eta), which is its mean gradient in that round where its optimiser is plain SGD. The server adds
    share * mean(c_i+ - c_i) to c, so that c is the weighted mean of all members' variates also
    where only some take part.

    All send mean gradients, so what a fast client follows for many steps shrinks with them: where
    `fedagrac`, `calibrated` and `fednova` overshot, with eta h K_i up to 23, SCAFFOLD learned best
    of all, absent clients or not (the settings and h are those of `fedagrac`).

    Args:
        server_learning_rate: eta_g > 0: x_{t+1} = x_t + eta_g mean(x_{t, K_i} - x_t).
        **schedule: the keywords of `fedavg`.

    References:
        Karimireddy, Kale, Mohri, Reddi, Stich, Suresh 2020, "SCAFFOLD: Stochastic controlled
        averaging for federated learning", algorithm 1. There every client weighs the same; here
        w_i, so that the aim is the weighted loss.
    """
    number("server_learning_rate", server_learning_rate, above=0)
    plain = server_learning_rate == 1

    def correction(at: Round) -> PyTree:
        return jax.tree.map(jnp.subtract, at.broadcast, at.state)

    def upload(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
        path = at.learning_rate * jnp.maximum(at.num_steps, 1)

        def of(own: Array, c: Array, x_t: Array, x: Array) -> Array:
            return jnp.where(at.num_steps > 0, own - c + (x_t - x) / path, own)

        kept = jax.tree.map(of, at.state, at.broadcast, at.start, done.params)
        return done.params, jax.tree.map(jnp.subtract, kept, at.state), kept

    def server_update(
        params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
    ) -> tuple[Params, PyTree]:
        variate = jax.tree.map(lambda c, change: c + share * change, server, extra)
        if plain:
            return upload, variate
        further = jax.tree.map(
            lambda x, mean: x + server_learning_rate * (mean - x), params, upload
        )
        return further, variate

    return correcting(schedule)._replace(
        init_client=zeros,
        correction=correction,
        upload=upload,
        server_update=server_update,
        averages_uploads=plain,
        needs_learning_rate=True,
    )
