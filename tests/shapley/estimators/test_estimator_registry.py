"""The registry: a row for each estimator, by the name of its function."""

import pytest

from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_row_is_the_function_of_that_name_and_makes_an_estimator_without_options(name):
    assert ESTIMATORS[name].__name__ == name
    assert isinstance(ESTIMATORS[name](), Estimator)


def test_the_default_is_a_row():
    assert DEFAULT in ESTIMATORS
