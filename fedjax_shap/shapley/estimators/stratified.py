"""Stratified sampling of marginals by the size of the coalition joined, sizes in bands.

The Shapley value is a mean over sizes, phi_i = 1/P sum over s of the mean of V(S + i) - V(S) over
the coalitions S of s others. The P^2 strata of a player and a size are more than most budgets have
coalitions, and a stratum without draws is a bias. So the sizes 1..P - 2 are cut into bands of about
equal width, within which the size is drawn uniformly; the terms of the sizes 0 and P - 1 are exact.
A unit draws one band for all players at once (`joins`), at P + P/L coalitions for L sizes.

References:
    Maleki, Tran-Thanh, Hines, Rahwan, Rogers 2013, "Bounding the estimation error of sampling-based
    Shapley value approximation": strata by size, equally many draws of each.
    Castro, Gomez, Molina, Tejada 2017, "Improving polynomial estimation of the Shapley value by
    stratified random sampling with optimum allocation": Neyman's allocation after a pilot.
    Burgess, Chapman 2021, "Approximating the Shapley value using stratified empirical Bernstein
    sampling".
"""

from functools import partial
from math import ceil, comb
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import integer
from fedjax_shap.shapley.allocation import (
    Allocation,
    Spreads,
    apportion,
    check,
    guarantees_of,
    rule,
    spreads_of,
    stages,
)
from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.semivalue import (
    Coefficients,
    coefficients_of,
    name_of,
    semivalues,
    shapley,
)
from fedjax_shap.typing import HostArray, Masks

MOST_BANDS = 12  # besides the first and the last size: more gain little, and share less
DRAWS_A_BAND = 3  # that the budget must allow for bands to be this fine, and two that a pilot must


class Band(NamedTuple):
    """The band of sizes in which each player joins once, of each unit.

    Attributes:
        low: int[U], its least size.
        width: int[U], how many sizes it has.
    """

    low: HostArray
    width: HostArray


def stratified(
    *,
    semivalue: str | Coefficients = "shapley",
    allocation: Allocation = "equal",
    pilot: float = 0.5,
    bands: int | None = None,
) -> Estimator:
    """Marginals drawn in strata, each a band of sizes of the coalition joined.

    Args:
        semivalue: "shapley", "banzhaf", "beta(ALPHA, BETA)", or the coefficients of another: the
            mean of size s then counts P C(P-1, s) coefficients[s] times as much.
        allocation: how many draws each band gets, for all players alike. "equal" draws each size
            equally often, all at once; "neyman" spends a pilot so, and places the rest by the
            spread in each band; "bernstein" uses empirical Bernstein bounds, updated after about
            every max(32, P) coalitions.
        pilot: the fraction of the budget that "neyman" spends on its pilot.
        bands: how many, besides the sizes 0 and P - 1; fewer where the budget (the pilot of
            "neyman") holds no two draws of each. If None, as many as get three draws each, at most
            12.

    Guarantees:
        "equal" is unbiased, but that how many draws a budget holds depends on how often coalitions
        coincide. The other two are slightly biased, since the number of draws depends on them.
        Exact on additive games (Shapley). Not efficient. Standard errors come from the independent
        draws in each band, at least two.
    """
    check(allocation, pilot)
    if bands is not None:
        integer("bands", bands, least=1)
    piloted = 1.0
    if allocation == "neyman":
        piloted = pilot
    plan = _Plan(coefficients_of(semivalue), allocation, pilot, piloted, bands)
    target = name_of(semivalue)
    guarantees = guarantees_of(allocation, target=target, additive=target == "shapley")
    return sampling_estimator(_design(plan), guarantees)


class _Plan(NamedTuple):
    """The arguments of `stratified`, checked.

    Attributes:
        coefficients: the semivalue's.
        allocation: how many draws each band gets.
        pilot: the fraction of the budget that "neyman" spends on its pilot.
        first: the fraction of the budget that must hold two draws of each band.
        bands: how many; None: as the budget allows.
    """

    coefficients: Coefficients
    allocation: Allocation
    pilot: float
    first: float
    bands: int | None

    def edges(self, num_players: int, budget: int) -> HostArray:
        """int[K + 1]: where bands of sizes begin; the first and the last size are bands alone."""
        between = max(num_players - 2, 0)

        def cut(count: int) -> HostArray:
            inner = 1 + np.arange(count) * between // max(count, 1)
            return np.unique([0, *inner, num_players - 1, num_players])

        # as many bands as the first stage holds two draws of, and the budget three
        most = min(between, self.bands or MOST_BANDS)
        fits = [
            count for count in range(2, most + 1) if 2 + _cost(cut(count), 2) <= self.first * budget
        ]
        if self.bands is None:
            fits = [count for count in fits if 2 + _cost(cut(count), DRAWS_A_BAND) <= budget]
        return cut(max(fits, default=min(between, 1)))

    def propose(
        self, rng: np.random.Generator, state: SamplingState, count: int
    ) -> tuple[Band, Masks]:
        """The bands of the next units, and their coalitions."""
        edges = self.edges(state.num_players, state.budget)
        low = edges[:-1]
        width = np.diff(edges)
        # the first and the last size have one coalition a player: one draw is exact
        exact = (low == 0) | (low == state.num_players - 1)
        drawn = np.array([sum((batch.low == one).sum() for batch in state.units) for one in low])
        # two draws of each band, then each next one where it lowers the error most
        measured = partial(_measured, low=low, coefficients=self.coefficients)
        errors = rule(self.allocation, self.pilot, state, width**2.0, measured)
        least = np.where(exact, 1, 2)
        most = np.where(exact, 1.0, np.inf)
        band = apportion(errors, drawn, count, least=least, most=most)
        chosen = Band(low[band], width[band])
        return chosen, joins(rng, chosen, state.num_players)

    def first_size(self, num_players: int, budget: int) -> int:
        """The coalitions of the first batch: two draws of each band."""
        return 2 + _cost(self.edges(num_players, budget), 2)


def _design(plan: _Plan) -> Design:
    """How the estimator of a plan draws and reads."""
    return Design(
        name="stratified",
        propose=plan.propose,
        reduce=partial(_reduce, coefficients=plan.coefficients),
        unit_size=lambda num_players: 2 * num_players,
        # pays for the first and the last size and two draws of one band between them
        least_units=3,
        first_size=plan.first_size,
        stage_size=stages(plan.allocation, plan.pilot),
        from_table=partial(semivalues, coefficients=plan.coefficients),
        notes=_notes,
    )


def joins(rng: np.random.Generator, band: Band, num_players: int) -> Masks:
    """bool[U, 2 P, P]: for each player a coalition of others of a size in the band, then the same
    with the player.

    Each player joins those just before in a random circular order. The order is cut into runs as
    long as the band, along which these grow by one. Each size of the band is as likely as any
    other and, given the size, each set of others likewise.
    """
    place = rng.permuted(np.tile(np.arange(num_players), (len(band.low), 1)), axis=1)
    low = band.low[:, None]
    width = band.width[:, None]
    # the last run of each order may be shorter than the band: it starts anywhere in the band, and
    # wraps around
    start = np.where(
        place < num_players // width * width, 0, (rng.random(low.shape) * width).astype(int)
    )
    size = low + (place + start) % width
    behind = (place[:, :, None] - place[:, None, :]) % num_players
    joined = behind <= size[:, :, None]
    return np.concatenate([joined & (behind > 0), joined], axis=1)


def _cost(edges: HostArray, draws: int) -> int:
    """The most coalitions that `draws` units of each band can ask for, with one of the first and of
    the last.
    """
    num_players = int(edges[-1])
    total = 0
    for width in np.diff(edges)[1:-1].tolist():
        # along a run, one player's coalition with the player is the next one's without
        one = num_players + ceil(num_players / width) + 1
        total += min(one, 2 * num_players)
    return 2 * num_players + draws * total


def _marginals(draws: Draws, coefficients: Coefficients) -> HostArray:
    """float64[U, P, T]: each player's marginal in each unit, times what its size counts."""
    num_players = draws.masks.shape[-1]
    sizes = draws.masks[:, :num_players].sum(axis=-1)
    utilities = draws.utilities.reshape(*draws.utilities.shape[:2], -1)
    gains = utilities[:, num_players:] - utilities[:, :num_players]
    return np.asarray(_weights(num_players, coefficients)[sizes][:, :, None] * gains)


def _weights(num_players: int, coefficients: Coefficients) -> HostArray:
    """float64[P]: how much the mean marginal of each size counts in P phi_i; 1 for Shapley."""
    if coefficients is shapley:
        return np.ones(num_players)
    count = [float(num_players * comb(num_players - 1, size)) for size in range(num_players)]
    return np.asarray(count * coefficients(num_players))


def _measured(draws: Draws, low: HostArray, coefficients: Coefficients) -> Spreads:
    """How widely the draws of each band spread, for the adaptive allocations."""
    gains = _marginals(draws, coefficients) * draws.units.width[:, None, None]
    own = [gains[draws.units.low == one] for one in low]
    spreads = np.array([spreads_of(one) for one in own])
    return Spreads(np.array([len(one) for one in own]), *spreads.T)


def _reduce(draws: Draws, coefficients: Coefficients) -> tuple[HostArray, HostArray]:
    """Values and standard errors float64[P, ...]: the sums of the bands' means, by their widths."""
    num_players = draws.masks.shape[-1]
    gains = _marginals(draws, coefficients) * (draws.units.width / num_players)[:, None, None]
    total = np.zeros(gains.shape[1:])
    variance = np.zeros(gains.shape[1:])
    for low in np.unique(draws.units.low):
        own = gains[draws.units.low == low]
        total += own.mean(axis=0)
        if 0 < low < num_players - 1:
            variance += own.var(axis=0, ddof=1) / len(own)
    shape = (num_players, *draws.empty.shape)
    return total.reshape(shape), np.sqrt(variance).reshape(shape)


def _notes(draws: Draws) -> dict[str, Any]:
    """How many units of each band were drawn, by its sizes in words."""
    if draws.units is None:
        return {}
    kinds, counts = np.unique(np.stack(draws.units), axis=1, return_counts=True)
    by_band = {
        f"{low}-{low + width - 1}": count
        for low, width, count in zip(*kinds.tolist(), counts.tolist(), strict=True)
    }
    return {"draws_by_band": by_band}
