"""One game played by the engine and by its rivals, who must find the engine's utilities before
their clock counts.
"""

import math

import jax
import numpy as np

from benchmarks import torch_loop
from benchmarks.games import LEARNING_RATE, Case
from benchmarks.harness import Seconds, compiled_anew, timed
from fedjax_shap._validate import require
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import num_cores
from fedjax_shap.games.game import Game
from fedjax_shap.typing import Utilities

LARGEST_GAP = 1e-4  # nats


class Contest:
    """One game: the engine's utilities, and what the rivals' may differ by.

    Attributes:
        case: the game.
        key: its randomness.
        data: its federation.
        masks: bool[M, P], the coalitions valued.
        initial: the parameters from which every coalition starts.
        expected: float64[M], the engine's utilities.
        gaps: each rival's largest difference from them, in nats.
    """

    def __init__(self, case: Case, folder: str | None, repeats: int) -> None:
        """Builds the federation and draws the initial weights; `repeats` are the later calls of
        each contestant.
        """
        self.case, self.key, self.repeats = case, jax.random.key(0), repeats
        self.data, self.masks = case.data(folder), case.masks()
        self.initial = self.game().world.initial
        self.expected: Utilities = np.zeros(0)
        self.gaps: dict[str, float] = {}

    def game(self) -> Game:
        """The game, of which nothing is compiled yet."""
        return self.case.game(self.data, self.key)

    def engine(self, asked: Plan) -> tuple[Seconds, Plan]:
        """Seconds of the engine, the first call with those of its planning, and the plan.

        Its utilities become the expected ones.
        """
        game, plans = self.game(), [asked]

        def call() -> Utilities:
            plans[0] = autoplan(
                game, self.key, self.masks, plans[0]
            )  # made in the first call, kept in later ones
            return evaluate(game, self.key, self.masks, plans[0])

        with compiled_anew():
            self.expected, seconds = timed(call, repeats=self.repeats)
        return seconds, plans[0]

    def rival(self, name: str, plan: Plan) -> Seconds:
        """Seconds of the game under another plan."""
        game = self.game()
        with compiled_anew():
            return timed(
                lambda: evaluate(game, self.key, self.masks, plan),
                repeats=self.repeats,
                check=lambda found: self._agree(name, found, self.expected),
            )[1]

    def in_torch(self, limit: float) -> tuple[Seconds, float]:
        """Seconds of the game in PyTorch, and which share of its member-steps ran.

        It uses one core or all, whichever trains one coalition faster.

        Args:
            limit: where the whole game would take longer, in seconds, so much of it runs, every
                k-th coalition from the largest on, and the seconds are scaled up by member-steps.
        """
        case = self.case
        batches = torch_loop.draw_batches(
            self.data, self.key, rounds=case.rounds, steps=case.steps, batch_size=case.batch_size
        )
        loop = torch_loop.TorchLoop(self.data, self.initial, batches, LEARNING_RATE)
        everyone, probes = np.ones((1, case.n), bool), {}
        for threads in (1, num_cores()):
            loop.use_threads(threads)
            probes[threads] = timed(lambda: loop.utilities(everyone), repeats=1)[1]["warm"]
        threads = min(probes, key=lambda count: probes[count])
        loop.use_threads(threads)
        whole = probes[threads] * self.masks.sum() / case.n
        rows = np.argsort(self.masks.sum(axis=1), kind="stable")[
            :: -max(math.ceil(whole / limit), 1)
        ]
        some, expected = self.masks[rows], self.expected[rows]
        _, seconds = timed(
            lambda: loop.utilities(some),
            repeats=min(self.repeats, 1),
            check=lambda found: self._agree("PyTorch", found, expected),
        )
        share = float(some.sum() / self.masks.sum())
        return {
            "first": seconds["first"] / share,
            "warm": seconds["warm"] / share,
            "threads": threads,
        }, share

    def _agree(self, name: str, found: Utilities, expected: Utilities) -> None:
        """Refuses utilities that are not the engine's."""
        self.gaps[name] = float(np.abs(found - expected).max())
        require(
            self.gaps[name] <= LARGEST_GAP,
            f"Expected {name} to give the engine's utilities within {LARGEST_GAP} nats, got "
            f"{self.gaps[name]:.1e}.",
        )
