"""Standard errors are the errors: a band that one degree of freedom too many or too few leaves.

Where values are means over few draws, dividing by the number of draws instead of one less makes
standard errors too small by a tenth.
"""

import numpy as np
import pytest
from played import airport, error_ratio, repeated, voting

from fedjax_shap.shapley.completion import Completed, values_of_orders
from fedjax_shap.shapley.estimators.gtg import stratified as mean_by_first_player
from fedjax_shap.shapley.estimators.permutation import blockwise
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.estimators.structured import Strata, within_strata
from fedjax_shap.shapley.sampling import mean_and_error
from fedjax_shap.shapley.semivalue import semivalues

RUNS = 2000


def honest(values, errors, answer=0.0):
    """Whether root mean squares of errors and of standard errors differ by less than 4 %."""
    return 0.96 < np.sqrt(((values - answer) ** 2).mean() / (errors**2).mean()) < 1.04


def test_the_error_of_a_mean_of_six_draws():
    draws = 2.0 + np.random.default_rng(0).normal(size=(6, RUNS))
    assert honest(*mean_and_error(draws), 2.0)


def test_the_error_of_a_mean_of_four_blocks_whose_draws_resemble_each_other():
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(4), 3)
    draws = 2.0 + rng.normal(size=(4, RUNS))[block] + 0.5 * rng.normal(size=(12, RUNS))
    assert honest(*blockwise(draws, block), 2.0)
    apart, errors = mean_and_error(draws)
    assert not honest(apart, errors, 2.0), "draws of a block are not independent"


def test_the_error_of_a_mean_over_strata_of_two_and_three_draws():
    rng = np.random.default_rng(2)
    own = np.repeat(np.arange(4), [2, 3, 2, 3])
    levels = np.array([0.0, 5.0, -3.0, 10.0])
    spreads = np.array([1.0, 2.0, 0.5, 1.0])
    draws = levels[own, None] + spreads[own, None] * rng.normal(size=(len(own), RUNS))
    assert honest(*within_strata(draws, Strata(own, np.full(len(own), 4))), levels.mean())


@pytest.mark.parametrize("orders", [8, 10], ids=["two sweeps", "two sweeps and a half"])
def test_the_error_of_guided_orders_whose_first_players_take_turns(orders):
    rng = np.random.default_rng(3)
    levels = np.array([0.0, 5.0, -3.0, 10.0])
    means = []
    errors = []
    for _ in range(RUNS):
        first = np.concatenate([rng.permutation(4) for _ in range(3)])[:orders]
        added = levels[first, None] + rng.normal(size=(orders, 4))
        mean, error = mean_by_first_player(added, first)
        means.append(mean)
        errors.append(error)
    assert honest(np.array(means), np.array(errors), levels.mean())


def test_the_error_of_completed_values_along_five_orders():
    rng = np.random.default_rng(4)
    means = []
    errors = []
    for _ in range(RUNS):
        orders = rng.permuted(np.tile(np.arange(4), (5, 1)), axis=1)
        along = np.cumsum(rng.normal(size=(5, 5)), axis=1)
        completed = Completed(np.ones((1, 1)), along.reshape(-1, 1), 0.0)
        mean, error = values_of_orders(completed, orders)
        means.append(mean)
        errors.append(error)
    assert honest(np.array(means), np.array(errors))


CASES = {
    "permutation": ("permutation", {"orders": "random"}, 40),
    "structured": ("structured", {}, 48),
    "owen": ("owen", {"antithetic": False, "stratified": False}, 48),
    "stratified": ("stratified", {"bands": 2}, 60),
    "group_testing": ("group_testing", {}, 24),
    "banzhaf": ("banzhaf", {}, 24),
}


@pytest.mark.slow
@pytest.mark.parametrize("game", [airport(7), voting(7)], ids=["airport", "voting"])
@pytest.mark.parametrize(("name", "options", "budget"), CASES.values(), ids=CASES)
def test_errors_of_estimators_on_games_with_known_answers(name, options, budget, game):
    estimator = ESTIMATORS[name](**options)
    values, errors = repeated(estimator, game, budget, runs=RUNS)
    answer = semivalues(game.table, estimator.guarantees.target)
    assert 0.96 < error_ratio(values, errors, answer) < 1.04
