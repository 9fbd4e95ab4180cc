"""Tasks: trained to convergence they give scikit-learn's coefficients; targets keep their units."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import HuberRegressor, PoissonRegressor, Ridge
from sklearn.svm import LinearSVC

import fedjax_shap as fs
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import gather
from fedjax_shap.learning.measure import OF_QUANTITIES
from fedjax_shap.learning.tasks import (
    TASKS,
    binary,
    classification,
    hinge,
    poisson,
    regression,
    task_for,
)
from fedjax_shap.learning.train import learner

ROWS = 120
L2 = 0.05


def features(seed=0):
    return np.random.default_rng(seed).standard_normal((ROWS, 3)).astype(np.float32)


def fitted(x, y, task, *, rate=0.3, steps=400, momentum=0.9, quantities=True, l2=L2):
    """float[4, outputs], what one member reaches by full-batch descent: weights, then the bias."""
    data = fs.from_arrays([(x, y)], (x, y), quantities=quantities)
    how = fs.local(learning_rate=rate, options={"momentum": momentum}, steps=steps, l2=l2)
    learning = learner(
        data, fs.Training(fs.models.linear(), how, fs.algorithms.fedavg(max_rounds=1), task=task)
    )
    everyone = jax.tree.map(lambda leaf: leaf[0], gather(np.ones((1, 1), bool), 1))
    params, _ = jax.jit(learning.train)(learning.world, jax.random.key(0), everyone)
    layer = params["Dense_0"]
    return np.concatenate([layer["kernel"], layer["bias"][None]])


def with_ones(x):
    """The bias as a weight of a column of ones: our l2 penalises it, as LinearSVC does."""
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def line(x, noise=0.5, seed=1):
    noise = noise * np.random.default_rng(seed).standard_normal(len(x))
    return x @ np.array([1.0, -2.0, 0.5]) + 0.7 + noise


def test_squared_errors_with_l2_are_a_ridge_regression():
    # mean e^2 / 2 + l2 / 2 |w|^2 is 1 / (2 N) of what Ridge(alpha=N l2) minimises
    x = features()
    y = line(x)
    ours = fitted(x, y, regression(standardise=False))
    ridge = Ridge(alpha=ROWS * L2, fit_intercept=False).fit(with_ones(x), y)
    assert_allclose(ours[:, 0], ridge.coef_, atol=1e-5)


def test_several_columns_are_as_many_regressions():
    x = features()
    y = np.stack([line(x), 3 - line(x, seed=2)], axis=1)
    both = fitted(x, y, regression(standardise=False))
    ridge = Ridge(alpha=ROWS * L2, fit_intercept=False).fit(with_ones(x), y)
    assert_allclose(both, ridge.coef_.T, atol=1e-5)


def test_huber_errors_are_a_huber_regression():
    # HuberRegressor fits a scale s as well; at that s its weights minimise, without a penalty, the
    # sum of our loss of delta = epsilon s, in the units of y
    x = features()
    y = line(x)
    y[:10] += 25  # outliers
    huber = HuberRegressor(epsilon=1.5, alpha=0.0, tol=1e-9, max_iter=2000).fit(x, y)
    task = regression(loss="huber", delta=1.5 * huber.scale_, standardise=False)
    ours = fitted(x, y, task, l2=0.0)
    assert_allclose(ours[:3, 0], huber.coef_, atol=1e-4)
    assert_allclose(ours[3, 0], huber.intercept_, atol=1e-4)
    squares = fitted(x, y, regression(standardise=False), l2=0.0)
    assert abs(squares[3, 0] - huber.intercept_) > 0.5  # the outliers do pull


def test_counts_are_a_poisson_regression():
    # mean(exp(eta) - y eta) + l2 / 2 |w|^2 is what PoissonRegressor(alpha=l2) minimises
    x = features()
    y = np.random.default_rng(3).poisson(np.exp(0.5 * line(x, 0)))
    ours = fitted(x, y, poisson(standardise=False), rate=0.05, steps=1500)
    theirs = PoissonRegressor(alpha=L2, fit_intercept=False, tol=1e-10, max_iter=1000)
    assert_allclose(ours[:, 0], theirs.fit(with_ones(x), y).coef_, atol=1e-5)


@pytest.mark.parametrize(("squared", "atol"), [(True, 1e-4), (False, 2e-2)])
def test_margins_are_a_linear_support_vector_machine(squared, atol):
    # mean loss + l2 / 2 |w|^2 is 1 / (N C) of what LinearSVC(C=1 / (N l2)) minimises; the plain
    # hinge loss has kinks, around which descent of one learning rate goes on stepping
    x = features()
    y = (line(x, noise=2.0) > 0).astype(int)
    ours = fitted(
        x, y, hinge(squared=squared), quantities=False, rate=0.02, steps=2000, momentum=None
    )
    kind = {True: "squared_hinge", False: "hinge"}[squared]
    theirs = LinearSVC(C=1 / (ROWS * L2), loss=kind, dual=True, tol=1e-8, max_iter=200_000)
    theirs.fit(x, y)
    assert_allclose(ours[:3, 0], theirs.coef_[0], atol=atol)
    assert_allclose(ours[3, 0], theirs.intercept_[0], atol=atol)


def test_one_logit_learns_what_two_softmax_logits_learn():
    # w_1 - w_0 of a softmax is the one logit where each has half the penalty of the difference
    x = features()
    y = (line(x, noise=2.0) > 0).astype(int)
    one = fitted(x, y, binary(), quantities=False)
    two = fitted(x, y, classification(), quantities=False, l2=2 * L2)
    assert_allclose(one[:, 0], two[:, 1] - two[:, 0], atol=1e-4)


def federation(y, **keywords):
    x = features()
    return fs.from_arrays([(x[:40], y[:40]), (x[40:], y[40:])], (x, y), **keywords)


def valued(data, task=None, *, metric=None, rounds=3, model=None, rate=0.3):
    """V(empty) and V(N) of a linear model."""
    how = fs.local(learning_rate=rate, epochs=5)
    training = fs.Training(
        model or fs.models.linear(), how, fs.algorithms.fedavg(max_rounds=rounds), task=task
    )
    masks = np.array([[False, False], [True, True]])
    game = fs.silo(data, training, metric=metric)
    return fs.evaluate(game, jax.random.key(0), masks, fs.Plan(chunk=2, workers=1))


def both(outputs, y):
    """R^2 and minus the RMSE."""
    return jnp.stack([OF_QUANTITIES["r2"](outputs, y), OF_QUANTITIES["rmse"](outputs, y)])


def test_large_targets_are_learned_as_small_ones_and_an_untrained_model_predicts_the_mean():
    y = line(features())
    small = valued(federation(y, quantities=True), metric=both)
    large = valued(federation(2e5 + 3e4 * y, quantities=True), metric=both)
    assert abs(small[0, 0]) < 1e-5 and small[1, 0] > 0.9
    assert_allclose(large[:, 0], small[:, 0], atol=1e-4)
    # errors are in the units of y
    assert_allclose(small[0, 1], -y.std(), rtol=1e-5)
    assert_allclose(large[:, 1], 3e4 * small[:, 1], rtol=1e-3)


def test_in_the_units_of_y_large_targets_make_a_network_diverge():
    data = federation(2e5 + 3e4 * line(features()), quantities=True)
    network = fs.models.mlp(hidden=(4,))
    assert valued(data, model=network, rate=0.05)[1] > 0.3
    with pytest.raises(InvalidInputError, match="training diverged"):
        valued(data, regression(standardise=False), model=network, rate=0.05)


def test_counts_begin_at_their_mean_rate():
    y = np.random.default_rng(3).poisson(40, ROWS)
    data = federation(y, quantities=True)
    metrics = poisson().metrics
    both = lambda outputs, y: jnp.stack([metrics["rmse"](outputs, y), metrics["d2"](outputs, y)])  # noqa: E731
    (rmse, explained), _ = valued(data, poisson(), metric=both)
    assert_allclose(rmse, -y.std(), rtol=1e-5)
    assert abs(explained) < 1e-5


def test_the_data_suggest_a_task():
    quantities = federation(line(features()), quantities=True)
    classes = federation(np.arange(ROWS) % 2)
    assert task_for(None, quantities).name == "regression"
    assert task_for(None, classes).name == "classification"
    with pytest.raises(InvalidInputError, match="task='classification', which learns classes"):
        task_for(classification(), quantities)
    with pytest.raises(InvalidInputError, match=r"task='regression', .* quantities=True"):
        task_for(regression(), classes)


def test_v_of_nobody_does_not_depend_on_the_names_of_classes():
    x = features()
    y = (line(x, noise=2.0) > 0.7).astype(int)  # of unequal numbers
    at_zero = []
    for words in (["no", "yes"], ["zero", "ant"]):
        names = np.array(words)[y]
        data = fs.from_arrays([(x[:40], names[:40]), (x[40:], names[40:])], (x, names))
        at_zero.append(valued(data))
    assert_allclose(at_zero[0], at_zero[1], atol=1e-6)
    assert at_zero[0][0] == 0.5


@pytest.mark.parametrize(
    ("task", "y", "said"),
    [
        (binary(), np.arange(ROWS) % 3, "task='binary' to be used with 2 classes, got 3"),
        (hinge(), np.arange(ROWS) % 3, "task='hinge' to be used with 2 classes, got 3"),
        (poisson(), np.linspace(-1, 3, ROWS), "targets of client 0 to be counts >= 0"),
        (regression, np.linspace(-1, 3, ROWS), "task='regression' to be a Task, such as"),
    ],
)
def test_a_task_that_cannot_learn_the_data_is_refused(task, y, said):
    data = federation(y, quantities=y.dtype.kind == "f")
    with pytest.raises(InvalidInputError, match=said):
        valued(data, task)


def test_a_metric_undefined_on_the_validation_set_is_refused_before_training():
    data = federation(line(features()), quantities=True)
    flat = (data.validation[0], jnp.full(ROWS, 2.0))
    with pytest.raises(InvalidInputError, match="metric='r2' to be used on targets that differ"):
        fs.silo(data.replace(validation=flat), fs.Training(fs.models.linear()))


def test_settings_of_tasks_out_of_range_are_refused():
    with pytest.raises(InvalidInputError, match=r"loss='square' .* did you mean 'squared'"):
        regression(loss="square")
    with pytest.raises(InvalidInputError, match="delta=0 to be a finite number > 0"):
        regression(loss="huber", delta=0)
    assert all(task() is None or isinstance(task(), fs.tasks.Task) for task in TASKS.values())


def test_a_task_of_ones_own_is_trained_by_its_loss_and_scored_by_its_metric():
    def tilted(outputs, y):
        """The loss of a quantile regression at 0.9."""
        error = y - outputs[:, 0]
        return jnp.maximum(0.9 * error, -0.1 * error)

    def above(outputs, y):
        return jnp.mean(outputs[:, 0] >= y)

    task = fs.tasks.Task(
        name="quantile",
        targets="quantities",
        outputs=lambda data: 1,
        loss=tilted,
        metrics={"coverage": fs.tasks.Measure(above, 1, "coverage")},
        default_metric="coverage",
    )
    y = line(features(), noise=1.0)
    _, grand = valued(federation(y, quantities=True), task, rounds=60)
    assert grand == pytest.approx(0.9, abs=0.05)
