"""Measures of agreement: the formulas written out, and vectors that order no players."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.shapley.agreement import agreement


def test_the_measures_are_their_formulas():
    values = np.array([1.0, 2.0, 4.0, 3.0])
    reference = np.array([1.0, 2.0, 3.0, 5.0])
    found = agreement(values, reference)
    distance = np.sqrt(0 + 0 + 1 + 4)
    assert_allclose(found["euclidean"], distance)
    assert_allclose(found["relative_l2"], distance / np.sqrt(39))
    assert found["max_difference"] == 2
    assert_allclose(found["cosine_distance"], 1 - (1 + 4 + 12 + 15) / np.sqrt(30 * 39))
    assert_allclose(found["spearman"], 1 - 6 * (1 + 1) / (4 * 15))
    assert_allclose(found["kendall"], (5 - 1) / 6)


def test_values_of_exactly_zero_count_like_any_others():
    found = agreement([0.0, 2.0, 1.0], [1.0, 2.0, 0.0])
    assert_allclose(found["max_difference"], 1)
    assert_allclose(found["relative_l2"], np.sqrt(2 / 5))
    assert_allclose(found["spearman"], 0.5)
    assert agreement([0.0, 0.0], [1.0, 2.0])["cosine_distance"] == 1


def test_normalised_values_are_shares_of_their_sum():
    found = agreement([2.0, 6.0], [1.0, 3.0], normalised=True)
    assert_allclose(list(found.values()), [0, 0, 0, 0, 1, 1], atol=1e-15)


def test_vectors_that_order_nobody_agree_with_each_other_only():
    assert agreement([1.0, 1.0], [2.0, 2.0])["spearman"] == 1
    assert agreement([1.0, 1.0], [2.0, 3.0])["kendall"] == 0


@pytest.mark.parametrize(
    ("values", "reference", "normalised", "sentence"),
    [
        ([1.0], [1.0, 2.0], False, "of one length"),
        ([np.nan, 1.0], [1.0, 2.0], False, "values to be finite"),
        ([1.0, 1.0], [0.0, 0.0], False, "reference to differ from 0"),
        ([1.0, -1.0], [1.0, 1.0], True, "values to have a sum other than 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(values, reference, normalised, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        agreement(np.array(values), np.array(reference), normalised=normalised)
