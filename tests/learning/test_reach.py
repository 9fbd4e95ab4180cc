"""What reaches further than was shown to work is said, and the paper's algorithms do the same."""

import warnings
from functools import cache, partial

import jax
import jax.numpy as jnp
import loops
import numpy as np
import oracle
import pytest
from federations import clients_of, drawn_batches, in_float64, layers
from numpy.testing import assert_allclose

from fedjax_shap._validate import InputWarning
from fedjax_shap.coalitions import Coalition
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.partition import dirichlet
from fedjax_shap.data.sources import digits
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.participation import dropping, independent
from fedjax_shap.learning.reach import curvature, warn_of_reach
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training

SPEEDS = (1, 3, 10, 30)
FURTHEST = {
    "fedagrac": partial(loops.fedagrac, lam=1.0, send="mixed"),
    "fednova": loops.fednova,
    "calibrated": partial(loops.calibrated, lam=0.1),
}


@pytest.fixture(scope="module")
def members():
    """Four members with unequal labels, 40 digits each."""
    whole = federate(digits(), dirichlet(num_clients=4, alpha=1.0), seed=0)
    clients = [tuple(part[:40] for part in whole.client(i)) for i in range(4)]
    return from_arrays(clients, whole.test, num_classes=10)


def training_of(name, *, rate, steps=SPEEDS, model=None, num_rounds=3, batch_size=None, **settings):
    return Training(
        model or mlp(hidden=(8,)),
        local(learning_rate=rate, batch_size=batch_size, steps=steps),
        ALGORITHMS[name](max_rounds=num_rounds, **settings),
        participation=dropping(independent(probability=0.8), 0.1),
    )


def said(data, training):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        warn_of_reach(data, training)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    "name",
    [
        "fedagrac",
        pytest.param("fednova", marks=pytest.mark.slow),
        pytest.param("calibrated", marks=pytest.mark.slow),
    ],
)
def test_where_rounds_overshoot_the_loops_in_float64_do_the_same(name, members, key):
    """A network, mini-batches, steps from 1 to 30 at a rate that carries too far, some absent."""
    training = training_of(name, rate=0.4, batch_size=8)
    with jax.enable_x64(True):
        learning = learner(members, training)
        world = in_float64(learning.world)
        there = jnp.ones(4, bool)
        everyone = Coalition(members=jnp.arange(4), present=there, mask=there)
        found, _ = jax.jit(learning.train)(world, key, everyone)
        run = loops.Run(
            clients=clients_of(members),
            start=layers(world.initial),
            weights=np.ones(4),
            steps=np.tile(SPEEDS, (3, 1)),
            present=np.asarray(world.present),
            rate=0.4,
            rows=batches,
        )
        expected = loops.train(run, FURTHEST[name], (0, 1, 2, 3))
    assert not run.present.all()
    assert_allclose(loops.flat(layers(found)), expected, atol=1e-9, rtol=0)


@cache
def batches(round_, client):
    """The rows of each step of a member in a round."""
    whole = {"num_rows": 40, "size": 40, "batch_size": 8}
    return drawn_batches(jax.random.key(0), round_, client, steps=SPEEDS[client], **whole)


def test_the_curvature_is_that_of_softmax_regression_at_the_start(members):
    x, y = map(np.concatenate, zip(*clients_of(members)))
    zero = [(np.zeros((64, 10)), np.zeros(10))]

    def slope(vector):
        return loops.flat(oracle.gradient(loops.shaped(vector, zero), x, y))

    direction = np.random.default_rng(0).normal(size=650)
    for _ in range(20):
        along = slope(1e-4 * direction / np.linalg.norm(direction)) - slope(np.zeros(650))
        direction = along
    assert_allclose(np.linalg.norm(direction) / 1e-4, curvature(members), rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "settings", "reaches"),
    [
        ("fedagrac", {"rate": 0.4}, True),
        ("fedagrac", {"rate": 0.4, "lam": 0.1}, False),
        ("fedagrac", {"rate": 0.4, "send": "average"}, False),
        ("fedagrac", {"rate": 0.4, "steps": 12}, False),  # nobody is fast
        ("fedagrac", {"rate": 0.1}, False),
        ("fedagrac", {"rate": 0.4, "model": linear()}, False),
        ("fednova", {"rate": 0.4}, True),
        ("fednova", {"rate": 0.4, "steps": 12}, False),  # it is FedAvg
        ("fednova", {"rate": 0.1}, False),
        ("calibrated", {"rate": 0.4}, True),
        ("calibrated", {"rate": 0.4, "steps": 12}, True),
        ("calibrated", {"rate": 0.1}, False),
        ("scaffold", {"rate": 0.4}, False),
        ("fedavg", {"rate": 0.4}, False),
    ],
)
def test_a_caution_is_given_beyond_what_was_shown_to_work_and_nowhere_else(
    name, settings, reaches, members
):
    sentences = said(members, training_of(name, **settings))
    assert len(sentences) == reaches
    if reaches:
        assert "times as long as this algorithm was shown to bear" in sentences[0]
        assert f"learning_rate={settings['rate']:g}" in sentences[0]


def test_whoever_makes_a_game_is_cautioned(members):
    training = training_of("fednova", rate=0.4)
    for game in (silo, rounds):
        with pytest.raises(InputWarning, match="rounds may overshoot"):
            game(members, training)
