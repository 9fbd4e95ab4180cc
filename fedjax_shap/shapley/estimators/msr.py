"""Maximum sample reuse: every coalition serves all players, any semivalue (Wang, Jia 2023; Li, Yu
2023, 2024).
"""

import numpy as np

from fedjax_shap._validate import number, require
from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.estimators.svarm import by_size, difference, missed, side
from fedjax_shap.shapley.sampling import (
    MANY_PLAYERS,
    Design,
    Draws,
    SamplingState,
    sampling_estimator,
)
from fedjax_shap.shapley.semivalue import (
    Coefficients,
    coefficients_of,
    name_of,
    semivalues,
    weighted_banzhaf,
)
from fedjax_shap.typing import HostArray, Masks, PyTree


def banzhaf(*, p: float = 0.5) -> Estimator:
    """The Banzhaf value: the mean of V with a player minus the mean without, over random coalitions
    (MSR).

    Everyone joins a coalition with probability `p`, independently (Wang and Jia 2023; weighted: Li
    and Yu 2023). Nobody and everybody are known and count with their probabilities; only the others
    are drawn. With p = 1/2 all of them are equally likely, and none is drawn twice.

    Args:
        p: the probability to join, in (0, 1).

    Guarantees:
        Unbiased: given how many coalitions hold a player, the mean over them is unbiased, and what
            is lost where none
        or all do is made up for by the known chance of it. Standard errors are analytic, for p =
        1/2 corrected for drawing without replacement. The budget is never exceeded; for p != 1/2 it
        is not used up, since coalitions that are drawn twice are not replaced: to go on drawing
        would tie the number of draws to what was drawn.
    """
    number("p", p, above=0)
    require(p < 1, f"Expected p={p!r} to be < 1.")
    coefficients, fair = weighted_banzhaf(p), p == 0.5

    def propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[PyTree, Masks]:
        count = min(count, state.budget - 2 - state.num_units)
        return np.zeros((count, 0)), independent(rng, state, count, p, again=not fair)[:, None]

    design = Design(
        name="banzhaf",
        propose=propose,
        reduce=lambda draws: _means(draws, p),
        unit_size=lambda num_players: 1,
        least_units=4,
        from_table=lambda table: semivalues(table, coefficients),
        most_players=MANY_PLAYERS,
    )
    return sampling_estimator(
        design,
        Guarantees(target="banzhaf" if fair else f"banzhaf({float(p)!r})", errors="analytic"),
    )


def msr(*, semivalue: str | Coefficients = "shapley") -> Estimator:
    """Any semivalue from one sample, whatever the semivalue: "one sample fits all" (Li and Yu
    2024).

    Sizes are drawn in proportion to 1 / sqrt(size (P - size)), which is best for the average
    semivalue; sizes 0, 1, P - 1 and P are valued in full. The same key and budget ask for the same
    coalitions for every semivalue, so that a second semivalue costs nothing where utilities are
    stored. Within a size, means with and without a player are taken over the coalitions that there
    are; sizes are then weighted as the semivalue weights them.

    Args:
        semivalue: "shapley", "banzhaf", "banzhaf(P)", "beta(ALPHA, BETA)", or the coefficients of
            another.

    Guarantees:
        Unbiased; needs a budget of 4 P - 4. Standard errors are analytic and corrected for drawing
        without replacement.
    """
    return by_size("msr", _law, coefficients_of(semivalue), name_of(semivalue))


def _law(num_players: int) -> HostArray:
    size = np.arange(1, num_players)
    return np.asarray(1 / np.sqrt(size * (num_players - size)))


def independent(
    rng: np.random.Generator, state: SamplingState, count: int, p: float, *, again: bool
) -> Masks:
    """bool[U, P]: random coalitions but nobody and everybody; where not `again`, none that was
    asked for before.
    """
    names = set(state.evaluations.row) if not again else set(pack(state.fixed))
    masks, pending = np.zeros((count, state.num_players), bool), np.arange(count)
    while len(pending):
        masks[pending] = rng.random((len(pending), state.num_players)) < p
        left = []
        for row, name in zip(pending, pack(masks[pending]), strict=True):
            if name in names:
                left.append(row)
            elif not again:
                names.add(name)
        pending = np.array(left, np.int64)
    return masks


def _means(draws: Draws, p: float) -> tuple[HostArray, HostArray]:
    num_draws, _, num_players = draws.masks.shape
    inside, utilities = draws.masks[:, 0].astype(float), draws.utilities.reshape(num_draws, -1)
    everybody, nobody = p ** (num_players - 1), (1 - p) ** (num_players - 1)
    there = 2.0 ** (num_players - 1) - 1 if p == 0.5 else np.inf
    plus, minus = side(inside, utilities, there), side(1 - inside, utilities, there)
    rate = (p - p**num_players) / (1 - p**num_players - (1 - p) ** num_players)
    lost = (
        2 * missed(there, there, num_draws)
        if p == 0.5
        else rate**num_draws + (1 - rate) ** num_draws
    )
    centre = (draws.empty + p * (draws.grand - draws.empty)).ravel()
    values, variance = difference(plus, minus, 1 - lost, (1 - everybody, 1 - nobody), centre)
    values = values + everybody * draws.grand.ravel() - nobody * draws.empty.ravel()
    shape = (num_players, *draws.empty.shape)
    return values.reshape(shape), np.sqrt(variance).reshape(shape)
