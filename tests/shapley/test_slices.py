"""Several values of a player: the one that is the value proper, and those beside it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.shapley.estimator import Attribution, projected
from fedjax_shap.shapley.slices import Trailing, round_names, split

JUDGES = Trailing("judges", ("a", "b"), (0.25, 0.75))


def found(length):
    rng = np.random.default_rng(0)
    return Attribution(
        values=rng.normal(size=(4, length)),
        std_errors=rng.random((4, length)),
        empty=rng.normal(size=length),
        grand=rng.normal(size=length),
        num_coalitions=16,
        stopped="",
    )


def test_all_rows_come_before_the_judges_and_the_last_round_last():
    whole = found(3)
    judged = split(whole, JUDGES)
    assert_array_equal(judged.values, whole.values[:, 0])
    assert_array_equal(judged.slices.values, whole.values[:, 1:])
    assert_array_equal(judged.slices.grand, whole.grand[1:])
    by_round = split(whole, Trailing("rounds", round_names(np.arange(3))))
    assert_array_equal(by_round.values, whole.values[:, 2])
    assert_array_equal(by_round.slices.std_errors, whole.std_errors)
    assert by_round.slices.names == ("round 1", "round 2", "round 3")


def test_utilities_of_another_length_are_refused():
    with pytest.raises(InvalidInputError, match="trailing axis of 3 judges"):
        split(found(4), JUDGES)


def test_slices_are_made_efficient_each_by_itself():
    whole = found(3)
    shared = projected(split(whole, JUDGES))
    assert_allclose(shared.efficiency_gap, 0, atol=1e-12)
    slices = shared.slices
    assert_allclose(slices.values.sum(axis=0), slices.grand - slices.empty, atol=1e-12)
    assert_allclose(slices.std_errors, projected(whole).std_errors[:, 1:])
