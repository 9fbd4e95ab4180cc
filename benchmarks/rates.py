"""Rates that were measured, and what follows from them for other sizes; see `scale_on_paper`."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from benchmarks.harness import Record

# (coalitions of a chunk, member-steps a second) on one H200; half of the chunk is in training
CARD_SMALL = ((256, 1.1e6), (4096, 3.7e6))
CARD_LENET5 = (256, 44.6e3)
SMALL_STEPS = 50  # 5 rounds of 10
IMAGES = 60_000
LENET5_EPOCHS = 50  # 10 rounds of 5
BATCH = 64


class Line(NamedTuple):
    """Seconds of a local step of m models: `once` + `each` m."""

    once: float
    each: float


class Hub(NamedTuple):
    """Seconds of a batch on the hub: `once` + `process` N + `coalition` N M."""

    once: float
    process: float
    coalition: float

    def seconds(self, processes: int, coalitions: int) -> float:
        """Of one batch."""
        return self.once + processes * (self.process + coalitions * self.coalition)


def small_step() -> Line:
    """Of the MLP: the line through the two measured games."""
    models = [chunk / 2 for chunk, _ in CARD_SMALL]
    seconds = [chunk / 2 / rate for chunk, rate in CARD_SMALL]
    each = (seconds[1] - seconds[0]) / (models[1] - models[0])
    return Line(seconds[0] - each * models[0], each)


def lenet5_step() -> Line:
    """Of LeNet5: the line through the measured game, whose fixed part is the MLP's."""
    chunk, rate = CARD_LENET5
    once = small_step().once
    return Line(once, 1 / rate - once / (chunk / 2))


def hub_of(rows: Sequence[Record]) -> Hub:
    """The fit to the measured batches by relative errors; no coefficient is negative."""
    seconds = np.array([row["seconds"] for row in rows])
    terms = [[1.0, row["processes"], row["processes"] * row["batch"]] for row in rows]
    found, _ = nnls(np.array(terms) / seconds[:, None], np.ones(len(rows)))
    return Hub(*found.tolist())


class Kind(NamedTuple):
    """A kind of cross-silo game.

    Attributes:
        name: in words.
        steps: n -> local steps of a member over all rounds.
        step: seconds of a step on one card.
        chunk: the most coalitions of a chunk.
    """

    name: str
    steps: Callable[[int], int]
    step: Line
    chunk: int

    def member_steps(self, n: int, coalitions: int) -> float:
        """Of coalitions that have half of the n clients on average."""
        return n / 2 * coalitions * self.steps(n)

    def seconds(self, n: int, coalitions: int, cards: int) -> float:
        """Of so many coalitions on so many cards, the longest of which counts."""
        chunk = min(self.chunk, math.ceil(coalitions / cards))
        chunks_of_a_card = math.ceil(math.ceil(coalitions / chunk) / cards)
        a_step = self.step.once + self.step.each * chunk / 2
        return chunks_of_a_card * n * self.steps(n) * a_step


SMALL = Kind("digits, MLP 64-200-10", lambda n: SMALL_STEPS, small_step(), CARD_SMALL[1][0])
# the training of flirds: 60,000 images among n clients
LENET5 = Kind(
    "MNIST, LeNet5",
    lambda n: LENET5_EPOCHS * math.ceil(IMAGES / n / BATCH),
    lenet5_step(),
    CARD_LENET5[0],
)
