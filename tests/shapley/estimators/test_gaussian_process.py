"""The Gaussian process estimator: the values of the predicted game, and errors far below those of
plain sampling."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import play, saturating, walk

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games import closed_form
from fedjax_shap.shapley.covariance import JITTER
from fedjax_shap.shapley.covariance_fit import FITTED_TO, fitted
from fedjax_shap.shapley.estimators.gaussian_process import _values_and_errors, gaussian_process
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.shapley.stopping import standard_error
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options


def relative_error(estimator, game, budget, runs=10):
    runs = [
        play(estimator, game.utility, game.num_players, budget=budget, seed=seed)[0].values
        for seed in range(runs)
    ]
    return np.mean([np.linalg.norm(values - game.values) for values in runs]) / np.linalg.norm(
        game.values
    )


def test_values_are_those_of_the_game_that_is_predicted_for_all_coalitions():
    game = saturating(6)
    players = 6
    every = all_subsets(6)
    found, _ = play(gaussian_process(), game.utility, players, budget=40, seed=3)
    asked = []
    play(
        gaussian_process(),
        lambda masks: (asked.append(masks), game.utility(masks))[1],
        players,
        budget=40,
        seed=3,
    )
    masks = np.concatenate(asked)
    utilities = game.utility(masks)
    centred = (utilities - utilities.mean()) / utilities.std()
    kernel = fitted(masks, centred, steps=20)
    rows = masks @ (1 << np.arange(players))
    whole = kernel.covariance(every) - JITTER * np.eye(64)
    inside = whole[np.ix_(rows, rows)] + JITTER * np.eye(40)
    dual = np.linalg.solve(inside, centred)
    predicted = utilities.mean() + utilities.std() * whole[:, rows] @ dual
    assert_allclose(predicted[rows], utilities, atol=1e-5)
    assert_allclose(found.values, shapley_values(predicted), atol=1e-5)


def test_standard_errors_are_the_posterior_ones_scaled_by_utilities_left_out_one_at_a_time():
    players = 5
    every = all_subsets(5)
    budget = 20
    asked = []
    table = np.tanh(every @ np.linspace(0.1, 0.5, 5)) + np.random.default_rng(0).normal(0, 0.05, 32)
    utility = lambda masks: (asked.append(masks), table[masks @ (1 << np.arange(players))])[1]  # noqa: E731
    found, _ = play(gaussian_process(), utility, players, budget=budget)
    masks = np.concatenate(asked)
    rows = masks @ (1 << np.arange(players))
    scale = table[rows].std()
    centred = (table[rows] - table[rows].mean()) / table[rows].std()
    whole = fitted(masks, centred, steps=20).covariance(every)
    counts = shapley_values(np.eye(32))  # how much each utility counts
    inside = np.linalg.inv(whole[np.ix_(rows, rows)])
    posterior = np.diag(counts @ (whole - whole[:, rows] @ inside @ whole[rows]) @ counts.T)
    ratios = []
    for one, row in enumerate(rows[2:], 2):
        others = np.delete(rows, one)
        weights = np.linalg.solve(whole[np.ix_(others, others)], whole[others, row])
        left = centred[one] - weights @ np.delete(centred, one)
        ratios.append(left**2 / (whole[row, row] - weights @ whole[others, row]))
    expected = scale * np.sqrt(posterior * np.mean(ratios)) * min(budget / (budget - 13), 2)
    assert_allclose(found.std_errors, expected, rtol=1e-4)


def test_chosen_coalitions_beyond_those_fitted_to_are_no_evidence_of_the_settings():
    game = saturating(10)
    masks = np.random.default_rng(0).permutation(all_subsets(10)[1:-1])[:198]
    masks = np.concatenate([np.zeros((1, 10), bool), np.ones((1, 10), bool), masks])
    read = partial(_values_and_errors, masks, game.utility(masks), 1)
    values, errors = read(np.inf)
    same, chosen = read(FITTED_TO)
    assert_array_equal(same, values)
    free = 10 + 8  # settings
    assert_allclose(chosen / errors, (160 / (160 - free)) / (200 / (200 - free)))


@pytest.mark.parametrize("budget", [50, 100])
def test_standard_errors_measure_the_whole_error_on_games_like_federations_at_small_budgets(budget):
    scores = []
    for seed in range(30):
        game = saturating(10, seed=seed)
        found, _ = play(gaussian_process(), game.utility, 10, budget=budget, seed=seed)
        scores.append((found.values - game.values) / found.std_errors)
    # what is chosen by a model flatters that model: its errors may be a third too small
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.35


@pytest.mark.parametrize("budget", [100, 200])
def test_a_saturating_federation_is_valued_with_a_tenth_of_the_error_of_permutations(budget):
    game = saturating(10, seed=1)
    ours, plain = (relative_error(make(), game, budget) for make in (gaussian_process, permutation))
    assert ours < 0.1 * plain


def test_a_game_in_which_nothing_changes_is_worth_nothing():
    found, _ = play(gaussian_process(), lambda masks: np.full(len(masks), 0.7), 8, budget=40)
    assert_allclose(found.values, 0, atol=1e-12)
    assert_allclose(found.std_errors, 0, atol=1e-12)


def test_values_scale_and_shift_with_the_utilities():
    game = saturating(8)
    one, _ = play(gaussian_process(), game.utility, 8, budget=60)
    other, _ = play(gaussian_process(), lambda masks: 1000 * game.utility(masks) - 5, 8, budget=60)
    assert_allclose(other.values, 1000 * one.values, rtol=1e-4, atol=1e-2)
    assert_allclose(other.std_errors, 1000 * one.std_errors, rtol=1e-2)


def test_small_coalitions_come_first_where_that_is_asked_for():
    asked = {0.0: [], 4.0: []}
    for power, sizes in asked.items():

        def utility(masks, sizes=sizes):
            sizes.extend(masks.sum(axis=1))
            return masks.sum(axis=1) ** 0.5

        play(gaussian_process(small_first=power, chosen=False), utility, 10, budget=60)
    assert np.mean(asked[4.0]) < np.mean(asked[0.0]) - 1
    assert asked[4.0].count(1) == 10 and asked[4.0].count(2) > 3 * asked[0.0].count(2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"small_first": -1.0}, "small_first=-1.0 to be a finite number >= 0"),
        ({"steps": 1.5}, "steps=1.5 to be an int"),
        ({"batch": 0}, "batch=0 to be an integer >= 1"),
        ({"chosen": "no"}, "chosen='no' to be"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        gaussian_process(**options)


def test_the_first_coalitions_are_drawn_and_the_others_chosen_in_batches():
    game = saturating(8)
    batches = []

    def utility(masks):
        batches.append(len(masks))
        return game.utility(masks)

    found, _ = play(gaussian_process(), utility, 8, budget=100)
    assert batches == [16, *[8] * 7, 9, 10, 9]
    assert found.num_coalitions == 100
    batches.clear()
    play(gaussian_process(batch=20), utility, 8, budget=60)
    assert batches == [16, 20, 20, 4]
    batches.clear()
    play(gaussian_process(chosen=False), utility, 8, budget=100)
    assert batches == [100]


def test_a_budget_below_two_coalitions_a_player_is_kept_and_all_are_drawn():
    game = saturating(10)
    batches = []

    def utility(masks):
        batches.append(len(masks))
        return game.utility(masks)

    chosen, _ = play(gaussian_process(), utility, 10, budget=15)
    drawn, _ = play(gaussian_process(chosen=False), game.utility, 10, budget=15)
    assert batches == [15]
    assert_allclose(chosen.values, drawn.values)


def test_utilities_that_differ_by_rounding_choose_the_same_coalitions():
    game = saturating(9)
    noise = np.random.default_rng(0).normal(size=512) * 1e-7
    asked = []
    for added in (0.0, noise):
        table = game.table + added
        asked.append(walk(gaussian_process(), table, budget=60)[2])
    assert_array_equal(*asked)


def test_what_is_chosen_does_not_depend_on_how_the_engine_cuts_the_work():
    game = closed_form.table(saturating(7).table).game
    whole, cut = (
        estimate(game, gaussian_process(), Options(budget=40, plan=Plan(chunk=chunk)))
        for chunk in (64, 3)
    )
    assert_array_equal(whole.values, cut.values)
    assert_array_equal(whole.std_errors, cut.std_errors)


def test_a_rule_stops_between_the_batches():
    game = closed_form.table(saturating(8).table).game
    found = estimate(game, gaussian_process(), Options(budget=200, until=standard_error(0.05)))
    assert 16 < found.num_coalitions < 200
    assert (found.num_coalitions - 16) % 8 == 0, "batches of 8 after the first 16"
    assert (found.std_errors <= 0.05).all()


def test_many_players_are_given_candidates_that_are_drawn():
    weights = np.random.default_rng(0).uniform(0.2, 1.0, 30)
    found, asked = play(
        gaussian_process(batch=20), lambda masks: np.tanh(masks @ weights / 8), 30, budget=80
    )
    assert asked == 80
    assert np.corrcoef(found.values, weights)[0, 1] > 0.9


def test_games_of_two_outcomes_have_errors_though_all_utilities_observed_are_alike():
    needed = np.zeros(10, bool)
    needed[:7] = True
    won = lambda masks: 1.0 * (masks >= needed).all(axis=1)  # noqa: E731
    found, _ = play(gaussian_process(chosen=False), won, 10, budget=24)
    truth = np.where(needed, 1 / 7, 0.0)
    assert (found.std_errors > 0.02).all()
    assert (np.abs(found.values - truth) < 4 * found.std_errors).all()


def test_chosen_coalitions_leave_less_error_than_drawn_ones():
    errors = {
        chosen: np.mean(
            [
                relative_error(partial(gaussian_process, chosen=chosen)(), game, 60, runs=3)
                for game in (saturating(10, seed=seed) for seed in range(4))
            ]
        )
        for chosen in (True, False)
    }
    assert errors[True] < 0.8 * errors[False]


def test_slices_are_chosen_by_what_they_have_in_common_and_each_is_efficient():
    game = saturating(8)

    def utility(masks):
        one = game.utility(masks)
        return np.stack([one, 3 * one + 1, np.zeros(len(masks))], axis=1)

    found, _ = play(gaussian_process(), utility, 8, budget=60)
    alone, _ = play(gaussian_process(), game.utility, 8, budget=60)
    assert_allclose(found.values[:, 0], alone.values, rtol=0.05, atol=0.01)
    assert_allclose(found.efficiency_gap, 0, atol=1e-9)
    assert_allclose(found.values[:, 2], 0)
