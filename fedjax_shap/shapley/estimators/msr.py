"""Maximum sample reuse: every coalition serves all players, for any semivalue.

The Banzhaf value is phi_i = E[V(S + i)] - E[V(S)], where everyone else joins S with probability p.
Coalitions in which everyone joins with probability p hold draws of both for every player: those
with i and those without. The empty and the grand coalition are known and count with their
probabilities, so that only the others are drawn:

    phi_i = p^(P-1) V(N) - (1 - p)^(P-1) V(empty)
            + (1 - p^(P-1)) E[V | with i, not N] - (1 - (1 - p)^(P-1)) E[V | without i, not empty].

Other semivalues mix such differences of means by the sizes of the coalitions (`svarm.by_size`).

References:
    Wang, Jia 2023, "Data Banzhaf: a robust data valuation framework for machine learning".
    Li, Yu 2023, "Robust data valuation with weighted Banzhaf values".
    Li, Yu 2024, "One sample fits all: approximating all probabilistic values simultaneously and
    efficiently".
"""

from functools import partial

import numpy as np

from fedjax_shap._validate import number, require
from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.design import MANY_PLAYERS, Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.estimators.sides import difference, missed, side
from fedjax_shap.shapley.estimators.svarm import by_size
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.semivalue import (
    Coefficients,
    coefficients_of,
    name_of,
    semivalues,
    weighted_banzhaf,
)
from fedjax_shap.shapley.strata import draw_independent
from fedjax_shap.typing import HostArray, Masks, PyTree

FAIR = 0.5  # the probability to join with which all coalitions are equally likely


def banzhaf(*, p: float = FAIR) -> Estimator:
    """The Banzhaf value: the mean of V with a player less the mean without, over random coalitions.

    Everyone joins a coalition with probability `p`, independently (Wang and Jia 2023; weighted: Li
    and Yu 2023). With p = 1/2 all coalitions are equally likely, and none is drawn twice.

    Args:
        p: the probability to join, in (0, 1).

    Guarantees:
        Unbiased: given how many coalitions hold a player, the mean over them is unbiased, and a
        player who was in none or in all of them is corrected for by the known chance of that.
        Standard errors are analytic, for p = 1/2 corrected for drawing without replacement. The
        budget is never exceeded. For p != 1/2 it is not used up, since coalitions that are drawn
        twice are not replaced: to go on drawing would tie the number of draws to what was drawn.
    """
    number("p", p, above=0)
    require(p < 1, f"Expected p={p!r} to be < 1.")
    design = Design(
        name="banzhaf",
        propose=partial(_propose, p),
        reduce=partial(_reduce, p),
        unit_size=lambda num_players: 1,
        least_units=4,
        from_table=partial(semivalues, coefficients=weighted_banzhaf(p)),
        most_players=MANY_PLAYERS,
    )
    target = f"banzhaf({float(p)!r})"
    if p == FAIR:
        target = "banzhaf"
    return sampling_estimator(design, Guarantees(target=target, errors="analytic"))


def msr(*, semivalue: str | Coefficients = "shapley") -> Estimator:
    """Any semivalue from one sample: "one sample fits all" (Li and Yu 2024).

    Sizes are drawn in proportion to 1 / sqrt(size (P - size)), which is best for the average
    semivalue; sizes 0, 1, P - 1 and P are valued completely. The same key and budget ask for the
    same coalitions for every semivalue, so that a second semivalue costs nothing where utilities
    are stored. Within a size, means with and without a player are taken over the coalitions drawn;
    sizes are then weighted as the semivalue weights them.

    Args:
        semivalue: "shapley", "banzhaf", "banzhaf(P)", "beta(ALPHA, BETA)", or the coefficients of
            another.

    Guarantees:
        Unbiased; needs a budget of 4 P - 4. Standard errors are analytic and corrected for drawing
        without replacement.
    """
    return by_size("msr", _size_shares, coefficients_of(semivalue), name_of(semivalue))


def _size_shares(num_players: int) -> HostArray:
    """float64[P - 1]: how often the sizes 1..P - 1 are drawn, up to a factor."""
    size = np.arange(1, num_players)
    return np.asarray(1 / np.sqrt(size * (num_players - size)))


def _propose(
    p: float, rng: np.random.Generator, state: SamplingState, count: int
) -> tuple[PyTree, Masks]:
    """Random coalitions; as many in all as the budget has, even if some are drawn twice."""
    count = min(count, state.budget - 2 - state.num_units)
    known = set(state.evaluations.row)
    if p != FAIR:
        known = set(pack(state.fixed))
    masks = draw_independent(rng, state.num_players, count, p, known=known, distinct=p == FAIR)
    return np.zeros((count, 0)), masks[:, None]


def _reduce(p: float, draws: Draws) -> tuple[HostArray, HostArray]:
    """Banzhaf values and standard errors float64[P, ...]."""
    num_draws, _, num_players = draws.masks.shape
    inside = draws.masks[:, 0].astype(float)
    utilities = draws.utilities.reshape(num_draws, -1)
    # the probabilities that all others join, and that none does: known without draws
    all_others = p ** (num_players - 1)
    no_other = (1 - p) ** (num_players - 1)
    # of how many coalitions with, or without, a player the draws are a sample without replacement
    population = np.inf
    if p == FAIR:
        population = 2.0 ** (num_players - 1) - 1
    plus = side(inside, utilities, population)
    minus = side(1 - inside, utilities, population)
    # the difference of the means, over the chance that both exist
    seen_both = 1 - _chance_of_one_side(p, num_players, num_draws)
    centre = (draws.empty + p * (draws.grand - draws.empty)).ravel()
    weights = (1 - all_others, 1 - no_other)
    values, variance = difference(plus, minus, seen_both, weights, centre)
    # the coalitions that are known
    values = values + all_others * draws.grand.ravel() - no_other * draws.empty.ravel()
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), np.sqrt(variance).reshape(shape)


def _chance_of_one_side(p: float, num_players: int, num_draws: int) -> float:
    """The probability that a player is in none or in all of the coalitions drawn."""
    if p == FAIR:
        half = 2.0 ** (num_players - 1) - 1
        return 2 * missed(half, half, num_draws)
    inside = (p - p**num_players) / (1 - p**num_players - (1 - p) ** num_players)
    return float(inside**num_draws + (1 - inside) ** num_draws)
