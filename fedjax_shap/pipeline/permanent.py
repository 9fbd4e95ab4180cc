"""What a permanent member claims in a run: its cost, and the rule of what it keeps with the numbers
that the rule reads of the run.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets
from fedjax_shap.economics.permanent import Permanent, check_terms, permanent_from
from fedjax_shap.economics.revenue import curve
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.pipeline.config import ByMember, Config
from fedjax_shap.pipeline.schema import SECTIONS
from fedjax_shap.pipeline.settings.setting import Setting
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
    terms = {"keeps": "rest", **_cost(config, member.name), **(said or {})}
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
        if chance is not None:
            terms["chance"] = chance
        if means is not None:
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


def mean_by_size(store: UtilityStore, num_players: int) -> Any:
    """The mean of V over the coalitions of each size, float64[P + 1]; None where the store lacks a
    coalition, or has more than a number of each.

    Args:
        store: of the game.
        num_players: P.
    """
    if num_players > MOST_PLAYERS or len(store) < 2**num_players:
        return None
    masks = all_subsets(num_players)
    if not store.holds(masks).all():
        return None
    utilities = store.read(masks)
    if utilities.ndim != 1:
        return None
    sizes = masks.sum(axis=1)
    return np.bincount(sizes, utilities) / np.bincount(sizes)


def reads_means(config: Config) -> bool:
    """Whether a configuration's permanent member keeps what follows from all utilities."""
    said = config.value("economics", "permanent") or {}
    return said.get("keeps") == BY_MEANS


def _cost(config: Config, name: str) -> dict[str, Any]:
    """The cost of a permanent member, where it stands among those of the players."""
    named = config.given("costs").get(BY_NAME)
    if not isinstance(named, ByMember) or name not in named:
        return {}
    said = config.value("economics", "permanent") or {}
    require(
        "cost" not in said,
        f"Expected economics.permanent.cost to be left out with costs.{BY_NAME}, which names "
        f"{name!r} too.",
    )
    return {"cost": named[name]}


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
