"""Split networks: a naive loop over the parties that are there, and masks that change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from columns import OWNERS, renamed, small
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.learning import tasks
from fedjax_shap.learning.vertical import split as networks
from fedjax_shap.learning.vertical.model import Seen

EPOCHS = 2
RATE = 0.2
BATCH = 16
THERE = (0, 2, 3)  # two of the parties, and the label holder


def by_hand(columns, params, orders):
    """Outputs for the validation rows of a network that has the parties of THERE only."""
    own = [np.flatnonzero(np.where(OWNERS < 0, 3, OWNERS) == party) for party in THERE]
    width = params["bottom"][0]["kernel"].shape[2]
    parts = np.concatenate([np.arange(party * width, (party + 1) * width) for party in THERE])
    kernels = [
        params["bottom"][0]["kernel"][party, : len(where)]
        for party, where in zip(THERE, own, strict=True)
    ]
    top = params["top"]
    weights = {
        "bottom": kernels,
        "bias": [params["bottom"][0]["bias"][party] for party in THERE],
        "hidden": (top[0]["kernel"][parts], top[0]["bias"]),
        "last": (top[1]["kernel"], top[1]["bias"]),
    }

    def outputs(weights, x):
        sent = [
            jax.nn.relu(x[:, where] @ kernel + bias)
            for where, kernel, bias in zip(own, weights["bottom"], weights["bias"], strict=True)
        ]
        kernel, bias = weights["hidden"]
        hidden = jax.nn.relu(jnp.concatenate(sent, axis=1) @ kernel + bias)
        kernel, bias = weights["last"]
        return hidden @ kernel + bias

    @jax.jit
    @jax.grad
    def slope(weights, x, y):
        chances = jax.nn.log_softmax(outputs(weights, x))
        return -jnp.mean(chances[jnp.arange(len(y)), y])

    with jax.numpy_rank_promotion("allow"):
        for order in orders:
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                gradient = slope(weights, columns.x[rows], columns.y[rows])
                weights = jax.tree.map(lambda w, g: np.asarray(w - RATE * g), weights, gradient)
        return outputs(weights, columns.validation[0])


def test_initial_weights_go_by_parties_names_and_not_by_their_order(key):
    columns = small()
    order = [2, 0, 1, 3]
    initial = jax.jit(networks._initial, static_argnums=(2, 3))
    given, other = (
        initial(key, networks._known(one), (2,), (3,))
        for one in (columns, renamed(columns, order[:-1]))
    )
    for one, same in zip(given["bottom"], other["bottom"], strict=True):
        assert_array_equal(one["kernel"][np.array(order)], same["kernel"])
    parts, same = (np.asarray(one["top"][0]["kernel"]).reshape(4, 2, 3) for one in (given, other))
    assert_array_equal(parts[order], same)
    # no two parties begin alike
    assert len(np.unique(parts)) == parts.size


@pytest.mark.slow
def test_a_coalition_trains_the_network_of_its_parties_alone(key):
    columns = small(num_classes=3, count=40)
    model = networks.split(
        bottom=(3,), top=(2,), optimizer="sgd", learning_rate=RATE, batch_size=BATCH, epochs=EPOCHS
    )
    fitting = model.bind(columns, tasks.classification())
    parties = np.isin(np.arange(4), THERE)
    seen = Seen(jnp.asarray(parties[OWNERS]), jnp.asarray(parties))
    state = jax.jit(fitting.fit)(fitting.known, key, seen)
    given = fitting.predict(fitting.known, state, jnp.asarray(columns.validation[0]))
    # the same weights and orders of rows
    for_weights, for_rows = jax.random.split(key)
    initial = networks._initial(for_weights, fitting.known, (3,), (2, 3))
    keys = [jax.random.fold_in(for_rows, epoch) for epoch in range(EPOCHS)]
    orders = [np.asarray(jax.random.permutation(one, len(columns.y))) for one in keys]
    assert_allclose(given, by_hand(columns, initial, orders), atol=1e-5)
    # columns that a party lacks have weights that nothing reads
    assert initial["bottom"][0]["kernel"].shape == (4, 2, 3)
