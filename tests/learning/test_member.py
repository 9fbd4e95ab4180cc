"""A member's part of a round: the key from which it may draw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import federation
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.coalitions import all_subsets, chunk_of, gather
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.train import begun, learner
from fedjax_shap.learning.training import Training


def noisy(length=3):
    """FedAvg whose clients add noise of their own to what they upload."""

    def upload(at, done):
        noise = jax.random.uniform(at.key)
        return jax.tree.map(lambda leaf: leaf + noise, done.params), (), at.state

    return fedavg(max_rounds=length)._replace(upload=upload)


@pytest.fixture(scope="module")
def noises():
    """(key, members, round, first round) -> what each member's noise is, by slot."""
    idle = federation(idle=[True, True, True])  # so nothing but noise is uploaded
    learning = learner(idle, Training(linear(), local(), noisy()))

    @jax.jit
    def biases(key, coalition, round_, first_round):
        world = learning.world.replace(first_round=first_round)
        sent = learning.collect(world, key, round_, begun(world, coalition), coalition)
        return sent.uploads["Dense_0"]["bias"][:, 0]

    def of(key, members, round_=0, first_round=0):
        coalition = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), gather(np.array([members]), 3))
        found = biases(key, coalition, jnp.int32(round_), jnp.int32(first_round))
        return np.asarray(found)[: sum(members)]

    return of


def test_a_client_draws_the_same_in_every_coalition_and_anew_in_each_round_and_run(noises, key):
    everyone = noises(key, (True, True, True))
    assert len(set(everyone)) == 3
    assert_array_equal(noises(key, (True, False, True)), everyone[[0, 2]])
    assert_array_equal(noises(key, (False, True, False)), everyone[[1]])
    later = noises(key, (True, True, True), round_=1)
    assert not set(later) & set(everyone)
    assert_array_equal(noises(key, (True, True, True), first_round=1), later)
    assert not set(noises(jax.random.key(9), (True, True, True))) & set(everyone)


def test_both_layouts_draw_alike(key):
    game = silo(
        federation(),
        Training(linear(), local(learning_rate=0.3, batch_size=3), noisy()),
        metric="negative_loss",
    )
    one, two = (
        evaluate(game, key, all_subsets(3), Plan(layout=layout, chunk=8, buckets=1, workers=1))
        for layout in ("client", "coalition")
    )
    assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_an_algorithm_that_draws_nothing_computes_no_key(layout, key):
    in_order = local(learning_rate=0.3, batch_size=3, reshuffle=False)
    masks = all_subsets(3)

    def program(rule):
        game = silo(federation(), Training(linear(), in_order, rule))
        if layout == "client":
            return str(jax.make_jaxpr(game.values)(game.world, key, chunk_of(masks, 8)))
        one = jax.tree.map(lambda leaf: leaf[5], gather(masks, 3))
        return str(jax.make_jaxpr(game.value)(game.world, key, one))

    assert "random" in program(noisy())
    assert "random" not in program(fedavg())
