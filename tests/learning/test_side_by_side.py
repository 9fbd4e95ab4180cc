"""Members of a round train side by side, or in groups of about equal steps; no number changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import federation
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning import side_by_side as module
from fedjax_shap.learning.algorithms.scaffold import scaffold
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.side_by_side import side_by_side, width_of
from fedjax_shap.learning.training import Training

SKEWED = np.array([[1] * 90 + [5] * 9 + [300]])


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_members_with_equal_steps_stand_in_one_group(backend):
    assert width_of(np.full((3, 50), 7), 10, backend) == 10
    assert width_of(np.zeros((1, 4), int), 4, backend) == 4
    assert width_of(None, 4, backend) == 4


def test_where_few_have_very_many_steps_groups_are_small_on_a_cpu():
    assert width_of(SKEWED, 100, "cpu") <= 10
    assert width_of(SKEWED, 100, "gpu") > width_of(SKEWED, 100, "cpu")
    assert 7 % width_of(SKEWED, 7, "cpu") == 0


@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_every_member_gets_its_own_arguments_back_in_its_own_slot(width, monkeypatch):
    monkeypatch.setattr(module, "width_of", lambda num_steps, slots: width)
    steps = jnp.array([5, 0, 9, 2, 7, 1])

    def one(client, state):
        return client * 10, state["own"] + 1

    state = {"own": jnp.arange(12.0).reshape(6, 2)}
    found = side_by_side(one, None, steps, (jnp.arange(6), state))
    assert_array_equal(found[0], 10 * np.arange(6))
    assert_array_equal(found[1], state["own"] + 1)


def test_members_are_grouped_by_their_steps(monkeypatch):
    monkeypatch.setattr(module, "width_of", lambda num_steps, slots: 2)
    steps = np.array([5, 0, 9, 2, 7, 1])
    groups = []

    def noted(own):
        groups.append(int(own))
        return own

    def one(own):
        return jax.pure_callback(noted, own, own, vmap_method="sequential")

    found = side_by_side(one, None, jnp.asarray(steps), (jnp.asarray(steps),))
    assert_array_equal(found, steps)
    assert [set(groups[at : at + 2]) for at in (0, 2, 4)] == [{0, 1}, {2, 5}, {7, 9}]


def test_a_run_in_groups_is_the_run_of_all_side_by_side(key, monkeypatch):
    def played(width):
        monkeypatch.setattr(module, "width_of", lambda num_steps, slots: width)
        training = Training(
            linear(), local(batch_size=2, epochs=1), scaffold(max_rounds=3), key=key
        )
        models = []
        for _ in rounds(federation((3, 12, 4, 9)), training).play(key, models.append):
            pass
        return models[-1]

    together = played(4)
    for width in (1, 2):
        jax.tree.map(
            lambda ours, theirs: assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7),
            played(width),
            together,
        )
