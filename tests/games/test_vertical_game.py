"""The vertical game: coalitions are fitted as others fit their columns, and what it refuses."""

import jax.numpy as jnp
import numpy as np
import pytest
from columns import OWNERS, renamed, seen_by, small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score, roc_auc_score

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import fingerprint
from fedjax_shap.games import statistics
from fedjax_shap.games import vertical as games
from fedjax_shap.games.vertical import vertical
from fedjax_shap.learning import tasks
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate

MASKS = all_subsets(3)
REGRESSIONS = {
    "ridge": (games.ridge(penalty=0.7), lambda: Ridge(alpha=0.7)),
    "least_squares": (games.least_squares(), LinearRegression),
}


def flat(outputs, y):
    """All outputs of a model, as a metric of many numbers."""
    return outputs.ravel()


def outputs_of(columns, model, **more):
    """What every coalition's model gives for the validation rows: float64[8, T, outputs]."""
    game = vertical(columns, model, metric=flat, **more)
    return evaluate(game, 0, MASKS).reshape(len(MASKS), len(columns.validation[1]), -1)


def fitted(make, columns, mask, y=None):
    """What scikit-learn's model of the columns of a coalition is, and the rows it is scored on."""
    seen = seen_by(mask)
    x = columns.x[:, seen].astype(float)
    found = make().fit(x, columns.y if y is None else y)
    return found, columns.validation[0][:, seen].astype(float)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_regressions_of_all_coalitions_are_scikit_learns_on_their_columns(name):
    model, make = REGRESSIONS[name]
    columns = small(num_classes=None)
    utilities = evaluate(vertical(columns, model), 0, MASKS)
    for mask, utility in zip(MASKS, utilities, strict=True):
        theirs, x = fitted(make, columns, mask)
        assert utility == pytest.approx(
            r2_score(columns.validation[1], theirs.predict(x)), abs=1e-6
        )


@pytest.mark.parametrize("num_classes", [2, 3])
def test_logistic_regressions_are_scikit_learns_on_their_columns(num_classes):
    columns = small(num_classes=num_classes)
    given = outputs_of(columns, games.logistic(penalty=0.5))
    for mask, ours in zip(MASKS, given, strict=True):
        theirs, x = fitted(lambda: LogisticRegression(C=2.0, tol=1e-10), columns, mask)
        chances = np.exp(ours) / np.exp(ours).sum(axis=1, keepdims=True)
        assert_allclose(chances, theirs.predict_proba(x), atol=2e-6)


def test_nearly_separable_classes_are_fitted_too():
    columns = small(num_classes=2)
    x = columns.x.copy()
    x[:, 1] = 40.0 * (2.0 * columns.y - 1.0) + x[:, 1]
    given = outputs_of(columns._replace(x=x), games.logistic(penalty=1e-6))
    assert np.isfinite(given).all()


def test_taylor_regressions_solve_the_normal_equations_of_the_taylor_loss():
    columns = small(num_classes=2)
    penalty = 0.6
    given = outputs_of(columns, games.taylor(penalty=penalty))
    sign = 2.0 * columns.y - 1.0
    for mask, ours in zip(MASKS, given, strict=True):
        seen = seen_by(mask)
        x = np.column_stack([columns.x[:, seen].astype(float), np.ones(len(sign))])
        penalties = penalty * np.diag(np.append(np.ones(seen.sum()), 0.0))
        # of sum(log 2 - y s / 2 + s^2 / 8) + penalty / 2 |w|^2
        weights = np.linalg.solve(x.T @ x / 4 + penalties, x.T @ sign / 2)
        rows = columns.validation[0][:, seen]
        scores = np.column_stack([rows, np.ones(len(rows))]) @ weights
        assert_allclose(ours[:, 1] - ours[:, 0], scores, atol=1e-6)


def test_taylor_regression_of_more_classes_is_one_against_the_rest():
    columns = small(num_classes=3)
    everyone = outputs_of(columns, games.taylor(penalty=0.25))[-1]
    for label in range(3):
        target = np.where(columns.y == label, 2.0, -2.0)
        theirs, x = fitted(lambda: Ridge(alpha=1.0), columns, MASKS[-1], target)
        assert_allclose(everyone[:, label], theirs.predict(x), atol=1e-6)


def test_metrics_are_those_of_the_coalitions_models():
    columns = small(num_classes=2)
    areas = evaluate(vertical(columns, games.logistic(), metric="roc_auc"), 0, MASKS)
    losses = evaluate(
        vertical(columns, games.logistic(), metric="log_loss", task=tasks.binary()), 0, MASKS
    )
    y = columns.validation[1]
    for mask, area, loss in zip(MASKS, areas, losses, strict=True):
        theirs, x = fitted(lambda: LogisticRegression(C=1.0, tol=1e-10), columns, mask)
        chances = theirs.predict_proba(x)[:, 1]
        assert area == pytest.approx(roc_auc_score(y, chances), abs=1e-12)
        assert loss == pytest.approx(-log_loss(y, chances), abs=1e-6)


@pytest.mark.every_name
@pytest.mark.parametrize(
    "name", ["ridge", "logistic", "taylor", pytest.param("split", marks=pytest.mark.slow)]
)
def test_no_coalition_sees_the_columns_of_others(name):
    columns = small(num_classes=None if name == "ridge" else 2)
    model = games.VERTICAL[name]()
    if name == "split":
        model = games.split(bottom=(3,), top=(), epochs=1, batch_size=16)
    metric = "mse" if name == "ridge" else "log_loss"
    utilities = evaluate(vertical(columns, model, metric=metric), 0, MASKS)
    x = columns.x.copy()
    x[:, OWNERS == 2] = np.random.default_rng(9).normal(size=(len(x), 2))
    held_out, y = columns.validation
    other = held_out.copy()
    other[:, OWNERS == 2] = 7.0
    changed = columns._replace(x=x, validation=(other, y))
    again = evaluate(vertical(changed, model, metric=metric), 0, MASKS)
    outside = ~MASKS[:, 2]
    assert_allclose(utilities[outside], again[outside], rtol=1e-6)
    assert (np.abs(utilities - again)[~outside] > 1e-4).all()


@pytest.mark.parametrize(
    "model",
    [
        games.logistic(),
        pytest.param(
            games.split(bottom=(3,), top=(2,), epochs=2, batch_size=16), marks=pytest.mark.slow
        ),
    ],
)
def test_layouts_chunks_and_blocks_agree(model, monkeypatch):
    columns = small(num_classes=2)
    utilities = evaluate(vertical(columns, model, metric="log_loss"), 0, MASKS, Plan(chunk=8))
    tolerance = 1e-9 if model.float64 else 1e-5
    monkeypatch.setattr(games, "BLOCK_BYTES", 1)
    blocks = vertical(columns, model, metric="log_loss")
    for plan in (Plan(chunk=8), Plan(chunk=4, layout="coalition")):
        assert_allclose(utilities, evaluate(blocks, 0, MASKS, plan), rtol=tolerance)


@pytest.mark.parametrize(
    "model",
    [
        games.taylor(),
        pytest.param(games.logistic(), marks=pytest.mark.slow),
        pytest.param(
            games.split(bottom=(2,), top=(2,), epochs=1, batch_size=30), marks=pytest.mark.slow
        ),
    ],
)
def test_the_order_in_which_parties_are_named_has_no_effect(model):
    columns = small(num_classes=2)
    order = [2, 0, 1]
    masks = MASKS[[3, 6]]
    given = evaluate(vertical(columns, model, metric="log_loss"), 0, masks)
    other = vertical(renamed(columns, order), model, metric="log_loss")
    assert_allclose(given, evaluate(other, 0, masks[:, order]), rtol=1e-5)


def test_the_label_holder_alone_is_the_empty_coalition():
    columns = small(num_classes=None)
    [alone] = evaluate(vertical(columns, games.ridge()), 0, MASKS[:1])
    theirs, x = fitted(lambda: Ridge(alpha=1.0), columns, MASKS[0])
    assert x.shape[1] == 1
    assert alone == pytest.approx(r2_score(columns.validation[1], theirs.predict(x)), abs=1e-6)
    without = small(num_classes=None, owners=np.array([0, 2, 1, 2, 1, 0]))
    [nothing] = evaluate(vertical(without, games.ridge(), metric="mse"), 0, MASKS[:1])
    y = without.validation[1].astype(float)
    assert nothing == pytest.approx(-np.mean((y - without.y.mean(dtype=float)) ** 2), rel=1e-6)
    [stated] = evaluate(vertical(columns, games.ridge(), empty=-5.0), 0, MASKS[:1])
    assert stated == -5.0


def test_values_add_up_and_a_copy_shares_with_its_original():
    columns = small(num_classes=None)
    x, (held_out, y) = columns.x.copy(), columns.validation
    held_out = held_out.copy()
    for rows in (x, held_out):
        rows[:, OWNERS == 0] = rows[:, OWNERS == 2]
    copied = columns._replace(x=x, validation=(held_out, y))
    found = estimate(vertical(copied, games.ridge()), exact())
    assert found.values.sum() == pytest.approx(float(found.grand) - float(found.empty), abs=1e-12)
    assert found.values[0] == pytest.approx(found.values[2], abs=1e-9)


def test_utilities_have_resamples_or_classes_behind_them():
    columns = small(num_classes=3)
    plain = evaluate(vertical(columns, games.taylor()), 0, MASKS)
    noisy = evaluate(vertical(columns, games.taylor(), resamples=4), 0, MASKS)
    assert noisy.shape == (8, 5)
    assert_array_equal(noisy[:, 0], plain)
    game = vertical(columns, games.taylor(), judges="classes")
    by_class = evaluate(game, 0, MASKS)
    assert_allclose(by_class[:, 1:] @ np.array(game.trailing.weights), plain, atol=1e-12)


def test_a_party_without_columns_is_worth_nothing_and_it_is_said():
    owners = np.array([0, 2, 0, 2, -1, 0])
    with pytest.warns(InputWarning, match="Parties without columns are worth 0: 'shop'"):
        game = vertical(small(num_classes=None, owners=owners), games.ridge())
    assert estimate(game, exact()).values[1] == 0.0


def test_what_decides_a_utility_changes_the_name_of_the_store(key):
    columns = small()
    moved = columns._replace(owners=np.array([1, 2, 1, 2, -1, 0]))

    def name(columns, penalty=1.0):
        return fingerprint(vertical(columns, games.taylor(penalty=penalty)), key)

    assert name(columns) == name(small())
    assert name(columns) != name(columns, penalty=2.0)
    assert name(columns) != name(moved)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"owners": np.array([0, 1])}, "Expected columns.owners to be whole numbers, one for each"),
        ({"owners": OWNERS + 1}, "Expected columns.owners to lie in -1..2, got 0..3"),
        (
            {"names": ("bank", "shop", "bank")},
            "Expected columns.names to be names of different parties",
        ),
        (
            {"validation": (np.zeros((3, 2)), np.zeros(3, int))},
            "Expected columns.validation to have",
        ),
    ],
)
def test_columns_that_do_not_go_together_are_refused(change, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        vertical(small()._replace(**change), games.logistic())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: vertical(small(), games.ridge()),
            "Expected task='classification' to be 'regression'",
        ),
        (lambda: vertical(small(None), games.logistic()), "Expected task='regression' to be"),
        (lambda: vertical(small(), statistics.kmeans(clusters=2)), "Expected model='kmeans' to be"),
        (lambda: vertical(small(), games.logistic), "must be called: logistic"),
        (lambda: vertical(small(), games.logistic(), metric="r2"), "Expected metric='r2'"),
        (
            lambda: vertical(small(), games.logistic(), judges="members"),
            "Expected judges='members' to be a known name; known: classes, server",
        ),
        (lambda: games.logistic(penalty=0), "Expected penalty=0 to be a finite number > 0"),
        (lambda: games.taylor(penalty=-1), "Expected penalty=-1 to be a finite number > 0"),
        (lambda: games.split(bottom=()), r"Expected bottom=\(\) to be the width"),
        (lambda: games.split(top=(0,)), "Expected top=0 to be an integer >= 1"),
        (lambda: vertical("columns", games.logistic()), "Expected columns='columns' to be of type"),
    ],
)
def test_what_does_not_fit_is_refused(make, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        make()


def test_a_metric_of_ones_own_is_traced_on_the_tasks_outputs():
    def mean_score(outputs, y):
        return jnp.mean(outputs)

    columns = small(num_classes=None)
    utilities = evaluate(vertical(columns, games.least_squares(), metric=mean_score), 0, MASKS)
    theirs, x = fitted(LinearRegression, columns, MASKS[-1])
    assert utilities[-1] == pytest.approx(theirs.predict(x).mean(), abs=1e-6)
