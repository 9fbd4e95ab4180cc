"""kADD-SHAP: k-additive games are recovered, and the fit is the one that the definition gives."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from numpy.testing import assert_allclose
from played import play, saturating
from scipy.special import bernoulli
from test_kernelshap import asked_for, kernel_weights, rows_of_all

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.shapley.estimators.kadditive import _fit, kadditive, shared
from fedjax_shap.shapley.estimators.kernelshap import kernelshap
from fedjax_shap.shapley.exact import shapley_values

each_order = pytest.mark.parametrize("order", [1, 2, 3, 4])


def additive_of_order(order, num_players, seed=0):
    """(utility, its Shapley values): a dividend for every group of at most `order`, shared alike
    among its members."""
    rng = np.random.default_rng(seed)
    groups = []
    values = np.zeros(num_players)
    for size in range(1, order + 1):
        for group in combinations(range(num_players), size):
            groups.append((list(group), rng.normal()))
            values[list(group)] += groups[-1][1] / size
    return (lambda masks: sum(d * masks[:, g].all(axis=1) for g, d in groups) + 0.5), values


def interactions(masks, order):
    """float[U, A]: what one unit of each Shapley interaction of 2 to `order` players adds, by the
    definition."""
    numbers = bernoulli(order)
    columns = []
    for size in range(2, order + 1):
        for group in combinations(range(masks.shape[1]), size):
            inside = masks[:, list(group)].sum(axis=1)
            gamma = [
                sum(comb(r, lot) * numbers[size - lot] for lot in range(r + 1))
                for r in range(size + 1)
            ]
            columns.append(np.array(gamma)[inside] - gamma[0])
    return np.array(columns).T if columns else np.zeros((len(masks), 0))


@pytest.mark.parametrize(
    ("order", "paired", "budget"), [(2, False, 70), (3, False, 110), (3, True, 110)]
)
def test_a_game_of_that_order_is_recovered_without_error_where_draws_outnumber_interactions(
    order, paired, budget
):
    utility, values = additive_of_order(order, 7)
    found, _ = play(kadditive(order=order, ridge=1e-9, paired=paired), utility, 7, budget=budget)
    assert_allclose(found.values, values, atol=1e-5)
    assert found.std_errors.max() < 1e-4


def test_a_game_of_a_higher_order_is_not():
    utility, values = additive_of_order(4, 7)
    found, _ = play(kadditive(ridge=1e-9), utility, 7, budget=70)
    assert np.abs(found.values - values).max() > 0.01
    assert "order" in kadditive().guarantees.bias


@each_order
@pytest.mark.parametrize("ridge", [0.01, 10.0])
def test_the_fit_is_the_ridge_regression_on_interactions_written_out(order, ridge):
    game = saturating(8)
    found, masks = asked_for(kadditive(order=order, ridge=ridge), game, 90)
    weights = np.array(kernel_weights(masks))
    weights /= weights.mean()
    features = np.concatenate([masks, interactions(masks, order)], axis=1)
    size = features.shape[1]
    matrix = np.zeros((size + 1, size + 1))
    right = np.zeros(size + 1)
    matrix[:size, :size] = features.T * weights @ features + np.diag(
        [0.0] * 8 + [ridge] * (size - 8)
    )
    matrix[size, :8] = matrix[:8, size] = 1
    right[:size] = features.T * weights @ (game.utility(masks) - found.empty)
    right[size] = found.grand - found.empty
    assert_allclose(found.values, np.linalg.solve(matrix, right)[:8], atol=1e-8)


@each_order
def test_what_rows_share_is_counted_as_if_interactions_were_listed(order):
    masks = np.random.default_rng(0).random((20, 7)) < 0.5
    listed = interactions(masks, order)
    assert_allclose(shared(masks, order), listed @ listed.T, atol=1e-12)
    halves = (listed - interactions(~masks, order)) / 2
    assert_allclose(shared(masks, order, paired=True), halves @ halves.T, atol=1e-12)


@each_order
@pytest.mark.parametrize("paired", [True, False], ids=["paired", "alone"])
def test_over_all_coalitions_the_fit_has_the_shapley_values_at_any_order(order, paired):
    table = np.random.default_rng(0).normal(size=2**6)
    rows = rows_of_all(table, paired)
    influence, _ = _fit(order, 0.1, rows)
    values = influence @ rows.responses[:, 0] + (table[-1] - table[0]) / 6
    assert_allclose(values, shapley_values(table), atol=1e-9)


def test_what_is_left_of_a_row_is_what_the_others_did_not_predict():
    rows = rows_of_all(np.random.default_rng(1).normal(size=2**6), False)
    ridge = 0.5
    influence, left = _fit(2, ridge, rows)
    mean = rows.weights.mean()
    for row in (0, 11, 40):
        kept = np.arange(len(rows.masks)) != row
        part = rows._replace(
            **{
                name: getattr(rows, name)[kept]
                for name in ("masks", "features", "responses", "strata", "weights", "unseen")
            }
        )
        without, _ = _fit(2, ridge * mean / part.weights.mean(), part)
        moved = influence @ rows.responses - without @ part.responses
        assert_allclose(moved, influence[:, [row]] * left[row], atol=1e-9)


@pytest.mark.parametrize(
    ("options", "same"), [({"order": 1}, {"paired": False}), ({"paired": True}, {})]
)
def test_with_nothing_to_interact_it_is_kernelshap(options, same):
    """Pairs tell nothing of interactions between two."""
    game = saturating(9)
    one, other = (
        play(e, game.utility, 9, budget=101)[0] for e in (kadditive(**options), kernelshap(**same))
    )
    assert_allclose(one.values, other.values, atol=1e-9)


def test_interactions_among_three_halve_the_error_on_games_like_federations():
    game = saturating(10)
    squared = [
        np.mean(
            [
                (play(e, game.utility, 10, budget=250, seed=s)[0].values - game.values) ** 2
                for s in range(20)
            ]
        )
        for e in (kadditive(order=3, paired=True, ridge=1.0), kernelshap())
    ]
    assert squared[0] < 0.25 * squared[1]


def test_a_hundred_players_with_more_interactions_than_coalitions_are_valued():
    weights = np.random.default_rng(0).normal(size=100)
    found, asked = play(kadditive(), lambda masks: masks @ weights, 100, budget=400)
    assert asked == 400
    assert_allclose(found.values, weights, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"order": 0}, "order=0 to be an integer >= 1"),
        ({"ridge": 0.0}, "ridge=0.0 to be a finite number > 0"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=f"Expected {sentence}"):
        kadditive(**options)
