"""States of algorithms inside coalitions: the plan counts their memory and changes no number."""

import jax
import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from numpy.testing import assert_allclose

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.machine import machine
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import NoRoomError, Program
from fedjax_shap.games.silo import silo
from fedjax_shap.learning import steps
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import mlp
from fedjax_shap.learning.participation import independent
from fedjax_shap.learning.training import Training

EVERY = all_subsets(4)


def game_of(name, hidden=4):
    """Four clients who draw new numbers of steps and take part in most rounds."""
    return silo(
        federation((7, 12, 4, 9)),
        Training(
            mlp(hidden=(hidden,)),
            local(learning_rate=0.2, batch_size=4),
            ALGORITHMS[name](max_rounds=4),
            steps=steps.uniform(low=0, high=5, redraw=True),
            participation=independent(probability=0.7),
            initial=initial(FEATURES, hidden, CLASSES),
        ),
        metric="negative_loss",
    )


def bytes_of(game, chunk):
    """What a chunk of so many coalitions takes, as the engine counts it."""
    on = machine(Plan(workers=1))._replace(memory=1)
    (_, first), *_ = Plan(chunk=chunk).by_client(EVERY)
    with pytest.raises(NoRoomError) as refusal:
        Program(game, jax.random.key(0), on).prepare(first)
    return int(str(refusal.value).split()[0])


def test_the_plan_counts_a_state_for_each_coalition_and_member():
    width = 2000
    chunk = 8
    numbers = sum(leaf.size for leaf in jax.tree.leaves(game_of("fedavg", width).world.initial))
    stateless, stateful = (bytes_of(game_of(name, width), chunk) for name in ("fedavg", "scaffold"))
    members = EVERY.sum() / len(EVERY) * chunk
    assert stateful - stateless >= 0.9 * 4 * numbers * members
    footprints = [game_of(name).effort.footprint for name in ("fedavg", "scaffold", "calibrated")]
    assert footprints == sorted(footprints) and footprints[1] == 3 * footprints[0]


@pytest.mark.parametrize("name", ["scaffold", pytest.param("fedadam", marks=pytest.mark.slow)])
def test_no_plan_changes_what_a_coalition_with_states_is_worth(name, key):
    game = game_of(name)
    in_one_chunk = evaluate(game, key, EVERY, Plan(chunk=16))
    assert np.ptp(in_one_chunk) > 1e-2
    for plan in (Plan(chunk=3), Plan(chunk=5, layout="coalition", buckets=2)):
        assert_allclose(evaluate(game, key, EVERY, plan), in_one_chunk, rtol=2e-5)
