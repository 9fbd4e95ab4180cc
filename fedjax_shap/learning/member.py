"""One member's part of a round: told, corrected, trained, sent."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Algorithm, Round
from fedjax_shap.learning.client_update import client_update
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.model import Model
from fedjax_shap.typing import Array, Params, PyTree

Part = Callable[..., tuple[Params, PyTree, PyTree, Array]]


def part_of(algorithm: Algorithm, local: Local, model: Model) -> Part:
    """A member's part of a round of an algorithm.

    Args:
        algorithm: what it does besides its gradient steps.
        local: how it trains.
        model: what it trains.

    Returns:
        A function (params, told, state, data, client int[], reader int[], num_steps int[],
        mean_steps float[], order_of) -> (upload, extra, state, loss), with `reader` and `order_of`
        as in `descent.client_update`. A member without a step keeps its state.

    Raises:
        InvalidInputError: the algorithm uses a learning rate that only an optax transformation
            knows.
    """
    require(
        not algorithm.needs_learning_rate or local.learning_rate is not None,
        "Expected optimizer to be the name of one in optax, so that the algorithm is told its "
        "learning rate.",
    )
    update, rate = client_update(local, model, algorithm.records), local.learning_rate or 0.0

    def part(
        params: Params,
        told: PyTree,
        state: PyTree,
        data: FederatedData,
        client: Array,
        reader: Array,
        num_steps: Array,
        mean_steps: Array,
        order_of: Any,
    ) -> tuple[Params, PyTree, PyTree, Array]:
        at = Round(params, told, state, num_steps, mean_steps, rate)
        correction = algorithm.correction(at)

        def direct(own: Params, gradient: Params) -> Params:
            return algorithm.direction(correction, params, own, gradient)

        done, loss = update(params, data, client, reader, num_steps, order_of, direct)
        upload, extra, after = algorithm.upload(at, done)
        kept = jax.tree.map(lambda new, old: jnp.where(num_steps > 0, new, old), after, state)
        return upload, extra, kept, loss

    return part
