"""Rounds to first order: how far each upload moves the metric by its slope (Wang et al. 2022)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from fedjax_shap.games.mixtures import Uploads, assert_shapes, shares_of_members
from fedjax_shap.learning.metric import Metric, score
from fedjax_shap.learning.model import Model
from fedjax_shap.typing import Array, Params


def first_order(model: Model, metric: Metric) -> Callable[[Uploads], tuple[Array, Array]]:
    """Values of a round's participants to first order, by one gradient of V on the validation set.

    Args:
        model: what is trained.
        metric: V, a differentiable one such as minus the loss.

    Returns:
        A function of a round's uploads that gives (float[P], values; float[], V of x_t). The value
        of i is <grad V(x_t), w_i Delta_i>, with w_i its share in the mean of all participants and
        Delta_i its upload less x_t. It is 0 for a client that did not take part, NaN for a
        participant whose upload diverged.

    References:
        Wang et al. 2022, "Efficient participant contribution evaluation for horizontal and vertical
        federated learning" (DIG-FL), equation for one round.
    """

    @jax.jit
    def values(uploads: Uploads) -> tuple[Array, Array]:
        assert_shapes(uploads)

        def worth(params: Params) -> Array:
            return score(model.apply, metric, params, uploads.world.data.validation)

        # the gradient at the model of the round
        x_t = jax.tree.map(lambda leaf: leaf[-1], uploads.params)
        with jax.default_matmul_precision("float32"):
            there, slope = jax.value_and_grad(worth)(x_t)
        # the slope along each update, float[S], summed over the leaves
        each = jax.tree.map(
            lambda leaf, g: jnp.tensordot(
                leaf[:-1] - leaf[-1:], g, axes=g.ndim, precision="highest"
            ),
            uploads.params,
            slope,
        )
        along = jnp.where(uploads.finite[:-1], sum(jax.tree.leaves(each)), jnp.nan)
        # each update counts by its share in the mean of all
        everyone = jnp.ones(uploads.world.data.num_clients, bool)
        share = shares_of_members(uploads, everyone)[:-1]
        gained = jnp.where(share > 0, share * along, 0.0)
        # from slots to player ids
        return jnp.zeros(len(everyone), gained.dtype).at[uploads.members].add(gained), there

    return values
