"""The aggregate of a round's uploads: two orders of one mean, and the place of another rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import federation
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.aggregate import Aggregation, mean
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training

MASKS = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]], bool)
WEIGHTS = np.array([3.0, 0.0, 2.0, 5.0], np.float32)


def one_by_one(uploads):
    """The means of the coalitions of MASKS, client by client."""
    weights = MASKS * WEIGHTS
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
    means = jax.tree.map(lambda leaf: jnp.zeros((len(MASKS), *leaf.shape[1:])), uploads)
    rows = np.array([2, 0, 1])
    for client in range(MASKS.shape[1]):
        sent = jax.tree.map(lambda leaf, i=client: jnp.stack([leaf[i]] * len(rows)), uploads)
        means = mean().one_more(means, sent, jnp.asarray(rows), jnp.asarray(shares[rows, client]))
    return means


def test_both_orders_give_the_weighted_mean_and_0_where_nobody_counts():
    rng = np.random.default_rng(0)
    uploads = {"w": rng.normal(size=(4, 3, 2)).astype(np.float32), "b": np.arange(4.0)}
    found = one_by_one(uploads)
    for row, mask in enumerate(MASKS):
        weights = mask * WEIGHTS
        alone = mean().at_once(uploads, jnp.asarray(weights))
        for name, leaf in uploads.items():
            wanted = np.average(leaf, axis=0, weights=weights) if weights.any() else 0 * leaf[0]
            assert_allclose(found[name][row], wanted, atol=1e-6)
            assert_allclose(alone[name], wanted, atol=1e-6)


def test_an_upload_without_weight_changes_nothing_though_it_diverged():
    clean = {"w": np.arange(8, dtype=np.float32).reshape(4, 2)}
    diverged = {"w": clean["w"].copy()}
    diverged["w"][1] = np.nan
    assert_array_equal(one_by_one(diverged)["w"], one_by_one(clean)["w"])


@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_a_member_without_weight_that_diverges_leaves_the_others_model_as_it_is(layout, key):
    def diverging(at, done):
        bad = jnp.where(at.draws.client == 1, jnp.nan, 0.0)
        return jax.tree.map(lambda leaf: leaf + bad, done.params), (), at.state

    clean = fedavg(max_rounds=3, weights=(1.0, 0.0, 2.0))
    plan = Plan(layout=layout, chunk=8, buckets=1, workers=1)
    utilities = []
    for algorithm in (clean, clean._replace(upload=diverging)):
        training = Training(linear(), local(learning_rate=0.3), algorithm)
        game = silo(federation(), training, metric="negative_loss")
        utilities.append(evaluate(game, key, all_subsets(3), plan))
    assert np.isfinite(utilities[0]).all()
    assert_array_equal(*utilities)


def test_uploads_of_another_number_of_coalitions_are_refused():
    means, uploads = jnp.zeros((3, 2)), jnp.ones((1, 2))
    with pytest.raises(AssertionError, match="shape"):
        mean().one_more(means, uploads, jnp.arange(2), jnp.ones(2))


def test_a_rule_of_your_own_reaches_every_layout(key):
    def clipped(uploads):
        return jax.tree.map(lambda leaf: jnp.clip(leaf, -0.05, 0.05), uploads)

    rule = Aggregation(
        at_once=lambda uploads, weights: mean().at_once(clipped(uploads), weights),
        one_more=lambda means, uploads, rows, shares: mean().one_more(
            means, clipped(uploads), rows, shares
        ),
    )
    found = {}
    for name, aggregate in (("clipped", rule), ("plain", mean())):
        algorithm = fedavg(max_rounds=3)._replace(aggregate=aggregate)
        training = Training(linear(), local(learning_rate=0.3), algorithm)
        game = silo(federation(), training, metric="negative_loss")
        for layout in ("client", "coalition"):
            plan = Plan(layout=layout, chunk=8, buckets=1, workers=1)
            found[name, layout] = evaluate(game, key, all_subsets(3), plan)
    assert_allclose(found["clipped", "client"], found["clipped", "coalition"], rtol=1e-5)
    gap = np.abs(found["clipped", "client"] - found["plain", "client"])
    assert gap[1:].min() > 1e-3
