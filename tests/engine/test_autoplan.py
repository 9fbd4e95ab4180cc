"""Plans by measurement: what is fixed stays, what is open is the fastest, and is remembered."""

import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from several_devices import needs_devices, on_a_cpu

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine import autoplan as module
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import NoRoomError
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


class Bench:
    """A machine with a clock of its own, on which trials take what `rates` says by chunk.

    Attributes:
        rates: member-steps a second by chunk; 0 where there is no room.
        tried: the plans whose trials ran.
        slowed: (turn of a trial) -> by what factor other work slows it.
        shared: what part of its cores the process gets.
        compiling: seconds that the first trial takes besides.
    """

    def __init__(self):
        self.rates = {}
        self.tried = []
        self.slowed = lambda turn: 1.0
        self.shared = 1.0
        self.compiling = 0.0
        self.wall = 0.0
        self.processors = 0.0

    def trial(self, game, effort, key, masks, plan):
        cores = 2

        def run():
            rate = self.rates[plan.chunk]
            if not rate:
                raise NoRoomError("full")
            if not self.tried:
                self.wall += self.compiling
            self.tried.append(plan)
            seconds = 1 / rate * self.slowed(len(self.tried))
            self.wall += seconds
            self.processors += cores * seconds * self.shared

        return module._Trial(run, 1, cores)

    def now(self):
        return module._Now(self.wall, self.processors)

    def plans(self):
        """The chunks tried, each once, in order."""
        return list(dict.fromkeys(plan.chunk for plan in self.tried))


@pytest.fixture
def bench(monkeypatch, tmp_path):
    made = Bench()
    monkeypatch.setenv("FEDJAX_SHAP_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "_trial", made.trial)
    monkeypatch.setattr(module, "_now", made.now)
    return made


def test_what_is_fixed_stays_and_nothing_is_tried(game, bench, key):
    plan = Plan(chunk=5, layout="coalition", memory=10**9)
    assert autoplan(game, key, EVERY, plan) == plan
    assert not bench.tried


def test_a_game_that_maps_over_coalitions_has_no_other_layout(key):
    plan = autoplan(airport([1, 2, 3]).game, key, all_subsets(3), Plan(memory=10**9))
    assert (plan.layout, plan.buckets, plan.memory) == ("coalition", 1, 10**9)
    assert plan.chunk >= 8


def around(game):
    """The chunks of the first guess and of its neighbours."""
    first = module._first_chunk(game, len(EVERY), Plan())
    return [first, first // 4, first * 4]


SLOW = (3e-6, 1e-6, 2e-6)  # so slow that trying is worthwhile


@pytest.mark.parametrize("fastest", [0, 1, 2])
def test_the_fastest_plan_is_taken_and_remembered(fastest, game, bench, key, tmp_path):
    chunks = around(game)
    bench.rates.update(zip(chunks, np.roll(SLOW, fastest)))
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[fastest]
    assert bench.plans() == chunks
    bench.tried.clear()
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[fastest]
    assert not bench.tried
    (remembered,) = (tmp_path / "plans").iterdir()
    remembered.write_text("{")
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[fastest]
    assert bench.plans() == chunks, "a broken file is no plan"
    bench.tried.clear()
    autoplan(game, key, EVERY, Plan(memory=10**9))
    assert bench.plans() == chunks, "another budget is another plan"


def test_a_game_that_is_soon_done_takes_the_first_guess_and_that_is_remembered(
    game, bench, key, tmp_path
):
    first = around(game)[0]
    bench.rates[first] = 1e12
    bench.compiling = 1.0
    assert autoplan(game, key, EVERY, Plan()).chunk == first
    assert bench.plans() == [first]
    assert len(list(tmp_path.rglob("*.json"))) == 1
    bench.tried.clear()
    short = game.replace(effort=game.effort._replace(rounds=1))
    assert autoplan(short, key, EVERY[:32], Plan()).chunk is not None
    assert not bench.tried, "no longer than a trial"


def test_a_plan_that_is_hardly_faster_than_the_guess_does_not_replace_it(game, bench, key):
    chunks = around(game)
    bench.rates.update(zip(chunks, (1e-6, 1.05e-6, 1.09e-6)))
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[0]


def test_on_a_busy_machine_one_program_is_tried_and_nothing_is_remembered(
    game, bench, key, tmp_path
):
    chunks = around(game)
    bench.rates.update(zip(chunks, (1e-6, 2e-6, 3e-6)))
    bench.shared = 0.5
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[0]
    assert bench.plans() == chunks[:1]
    assert not list(tmp_path.rglob("*.json"))
    # the next run on the same machine, which is calm by then, finds the better plan
    bench.shared = 1.0
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[2]
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_work_that_begins_between_the_trials_is_noticed_too(game, bench, key, tmp_path):
    chunks = around(game)
    bench.rates.update(zip(chunks, (2e-6, 1e-6, 1.5e-6)))

    def slowed(turn):
        if turn > module.REPEATS:
            bench.shared = 0.5
        return 1.0

    bench.slowed = slowed
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[0]
    assert not list(tmp_path.rglob("*.json"))


def test_a_slow_spell_does_not_decide_for_another_plan(game, bench, key, monkeypatch):
    monkeypatch.setattr(module, "LONG_ENOUGH", np.inf)
    chunks = around(game)
    bench.rates.update(zip(chunks, (3e-6, 2e-6, 2e-6)))
    # of the four turns of three plans the first two are slowed, the guess's most of all
    bench.slowed = lambda turn: 9.0 if turn in (5, 8) else 1.0
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[0]


def test_a_guess_without_room_gives_way_to_a_plan_that_has_some(game, bench, key):
    chunks = around(game)
    bench.rates.update(zip(chunks, (0, 1e-6, 0)))
    assert autoplan(game, key, EVERY, Plan()).chunk == chunks[1]


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
    trial = module._trial(game, game.effort, key, EVERY, plan)
    trial.run()
    assert trial.useful > 0
    assert 1 <= trial.cores <= 4
    with pytest.raises(NoRoomError):
        module._trial(game, game.effort, key, EVERY, Plan(chunk=8, memory=1)).run()
    brief = game.effort.brief(game.world)
    assert (int(brief.num_rounds), int(game.world.num_rounds), game.effort.rounds) == (1, 99, 99)
    assert int(brief.num_steps.max()) <= 8
