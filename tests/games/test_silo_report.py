"""What a silo coalition is worth: its last or its best model, and a given value of nobody."""

import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial, layers, metric_of
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training

EVERY = all_subsets(3)


def test_the_best_round_and_the_value_of_nobody_are_named_options(key):
    data = federation()
    training = Training(
        linear(),
        local(learning_rate=4.0, steps=3),
        fedavg(max_rounds=6),
        initial=initial(FEATURES, CLASSES),
    )
    metric = {"metric": "negative_loss"}
    observed = evaluate(curves(data, training, **metric), key, EVERY)[:, 3]
    assert (observed.argmax(axis=1)[1:] < 5).any(), (
        "the last round should not be the best everywhere"
    )
    final = evaluate(silo(data, training, empty=-7.5, **metric), key, EVERY)
    assert final[0] == -7.5
    assert_allclose(final[1:], observed[1:, -1], rtol=1e-5)
    best = evaluate(silo(data, training, report="best", skip_rounds=2, **metric), key, EVERY)
    assert_allclose(best[0], metric_of(data)(layers(initial(FEATURES, CLASSES))), rtol=1e-6)
    assert_allclose(best[1:], observed[1:, 2:].max(axis=1), rtol=1e-5)


@pytest.mark.parametrize(("layout", "skip_rounds"), [("client", 0), ("coalition", 4)])
def test_the_best_round_and_a_given_value_of_nobody_go_together(layout, skip_rounds, key):
    """`empty` is V(empty) alone; others have the best of the rounds that count, or their last."""
    data = federation()
    plan = Plan(chunk=8, layout=layout, buckets=1)
    training = Training(
        linear(),
        local(learning_rate=2.0, steps=3),
        fedavg(max_rounds=6, weights=(0.0, 12.0, 4.0), tol=0.1, patience=1),
        initial=initial(FEATURES, CLASSES),
    )
    followed = evaluate(curves(data, training, metric="negative_loss"), key, EVERY, plan)
    lengths = followed[:, 1].sum(axis=1).astype(int)
    observed = followed[:, 3]
    assert {3, 6} <= set(lengths), "some should stop within the rounds that do not count"
    assert (observed.argmax(axis=1) < lengths - 1).any(), "the last round should not be the best"
    game = silo(
        data, training, metric="negative_loss", report="best", skip_rounds=skip_rounds, empty=-0.5
    )
    utilities = evaluate(game, key, EVERY, plan)
    expected = [
        row[min(skip_rounds, length - 1) : length].max() for row, length in zip(observed, lengths)
    ]
    assert utilities[0] == -0.5
    assert_allclose(utilities[1:], expected[1:], rtol=1e-5)
    untrained = metric_of(data)(layers(initial(FEATURES, CLASSES)))
    assert_allclose(utilities[1], untrained, rtol=1e-6)  # a member without weight is not nobody


@pytest.mark.parametrize("report", ["final", "best"])
def test_a_given_value_of_nobody_is_that_of_all_resamples(report, key):
    game = silo(federation(), Training(linear()), report=report, empty=0.25, resamples=3)
    assert_array_equal(evaluate(game, key, EVERY[:1]), np.full((1, 4), 0.25))
