"""Federated averaging: the weights of uploads, and what it refuses."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.algorithms.fedavg import fedavg


def test_uploads_weigh_by_examples_equally_or_as_given():
    sizes = np.array([7, 12, 4])
    assert_array_equal(fedavg().weights(sizes), sizes)
    assert_array_equal(fedavg(weights="uniform").weights(sizes), [1, 1, 1])
    assert_array_equal(fedavg(weights=(0.5, 0, 2)).weights(sizes), [0.5, 0, 2])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"weights": "exampels"}, "weights='exampels' to be a known name; did you mean 'examples'"),
        ({"weights": (1.0, -1.0)}, "weights=-1.0 to be a finite number >= 0"),
        ({"max_rounds": 0}, "max_rounds=0 to be an integer >= 1"),
        ({"patience": 0}, "patience=0 to be an integer >= 1"),
        ({"tol": -0.1}, "tol=-0.1 to be a finite number >= 0"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        fedavg(**options)


def test_weights_for_another_number_of_clients_are_refused():
    with pytest.raises(
        InvalidInputError, match=r"weights=\[1.0, 2.0\] to have one entry for each of the 3 clients"
    ):
        fedavg(weights=(1.0, 2.0)).weights(np.array([1, 2, 3]))
