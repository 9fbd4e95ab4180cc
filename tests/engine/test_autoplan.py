"""Plans by measurement: what is fixed stays, what is open is the fastest, and is remembered."""

import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from several_devices import needs_devices, on_a_cpu

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine import autoplan as module
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.closed_form import airport
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training

EVERY = all_subsets(6)


@pytest.fixture(scope="module")
def game():
    start = initial(FEATURES, CLASSES)
    return silo(
        federation((7, 12, 4, 9, 8, 3)),
        Training(linear(), local(batch_size=5), fedavg(max_rounds=99), initial=start),
    )


@pytest.fixture
def rates(monkeypatch, tmp_path):
    """Member-steps a second by chunk, instead of measured ones, and the plans that were tried."""
    table = {}
    tried = []
    monkeypatch.setenv("FEDJAX_SHAP_CACHE", str(tmp_path))

    def rate(game, effort, key, masks, plan):
        tried.append(plan)
        return table[plan.chunk]

    monkeypatch.setattr(module, "_rate", rate)
    return table, tried


def test_what_is_fixed_stays_and_nothing_is_tried(game, rates, key):
    plan = Plan(chunk=5, layout="coalition", memory=10**9)
    assert autoplan(game, key, EVERY, plan) == plan
    assert rates[1] == []


def test_a_game_that_maps_over_coalitions_has_no_other_layout(key):
    plan = autoplan(airport([1, 2, 3]).game, key, all_subsets(3), Plan(memory=10**9))
    assert (plan.layout, plan.buckets, plan.memory) == ("coalition", 1, 10**9)
    assert plan.chunk >= 8


@pytest.mark.parametrize("fastest", [0, 1, 2])
def test_the_fastest_plan_is_taken_and_remembered(fastest, game, rates, key, tmp_path):
    table, tried = rates
    first = module._first_chunk(game, len(EVERY), Plan())
    chunks = [first, first // 4, first * 4]
    table.update(
        dict(zip(chunks, np.roll([3e-6, 1e-6, 2e-6], fastest)))
    )  # so slow that trying is worthwhile
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[fastest]
    assert [plan.chunk for plan in tried] == chunks
    tried.clear()
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[fastest]
    assert not tried
    (remembered,) = (tmp_path / "plans").iterdir()
    remembered.write_text("{")
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[fastest]
    assert len(tried) == 3, "a broken file is no plan"
    autoplan(game, key, EVERY, Plan(memory=10**9))
    assert len(tried) == 6, "another budget is another plan"


def test_a_game_that_is_soon_done_takes_the_first_guess_and_that_is_remembered(
    game, rates, key, tmp_path
):
    table, tried = rates
    first = module._first_chunk(game, len(EVERY), Plan())
    table[first] = 1e12
    assert autoplan(game, key, EVERY, Plan()).chunk == first
    assert len(tried) == 1
    assert len(list(tmp_path.rglob("*.json"))) == 1
    short = game.replace(effort=game.effort._replace(rounds=1))
    assert autoplan(short, key, EVERY[:32], Plan()).chunk is not None
    assert len(tried) == 1, "no longer than a trial"


@on_a_cpu
def test_a_first_guess_gives_every_worker_work_and_fits_models_into_the_cache(game):
    assert module._first_chunk(game, 64, Plan(workers=4)) == 16
    assert module._first_chunk(game, 10**6, Plan(workers=4)) == module.CPU_CHUNKS[1]
    wide = game.replace(effort=game.effort._replace(footprint=module.CPU_BYTES // 20))
    assert module._first_chunk(wide, 10**6, Plan()) == 16
    assert (
        module._first_chunk(
            wide.replace(effort=game.effort._replace(footprint=10**9)), 10**6, Plan()
        )
        == 4
    )


TRIALS = [
    pytest.param(Plan(chunk=8, layout="coalition", devices=4), marks=needs_devices(4)),
    Plan(chunk=8, workers=2),
    pytest.param(Plan(chunk=4, devices=4), marks=needs_devices(4)),
    Plan(chunk=4, layout="coalition"),
]


@pytest.mark.parametrize("plan", TRIALS)
def test_a_trial_does_a_little_of_the_same_work(plan, game, key):
    assert module._rate(game, game.effort, key, EVERY, plan) > 0
    assert module._rate(game, game.effort, key, EVERY, Plan(chunk=8, memory=1)) == 0
    brief = game.effort.brief(game.world)
    assert (int(brief.num_rounds), int(game.world.num_rounds), game.effort.rounds) == (1, 99, 99)
    assert int(brief.num_steps.max()) <= 8
