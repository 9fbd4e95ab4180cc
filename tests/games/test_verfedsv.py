"""The game inside one vertical run: a naive loop of it, and what it adds up to."""

import numpy as np
import pytest
from columns import OWNERS, small
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.vertical import followed
from fedjax_shap.learning import tasks
from fedjax_shap.shapley.exact import shapley_values

MASKS = all_subsets(3)
RATE = 0.4
L2 = 0.1
ROUNDS = 5


def naive_utilities(columns):
    """float64[8]: gradient descent on the logistic loss by hand, coalition by coalition."""
    x = np.column_stack([columns.x.astype(float), np.ones(len(columns.y))])
    rows, y = columns.validation
    held_out = np.column_stack([rows.astype(float), np.ones(len(y))])
    slopes = np.append(np.ones(len(OWNERS)), 0.0)

    def minus_loss(weights):
        signs = 2.0 * y - 1.0
        return -np.log1p(np.exp(-signs * (held_out @ weights))).mean()

    weights = np.zeros(x.shape[1])
    worth = np.full(len(MASKS), minus_loss(weights))
    for _ in range(ROUNDS):
        chances = 1.0 / (1.0 + np.exp(-x @ weights))
        step = -RATE * (x.T @ (chances - columns.y) / len(x) + L2 * slopes * weights)
        for place, mask in enumerate(MASKS):
            moves = np.append(np.append(mask, True)[OWNERS], True)
            worth[place] += minus_loss(weights + moves * step) - minus_loss(weights)
        weights = weights + step
    return worth, minus_loss(weights)


def test_utilities_are_those_of_a_naive_loop_and_add_up():
    columns = small(num_classes=2)
    settings = {"rounds": ROUNDS, "learning_rate": RATE, "l2": L2, "by_round": True}
    utilities = evaluate(followed(columns, **settings), 0, MASKS)
    expected, last = naive_utilities(columns)
    assert_allclose(utilities[:, -1], expected, atol=1e-12)
    assert utilities[-1, -1] == pytest.approx(last, abs=1e-12)
    # the column of party 0 that does not matter leaves it less than the others
    assert shapley_values(utilities[:, -1]).argmin() == 1


def test_two_classes_have_one_logit_whatever_the_task_and_more_have_one_each():
    columns = small(num_classes=2)
    given = followed(columns, rounds=2).world.weights
    by_task = followed(columns, rounds=2, task=tasks.binary()).world.weights
    assert given.shape == (3, len(OWNERS) + 1, 1)
    assert_array_equal(given, by_task)
    assert followed(small(num_classes=3), rounds=2).world.weights.shape[-1] == 3


def test_quantities_are_scored_in_their_units():
    columns = small(num_classes=None)
    utilities = evaluate(followed(columns, rounds=200, learning_rate=0.3), 0, MASKS)
    x = np.column_stack([columns.x.astype(float), np.ones(len(columns.y))])
    weights, *_ = np.linalg.lstsq(x, columns.y.astype(float), rcond=None)
    rows, y = columns.validation
    residuals = np.column_stack([rows.astype(float), np.ones(len(y))]) @ weights - y
    assert utilities[-1] == pytest.approx(-np.mean(residuals**2), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rounds": 0}, "Expected rounds=0 to be an integer >= 1"),
        ({"learning_rate": 0}, "Expected learning_rate=0 to be a finite number > 0"),
        ({"l2": -1}, "Expected l2=-1 to be a finite number >= 0"),
        ({"metric": "r2"}, "Expected metric='r2'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        followed(small(), **settings)
