"""KernelSHAP: the least squares it says it solves, its unbiased form, its errors, and what it
draws."""

from math import comb

import jax
import numpy as np
import pytest
import shapiq
from numpy.testing import assert_allclose
from played import (
    Played,
    airport,
    is_unbiased,
    play,
    saturating,
    voting,
    with_null_and_twins,
)

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.estimators.kernelshap import kernelshap
from fedjax_shap.shapley.estimators.leverage import leverage
from fedjax_shap.shapley.least_squares import RegressionRows, known_moments, least_squares

each_way = pytest.mark.parametrize("paired", [True, False], ids=["paired", "alone"])


def asked_for(estimator, game, budget, seed=0):
    """(what the estimator says, all masks it asked for besides the empty and the grand one)."""
    asked = []

    def utility(masks):
        asked.append(masks)
        return game.utility(masks)

    found, _ = play(estimator, utility, game.num_players, budget=budget, seed=seed)
    return found, np.concatenate(asked)[2:]


def solved(masks, weights, targets, total):
    """Slopes of weighted least squares that sum to `total`, by Lagrange's multiplier, one equation
    at a time."""
    num_players = masks.shape[1]
    left = np.zeros((num_players + 1, num_players + 1))
    right = np.zeros(num_players + 1)
    for mask, weight, target in zip(masks, weights, targets, strict=True):
        row = mask.astype(float)
        left[:num_players, :num_players] += weight * np.outer(row, row)
        right[:num_players] += weight * target * row
    left[:num_players, num_players] = left[num_players, :num_players] = 1
    right[num_players] = total
    return np.linalg.solve(left, right)[:num_players]


def kernel_weights(masks):
    """(P - 1) / (s (P - s)) of each size, shared among those drawn of it."""
    num_players = masks.shape[1]
    sizes = masks.sum(axis=1)
    return [(num_players - 1) / (s * (num_players - s)) / (sizes == s).sum() for s in sizes]


def rows_of_all(table, paired):
    """Every coalition, or pair, as rows weighted by the kernel."""
    num_players = len(table).bit_length() - 1
    keep = np.arange(1, len(table) // 2 if paired else len(table) - 1)
    masks = all_subsets(num_players)[keep]
    sizes = masks.sum(axis=1)
    share = sizes / num_players
    total = table[-1] - table[0]
    targets = table[keep] - table[0] - share * total
    if paired:
        targets = (targets - (table[len(table) - 1 - keep] - table[0] - (1 - share) * total)) / 2
    weights = np.array([1 / (comb(num_players, s) * s * (num_players - s)) for s in sizes])
    strata = np.minimum(sizes, num_players - sizes) if paired else sizes
    return RegressionRows(
        masks,
        masks - share[:, None],
        targets[:, None],
        strata,
        weights,
        np.zeros(len(keep)),
        paired,
    )


@each_way
@pytest.mark.parametrize("make", [kernelshap, leverage])
def test_values_are_the_constrained_least_squares_fit_to_the_coalitions_drawn(make, paired):
    game = saturating(9)
    found, masks = asked_for(make(paired=paired), game, 120)
    targets = game.utility(masks) - found.empty
    by_hand = solved(masks, kernel_weights(masks), targets, found.grand - found.empty)
    assert_allclose(found.values, by_hand, atol=1e-10)


@each_way
@pytest.mark.parametrize("solve", [least_squares, known_moments])
def test_over_all_coalitions_the_slopes_are_the_shapley_values(solve, paired):
    table = np.random.default_rng(0).normal(size=2**7)
    rows = rows_of_all(table, paired)
    influence, _ = solve(rows)
    exact = Played(7, lambda masks: table[masks @ (1 << np.arange(7))]).values
    assert_allclose(
        influence @ rows.responses[:, 0] + (table[-1] - table[0]) / 7, exact, atol=1e-10
    )


def test_one_coalition_short_of_all_pairs_it_is_as_near_as_another_library_with_all_of_them():
    game = with_null_and_twins()
    peer = shapiq.KernelSHAP(n=8, random_state=0).approximate(
        256, lambda masks: game.utility(np.asarray(masks, bool))
    )
    found, asked = play(kernelshap(), game.utility, 8, budget=255)
    assert asked == 254
    assert_allclose(peer.get_n_order_values(1), game.values, atol=1e-5)
    assert_allclose(
        found.values, peer.get_n_order_values(1), atol=5 * found.std_errors.max() + 1e-5
    )
    assert found.std_errors.max() < 0.02


@pytest.mark.parametrize(
    ("budget", "turn"), [(20, None), (60, None), (60, 20)], ids=["least", "more", "in-turns"]
)
def test_the_unbiased_form_is_unbiased_and_its_errors_are_honest_to_a_few_percent(budget, turn):
    game = voting(8)
    runs = 300
    found = [
        play(kernelshap(unbiased=True), game.utility, 8, budget=budget, turn=turn, seed=seed)[0]
        for seed in range(runs)
    ]
    values = np.array([f.values for f in found])
    variance = np.array([f.std_errors**2 for f in found])
    assert is_unbiased(values, game.values)
    assert 0.9 < values.var(axis=0, ddof=1).mean() / variance.mean() < 1.1


def test_the_unbiased_form_promises_it_and_the_regression_says_why_it_cannot():
    assert (
        kernelshap(unbiased=True).guarantees.unbiased
        and not kernelshap(unbiased=True).guarantees.additive
    )
    assert kernelshap().guarantees.additive and "moments" in kernelshap().guarantees.bias


def test_the_regression_has_the_smaller_error_where_membership_explains_much():
    game = saturating(10)
    squared = [
        np.mean(
            [
                (
                    play(kernelshap(unbiased=way), game.utility, 10, budget=100, seed=s)[0].values
                    - game.values
                )
                ** 2
                for s in range(60)
            ]
        )
        for way in (True, False)
    ]
    assert squared[1] < 0.6 * squared[0]


def test_residuals_are_those_of_leaving_the_row_out_shrunk_by_the_root_of_what_it_leaves_free():
    table = np.random.default_rng(1).normal(size=2**6)
    rows = rows_of_all(table, True)
    influence, left = least_squares(rows)
    for row in (0, 7, 20):
        kept = np.arange(len(rows.masks)) != row
        part = rows._replace(
            features=rows.features[kept], weights=rows.weights[kept], responses=rows.responses[kept]
        )
        alone = rows.responses[row] - rows.features[row] @ least_squares(part)[0] @ part.responses
        free = 1 - rows.features[row] @ influence[:, row]
        assert_allclose(left[row], alone * np.sqrt(free), atol=1e-10)


def test_pairs_come_together_no_coalition_twice_and_small_sizes_whole():
    _, masks = asked_for(kernelshap(), saturating(10), 250)
    assert len(masks) == 248 == len(np.unique(masks, axis=0))
    assert (masks[::2] == ~masks[1::2]).all()
    sizes = np.bincount(np.minimum(masks.sum(axis=1), 10 - masks.sum(axis=1))[::2], minlength=6)
    assert sizes[1] == 10 and 40 <= sizes[2] <= 45
    assert_allclose(sizes[3] / sizes[4], (1 / 21) / (1 / 24), rtol=0.1)


@each_way
@pytest.mark.parametrize("turn", [None, 8], ids=["at-once", "in-turns"])
@pytest.mark.parametrize("players", [4, 5, 7])
def test_additive_games_are_exact_at_the_least_budget(players, turn, paired):
    weights = np.linspace(-1, 2, players)
    for seed in range(40):
        found, _ = play(
            kernelshap(paired=paired),
            lambda masks: masks @ weights + 3,
            players,
            budget=2 * players + 4,
            turn=turn,
            seed=seed,
        )
        assert_allclose(found.values, weights, atol=1e-9)


@pytest.mark.parametrize("unbiased", [True, False])
def test_values_read_after_every_turn_are_finite_and_sum_to_what_there_is(unbiased, key):
    estimator = kernelshap(unbiased=unbiased)
    game = saturating(9)
    state = estimator.init(9, 80, 6)
    reads = 0
    while len(masks := (asked := estimator.ask(jax.random.fold_in(key, reads), state))[0]):
        state = estimator.tell(asked[1], masks, game.utility(masks))
        found = estimator.read(state)
        reads += 1
        assert np.isfinite(found.values).all() and np.isfinite(found.std_errors).all()
        assert_allclose(found.efficiency_gap, 0, atol=1e-9)
    assert reads > 10


def test_pairs_help_where_the_game_is_uneven_in_size():
    game = airport(10)
    squared = [
        np.mean(
            [
                (
                    play(kernelshap(paired=way), game.utility, 10, budget=250, seed=s)[0].values
                    - game.values
                )
                ** 2
                for s in range(40)
            ]
        )
        for way in (True, False)
    ]
    assert squared[0] < 0.5 * squared[1]


def test_too_small_a_budget_is_refused_in_one_sentence():
    with pytest.raises(InvalidInputError, match="budget=19 to be an integer >= 20"):
        kernelshap().init(8, 19)
