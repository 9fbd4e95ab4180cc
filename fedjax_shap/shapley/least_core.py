"""The least core: values to which the coalition with the largest objection objects least.

Among the values that sum to V(N) - V(empty), the least core takes those of the least subsidy e with
which no coalition would do better alone:

    minimise e subject to sum of phi over S + e >= V(S) - V(empty) for all S.

Of these it takes the most equal, min ||phi||, which is unique.

References:
    Yan and Procaccia 2021, "If you like Shapley then you'll love the core", AAAI.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy

from fedjax_shap._validate import finite, integer, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.design import Design, Draws, SamplingState
from fedjax_shap.shapley.estimator import MOST_IN_A_TABLE, Attribution, Estimator, Guarantees
from fedjax_shap.shapley.sampling import sampling_estimator
from fedjax_shap.shapley.strata import draw_independent
from fedjax_shap.typing import HostArray, Masks, Utilities

GROUPS = 8  # of draws, half of which are left out at a time for the standard errors; a power of two
MOST = 100  # players: the programs of more take minutes
MOST_WITHOUT_A_BUDGET = 16  # players: 65,536 coalitions
AT_A_TIME = 512  # coalitions whose objections are taken up at a time
TOLERANCE = 1e-9  # of the largest utility: by how much the subsidy may exceed the least
# Of the largest utility: by how much an objection may exceed the subsidy, so that rounding leaves a
# solution.
SLACK = 1e-11


class Objections(NamedTuple):
    """What coalitions could earn alone, in units of the largest utility.

    Attributes:
        members: float64[M, P], 1 for members; neither the empty nor the grand coalition.
        gains: float64[M], V(S) - V(empty).
        total: V(N) - V(empty).
    """

    members: HostArray
    gains: HostArray
    total: float


def least_core() -> Estimator:
    """The egalitarian least core of the coalitions that are valued, or of the game if all are.

    With a budget for all coalitions, and with up to 16 players and no budget, all are valued; more
    than 100 players are refused. Single players are always valued, which bounds the subsidy; the
    other coalitions are drawn uniformly, none of them twice. If enough drawn coalitions do not
    object to the values, few of all coalitions do, with high probability (Yan and Procaccia 2021).

    `notes["instability"]` of the attribution is e*, float64[...]: the largest V(S) - V(empty) - sum
    of phi over S of the coalitions valued. If it is at most 0, the values are in the core: no
    coalition valued would do better alone.

    Guarantees:
        Exact where all coalitions are valued, up to the tolerance of the programs, 1e-9 of the
        largest utility. Efficient to rounding. Additive games are valued exactly at any budget, to
        that tolerance. With fewer coalitions e* is too low, and never above that of more
        coalitions. Standard errors compare the values with those of halves of the draws (Shao and
        Wu 1989). The solution of a linear program jumps, so they give the order of magnitude only,
        and are too large with fewer than about 4 P draws, of which half determine little. They are
        0 where no coalition drawn matters; one that was not drawn may matter still.
    """
    design = Design(
        name="least_core",
        propose=_propose,
        reduce=_values_and_errors,
        unit_size=lambda num_players: 1,
        fixed=lambda num_players, budget: _alone(num_players),
        from_table=lambda table: least_core_values(all_subsets(len(table).bit_length() - 1), table),
    )
    guarantees = Guarantees(
        target="least_core",
        unbiased=False,
        bias="a coalition that was not drawn does not object",
        efficient=True,
        additive=True,
        errors="jackknife",
    )
    estimator = sampling_estimator(design, guarantees)
    return estimator._replace(init=partial(_init, estimator), read=partial(_read, estimator))


def _init(
    estimator: Estimator, num_players: int, budget: int | None, turn: int | None = None
) -> SamplingState:
    """The state before the first batch, in which single players are valued in any case.

    They are even with a budget for all coalitions, since values may be read before the last batch.
    """
    integer("num_players", num_players, least=1)
    require(
        num_players <= MOST,
        f"Expected at most {MOST} players for estimator='least_core', got {num_players}.",
    )
    if budget is None and turn is None:
        require(
            num_players <= MOST_WITHOUT_A_BUDGET,
            "Expected a budget of distinct coalitions for estimator='least_core' with "
            f"{num_players} players, got none: without one all coalitions are valued, of at most "
            f"{MOST_WITHOUT_A_BUDGET} players.",
        )
        budget = 2**num_players
    state: SamplingState = estimator.init(num_players, budget, turn)
    empty = np.zeros((1, num_players), bool)
    return state._replace(fixed=np.concatenate([empty, ~empty, _alone(num_players)]))


def _read(estimator: Estimator, state: SamplingState) -> Attribution:
    """The values, with the largest objection of a coalition valued."""
    attribution = estimator.read(state)
    gains = state.evaluations.observed - attribution.empty
    instability = _instability(state.evaluations.masks, gains, attribution.values)
    notes = dict(attribution.notes, instability=instability)
    return dataclasses.replace(attribution, notes=notes)


def _propose(rng: np.random.Generator, state: SamplingState, count: int) -> tuple[HostArray, Masks]:
    """Uniform coalitions that were not asked for before, no more than the budget holds."""
    count = min(count, state.budget - len(state.evaluations))
    known = set(state.evaluations.row)
    masks = draw_independent(rng, state.num_players, count, 0.5, known=known, distinct=True)
    return np.zeros(count), masks[:, None]


def least_core_values(masks: Masks, utilities: Utilities) -> HostArray:
    """The egalitarian least core of a game in which the given coalitions may object.

    Args:
        masks: bool[M, P]; the empty and the grand coalition and all single players are among them,
            repeats are allowed.
        utilities: float64[M, ...], theirs.

    Returns:
        float64[P, ...], slice by slice of the trailing axes.

    Raises:
        InvalidInputError: a utility is not finite.
    """
    finite("utilities", utilities)
    num_players = masks.shape[1]
    sizes = masks.sum(axis=1)
    gains = utilities - utilities[np.argmin(sizes)]
    proper = (sizes > 0) & (sizes < num_players)
    members = masks[proper].astype(np.float64)
    total = gains[np.argmax(sizes)]
    columns = gains[proper].reshape(len(members), total.size).T
    values = []
    for column, whole in zip(columns, total.reshape(-1), strict=True):
        # the programs are solved in units of the largest utility
        scale = _scale(column, float(whole))
        objections = Objections(members, column / scale, float(whole / scale))
        values.append(_egalitarian(objections) * scale)
    return np.stack(values, axis=1).reshape(num_players, *utilities.shape[1:])


def least_subsidy(masks: Masks, gains: HostArray, total: float) -> tuple[HostArray, float]:
    """Shares of a total to which the coalition that objects most objects least.

    Args:
        masks: bool[M, P], the coalitions that may object; neither the empty one nor that of all.
        gains: float64[M], what each of them has alone.
        total: what is shared.

    Returns:
        (shares, e): float64[P] that sum to `total`, not the only such ones, and the least e with
        shares(S) + e >= gains(S) for all these coalitions.
    """
    scale = _scale(gains, total)
    shares, subsidy = _least_subsidy(masks.astype(np.float64), gains / scale, total / scale)
    return shares * scale, subsidy * scale


def _scale(gains: HostArray, total: float) -> float:
    """The largest absolute value among gains and total, or 1 where all are 0."""
    return float(max(np.abs(gains).max(initial=0.0), abs(total))) or 1.0


def _alone(num_players: int) -> Masks:
    """bool[P, P]: each player alone."""
    return np.eye(num_players, dtype=bool)


def _egalitarian(objections: Objections) -> HostArray:
    """float64[P]: the most equal of the values that need the least subsidy.

    Both programs are solved for some coalitions only; those that then object most join, until none
    objects too much. This is the solution for all coalitions.
    """
    members, gains, total = objections
    if not len(members):  # one player alone
        return np.array([total])
    # the least subsidy, starting from the objections of single players
    heard = members.sum(axis=1) == 1
    values, subsidy = _least_subsidy(members[heard], gains[heard], total)
    while _hear(heard, gains - members @ values, subsidy + TOLERANCE):
        values, subsidy = _least_subsidy(members[heard], gains[heard], total)
    # the least that each coalition must get: no more than these values give it, so that a solution
    # exists
    least = gains - (gains - members @ values).max() - SLACK
    # the most equal values that give it
    values = _most_equal(members[heard], least[heard], total)
    while _hear(heard, least - members @ values, SLACK):
        values = _most_equal(members[heard], least[heard], total)
    return values


def _hear(heard: HostArray, excess: HostArray, most: float) -> bool:
    """Marks in `heard` bool[M] the coalitions that object most, at most AT_A_TIME of them.

    Returns:
        Whether any that was not heard before has an excess float64[M] above `most`.
    """
    loudest = np.argsort(-excess, kind="stable")[:AT_A_TIME]
    new = loudest[(excess[loudest] > most) & ~heard[loudest]]
    heard[new] = True
    return len(new) > 0


def _least_subsidy(members: HostArray, gains: HostArray, total: float) -> tuple[HostArray, float]:
    """(values float64[P], e): minimise e subject to members @ values + e >= gains, sum = total."""
    num_players = members.shape[1]
    solved = scipy.optimize.linprog(
        np.eye(num_players + 1)[-1],
        A_ub=-np.pad(members, ((0, 0), (0, 1)), constant_values=1),
        b_ub=-gains,
        A_eq=np.pad(np.ones((1, num_players)), ((0, 0), (0, 1))),
        b_eq=[total],
        bounds=(None, None),
        method="highs",
        options={
            "primal_feasibility_tolerance": TOLERANCE / 10,
            "dual_feasibility_tolerance": TOLERANCE / 10,
        },
    )
    if not solved.success:
        raise RuntimeError(f"The linear program of the least core was not solved: {solved.message}")
    return solved.x[:-1], float(solved.x[-1])


def _most_equal(members: HostArray, least: HostArray, total: float) -> HostArray:
    """float64[P]: minimise ||values|| subject to members @ values >= least, values.sum() = total.

    Values are equal ones and a deviation from them; the least deviation is a least-distance
    program, whose dual is a least-squares problem with non-negative unknowns (Lawson and Hanson
    1974, "Solving least squares problems", chapter 23).
    """
    num_players = members.shape[1]
    equal = np.full(num_players, total / num_players)
    basis = scipy.linalg.helmert(num_players)
    columns = np.vstack([basis @ members.T, least - members @ equal])
    target = np.eye(num_players)[-1]
    weights, _ = scipy.optimize.nnls(columns, target, maxiter=30 * max(columns.shape))
    residual = columns @ weights - target
    return np.asarray(equal - (residual[:-1] / residual[-1]) @ basis)


def _values_and_errors(draws: Draws) -> tuple[HostArray, HostArray]:
    """Values float64[P, ...] of all draws, and standard errors from leaving out half at a time.

    To leave out few would show nothing where two coalitions object alike: either alone keeps the
    solution where it is. The variance is the mean of (values of a half - values)^2 over balanced
    halves, times the fraction of coalitions that were not drawn (Shao and Wu 1989, Annals of
    Statistics 17, the jackknife that deletes half).
    """

    def values_of(kept: HostArray) -> HostArray:
        masks = np.concatenate([draws.fixed, draws.masks[kept, 0]])
        utilities = np.concatenate([draws.fixed_utilities, draws.utilities[kept, 0]])
        return least_core_values(masks, utilities)

    count = len(draws.masks)
    num_players = draws.masks.shape[-1]
    values = values_of(np.ones(count, bool))
    # balanced halves: the columns of a Hadamard matrix and their complements
    sides = scipy.linalg.hadamard(GROUPS)[np.arange(count) % GROUPS, 1:].T > 0
    squares = np.stack([(values_of(half) - values) ** 2 for half in [*sides, *~sides]])
    others = 2.0 ** min(num_players, MOST_IN_A_TABLE) - num_players - 2
    return values, np.sqrt(squares.mean(axis=0) * (1 - count / others))


def _instability(masks: Masks, gains: HostArray, values: HostArray) -> HostArray:
    """float64[...]: the largest objection of a proper coalition; 0 where there is none."""
    sizes = masks.sum(axis=1)
    proper = (sizes > 0) & (sizes < masks.shape[1])
    if not proper.any():
        return np.zeros(gains.shape[1:])
    excess = gains[proper] - np.tensordot(masks[proper].astype(np.float64), values, axes=1)
    return np.asarray(excess.max(axis=0))
