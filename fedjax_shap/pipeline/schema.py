"""What a configuration may name: the registries of all rooms, and the keywords that their entries
take.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import optax

from fedjax_shap.data.corrupt import CORRUPTIONS
from fedjax_shap.data.partition import PARTITIONS
from fedjax_shap.data.sources import SOURCES
from fedjax_shap.devices.fleet import FLEETS
from fedjax_shap.devices.timed import timed
from fedjax_shap.economics.cost import COSTS
from fedjax_shap.economics.rules import RULES
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import OPTIMIZERS, local
from fedjax_shap.learning.model import MODELS
from fedjax_shap.learning.participation import PARTICIPATIONS
from fedjax_shap.learning.steps import STEPS
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.valuation.in_run_methods import IN_RUN

Registry = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class SectionSpec:
    """What a section of the configuration may say.

    Attributes:
        entries: the registry of factories that `name` picks from.
        default: the entry used where the section does not name one.
        common: keywords every entry of this room takes besides its own, as a function's signature.
        bound: parameters of the factories that the run fills in, not the configuration.
    """

    entries: Registry
    default: str
    common: Callable[..., Any] = lambda: None
    bound: tuple[str, ...] = ()

    def keywords(self, name: str) -> dict[str, inspect.Parameter]:
        """The keywords that entry `name` takes in its section."""
        return {**self.own(name), **self.shared}

    def own(self, name: str) -> dict[str, inspect.Parameter]:
        """The keywords of entry `name` alone; `**keywords` in its signature stands for those of the
        default entry.
        """
        taken = dict(inspect.signature(self.entries[name], eval_str=True).parameters)
        passed_on = [k for k, p in taken.items() if p.kind is p.VAR_KEYWORD]
        if passed_on:
            del taken[passed_on[0]]
            taken |= inspect.signature(self.entries[self.default], eval_str=True).parameters
        return {
            k: p.replace(annotation=_written(p.annotation))
            for k, p in taken.items()
            if k not in self.bound
        }

    @property
    def shared(self) -> dict[str, inspect.Parameter]:
        """The keywords that every entry takes."""
        taken = inspect.signature(self.common, eval_str=True).parameters
        return {k: p for k, p in taken.items() if k not in self.bound}


def _written(annotation: Any) -> Any:
    """A type less what no file can hold: a transformation of optax, where its name will do."""
    parts = get_args(annotation)
    if (
        get_origin(annotation) not in (Union, UnionType)
        or optax.GradientTransformation not in parts
    ):
        return annotation
    return Union[tuple(part for part in parts if part is not optax.GradientTransformation)]  # noqa: UP007


def type_name(annotation: Any) -> str:
    """A type as a user writes what is of it: "int | None", "'random' | 'antithetic'"."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " | ".join(map(repr, parts))
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(type_name(part) for part in parts)
    if get_origin(annotation) is Callable:
        return "a function"
    return inspect.formatannotation(annotation).replace("typing.", "").replace("NoneType", "None")


def _data_keywords(*, validation: float = 0.0) -> None:
    """`validation` is the share of the test set that becomes the validation set, on which
    coalitions are valued.
    """


def _estimator_keywords(
    *,
    budget: int | None = None,
    until: str | None = None,
    turn: int | None = None,
    repeats: int = 1,
    efficient: bool = False,
    on_nonfinite: Literal["error", "floor"] = "error",
) -> None:
    """`budget` is the most distinct coalitions to ask for; with the game `rounds`, in each round.
    `until` stops before, by rules such as "standard_error(0.01) | wall_clock(600)", looked at after
    each `turn` of so many coalitions. `repeats` is the number of training seeds over which values
    are averaged (game `silo`). `efficient` shares out equally what the values lack to V(N) -
    V(nobody). `on_nonfinite` is what becomes of a coalition whose training
    diverged: an error, once all others are valued, or "floor": it counts as V(nobody).
    """


def _participation_keywords(*, drop_out: float | tuple[float, ...] = 0.0) -> None:
    """`drop_out` is the probability that a member leaves in a round before it has uploaded, one for
    all or one each.
    """


def _economics_keywords(
    *,
    revenue: float | int | str = 1000,
    minor_unit: float | str = "0.01",
    curve: tuple[tuple[float, float], ...] | None = None,
    verify: Literal["cap", "replace"] | None = None,
) -> None:
    """`revenue` is what the joint model earned, `minor_unit` the smallest payable amount. `curve`
    has (metric, revenue) pairs instead, between which what the model earned is read off at its
    metric on the validation set. `verify` caps costs at those that [devices] and the recorded work
    imply, or replaces them.
    """


LOCALS: Registry = {name: partial(local, optimizer=name) for name in OPTIMIZERS}
GAMES: Registry = {"silo": silo, "rounds": rounds, "reconstructed": reconstructed}
_FROM_THE_RUN = ("data", "training", "batches")
SECTIONS: dict[str, SectionSpec] = {
    "data": SectionSpec(SOURCES, "digits", _data_keywords),
    "partition": SectionSpec(PARTITIONS, "natural"),
    "corrupt": SectionSpec(CORRUPTIONS, ""),
    "model": SectionSpec(MODELS, "linear"),
    "local": SectionSpec(LOCALS, "sgd", bound=("optimizer",)),
    "algorithm": SectionSpec(ALGORITHMS, "fedavg"),
    "devices": SectionSpec(FLEETS, "unknown"),
    "steps": SectionSpec(
        {**STEPS, "device": timed}, "local", bound=("local", "profiles", "flops_per_step")
    ),
    "participation": SectionSpec(PARTICIPATIONS, "always", _participation_keywords),
    "game": SectionSpec(GAMES, "silo", bound=_FROM_THE_RUN),
    "estimator": SectionSpec({**ESTIMATORS, **IN_RUN}, "exact", _estimator_keywords),
    "costs": SectionSpec(COSTS, "free", bound=("bill",)),
    "economics": SectionSpec(RULES, "cost_aware", _economics_keywords),
    "plan": SectionSpec({"plan": Plan}, "plan"),
}
