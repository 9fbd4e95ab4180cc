"""Stratified sampling of marginals by the size of the coalition joined (Maleki et al. 2013; Castro
et al. 2017).
"""

from functools import partial
from math import ceil, comb
from typing import NamedTuple

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
from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.sampling import Design, Draws, SamplingState, sampling_estimator
from fedjax_shap.shapley.semivalue import (
    Coefficients,
    coefficients_of,
    name_of,
    semivalues,
    shapley,
)
from fedjax_shap.typing import HostArray, Masks

MOST_BANDS = (
    12  # of sizes besides the first and the last: more of them gain little and cost sharing
)
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
    """Marginals in strata by size: phi_i = 1/P sum_s mean over |S| = s of V(S + i) - V(S), sizes in
    bands.

    P^2 strata of a player and a size are more than most budgets have coalitions, and a stratum
    without draws is a bias. So sizes 1..P-2 are cut into bands of about equal width, within which
    the size is drawn uniformly; the sizes 0 and P-1 are exact. A unit draws a band for all players
    at once (`joins`): P + P/L coalitions for L sizes.

    Args:
        semivalue: "shapley", "banzhaf", "beta(ALPHA, BETA)", or the coefficients of another: the
            mean of size s then counts P C(P-1, s) coefficients[s] times as much.
        allocation: "equal" draws each size equally often, in one turn (Maleki et al.); "neyman"
            spends a pilot so, and places the rest by the spread in each band (Castro et al.);
            "bernstein" goes in turns of about max(32, P) by empirical Bernstein bounds (after
            Burgess and Chapman 2021). A band is placed for all players.
        pilot: the share of the budget that "neyman" spends on its pilot.
        bands: how many, besides the sizes 0 and P-1; fewer where the budget (the pilot of "neyman")
            holds no two draws of each. If None, as many as get three draws each, at most 12.

    Guarantees:
        "equal" is unbiased, but that how many draws a budget holds depends on how often coalitions
        coincide. The other two are slightly biased, since the number of draws depends on them.
        Exact on additive games (Shapley). Not efficient. Standard errors come from the independent
        draws in each band, at least two.
    """
    check(allocation, pilot)
    if bands is not None:
        integer("bands", bands, least=1)
    coefficients, share = coefficients_of(semivalue), pilot if allocation == "neyman" else 1.0

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[Band, Masks]:
        edges = _edges(state.num_players, state.budget, share, bands)
        low, width = edges[:-1], np.diff(edges)
        ends = (low == 0) | (low == state.num_players - 1)
        drawn = np.array([sum((turn.low == one).sum() for turn in state.units) for one in low])
        measured = partial(_measured, low=low, coefficients=coefficients)
        errors = rule(allocation, pilot, state, width**2.0, measured)
        band = apportion(
            errors, drawn, count, least=np.where(ends, 1, 2), most=np.where(ends, 1.0, np.inf)
        )
        chosen = Band(low[band], width[band])
        return chosen, joins(rng, chosen, state.num_players)

    def first(num_players: int, budget: int) -> int:
        return 2 + _cost(_edges(num_players, budget, share, bands), 2)

    design = Design(
        name="stratified",
        propose=propose,
        reduce=partial(_reduce, coefficients=coefficients),
        unit_size=lambda num_players: 2 * num_players,
        # pays for the first and the last size and two draws of one band between them
        least_units=3,
        first_size=first,
        stage_size=stages(allocation, pilot),
        from_table=partial(semivalues, coefficients=coefficients),
        notes=lambda draws: {} if draws.units is None else {"draws_by_band": _drawn(draws.units)},
    )
    target = name_of(semivalue)
    return sampling_estimator(
        design, guarantees_of(allocation, target=target, additive=target == "shapley")
    )


def joins(rng: np.random.Generator, band: Band, num_players: int) -> Masks:
    """bool[U, 2 P, P]: for each player a coalition of others of a size in the band, and the same
    with the player.

    Of a random circular order, cut into runs as long as the band, each player joins those before,
    so many that they grow by one along a run. Each size of the band is as likely as any other and,
    given the size, each set of others likewise.
    """
    place = rng.permuted(np.tile(np.arange(num_players), (len(band.low), 1)), axis=1)
    low, width = band.low[:, None], band.width[:, None]
    # the last run of each order may be shorter than the band: it starts anywhere in it, and goes
    # around
    start = np.where(
        place < num_players // width * width, 0, (rng.random(low.shape) * width).astype(int)
    )
    size = low + (place + start) % width
    behind = (place[:, :, None] - place[:, None, :]) % num_players
    joined = behind <= size[:, :, None]
    return np.concatenate([joined & (behind > 0), joined], axis=1)


def _edges(num_players: int, budget: int, share: float, bands: int | None) -> HostArray:
    """int[K + 1]: where bands of sizes begin, the first and the last size being bands of their
    own.
    """
    between = max(num_players - 2, 0)

    def cut(count: int) -> HostArray:
        inner = 1 + np.arange(count) * between // max(count, 1)
        return np.unique([0, *inner, num_players - 1, num_players])

    most = min(between, MOST_BANDS if bands is None else bands)
    fits = [count for count in range(2, most + 1) if 2 + _cost(cut(count), 2) <= share * budget]
    if bands is None:
        fits = [count for count in fits if 2 + _cost(cut(count), DRAWS_A_BAND) <= budget]
    return cut(max(fits, default=min(between, 1)))


def _cost(edges: HostArray, draws: int) -> int:
    """The most coalitions that `draws` units of each band can ask for, with one of the first and of
    the last.
    """
    num_players, widths = int(edges[-1]), np.diff(edges)[1:-1].tolist()
    one = [
        2 * num_players if width == 1 else num_players + ceil(num_players / width) + 1
        for width in widths
    ]
    return 2 * num_players + draws * sum(one)


def _drawn(band: Band) -> dict[str, int]:
    """How many units of each band there are, by its sizes in words."""
    kinds, counts = np.unique(np.stack(band), axis=1, return_counts=True)
    return {
        f"{low}-{low + width - 1}": count
        for low, width, count in zip(*kinds.tolist(), counts.tolist(), strict=True)
    }


def _marginals(draws: Draws, coefficients: Coefficients) -> HostArray:
    """float64[U, P, T]: each player's marginal in each unit, times what its size counts."""
    num_players = draws.masks.shape[-1]
    sizes = draws.masks[:, :num_players].sum(axis=-1)
    utilities = draws.utilities.reshape(*draws.utilities.shape[:2], -1)
    gains = utilities[:, num_players:] - utilities[:, :num_players]
    return np.asarray(_weights(num_players, coefficients)[sizes][:, :, None] * gains)


def _weights(num_players: int, coefficients: Coefficients) -> HostArray:
    """float64[P]: how much the mean marginal of each size counts in P phi_i; 1 for Shapley, however
    many players.
    """
    if coefficients is shapley:
        return np.ones(num_players)
    count = [float(num_players * comb(num_players - 1, size)) for size in range(num_players)]
    return np.asarray(count * coefficients(num_players))


def _measured(draws: Draws, low: HostArray, coefficients: Coefficients) -> Spreads:
    gains = _marginals(draws, coefficients) * draws.units.width[:, None, None]
    own = [gains[draws.units.low == one] for one in low]
    spreads = np.array([spreads_of(one) for one in own])
    return Spreads(np.array([len(one) for one in own]), *spreads.T)


def _reduce(draws: Draws, coefficients: Coefficients) -> tuple[HostArray, HostArray]:
    num_players = draws.masks.shape[-1]
    gains = _marginals(draws, coefficients) * (draws.units.width / num_players)[:, None, None]
    total, variance = np.zeros(gains.shape[1:]), np.zeros(gains.shape[1:])
    for low in np.unique(draws.units.low):
        own = gains[draws.units.low == low]
        total += own.mean(axis=0)
        if 0 < low < num_players - 1:
            variance += own.var(axis=0, ddof=1) / len(own)
    shape = (num_players, *draws.utilities.shape[2:])
    return total.reshape(shape), np.sqrt(variance).reshape(shape)
