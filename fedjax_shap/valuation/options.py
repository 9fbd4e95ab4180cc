"""How coalitions are valued: one record of settings for every way to estimate values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fedjax_shap._validate import function_of, of_kind
from fedjax_shap.engine.evaluate import OnNonfinite, evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.progress import after
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game
from fedjax_shap.shapley.stopping import StoppingRule, parse_rule
from fedjax_shap.typing import Key, Masks, Progress, Utilities


class Stores(Protocol):
    """Opens the utility store of each game that a valuation plays."""

    def __call__(self, part: str, fingerprint: str, /) -> UtilityStore:
        """Opens one store.

        Args:
            part: which game of the valuation: "" for `estimate`, "repeats" for
                `estimate_repeated`, "round-0003" for the fourth round of `estimate_rounds`.
            fingerprint: names all that decides the utilities of this game, for a store on disk.
        """


@dataclass(frozen=True, kw_only=True)
class Options:
    """How coalitions are valued, and when enough have been; none of it but `on_nonfinite` changes
    a utility.

    Attributes:
        plan: how the engine cuts the work; chosen by `autoplan` if None.
        stores: where utilities are looked up first and kept: one store, or a function that opens
            one for each game, which `estimate_rounds` needs; kept in memory for the time of the
            call if None.
        progress: called with (coalitions done, coalitions to do), of which the store's count as
            done. An estimator that asks batch by batch has to do what its budget allows, or
            without one what it has asked for so far. Of a run of rounds, every round counts as
            many as the one at hand.
        budget: the most distinct coalitions to ask for, in each game; for estimators that sample.
        until: stops before the budget is used up; looked at after each batch of requests. Without
            a budget it alone stops. A rule of `shapley.stopping`, or its text:
            "standard_error(0.02) & rank_stability() | wall_clock(60)".
        turn: about how many distinct coalitions the estimator asks for at a time; if None, all that
            its budget allows, or where `until` is given, twice as many as there are players and at
            least 32.
        on_nonfinite: what becomes of a utility that is not finite: "error", "floor" or "keep", see
            `evaluate`.
    """

    plan: Plan | None = None
    stores: UtilityStore | Stores | None = None
    progress: Progress | None = None
    budget: int | None = None
    until: StoppingRule | str | None = None
    turn: int | None = None
    on_nonfinite: OnNonfinite = "error"

    def __post_init__(self) -> None:
        """Refuses what is of another type; numbers are checked where they are used."""
        of_kind("plan", self.plan, Plan | None, "Plan(chunk=64)")
        of_kind("until", self.until, StoppingRule | str | None, "stopping.wall_clock(60)")
        if self.progress is not None:
            function_of("progress", self.progress, ("done", "total"), "lambda done, total: None")
        if self.stores is not None and not isinstance(self.stores, UtilityStore):
            function_of("stores", self.stores, ("part", "fingerprint"), "UtilityStore()")

    @property
    def rule(self) -> StoppingRule | None:
        """The stopping rule, read from its text where it was given as one."""
        return parse_rule(self.until) if isinstance(self.until, str) else self.until

    def store(self, part: str, name: Callable[[], str]) -> UtilityStore:
        """The store of one game.

        Args:
            part: as in `Stores`.
            name: gives the game's fingerprint, which takes time and is needed by `Stores` alone.
        """
        if self.stores is None:
            return UtilityStore()
        if isinstance(self.stores, UtilityStore):
            return self.stores
        return self.stores(part, name())


class UtilitySource(NamedTuple):
    """Turns masks into the utilities of one game.

    Attributes:
        game: what a coalition is worth.
        key: seeds the game.
        store: utilities known already, and where new ones are kept.
        options: how coalitions are valued.
    """

    game: Game | HostGame
    key: Key
    store: UtilityStore
    options: Options

    def __call__(self, masks: Masks, *, before: int = 0, expected: int = 0) -> Utilities:
        """Values coalitions.

        Args:
            masks: bool[M, P].
            before: how many were valued in earlier batches, as progress has it.
            expected: how many there will be with all batches, if that is known.

        Returns:
            float64[M, ...].
        """
        return evaluate(
            self.game,
            self.key,
            masks,
            self.options.plan,
            self.store,
            after(self.options.progress, before, expected),
            on_nonfinite=self.options.on_nonfinite,
        )
