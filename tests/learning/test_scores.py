"""Scores are scikit-learn's, ties included, and do not depend on how classes are numbered."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
import sklearn.metrics as truth
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.preprocessing import label_binarize

from fedjax_shap._validate import cautions
from fedjax_shap.learning.class_scores import balanced_accuracy, roc_auc, two_columns
from fedjax_shap.learning.measure import OF_CLASSES, OF_COUNTS, OF_QUANTITIES, own_measure
from fedjax_shap.learning.tasks import binary, hinge, poisson

ROWS = 203


@jax.jit
def every_score(logits, y):
    return {name: measure.score(logits, y) for name, measure in OF_CLASSES.items()}


def predictions(classes, *, tied=False, seed=0):
    """Logits and labels; where tied on a coarse grid, so that the scores of rows tie."""
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, ROWS - classes)])
    logits = 2 * rng.normal(size=(ROWS, classes)) + np.eye(classes)[y]
    if tied:
        logits = np.round(logits)
        logits[:, 1] += 0.5  # the classes of a row do not tie
    return jnp.asarray(logits, jnp.float32), jnp.asarray(y, jnp.int32)


def of_sklearn(logits, y):
    """Every score of a classifier, by scikit-learn in float64."""
    logits = np.asarray(logits, np.float64)
    classes = logits.shape[1]
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    guesses = logits.argmax(1)
    columns = chances
    if classes == 2:
        columns = logits[:, 1] - logits[:, 0]
    each = label_binarize(y, classes=range(classes))
    return {
        "accuracy": truth.accuracy_score(y, guesses),
        "balanced_accuracy": truth.balanced_accuracy_score(y, guesses),
        "negative_loss": -truth.log_loss(y, chances, labels=range(classes)),
        "log_loss": truth.log_loss(y, chances, labels=range(classes)),
        "f1_macro": truth.f1_score(y, guesses, average="macro"),
        "f1_micro": truth.f1_score(y, guesses, average="micro"),
        "roc_auc": truth.roc_auc_score(y, columns, multi_class="ovr", average="macro"),
        "average_precision": truth.average_precision_score(each, columns, average="macro"),
    }


@pytest.mark.parametrize(("classes", "tied"), [(2, False), (2, True), (7, False)])
def test_scores_of_classifiers_are_those_of_sklearn(classes, tied):
    logits, y = predictions(classes, tied=tied)
    scores = logits[:, 1] - logits[:, 0]
    assert not tied or len(np.unique(scores)) < len(scores) / 2, "scores should tie"
    found = every_score(logits, y)
    expected = of_sklearn(logits, np.asarray(y))
    assert found.keys() == expected.keys()
    for name, number in found.items():
        assert_allclose(number, expected[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("task", [binary(), hinge()])
def test_one_logit_is_scored_as_two_classes_are(task):
    logits, y = predictions(2)
    one = logits[:, 1:] - logits[:, :1]
    expected = of_sklearn(two_columns(one), np.asarray(y))
    for name, measure in task.metrics.items():
        if name != "hinge_loss":
            assert_allclose(measure.score(one, y), expected[name], rtol=1e-6, err_msg=name)
    if task.name == "hinge":
        margin = truth.hinge_loss(y, np.asarray(one[:, 0], np.float64))
        assert_allclose(task.metrics["hinge_loss"].score(one, y), margin, rtol=1e-6)


@pytest.mark.parametrize("columns", [1, 3])
def test_scores_of_quantities_are_those_of_sklearn(columns):
    rng = np.random.default_rng(1)
    y = (50 + 4 * rng.normal(size=(ROWS, columns))).astype(np.float32)
    outputs = (y + rng.normal(size=(ROWS, columns))).astype(np.float32)
    target = y[:, 0] if columns == 1 else y
    expected = {
        "r2": truth.r2_score(y, outputs),
        "rmse": truth.root_mean_squared_error(y, outputs),
        "mae": truth.mean_absolute_error(y, outputs),
        "mse": truth.mean_squared_error(y, outputs),
    }
    assert expected.keys() == OF_QUANTITIES.keys()
    for name, measure in OF_QUANTITIES.items():
        number = measure.score(jnp.asarray(outputs), jnp.asarray(target))
        assert_allclose(number, expected[name], rtol=1e-6, err_msg=name)


def test_scores_of_counts_are_those_of_sklearn():
    rng = np.random.default_rng(2)
    y = rng.poisson(3.0, ROWS).astype(np.float32)
    rate = np.exp(rng.normal(1.0, 0.5, size=(ROWS, 1))).astype(np.float32)
    expected = {
        "deviance": truth.mean_poisson_deviance(y, rate[:, 0]),
        "d2": truth.d2_tweedie_score(y, rate[:, 0], power=1),
        "rmse": truth.root_mean_squared_error(y, rate),
    }
    assert OF_COUNTS.keys() < poisson().metrics.keys()
    for name, number in expected.items():
        score = poisson().metrics[name].score(jnp.log(rate), jnp.asarray(y))
        assert_allclose(score, number, rtol=2e-6, err_msg=name)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), order=st.permutations(range(4)))
def test_no_score_depends_on_how_classes_are_numbered(seed, order):
    rng = np.random.default_rng(seed)
    logits = rng.integers(-1, 2, size=(24, 4)).astype(np.float32)  # most rows tie
    y = np.concatenate([np.arange(4), rng.integers(0, 4, 20)])
    order = np.array(order)
    before = every_score(jnp.asarray(logits), jnp.asarray(y))
    after = every_score(jnp.asarray(logits[:, order]), jnp.asarray(np.argsort(order)[y]))
    for name in OF_CLASSES:
        assert_allclose(after[name], before[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("classes", [2, 5])
def test_a_model_that_says_nothing_recognises_one_row_in_as_many_as_there_are_classes(
    name, classes
):
    for label in range(classes):
        y = jnp.full(6, label)
        score = OF_CLASSES[name].score(jnp.zeros((6, classes)), y)
        assert_allclose(score, 1 / classes, rtol=1e-6)


def test_roc_auc_of_a_large_set_does_not_overflow():
    rng = np.random.default_rng(0)
    y = np.arange(120_000) % 2
    logits = np.stack([np.zeros(len(y)), rng.normal(size=len(y)) + y], axis=1).astype(np.float32)
    found = roc_auc(jnp.asarray(logits), jnp.asarray(y, jnp.int32))
    assert_allclose(found, truth.roc_auc_score(y, logits[:, 1]), rtol=1e-5)


def test_balanced_accuracy_leaves_out_classes_that_do_not_occur():
    logits, y = predictions(4)
    kept = np.asarray(y) != 2
    expected = oracle.balanced_accuracy(np.asarray(logits[kept], np.float64), np.asarray(y[kept]))
    assert_allclose(balanced_accuracy(logits[kept], y[kept]), expected, rtol=1e-6)


def test_a_metric_of_ones_own_that_gives_ties_to_the_first_class_is_said():
    _, y = predictions(3)
    y = jnp.where(y == 2, 0, y)  # classes of unequal size

    def share_right(outputs, y):
        return (outputs.argmax(-1) == y).mean()

    def recall_of_the_first(outputs, y):
        hits = (outputs.argmax(-1) == 0) & (y == 0)
        return hits.sum() / (y == 0).sum()

    for metric, count in ((share_right, 1), (recall_of_the_first, 0), (balanced_accuracy, 0)):
        with cautions() as said:
            own_measure(metric, (ROWS, 3), y)
        assert len(said) == count and all("'share_right' gives ties" in one for one in said)
