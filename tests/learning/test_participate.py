"""Participation: how many take part, how often, and when."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.participate import PARTICIPATIONS, always, cyclic, independent, trace, uniform

ROUNDS, CLIENTS = 200, 5
ARGUMENTS = {
    "always": {},
    "uniform": {"participants": 3},
    "independent": {"probability": 0.5},
    "cyclic": {"participants": 3},
    "trace": {"available": ((0, 1, 0, 1, 1),) * ROUNDS},
}


@pytest.mark.parametrize("name", PARTICIPATIONS)
def test_a_key_decides_who_takes_part(name, key):
    draw = PARTICIPATIONS[name](**ARGUMENTS[name])
    present = draw(key, ROUNDS, CLIENTS)
    assert present.shape == (ROUNDS, CLIENTS)
    assert present.dtype == bool
    assert_array_equal(present, draw(key, ROUNDS, CLIENTS))
    other = draw(jax.random.key(1), ROUNDS, CLIENTS)
    assert np.array_equal(present, other) == (name in ("always", "cyclic", "trace"))


@pytest.mark.parametrize("name", PARTICIPATIONS)
def test_further_rounds_change_none_before(name, key):
    if name != "trace":
        draw = PARTICIPATIONS[name](**ARGUMENTS[name])
        assert_array_equal(draw(key, 9, CLIENTS)[:4], draw(key, 4, CLIENTS))


def test_always_is_everybody(key):
    assert always()(key, 3, 4).all()


def test_uniform_draws_as_many_as_asked_and_each_client_equally_often(key):
    present = uniform(participants=2)(key, ROUNDS, CLIENTS)
    assert_array_equal(present.sum(axis=1), 2)
    spread = np.sqrt(ROUNDS * 0.4 * 0.6)
    assert np.abs(present.sum(axis=0) - ROUNDS * 0.4).max() < 5 * spread


def test_independent_clients_take_part_with_their_own_probabilities(key):
    chances = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    shares = independent(probability=tuple(chances))(key, ROUNDS, CLIENTS).mean(axis=0)
    assert_array_equal(shares[[0, 4]], [0, 1])
    assert (np.abs(shares - chances) <= 5 * np.sqrt(chances * (1 - chances) / ROUNDS)).all()


def test_cyclic_clients_take_turns(key):
    rows = [np.flatnonzero(row).tolist() for row in cyclic(participants=3)(key, 4, CLIENTS)]
    assert rows == [[0, 1, 2], [0, 3, 4], [1, 2, 3], [0, 1, 4]]


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda key: uniform(participants=0), "participants=0 to be an integer >= 1"),
        (lambda key: uniform(participants=6)(key, 2, 5), "participants=6 to be an integer >= 1 and <= 5"),
        (lambda key: cyclic(participants=6)(key, 2, 5), "participants=6 to be an integer >= 1 and <= 5"),
        (lambda key: independent(probability=1.5), r"probability=1.5 to lie in \[0, 1\]"),
        (lambda key: independent(probability=(0.5, 0.5))(key, 2, 5), "one number or one for each of 5 clients"),
        (lambda key: trace(available=((0, 2),)), r"rows of 0s and 1s of one length"),
        (lambda key: trace(available=((0, 1), (1,))), r"rows of 0s and 1s of one length"),
        (lambda key: trace(available=((0, 1),))(key, 2, 2), r"\[2 rounds, 2 clients\], got shape \(1, 2\)"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(refused, sentence, key):
    with pytest.raises(InvalidInputError, match=sentence):
        refused(key)
