"""Metrics against scikit-learn, and their refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.metric import (
    EXAMPLES_AT_ONCE,
    METRICS,
    accuracy,
    balanced_accuracy,
    metric_for,
    negative_loss,
    roc_auc,
    score,
)


def predictions(classes, count=203, seed=0):
    """Logits on a coarse grid, so that scores tie, and labels."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    logits = np.round(2 * rng.normal(size=(count, classes)) + np.eye(classes)[y], 0)
    return jnp.asarray(logits, jnp.float32), jnp.asarray(y, jnp.int32)


@pytest.mark.parametrize("classes", [2, 10])
def test_metrics_are_those_of_sklearn(classes):
    logits, y = predictions(classes)
    guesses, chances = (
        np.argmax(logits, axis=1),
        np.asarray(jax.nn.softmax(logits, axis=1), np.float64),
    )
    found = jax.jit(
        lambda *sets: [metric(*sets) for metric in (accuracy, balanced_accuracy, negative_loss)]
    )(logits, y)
    assert_allclose(found[0], accuracy_score(y, guesses), rtol=1e-6)
    assert_allclose(found[1], balanced_accuracy_score(y, guesses), rtol=1e-6)
    chances /= chances.sum(axis=1, keepdims=True)
    assert_allclose(found[2], -log_loss(y, chances, labels=range(classes)), rtol=1e-5)


def test_roc_auc_is_that_of_sklearn_with_ties():
    logits, y = predictions(2)
    scores = np.asarray(logits[:, 1] - logits[:, 0])
    assert len(np.unique(scores)) < len(scores) / 2, "scores should tie"
    assert_allclose(roc_auc(logits, y), roc_auc_score(y, scores), rtol=1e-6)
    assert_allclose(roc_auc(jnp.zeros_like(logits), y), 0.5)


def test_roc_auc_of_a_large_set_does_not_overflow():
    rng = np.random.default_rng(0)
    y = np.arange(120_000) % 2
    logits = np.stack([np.zeros(len(y)), rng.normal(size=len(y)) + y], axis=1).astype(np.float32)
    found = roc_auc(jnp.asarray(logits), jnp.asarray(y, jnp.int32))
    assert_allclose(found, roc_auc_score(y, logits[:, 1]), rtol=1e-5)


def test_balanced_accuracy_leaves_out_classes_that_do_not_occur():
    logits, y = predictions(4)
    kept = np.asarray(y) != 2
    logits, y = logits[kept], y[kept]
    expected = oracle.balanced_accuracy(np.asarray(logits, np.float64), np.asarray(y))
    assert_allclose(balanced_accuracy(logits, y), expected, rtol=1e-6)


@pytest.mark.parametrize("count", [EXAMPLES_AT_ONCE, 2 * EXAMPLES_AT_ONCE + 17])
def test_a_large_set_is_scored_in_blocks_as_in_one_piece(count):
    rng = np.random.default_rng(1)
    x, y = (
        jnp.asarray(rng.normal(size=(count, 3)), jnp.float32),
        jnp.asarray(rng.integers(0, 2, count), jnp.int32),
    )
    weights = jnp.asarray(rng.normal(size=(3, 2)), jnp.float32)

    @jax.jit
    def both(weights, x, y):
        blocks = [
            score(lambda params, x: x @ params, metric, weights, (x, y))
            for metric in METRICS.values()
        ]
        return blocks, [metric(x @ weights, y) for metric in METRICS.values()]

    assert_allclose(*both(weights, x, y), rtol=1e-5)


@pytest.mark.parametrize("name", METRICS)
def test_a_model_that_diverged_has_no_score(name):
    x, y = jnp.ones((4, 2)), jnp.array([0, 1, 0, 1])
    assert np.isfinite(score(lambda params, x: x * params, METRICS[name], jnp.float32(1.0), (x, y)))
    for broken in (jnp.nan, jnp.inf):
        assert np.isnan(score(lambda params, x: x * params, METRICS[name], broken, (x, y)))


@pytest.mark.parametrize(
    ("name", "labels", "classes", "sentence"),
    [
        ("acuracy", [0, 1], 2, "metric='acuracy' to be a known name; did you mean 'accuracy'"),
        (
            "roc_auc",
            [0, 1, 2],
            3,
            "two classes that both occur, got 3 classes of which \\[0, 1, 2\\] occur",
        ),
        ("roc_auc", [1, 1], 2, "two classes that both occur, got 2 classes of which \\[1\\] occur"),
    ],
)
def test_a_metric_that_is_undefined_is_refused_in_one_sentence(name, labels, classes, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        metric_for(name, jnp.array(labels), classes)
