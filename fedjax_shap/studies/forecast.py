"""What a sweep will take: cells, coalitions to train, and roughly how long, by measured rates."""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fedjax_shap.engine.stopwatch import Stopwatch
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.records import RESULT, read_json
from fedjax_shap.pipeline.settings.registry import kind_of, setting_of
from fedjax_shap.pipeline.settings.setting import Setting
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.studies.cells import Cell
from fedjax_shap.studies.sweep import Pending
from fedjax_shap.typing import Key, Masks, Utilities
from fedjax_shap.valuation.options import Options

DECIDING = ("data", "partition", "game")  # sections that say who the players are
SAMPLE = 64  # coalitions that a measurement trains at the most
SECONDS = 10.0  # after which it ends with the batch at hand
PROGRAMS = 3  # of the size of a valuation's that a run has: its own, and two for its curves
MOST_COUNTED = 20  # players up to which all coalitions are counted out


class Rate(NamedTuple):
    """How fast cells are.

    Attributes:
        coalition: seconds a coalition.
        overhead: seconds a cell besides: loading, curves, payments.
        once: seconds of compiling, which cells of one process share.
        source: where this was measured, in words.
    """

    coalition: float
    overhead: float
    once: float
    source: str


class Forecast(NamedTuple):
    """What a sweep will take.

    Attributes:
        coalitions: how many the cells that are left will value; those of a run of rounds are
            mixtures of its uploads and are not counted.
        at_most: whether a rule may stop before.
        rate: how fast; None where nothing could be measured.
        seconds: of all cells that are left, one after another; None without a rate.
    """

    coalitions: int
    at_most: bool
    rate: Rate | None
    seconds: float | None


def forecast(todo: Pending, folder: str | Path) -> Forecast:
    """What the cells that are left will take.

    Args:
        todo: see `sweep.pending`.
        folder: of the study. The rate is that of its finished cells; where there are none, a batch
            of coalitions of the first cell is trained and thrown away.

    Raises:
        InvalidInputError: the data of a cell cannot be loaded.
    """
    counted = _coalitions(todo.left)
    rate = _of_finished(todo.done, Path(folder))
    if rate is None and todo.left:
        rate = _measured(todo.left[0].config)
    seconds = None
    if rate is not None:
        seconds = rate.coalition * sum(counted) + rate.overhead * len(todo.left) + rate.once
    at_most = any(cell.config.value("estimator", "until") is not None for cell in todo.left)
    return Forecast(sum(counted), at_most, rate, seconds)


def _coalitions(cells: Sequence[Cell]) -> list[int]:
    """How many coalitions each cell values."""
    players: dict[str, int] = {}
    counts = []
    for cell in cells:
        if kind_of(cell.config).takes_methods:
            counts.append(0)
            continue
        record = cell.config.to_dict()
        key = json.dumps([record.get(section) for section in DECIDING], default=repr)
        if key not in players:
            players[key] = len(setting_of(cell.config).players)
        counts.append(_asked_for(cell.config, players[key]))
    return counts


def _asked_for(config: Config, num_players: int) -> int:
    """How many coalitions the estimator of a configuration asks for, at the most."""
    budget = config.value("estimator", "budget")
    asked = 2**num_players
    if budget is not None:
        asked = min(budget, asked)
    elif num_players <= MOST_COUNTED:
        estimator = config.build("estimator")
        if isinstance(estimator, Estimator) and estimator.guarantees.at_once:
            state = estimator.init(num_players, None, None)
            asked = len(estimator.ask(jax.random.key(0), state)[0])
    repeats: int = config.value("estimator", "repeats")
    return asked * repeats


def _of_finished(cells: Sequence[Cell], folder: Path) -> Rate | None:
    """The rate of finished cells; None where none of them trained a coalition."""
    trained = 0
    seconds = 0.0
    overhead = []
    for cell in cells:
        record = read_json(folder / cell.name / RESULT, "result")
        timing = record["timing"]
        if record["coalitions"]["trained"]:
            trained += int(record["coalitions"]["trained"])
            seconds += float(timing["train_s"])
            overhead.append(float(timing["total_s"]) - float(timing["train_s"]))
    if not trained:
        return None
    source = f"as in the {len(overhead)} finished with trainings"
    return Rate(seconds / trained, float(np.median(overhead)), 0.0, source)


class _Enough(Exception):  # noqa: N818
    """Ends a measurement."""


def _measured(config: Config) -> Rate | None:
    """The rate of a batch of coalitions of a configuration; None for a run of rounds."""
    if kind_of(config).takes_methods:
        return None
    with Stopwatch() as loading:
        setting = setting_of(config)
    with Stopwatch() as training:
        done, between = _train_some(config, setting)
    valuing = max(between - training.preparing, 0.0)
    # what is neither is tracing, which every cell does again; curves take as much twice more
    tracing = max(training.seconds - valuing - training.compiling, 0.0)
    source = f"as measured on {done} coalitions of the first"
    return Rate(
        coalition=valuing / done,
        overhead=loading.seconds + PROGRAMS * tracing,
        once=PROGRAMS * training.compiling,
        source=source,
    )


def _train_some(config: Config, setting: Setting) -> tuple[int, float]:
    """Trains a batch of coalitions.

    Returns:
        How many were done before time was up, and the seconds from the first report of progress,
        before anything is compiled, to the last.
    """
    reports: list[tuple[int, float]] = []

    def progress(done: int, total: int) -> None:
        reports.append((done, time.perf_counter()))
        if reports[-1][1] - reports[0][1] > SECONDS:
            raise _Enough

    options = Options(plan=config.build("plan"), progress=progress)
    with suppress(_Enough):
        setting.attribution(_sample(), options)
    done, ended = reports[-1]
    return max(done, 1), ended - reports[0][1]


def _sample() -> Estimator:
    """Asks for a few random coalitions, of half the players in the mean, and then ends."""

    def init(num_players: int, budget: int | None, turn: int | None = None) -> int:
        return num_players

    def ask(key: Key, num_players: int) -> tuple[Masks, int]:
        rng = np.random.default_rng(0)
        half = rng.random((SAMPLE // 2, num_players)) < 0.5
        return np.unique(np.concatenate([half, ~half]), axis=0), num_players

    def tell(num_players: int, masks: Masks, utilities: Utilities) -> int:
        raise _Enough

    def read(num_players: int) -> Attribution:
        raise _Enough

    return Estimator(init, ask, tell, read, Guarantees(at_once=True))
