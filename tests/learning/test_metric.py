"""Scoring a model: blocks, diverged models, resamples, and metrics of one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.learning.measure import OF_CLASSES, Measure
from fedjax_shap.learning.metric import EXAMPLES_AT_ONCE, bootstrapped, score
from fedjax_shap.learning.task import measure_for
from fedjax_shap.learning.tasks import classification


def federation(labels, classes):
    y = np.array(labels)
    x = np.zeros((len(y), 1))
    return from_arrays([(x, y)], (x, y), num_classes=classes)


@pytest.mark.parametrize("count", [EXAMPLES_AT_ONCE, 2 * EXAMPLES_AT_ONCE + 17])
def test_a_large_set_is_scored_in_blocks_as_in_one_piece(count):
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(count, 3)), jnp.float32)
    y = jnp.asarray(rng.integers(0, 2, count), jnp.int32)
    weights = jnp.asarray(rng.normal(size=(3, 2)), jnp.float32)

    @jax.jit
    def both(weights, x, y):
        blocks = [
            score(lambda params, x: x @ params, metric, weights, (x, y))
            for metric in OF_CLASSES.values()
        ]
        return blocks, [metric(x @ weights, y) for metric in OF_CLASSES.values()]

    assert_allclose(*both(weights, x, y), rtol=1e-5)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_model_that_diverged_has_no_score(name):
    x = jnp.ones((4, 2))
    y = jnp.array([0, 1, 0, 1])

    def scored(params):
        return score(lambda params, x: x * params, OF_CLASSES[name], params, (x, y))

    assert np.isfinite(scored(jnp.float32(1.0)))
    assert np.isnan(scored(jnp.nan)) and np.isnan(scored(jnp.inf))


@pytest.mark.parametrize(
    ("name", "labels", "classes", "sentence"),
    [
        ("acuracy", [0, 1], 2, "a metric of the task 'classification'; did you mean 'accuracy'"),
        ("roc_auc", [0, 1], 3, "all occur, got 3 classes of which \\[0, 1\\] occur"),
        ("roc_auc", [1, 1], 2, "all occur, got 2 classes of which \\[1\\] occur"),
        ("average_precision", [1, 1], 2, "metric='average_precision' to be used where"),
        (3, [0, 1], 2, "metric=3 to be a name, a function"),
        (sklearn.metrics.accuracy_score, [0, 1], 2, "accuracy_score to score .* with jax.numpy"),
        (
            lambda outputs, y: np.asarray(outputs).mean(),
            [0, 1],
            2,
            "with jax.numpy, not with NumPy",
        ),
        (lambda outputs: outputs.sum(), [0, 1], 2, "metric=<lambda> to score .* TypeError"),
        (lambda outputs, y: (outputs, y), [0, 1], 2, "to give a real number"),
        (lambda outputs, y: 1 if outputs.sum() > 0 else 0, [0, 1], 2, "without `if`"),
    ],
)
def test_a_metric_that_cannot_be_used_is_refused_in_one_sentence(name, labels, classes, sentence):
    with pytest.raises(InvalidInputError, match=sentence) as refusal:
        measure_for(classification(), federation(labels, classes), name)
    assert "\n" not in str(refusal.value)


def test_a_metric_of_ones_own_is_used_as_it_is():
    def hits_of_class_one(outputs, y):
        return ((outputs.argmax(-1) == 1) & (y == 1)).sum()

    data = federation([0, 1, 1], 2)
    own = measure_for(classification(), data, hits_of_class_one)
    logits = jnp.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert own(logits, jnp.array([0, 1, 1])) == 1 and own.label == "hits of class one"
    assert measure_for(classification(), data, lambda outputs, y: 0.5).label == "own metric"


def test_an_error_counts_with_a_minus_sign_and_reads_without():
    error = Measure(lambda outputs, y: jnp.abs(outputs[:, 0] - y).mean(), -1, "error")
    own = measure_for(classification(), federation([0, 1], 2), error)
    outputs = jnp.array([[2.0], [3.0]])
    assert own.score(outputs, jnp.array([0, 1])) == 2 and own(outputs, jnp.array([0, 1])) == -2


def test_resamples_of_rows_keep_outputs_and_targets_together():
    outputs = jnp.arange(12.0).reshape(6, 2)
    error = bootstrapped(lambda outputs, y: jnp.abs(outputs - y).sum() + y.size, 3)
    assert error(outputs, outputs).tolist() == [12, 12, 12, 12]


def test_resamples_of_users_take_all_rows_of_each_that_is_drawn():
    """Three users of four rows each: every resample is three users, each with all its rows."""
    users = np.repeat(np.arange(3), 4)
    outputs = jnp.arange(12.0)
    shares = bootstrapped(lambda outputs, y: jnp.bincount(y, length=12), 50, users)
    counts = np.asarray(shares(outputs, jnp.arange(12))).reshape(-1, 3, 4)
    assert (counts == counts[:, :, :1]).all()
    assert (counts.sum(axis=(1, 2)) == 12).all()
    assert len(np.unique(counts[:, :, 0], axis=0)) > 5


def test_resamples_of_unequal_users_are_as_large_as_the_set():
    users = np.repeat(np.arange(3), [1, 5, 2])
    rows = bootstrapped(lambda outputs, y: outputs, 100, users)(jnp.arange(8.0), jnp.zeros(8))
    drawn = np.asarray(rows).reshape(-1, 8)[1:]
    starts = {0.0: 1, 1.0: 5, 6.0: 2}
    for resample in drawn.tolist():
        place = 0
        while place < 8:  # user by user: its rows from the first, as many as fit
            first = resample[place]
            own = np.arange(first, first + starts[first])[: 8 - place]
            assert resample[place : place + len(own)] == own.tolist()
            place += len(own)
    assert {resample[0] for resample in drawn.tolist()} == {0.0, 1.0, 6.0}


def test_the_error_over_users_is_that_of_a_mean_over_users():
    """Rows of one user are alike: 400 rows of 20 users say no more than 20 numbers."""
    of_user = np.random.default_rng(0).normal(size=20)
    users = np.repeat(np.arange(20), 20)
    outputs = jnp.asarray(of_user[users])
    mean = lambda outputs, y: outputs.mean()  # noqa: E731
    over_users = np.asarray(bootstrapped(mean, 200, users)(outputs, outputs))[1:].std()
    over_rows = np.asarray(bootstrapped(mean, 200)(outputs, outputs))[1:].std()
    assert over_users == pytest.approx(of_user.std() / np.sqrt(20), rel=0.2)
    assert over_rows == pytest.approx(of_user.std() / np.sqrt(400), rel=0.2)


def test_resamples_of_one_user_are_refused():
    with pytest.raises(InvalidInputError, match="resamples to be 0 where the rows of 1 user"):
        bootstrapped(lambda outputs, y: outputs.mean(), 2, np.zeros(4, int))
