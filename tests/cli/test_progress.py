"""Progress as it is shown: compiling is named, and what a store had counts as done."""

import io

import numpy as np
import pytest
from federations import federation
from jax import monitoring
from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TextColumn

from fedjax_shap.cli import main as command
from fedjax_shap.cli.progress import Pace, one_bar, progress_bars, watch_on
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.progress import after, of_rounds
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import from_callable
from fedjax_shap.games.game import Game
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.architectures.dense import linear
from fedjax_shap.learning.local import local
from fedjax_shap.learning.training import Training
from fedjax_shap.report.run_sentences import _seconds
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def paced(unit="s"):
    """(a stage, its clock, what it showed)."""
    shown = []
    clock = Clock()
    return Pace(lambda *what: shown.append(what), clock, unit), clock, shown


def test_the_rate_leaves_out_compiling_and_what_the_store_had():
    pace, clock, shown = paced()
    clock.now += 7
    pace(96, 2048)
    clock.now += 20
    pace.compiling(now=True)
    clock.now += 30
    pace.compiling(now=False)
    clock.now += 5
    pace(146, 2048)
    assert shown == [
        ("preparing",),
        ("valuing", 96, 2048),
        ("compiling",),
        ("valuing",),
        ("2.0/s, 0:15:51 left", 146, 2048),
    ]


def test_a_stage_that_begins_again_has_a_rate_of_its_own():
    pace, clock, shown = paced()
    pace(0, 8)
    clock.now += 1
    pace(8, 8)
    clock.now += 100
    pace(0, 4)
    clock.now += 1
    pace(2, 4)
    assert [words for words, *_ in shown[2:]] == ["8.0/s", "valuing", "2.0/s, 0:00:01 left"]


def test_cells_of_a_sweep_have_no_rate():
    pace, clock, shown = paced(unit="")
    pace(12, 30)
    clock.now += 60
    pace(15, 30)
    assert shown == [("",), ("", 12, 30), ("0:05:00 left", 15, 30)]


def test_the_bars_say_that_a_program_compiles_and_count_what_is_known(key):
    game = Game(world=np.arange(4.0), value=lambda world, key, S: S.mask @ world, num_players=4)
    every = all_subsets(4)
    store = UtilityStore()
    evaluate(game, key, every[:6], store=store)
    bars = Bars(TextColumn("{task.fields[words]}"), console=Console(file=io.StringIO()))
    shown = []
    with watch_on(bars, Clock()) as watch:
        report = watch("coalitions")

        def noted(done, total):
            report(done, total)
            shown.append((bars.tasks[0].fields["counted"], bars.tasks[0].fields["words"]))

        def noting(event, **_):
            shown.append(bars.tasks[0].fields["words"])

        monitoring.register_event_listener(noting)
        evaluate(game, key, every, Plan(chunk=10), store, noted)
        monitoring.unregister_event_listener(noting)
    said_while = [one for one in shown if isinstance(one, str)]
    assert shown[0] == ("6/16", "valuing") and shown[-1][0] == "16/16"
    assert "compiling" in said_while and said_while[-1] == "valuing"


def test_a_file_gets_no_bars(capsys):
    with progress_bars() as bars:
        bar = one_bar(bars, "cells")
        bar(1, 2)
    assert capsys.readouterr() == ("", "")


def test_batches_and_rounds_count_together():
    told = []
    after(lambda *numbers: told.append(numbers), 20, 50)(3, 10)
    after(lambda *numbers: told.append(numbers), 20)(3, 10)
    of_rounds(lambda *numbers: told.append(numbers), 2, 5)(3, 8)
    after(None, 1)(2, 3)
    of_rounds(None, 1, 2)(2, 3)
    assert told == [(23, 50), (23, 30), (19, 40)]


@pytest.mark.parametrize("budget", [None, 24])
def test_an_estimator_that_asks_in_batches_has_one_count(budget):
    told = []
    options = Options(
        budget=budget,
        turn=4,
        until="standard_error(0.01)",
        progress=lambda *numbers: told.append(numbers),
    )
    game = from_callable(lambda masks: np.sqrt(masks @ np.arange(1.0, 6)), 5)
    found = estimate(game, permutation(), options)
    done = [one for one, _ in told]
    assert done == sorted(done) and done[-1] == found.num_coalitions
    if budget is not None:
        assert {total for _, total in told} == {budget}


@pytest.mark.slow
def test_rounds_of_a_run_have_one_count(key):
    told = []
    training = Training(linear(), local(), fedavg(max_rounds=3))
    run = rounds(federation(), training)
    estimate_rounds(run, exact(), Options(progress=lambda *numbers: told.append(numbers)), key=key)
    most = 3 * 2 ** federation().num_clients
    assert told[-1] == (most, most) and {total for _, total in told} == {most}


def test_seconds_in_all_are_those_since_the_process_began(tmp_path, monkeypatch):
    """A process that began 40 ticks of a hundredth before, says the file of a fake system."""
    stat = tmp_path / "stat"
    fields = ["S", *["0"] * 18, "1234560", "0"]
    stat.write_text(f"77 (a ) name (b) {' '.join(fields)}")
    monkeypatch.setattr(command.os, "sysconf", lambda name: 100)
    monkeypatch.setattr(command.time, "clock_gettime", lambda which: 12346.0)
    assert command._starting(str(stat)) == pytest.approx(0.4)
    monkeypatch.setattr(command.time, "clock_gettime", lambda which: 99999.0)
    assert command._starting(str(stat)) == 0  # it did other things before
    assert command._starting(str(tmp_path / "none")) == 0


def test_a_command_waits_from_the_start_of_its_process(monkeypatch):
    waited = []
    clock = Clock()
    monkeypatch.setattr(command.time, "monotonic", clock)
    monkeypatch.setattr(command, "_starting", lambda: 3.0)

    def call(known, rest):
        clock.now += 10
        waited.append(known.waited())

    class Parsed:
        command = "list"

    Parsed.call = staticmethod(call)
    parser = type("Parser", (), {"parse_known_args": lambda self, words: (Parsed(), [])})
    monkeypatch.setattr(command, "_parser", lambda words: parser())
    monkeypatch.setattr(command.sys, "argv", ["fedjax-shap", "list"])
    command.main()
    command.main(["list"])
    assert waited == [13.0, 10.0]


def test_the_sentence_on_seconds_says_what_was_waited_or_computed():
    timing = {"compile_s": 0.4, "train_s": 0.8, "total_s": 1.9}
    parts = "0.8 s valuing coalitions, 0.4 s compiling."
    assert _seconds(timing, 15.5) == f"15.5 s in all: {parts}"
    assert _seconds(timing, None) == f"1.9 s of computing: {parts}"
