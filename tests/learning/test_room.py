"""Partitions of one data set share programs, and the room that this takes changes no number."""

import jax
import numpy as np
import pytest

import fedjax_shap as fs
from fedjax_shap.learning.room import room_for
from fedjax_shap.pipeline.run import Stopwatch

POOL = fs.load("digits")
MASKS = np.array([[True, False, False], [True, True, False], [True, True, True]])
PLAN = fs.Plan(chunk=4)


def federation(seed, alpha=3.0):
    split = fs.partitions.dirichlet(num_clients=3, alpha=alpha, min_size=20)
    return fs.federate(POOL, split, seed=seed)


def training(**local):
    algorithm = fs.algorithms.fedavg(max_rounds=2)
    return fs.Training(fs.models.linear(), fs.local(**local), algorithm)


def utilities(data, local):
    game = fs.silo(data, training(**local), metric="negative_loss")
    return fs.evaluate(game, 0, MASKS, PLAN)


def in_run_values(data, local):
    run = fs.rounds(data, training(**local), metric="negative_loss")
    return fs.estimate_rounds(run, fs.exact(), fs.Options(plan=PLAN)).values


def test_room_comes_in_few_sizes_and_never_makes_a_step_longer():
    assert [room_for(n, 1000, 32) for n in (32, 33, 256, 257, 512, 513, 1000)] == [
        *(32, 64, 256, 512, 512, 1000, 1000)
    ]
    # a step of up to 64 rows reads no more than the largest client has
    assert [room_for(n, 1000, 64) for n in (1, 20, 63)] == [1, 20, 63]


@pytest.mark.parametrize("values", [utilities, in_run_values])
def test_two_partitions_of_one_data_set_share_their_programs(values):
    one = federation(1)
    other = federation(2)
    assert one.largest != other.largest
    values(one, {"batch_size": 64})
    with Stopwatch() as watch:
        values(other, {"batch_size": 64})
    assert watch.programs == watch.cached


@pytest.mark.parametrize("values", [utilities, in_run_values])
@pytest.mark.parametrize(
    "local", [{"batch_size": 64, "steps": 11}, pytest.param({}, marks=pytest.mark.slow)], ids=str
)
def test_no_number_depends_on_the_room(values, local, monkeypatch):
    data = federation(3)
    roomy = values(data, local)
    monkeypatch.setattr("fedjax_shap.learning.room.room_for", lambda largest, *_: largest)
    np.testing.assert_allclose(roomy, values(data, local), rtol=1e-6, atol=1e-7)
    assert jax.tree.leaves(data)[0].shape == (1348, 64)
