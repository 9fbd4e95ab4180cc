"""Progress on the terminal: what is being done, how many coalitions are done, and the time left."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from fedjax_shap.typing import Progress

if TYPE_CHECKING:
    from fedjax_shap.pipeline.run import Watch

Clock = Callable[[], float]


class Show(Protocol):
    """Shows how far a stage is."""

    def __call__(self, words: str, done: int | None = None, total: int | None = None, /) -> None:
        """Shows it.

        Args:
            words: what is being done, or how fast.
            done: how many coalitions are done; as before if None.
            total: how many there are in all; as before if None.
        """


class Pace:
    """What one stage says of itself: what it is doing, or its rate and the time left.

    Coalitions that a store had at the beginning count as done, but not for the rate; seconds of
    compiling do not count for it either.
    """

    def __init__(self, show: Show, clock: Clock = time.monotonic, unit: str = "s") -> None:
        """Begins a stage.

        Args:
            show: shows what is said.
            clock: gives seconds.
            unit: "s" for coalitions a second; "" where only the time left is shown.
        """
        self._show = show
        self._clock = clock
        self._unit = unit
        self._first: int | None = None  # done when the work began
        self._done = 0
        self._began = clock()
        self._compiling: float | None = None  # since when
        show("preparing" * bool(unit))

    def compiling(self, *, now: bool) -> None:
        """Takes note that a program begins to be compiled, or is ready."""
        if now:
            self._compiling = self._clock()
            self._show("compiling")
        elif self._compiling is not None:
            self._began += self._clock() - self._compiling
            self._compiling = None
            self._show("valuing")

    def __call__(self, done: int, total: int) -> None:
        """Takes note of how many coalitions are done, see `typing.Progress`."""
        if self._first is None or done < self._done:
            self._first = done
            self._began = self._clock()
        self._done = done
        self._show(self._words(done - self._first, total - done), done, total)

    def _words(self, new: int, left: int) -> str:
        """The rate and the time left, of which nothing is known before anything is new."""
        seconds = self._clock() - self._began
        if not new or seconds <= 0:
            return "valuing" * bool(self._unit)
        said = []
        if self._unit:
            said.append(f"{new / seconds:,.1f}/{self._unit}")
        if left:
            said.append(f"{timedelta(seconds=round(left * seconds / new))} left")
        return ", ".join(said)


@contextmanager
def progress_bars(*, shown: bool = True) -> Iterator[Bars]:
    """Bars on standard error; none where it is not a terminal.

    Args:
        shown: False for a process that leaves the bars to another one.
    """
    console = Console(stderr=True)
    drawn = shown and console.is_terminal
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[counted]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}"),
        console=console,
        transient=True,
        disable=not drawn,
    )
    if not drawn:  # bars that are stopped would leave an empty line in a file
        yield bars
        return
    with bars:
        yield bars


def one_bar(bars: Bars, name: str, *, clock: Clock = time.monotonic, unit: str = "s") -> Pace:
    """A bar for one stage.

    Args:
        bars: where to, see `progress_bars`.
        name: of the stage.
        clock: gives seconds.
        unit: as in `Pace`.
    """
    task = bars.add_task(name, total=None, counted="", words="")
    return Pace(_showing(bars, task), clock, unit)


@contextmanager
def watch_on(bars: Bars, clock: Clock = time.monotonic) -> "Iterator[Watch]":
    """One bar a stage: what it is doing, how much of it is done, its rate, and the time left.

    Args:
        bars: where to, see `progress_bars`.
        clock: gives seconds.
    """
    from jax import monitoring  # which other commands do without

    from fedjax_shap.engine.programs import COMPILED, COMPILING

    stages: list[Pace] = []

    def stage(name: str, /) -> Progress:
        stages.append(one_bar(bars, name, clock=clock))
        return stages[-1]

    def listen(event: str, **_: Any) -> None:
        if stages and event in (COMPILING, COMPILED):
            stages[-1].compiling(now=event == COMPILING)

    monitoring.register_event_listener(listen)
    try:
        yield stage
    finally:
        monitoring.unregister_event_listener(listen)


def _showing(bars: Bars, task: TaskID) -> Show:
    """Shows a stage as one of the bars."""

    def show(words: str, done: int | None = None, total: int | None = None, /) -> None:
        if done is None or total is None:
            bars.update(task, words=words)
        else:
            counted = f"{done:,}/{total:,}"
            bars.update(task, words=words, completed=done, total=total, counted=counted)

    return show
