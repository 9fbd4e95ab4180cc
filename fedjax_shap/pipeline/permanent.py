"""What a permanent member claims in a run: its cost, and the rule of what it keeps with the numbers
that the rule reads of the run.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, number, one_of, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.economics.permanent import Permanent, check_terms, permanent_from
from fedjax_shap.economics.revenue import curve
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.pipeline.config import ByMember, Config
from fedjax_shap.pipeline.schema import SECTIONS
from fedjax_shap.pipeline.settings.setting import Setting
from fedjax_shap.pipeline.stored import ROUNDING, of_all
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.shapley.exact import exact

BY_NAME = "amounts"  # the keyword of costs that gives one by the member's name
BY_MEANS = "veto"  # the rule that reads the mean utility of coalitions by their size


def claim_of(config: Config, setting: Setting, values: Any, means: Any = None) -> Permanent | None:
    """The claim of a setting's permanent member, as economics.permanent has it.

    Args:
        config: the configuration.
        setting: its federation.
        values: an `Attribution`; or anything else before there is one.
        means: float[P + 1], see `mean_by_size`; None where they are not known, or not yet.

    Returns:
        The claim; None where every member is a player.

    Raises:
        InvalidInputError: a claim where there is no permanent member, or one that cannot be.
    """
    said = config.value("economics", "permanent")
    member = setting.permanent
    if member is None:
        require(
            said is None,
            f"Expected economics.permanent to be left out with game.name="
            f"{config.sections['game'].name!r}, where every member is a player.",
        )
        return None
    terms = {"keeps": "rest", **_cost(config, setting, member.name), **(said or {})}
    require(
        "name" not in terms,
        "Expected economics.permanent to have no name: the member's name is "
        f"{member.name!r}, as the data have it.",
    )
    require(
        "means" not in terms,
        "Expected economics.permanent to have no means: these are what the run finds.",
    )
    with_alone = _alone(config, terms, values)
    if terms["keeps"] == BY_MEANS:
        _check_means(config, setting)
        chance = terms.get("chance", member.chance)
        _check_chance(setting, chance)
        terms["chance"] = chance
        if means is None:
            return _before_means(member.name, terms)
        terms["means"] = list(map(float, means))
    check_terms(terms)
    return permanent_from({"name": member.name, **terms, **with_alone})


def of_players(config: Config, setting: Setting) -> Config:
    """The configuration without a permanent member's cost among those of the players.

    Args:
        config: the configuration.
        setting: its federation.
    """
    costs = config.sections["costs"]
    named = costs.keywords.get(BY_NAME)
    if setting.permanent is None or not isinstance(named, ByMember):
        return config
    others = ByMember({one: cost for one, cost in named.items() if one != setting.permanent.name})
    kept = replace(costs, keywords={**costs.keywords, BY_NAME: others})
    return replace(config, sections={**config.sections, "costs": kept})


def mean_by_size(store: UtilityStore, attribution: Attribution) -> Any:
    """The mean of V over the coalitions of each size, float64[P + 1]; None where the store lacks a
    coalition, or is not that of these values.

    Args:
        store: of a game.
        attribution: the values, with V(empty) and V(N).
    """
    num_players = len(attribution.values)
    if num_players > MOST_PLAYERS or len(store) < 2**num_players:
        return None
    masks = all_subsets(num_players)
    if not store.holds(masks).all():
        return None
    kind = "" if attribution.slices is None else attribution.slices.kind
    utilities = of_all(store.read(masks), kind)
    sizes = masks.sum(axis=1)
    means = np.bincount(sizes, utilities) / np.bincount(sizes)
    ends = [float(attribution.empty), float(attribution.grand)]
    if not np.allclose(means[[0, -1]], ends, rtol=ROUNDING, atol=ROUNDING):
        return None
    return means


def require_means(config: Config, values: Any, means: Any) -> None:
    """Refuses to pay by the utilities of all coalitions where a run has not found them.

    Args:
        config: the configuration.
        values: an `Attribution`; or anything else before there is one.
        means: what `mean_by_size` found.

    Raises:
        InvalidInputError: it has not.
    """
    require(
        means is not None or not reads_means(config) or not hasattr(values, "grand"),
        f"Expected the run to know what all coalitions are worth, for economics.permanent.keeps="
        f"{BY_MEANS!r}.",
    )


def reads_means(config: Config) -> bool:
    """Whether a configuration's permanent member keeps what follows from all utilities."""
    said = config.value("economics", "permanent") or {}
    return said.get("keeps") == BY_MEANS


def _cost(config: Config, setting: Setting, name: str) -> dict[str, Any]:
    """The cost of a permanent member, where costs go by name: it is among those of the players, or
    it is said apart.
    """
    named = config.given("costs").get(BY_NAME)
    if not isinstance(named, ByMember):
        return {}
    for one in named:
        one_of(f"costs.{BY_NAME}", one, (*setting.players, name), "a member's name")
    said = config.value("economics", "permanent") or {}
    if name not in named:
        require(
            "cost" in said,
            f"Expected costs.{BY_NAME} to have a value for {name!r} too, which is in every "
            "coalition; or economics.permanent to have its cost.",
        )
        return {}
    require(
        "cost" not in said,
        f"Expected economics.permanent.cost to be left out with costs.{BY_NAME}, which names "
        f"{name!r} too.",
    )
    return {"cost": named[name]}


def _before_means(name: str, terms: Mapping[str, Any]) -> Permanent:
    """The claim of a rule that reads means which are not known: its terms are checked, and until
    then it stands for no share. By its terms nobody can be paid.
    """
    check_terms(terms, later=("means",))
    cost = terms.get("cost", 0)
    stand_in = permanent_from({"name": name, "cost": cost, "keeps": "share", "share": 0.0})
    said = {"keeps": terms["keeps"], "chance": terms["chance"]}
    return stand_in._replace(terms={"cost": stand_in.terms["cost"], **said})


def _check_chance(setting: Setting, chance: Any) -> None:
    """Refuses what cannot be what a model of chance is worth, before anything is trained."""
    metric = setting.metric
    sign = ""
    if setting.metric_sign < 0:
        sign = ", with a minus sign, since it is an error"
    require(
        chance is not None,
        "Expected economics.permanent.chance to be given with economics.permanent.keeps="
        f"{BY_MEANS!r} and the metric {metric!r}: the {metric} of a model of chance{sign}.",
    )
    number("economics.permanent.chance", chance)
    require(
        setting.metric_sign > 0 or chance <= 0,
        f"Expected economics.permanent.chance={chance!r} to be <= 0: {metric!r} is an error, which "
        "counts with a minus sign.",
    )


def _alone(config: Config, terms: Mapping[str, Any], values: Any) -> dict[str, Any]:
    """What the permanent member would earn alone, where a curve says it and the rule asks."""
    points = config.value("economics", "curve")
    if points is None or terms["keeps"] != "rest":
        return {}
    require(
        "alone" not in terms,
        "Expected economics.permanent.alone to be left out with economics.curve, which says what "
        "the permanent member would earn alone.",
    )
    nobody = float(getattr(values, "empty", points[0][0]))
    if not np.isfinite(nobody):
        raise InvalidInputError(
            "Expected economics.permanent.alone to be given instead of economics.curve, as the "
            "utility of the permanent member alone is not known."
        )
    return {"alone": curve(points).amount(nobody, config.value("economics", "minor_unit"))}


def _check_means(config: Config, setting: Setting) -> None:
    """Refuses a rule that reads the utilities of all coalitions where these are not all valued."""
    estimator = SECTIONS["estimator"].entries[config.sections["estimator"].name]
    require(
        estimator is exact and len(setting.players) <= MOST_PLAYERS,
        f"Expected estimator.name={config.sections['estimator'].name!r} to be 'exact' with "
        f"economics.permanent.keeps={BY_MEANS!r}, which takes the utilities of all coalitions.",
    )
