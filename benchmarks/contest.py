"""One game played by the engine and by its rivals, whose utilities must equal the engine's."""

import jax
import numpy as np

from benchmarks import torch_loop
from benchmarks.games import LEARNING_RATE, Case
from benchmarks.timing import Seconds, compiled_anew, timed, timed_in_part
from fedjax_shap._validate import require
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.machine import num_cores
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.game import Game
from fedjax_shap.typing import Utilities

LARGEST_GAP = 1e-4  # nats


class Contest:
    """One game: the engine's utilities, and how far the rivals' are from them.

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
        """Builds the federation and draws the initial weights.

        Args:
            case: the game.
            folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
            repeats: the later calls of each contestant.
        """
        self.case = case
        self.key = jax.random.key(0)
        self.repeats = repeats
        self.data = case.data(folder)
        self.masks = case.masks()
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
        game = self.game()
        plan = asked

        def call() -> Utilities:
            nonlocal plan
            plan = autoplan(game, self.key, self.masks, plan)  # later calls keep the first one's
            return evaluate(game, self.key, self.masks, plan)

        with compiled_anew():
            self.expected, seconds = timed(call, repeats=self.repeats)
        return seconds, plan

    def rival(self, name: str, plan: Plan) -> Seconds:
        """Seconds of the whole game under another plan."""
        game = self.game()
        with compiled_anew():
            _, seconds = timed(
                lambda: evaluate(game, self.key, self.masks, plan),
                repeats=self.repeats,
                check=lambda utilities: self._agree(name, utilities, self.expected),
            )
        return seconds

    def loop(self, name: str, plan: Plan, seconds: float) -> Seconds:
        """Seconds of the game under a plan of one coalition at a time.

        Args:
            name: the rival's.
            plan: its plan.
            seconds: what it may take; beyond them it plays a part of the coalitions, see
                `timed_in_part`.
        """
        game = self.game()
        sizes = self.masks.sum(axis=1)
        programs = sizes  # one for each number of members
        if plan.layout == "client":
            programs = np.zeros_like(sizes)
        with compiled_anew():
            return timed_in_part(
                lambda masks: evaluate(game, self.key, masks, plan),
                self.masks,
                sizes,
                seconds=seconds,
                repeats=self.repeats,
                programs=programs,
                check=lambda rows, utilities: self._agree(name, utilities, self.expected[rows]),
            )

    def in_torch(self, seconds: float) -> Seconds:
        """Seconds of the game in PyTorch, and `threads`, the cores that it uses.

        It uses one core or all, whichever trains one coalition faster.

        Args:
            seconds: what it may take, as for `loop`.
        """
        case = self.case
        batches = torch_loop.draw_batches(
            self.data, self.key, rounds=case.rounds, steps=case.steps, batch_size=case.batch_size
        )
        loop = torch_loop.TorchLoop(self.data, self.initial, batches, LEARNING_RATE)
        # try one core and all cores on the coalition of everyone
        everyone = np.ones((1, case.n), bool)
        probes: dict[int, float] = {}
        for threads in (1, num_cores()):
            loop.use_threads(threads)
            _, taken = timed(lambda: loop.utilities(everyone), repeats=1)
            probes[threads] = taken["warm"]
        threads = min(probes, key=lambda count: probes[count])
        loop.use_threads(threads)
        found = timed_in_part(
            loop.utilities,
            self.masks,
            self.masks.sum(axis=1),
            seconds=seconds,
            repeats=min(self.repeats, 1),
            check=lambda rows, utilities: self._agree("PyTorch", utilities, self.expected[rows]),
        )
        return found | {"threads": threads}

    def _agree(self, name: str, utilities: Utilities, expected: Utilities) -> None:
        """Refuses utilities that are not the engine's."""
        self.gaps[name] = float(np.abs(utilities - expected).max())
        require(
            self.gaps[name] <= LARGEST_GAP,
            f"Expected {name} to give the engine's utilities within {LARGEST_GAP} nats, got "
            f"{self.gaps[name]:.1e}.",
        )
