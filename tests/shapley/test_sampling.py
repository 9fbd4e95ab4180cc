"""What sampling estimators share: only the budget turns a draw away, and batches change nothing."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from played import key_of, play, saturating

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.design import Design
from fedjax_shap.shapley.estimator import Attribution, Guarantees, projected
from fedjax_shap.shapley.evaluations import no_evaluations
from fedjax_shap.shapley.sampling import mean_and_error, sampling_estimator


def recorded(proposed, players=6):
    """An estimator whose units are a random number of singles and pairs: some bring much, some
    little."""

    def propose(rng, state, count):
        masks = rng.random((count, 4, players)) < rng.choice([0.1, 0.5], size=(count, 1, 1))
        proposed.extend(masks)
        return np.arange(count), masks

    def reduce(draws):
        return np.zeros(players), np.zeros(players)

    return sampling_estimator(
        Design(name="recorded", propose=propose, reduce=reduce, unit_size=lambda players: 4),
        Guarantees(),
    )


@pytest.mark.parametrize("turn", [None, 1, 7])
def test_only_the_budget_turns_a_draw_away(turn):
    proposed = []
    estimator = None
    estimator = recorded(proposed)
    state = estimator.init(6, 40, turn)
    for index in range(100):
        masks, state = estimator.ask(key_of(3, index), state)
        if not len(masks):
            break
        state = estimator.tell(state, masks, np.zeros(len(masks)))
    kept = state.evaluations.masks[np.concatenate(state.rows)]
    refused = len(proposed) - len(kept)
    first_refused = next(
        i for i, unit in enumerate(proposed) if not any((unit == one).all() for one in kept)
    )
    assert_array_equal(kept, np.array(proposed)[: len(kept)])
    assert first_refused == len(kept) and refused >= 1
    assert len(state.evaluations) <= 40


def test_a_budget_for_everything_ends_with_everything_in_turns_too():
    game = saturating(6)
    for turn in (1, 5, 40, None):
        _, asked = play(recorded([]), game.utility, 6, budget=64, turn=turn)
        assert asked == 64


def test_utilities_are_read_back_and_no_coalition_is_asked_for_twice():
    evaluations = no_evaluations(3)
    fresh, evaluations = evaluations.ask(all_subsets(3)[[5, 2, 5]])
    assert_array_equal(fresh, all_subsets(3)[[5, 2]])
    evaluations = evaluations.tell(np.array([50.0, 20.0]))
    again, evaluations = evaluations.ask(all_subsets(3)[[2, 7]])
    assert_array_equal(again, all_subsets(3)[[7]])
    evaluations = evaluations.tell(np.array([70.0]))
    assert_array_equal(evaluations.read(all_subsets(3)[[7, 2, 5]]), [70, 20, 50])
    assert evaluations.rows(all_subsets(3)[[0]]).tolist() == [-1] and not evaluations.complete


def test_projection_shares_what_is_missing_and_keeps_what_is_not():
    found = Attribution(
        np.array([1.0, 2.0]), np.array([0.3, 0.4]), np.float64(0), np.float64(4), 4, ""
    )
    shared = projected(found)
    assert_array_equal(shared.values, [1.5, 2.5])
    difference = (0.3**2 + 0.4**2) / 4  # both become half the difference, plus a constant
    np.testing.assert_allclose(shared.std_errors**2, [difference, difference])


def test_projection_shifts_a_value_of_exactly_zero_and_its_standard_error_too():
    found = Attribution(
        np.array([0.0, 3.0]), np.array([0.4, 0.0]), np.float64(0), np.float64(4), 4, ""
    )
    shared = projected(found)
    assert_array_equal(shared.values, [0.5, 3.5])
    np.testing.assert_allclose(shared.std_errors, [0.2, 0.2])


def test_a_mean_has_the_standard_error_of_its_jackknife():
    """Efron and Stein 1981: of a mean the jackknife is the usual standard error."""
    draws = np.random.default_rng(0).normal(size=(12, 3))
    mean, error = mean_and_error(draws)
    without = (draws.sum(axis=0) - draws) / 11
    np.testing.assert_allclose(error, np.sqrt(11 * without.var(axis=0)))
    np.testing.assert_allclose(mean, draws.mean(axis=0))
