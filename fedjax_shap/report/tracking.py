"""Trackers of experiments: a run's numbers and figures for TensorBoard, or for what logs as W&B.

Nothing is tracked that is not asked for, and nothing here uses a network.
"""

import io
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread

from fedjax_shap._validate import a_path, not_installed
from fedjax_shap.atomic import writable
from fedjax_shap.pipeline.run import Watch
from fedjax_shap.report import figure_files, run_figures
from fedjax_shap.report.names import distinct
from fedjax_shap.report.saved_run import SavedRun
from fedjax_shap.typing import HostArray, Progress

DPI = 110  # of figures


class LogNumbers(Protocol):
    """Takes numbers."""

    def __call__(self, numbers: Mapping[str, float], step: int, /) -> None:
        """Logs numbers.

        Args:
            numbers: finite ones, by names whose parts stand between slashes.
            step: a round, or how many coalitions are done.
        """


class LogImage(Protocol):
    """Takes an image."""

    def __call__(self, name: str, image: HostArray, step: int, /) -> None:
        """Logs an image.

        Args:
            name: what it is called.
            image: uint8[height, width, 3].
            step: how many coalitions are done.
        """


class Close(Protocol):
    """Ends a tracker."""

    def __call__(self) -> None:
        """Writes what is left."""


class Tracker(NamedTuple):
    """Where numbers and images go."""

    numbers: LogNumbers
    image: LogImage
    close: Close


def tensorboard(folder: str | Path) -> Tracker:
    """Writes event files for TensorBoard.

    Args:
        folder: of this run; made if it is not there.

    Raises:
        InvalidInputError: tensorboardX is not installed, or the folder cannot be written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise not_installed(
            "tensorboardX", "TensorBoard", "install fedjax-shap[tracking]"
        ) from error
    place = a_path("tensorboard", folder)
    with writable("tensorboard", place):
        writer = SummaryWriter(str(place))

    def numbers(given: Mapping[str, float], step: int, /) -> None:
        for name, value in given.items():
            writer.add_scalar(name, value, step)

    def image(name: str, given: HostArray, step: int, /) -> None:
        writer.add_image(name, given, step, dataformats="HWC")

    return Tracker(numbers, image, writer.close)


def logging_to(run: Any, image_of: Any = None) -> Tracker:
    """Logs to a run of W&B, trackio, or another library of that shape.

    Args:
        run: has `log(numbers)` and `finish()`, such as `wandb.init(...)` gives.
        image_of: makes the library's image of uint8[height, width, 3], such as `wandb.Image`; no
            images are logged if None.

    Guarantees:
        Such libraries take steps in rising order only: every name of numbers has a second one for
        its step, such as "round/step", and the library's own step is left alone.
    """

    def numbers(given: Mapping[str, float], step: int, /) -> None:
        axes = {f"{name.partition('/')[0]}/step": step for name in given}
        run.log({**axes, **given})

    def image(name: str, given: HostArray, step: int, /) -> None:
        if image_of is not None:
            run.log({name: image_of(given)})

    return Tracker(numbers, image, run.finish)


def watching(tracker: Tracker, watch: Watch) -> Watch:
    """A watch that logs the seconds of each stage by how many coalitions are done.

    Args:
        tracker: where to.
        watch: is called as before.
    """

    def stage(name: str, /) -> Progress:
        began = time.monotonic()
        report = watch(name)

        def progress(done: int, total: int) -> None:
            report(done, total)
            tracker.numbers({f"seconds/{name}": time.monotonic() - began}, done)

        return progress

    return stage


def track(run: SavedRun, tracker: Tracker) -> None:
    """Logs a finished run: curves and values by round, and, by the coalitions that were valued,
    each member's value, cost and payment, V(N) and V(empty), and the figures.

    Args:
        run: a run as its result.json has it.
        tracker: where to; it is not closed.
    """
    names = distinct(run.players)
    if run.curve is not None:
        curves = {"federated": run.curve.federated, "pooled data": run.curve.pooled}
        if run.curve.alone is not None:
            curves |= {f"{name} alone": row for name, row in zip(names, run.curve.alone)}
        _by_round(tracker, f"{run.curve.label} by round", curves)
    if run.by_round is not None:
        rows = dict(zip(names, run.by_round.values, strict=True))
        _by_round(tracker, "value by round", rows)
    step = run.coalitions["asked"]
    found = run.attribution
    known: dict[str, Any] = {"game/V(N)": found.grand, "game/V(empty)": found.empty}
    known |= {f"value/{name}": one for name, one in zip(names, found.values)}
    settled = run.settlement
    if settled is not None:
        known |= {f"cost/{name}": one for name, one in zip(names, settled.costs)}
        known |= {f"payment/{name}": one for name, one in zip(names, settled.payments)}
    tracker.numbers(_finite(known), step)
    for name, figure in run_figures.figures(run, run.beside).items():
        tracker.image(f"figures/{name}", _points(figure), step)


def _by_round(tracker: Tracker, name: str, rows: Mapping[str, HostArray]) -> None:
    """Logs a number of each row after each round; rows may end earlier than others."""
    for place in range(max(map(len, rows.values()), default=0)):
        reached = {f"{name}/{key}": row[place] for key, row in rows.items() if place < len(row)}
        tracker.numbers(_finite(reached), place + 1)


def _finite(numbers: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that are known."""
    plain = {name: float(one) for name, one in numbers.items()}
    return {name: one for name, one in plain.items() if math.isfinite(one)}


def _points(figure: Figure) -> HostArray:
    """A figure as uint8[height, width, 3]."""
    content = io.BytesIO()
    figure_files.write_png(figure, content, dpi=DPI)
    content.seek(0)
    image: HostArray = np.round(imread(content)[..., :3] * 255).astype(np.uint8)
    return image
