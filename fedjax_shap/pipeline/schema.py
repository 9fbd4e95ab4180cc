"""What a configuration may name: the registries of all rooms, by section.

Registries are named by their modules and imported only where an entry is built: importing this
module imports none of them.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from operator import attrgetter
from typing import Any, cast

from fedjax_shap.pipeline import keywords
from fedjax_shap.pipeline.descriptions import (
    Described,
    SectionDescription,
    first_sentence,
    keyword,
    parameters,
)
from fedjax_shap.pipeline.manifest import shipped
from fedjax_shap.pipeline.own_names import Rows, own_row
from fedjax_shap.pipeline.products import PRODUCTS, Product


def _itself(row: Any) -> Callable[..., Any]:
    return cast(Callable[..., Any], row)


def _spoken(text: str) -> Callable[[], None]:
    """A function without parameters whose docstring is `text`."""

    def words() -> None: ...

    words.__doc__ = text
    return words


def _measure_words(row: Any) -> Callable[[], None]:
    """What a measure says: its metric's docstring, and its direction where that is down."""
    down = " Smaller is better, and V is minus it." * (row.sign < 0)
    return _spoken(f"{first_sentence(row.score)}{down}")


def _profile_words(row: Any) -> Callable[[], None]:
    """What a profile of a device says."""
    return _spoken(f"{row.flops / 1e9:,g} GFLOPS, {row.power:g} W.\n\n{row.source}")


@dataclass(frozen=True, kw_only=True)
class SectionSpec:
    """What a section of the configuration may say.

    Attributes:
        registries: "module:NAME" of the dicts that hold its entries. An entry may be added to one
            of them at any time.
        default: the entry used where the section names none.
        shared: keywords that every entry takes besides its own, as a function's signature.
        bound: parameters of the factories that the run fills in, not the configuration.
        implied: keyword -> the entry that it stands for where the section names none; "" stands for
            any keyword at all.
        factory: a registry's row -> the function whose signature says what the section may give.
        product: what the entries make, by which those of one's own are checked.
        by_member: whether a table by member's name stands for a value each, where a keyword takes
            one for each member.
    """

    registries: tuple[str, ...]
    default: str
    shared: Callable[..., None] = keywords.none
    bound: tuple[str, ...] = ()
    implied: Mapping[str, str] = field(default_factory=dict)
    factory: Callable[[Any], Callable[..., Any]] = _itself
    product: Product | None = None
    by_member: bool = False

    @property
    def loaded(self) -> bool:
        """Whether a registry was imported: then it decides, since entries may have been added."""
        return any(registry.split(":")[0] in sys.modules for registry in self.registries)

    @property
    def entries(self) -> dict[str, Any]:
        """The rows of all registries by name; imports them. A name with a colon is imported too."""
        rows: dict[str, Any] = {}
        for registry in self.registries:
            module, name = registry.split(":")
            rows |= getattr(import_module(module), name)
        return Rows(rows, lambda name: own_row(name, self.product))

    def parameters(self, name: str) -> dict[str, Any]:
        """The parameters of entry `name`, shared ones included, with annotations and defaults."""
        rows = self.entries
        default = self.factory(rows.get(self.default, rows[name]))
        own = parameters(self.factory(rows[name]), default)
        return {**own, **signature(self.shared, eval_str=True).parameters}

    def describe(self) -> SectionDescription:
        """What the section may say, by the registries themselves."""
        rows = self.entries
        factories = Rows(
            {name: self.factory(row) for name, row in rows.items()},
            lambda name: self.factory(rows[name]),
        )
        shared = signature(self.shared, eval_str=True).parameters
        return SectionDescription(
            default=self.default,
            entries=Described(factories, self.default, self.bound),
            shared={name: keyword(one) for name, one in shared.items()},
            shared_summary=first_sentence(self.shared),
        )


SECTIONS: dict[str, SectionSpec] = {
    "data": SectionSpec(
        registries=(
            "fedjax_shap.data.sources:SOURCES",
            "fedjax_shap.data.transfers:TRANSFERS",
            "fedjax_shap.data.vertical_files:VERTICAL_SOURCES",
        ),
        default="digits",
        shared=keywords.of_data,
        bound=("targets",),
        product=PRODUCTS["data"],
    ),
    "partition": SectionSpec(
        registries=(
            "fedjax_shap.data.partition:PARTITIONS",
            "fedjax_shap.data.column_partition:COLUMN_PARTITIONS",
        ),
        default="natural",
        product=PRODUCTS["partition"],
    ),
    "corrupt": SectionSpec(
        registries=("fedjax_shap.data.corrupt:CORRUPTIONS",),
        default="",
        product=PRODUCTS["corrupt"],
    ),
    "task": SectionSpec(
        registries=("fedjax_shap.learning.tasks:TASKS",),
        default="natural",
        product=PRODUCTS["task"],
    ),
    "model": SectionSpec(
        registries=(
            "fedjax_shap.learning.model:MODELS",
            "fedjax_shap.learning.statistics.registry:STATISTICS",
            "fedjax_shap.learning.vertical.registry:VERTICAL",
        ),
        default="linear",
        product=PRODUCTS["model"],
    ),
    "local": SectionSpec(
        registries=("fedjax_shap.pipeline.entries:LOCALS",),
        default="sgd",
        bound=("optimizer",),
        product=PRODUCTS["local"],
        by_member=True,
    ),
    "algorithm": SectionSpec(
        registries=("fedjax_shap.learning.algorithms.registry:ALGORITHMS",),
        default="fedavg",
        product=PRODUCTS["algorithm"],
        by_member=True,
    ),
    "devices": SectionSpec(
        registries=("fedjax_shap.devices.fleet:FLEETS",),
        default="unknown",
        implied={"path": "csv", "": "profiles"},
        product=PRODUCTS["devices"],
        by_member=True,
    ),
    "steps": SectionSpec(
        registries=(
            "fedjax_shap.learning.steps:STEPS",
            "fedjax_shap.pipeline.entries:STEPS_OF_DEVICES",
        ),
        default="local",
        bound=("local", "profiles", "flops_per_step"),
        product=PRODUCTS["steps"],
        by_member=True,
    ),
    "participation": SectionSpec(
        registries=("fedjax_shap.learning.participation:PARTICIPATIONS",),
        default="always",
        shared=keywords.of_participation,
        product=PRODUCTS["participation"],
        by_member=True,
    ),
    "privacy": SectionSpec(
        registries=("fedjax_shap.learning.private:PRIVACIES",),
        default="none",
        shared=keywords.of_privacy,
        implied=dict.fromkeys(("clip", "noise", "epsilon", "secure_sum"), "private"),
        product=PRODUCTS["privacy"],
    ),
    "game": SectionSpec(
        registries=("fedjax_shap.pipeline.settings.registry:SETTINGS",),
        default="silo",
        bound=("data", "training", "batches", "model", "task", "key"),
        factory=attrgetter("game"),
        product=PRODUCTS["game"],
    ),
    "estimator": SectionSpec(
        registries=(
            "fedjax_shap.shapley.estimators.registry:ESTIMATORS",
            "fedjax_shap.valuation.in_run_methods:IN_RUN",
        ),
        default="exact",
        shared=keywords.of_estimator,
        implied={"budget": "gaussian_process", "until": "gaussian_process"},
        product=PRODUCTS["estimator"],
    ),
    "costs": SectionSpec(
        registries=("fedjax_shap.economics.cost:COSTS",),
        default="free",
        bound=("bill",),
        product=PRODUCTS["costs"],
        by_member=True,
    ),
    "economics": SectionSpec(
        registries=("fedjax_shap.economics.rules:RULES",),
        default="cost_aware",
        shared=keywords.of_economics,
        product=PRODUCTS["economics"],
    ),
    "plan": SectionSpec(
        registries=("fedjax_shap.pipeline.entries:PLANS",), default="plan", product=PRODUCTS["plan"]
    ),
}


# What keywords of several sections name: described like sections, but none of the configuration's.
VOCABULARIES: dict[str, SectionSpec] = {
    "metric": SectionSpec(
        registries=tuple(
            f"fedjax_shap.learning.measure:{of}"
            for of in ("OF_CLASSES", "OF_MARGINS", "OF_QUANTITIES", "OF_COUNTS")
        ),
        default="",
        factory=_measure_words,
    ),
    "profile": SectionSpec(
        registries=("fedjax_shap.devices.profiles:PROFILES",), default="", factory=_profile_words
    ),
    "until": SectionSpec(registries=("fedjax_shap.shapley.stopping:STOPPING_RULES",), default=""),
}


def describe(section: str) -> SectionDescription:
    """What a section may say, or a vocabulary has: by its registries where one was imported, else
    by the manifest.
    """
    spec = {**SECTIONS, **VOCABULARIES}[section]
    return spec.describe() if spec.loaded else shipped()[section]
