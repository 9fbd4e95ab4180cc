"""One client much larger than the others: memory goes by the rows there are, and no number by how
they lie."""

import jax
import numpy as np
import pytest
from federations import examples
from numpy.testing import assert_array_equal

from fedjax_shap.coalitions import chunk_of, gather
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.games.silo import silo
from fedjax_shap.learning import row_orders
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training

CLIENTS = 60
SKEWED = (4_000, *(5 for _ in range(CLIENTS - 1)))


def game_of(sizes, *, features=20, batch_size=8, epochs=2):
    """A game of one round in which every client makes two passes over its rows."""
    clients = [examples(size, 10 + i, features=features) for i, size in enumerate(sizes)]
    data = from_arrays(clients, examples(10, 1000, features=features))
    training = local(learning_rate=0.3, batch_size=batch_size, epochs=epochs)
    return silo(data, Training(linear(), training, fedavg(max_rounds=1)), metric="negative_loss")


@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_what_a_training_keeps_at_once_goes_by_the_rows_there_are(layout):
    game = game_of(SKEWED)
    data = game.world.data
    rows = sum(leaf.nbytes for leaf in (data.x, data.y))
    everyone = np.ones((1, CLIENTS), bool)
    if layout == "client":
        called, coalitions = game.values, chunk_of(everyone, 1)
    else:
        called, coalitions = jax.vmap(game.value, (None, None, 0)), gather(everyone, CLIENTS)
    compiled = jax.jit(called).lower(game.world, jax.random.key(0), coalitions).compile()
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(game.world)) < 1.2 * rows
    assert compiled.memory_analysis().temp_size_in_bytes < 2 * rows


def test_orders_that_lie_close_together_are_those_that_lie_padded(monkeypatch):
    game = game_of((2, 9, 1, 5, 3), features=2, batch_size=2)
    coalitions = gather(np.array([[1, 1, 1, 1, 1], [0, 1, 1, 1, 1], [1, 0, 1, 0, 1]], bool), 5)

    def valued():
        # a new function each time, so that it is traced anew
        of_each = jax.jit(lambda *given: jax.vmap(game.value, (None, None, 0))(*given))
        return of_each(game.world, jax.random.key(0), coalitions)

    padded = valued()
    monkeypatch.setattr(row_orders, "PADDED_AT_MOST", 0)
    assert_array_equal(valued(), padded)
