"""The least core: shares to which the coalition that objects most objects least (Yan and Procaccia
2021).

Among the shares that sum to what there is, those of the least subsidy e with which no coalition
would do better alone: minimise e subject to sum of phi over S + e >= V(S) - V(nobody). Of these the
most equal, min ||phi||, which is unique.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.linalg import hadamard, helmert
from scipy.optimize import linprog, nnls

from fedjax_shap._validate import finite, integer, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees
from fedjax_shap.shapley.estimators.msr import independent
from fedjax_shap.shapley.sampling import (
    MOST_IN_A_TABLE,
    Design,
    Draws,
    SamplingState,
    sampling_estimator,
)
from fedjax_shap.typing import HostArray, Masks, Utilities

GROUPS = 8  # of draws, half of which are left out at a time for the standard errors; a power of two
MOST = 100  # players: the programs of more take minutes
MOST_WITHOUT_A_BUDGET = 16  # players: 65,536 coalitions
AT_A_TIME = 512  # coalitions whose objections are taken up at a time
TOLERANCE = 1e-9  # of the largest utility: by so much the subsidy may exceed the least
# of the largest utility: by so much an objection may exceed that, so that rounding leaves a
# solution
SLACK = 1e-11


class Objections(NamedTuple):
    """What coalitions ask for, in units of the largest.

    Attributes:
        members: float64[M, P], 1 for members; neither nobody nor everybody.
        gains: float64[M], V(S) - V(nobody).
        total: V(N) - V(nobody).
    """

    members: HostArray
    gains: HostArray
    total: float


def least_core() -> Estimator:
    """The egalitarian least core of the coalitions that are valued; of the game where all are.

    All are with a budget for all, and to 16 players without a budget; more than 100 players are
    refused. Everyone alone is always valued, which bounds the subsidy; the others are drawn
    uniformly, none of them twice. Shares to which none of enough drawn coalitions objects are, with
    high probability, shares to which few of all coalitions do (Yan and Procaccia 2021).

    `notes["instability"]` of the attribution is e*, float64[...]: the largest V(S) - V(nobody) -
    sum of phi over S of the coalitions valued. Where it is at most 0 the values are in the core: no
    coalition valued would do better alone.

    Guarantees:
        Exact where all coalitions are valued, up to the tolerance of the programs, 1e-9 of the
        largest utility. Efficiency holds to rounding. Additive games are valued exactly at any
        budget, to that tolerance. With fewer coalitions e* is too low, and never above that of more
        coalitions. Standard errors compare the values with those of halves of the draws (Shao and
        Wu 1989): a solution of a linear program jumps, so they tell the order of magnitude and no
        more, and too large with fewer than about 4 P draws, of which half fix little. They are 0
        where no coalition drawn matters; one that was not drawn may matter still.
    """

    def propose(
        rng: np.random.Generator, state: SamplingState, count: int
    ) -> tuple[HostArray, Masks]:
        count = min(count, state.budget - len(state.evaluations))
        return np.zeros(count), independent(rng, state, count, 0.5, again=False)[:, None]

    design = Design(
        name="least_core",
        propose=propose,
        reduce=_values_and_errors,
        unit_size=lambda num_players: 1,
        fixed=lambda num_players, budget: _alone(num_players),
        from_table=lambda table: least_core_values(all_subsets(len(table).bit_length() - 1), table),
    )
    promised = Guarantees(
        target="least_core",
        unbiased=False,
        bias="a coalition that was not drawn does not object",
        efficient=True,
        additive=True,
        errors="jackknife",
    )
    estimator = sampling_estimator(design, promised)

    def read(state: SamplingState) -> Attribution:
        found = estimator.read(state)
        told = np.asarray(state.evaluations.utilities)
        instability = _instability(state.evaluations.masks, told - found.empty, found.values)
        return found.replace(notes={**found.notes, "instability": instability})  # type: ignore[attr-defined, no-any-return]

    return estimator._replace(init=partial(_init, estimator), read=read)


def _init(
    estimator: Estimator, num_players: int, budget: int | None, turn: int | None = None
) -> SamplingState:
    """Everyone alone is among what is asked for, also with a budget for all, which may be read in
    between.
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
            f"{num_players} players, got "
            f"none: without one all are valued, of at most {MOST_WITHOUT_A_BUDGET} players.",
        )
        budget = 2**num_players
    state: SamplingState = estimator.init(num_players, budget, turn)
    nobody = np.zeros((1, num_players), bool)
    return state._replace(fixed=np.concatenate([nobody, ~nobody, _alone(num_players)]))


def least_core_values(masks: Masks, utilities: Utilities) -> HostArray:
    """The egalitarian least core of a game of which the coalitions given may object.

    Args:
        masks: bool[M, P]; nobody, everybody and everyone alone are among them, repeats allowed.
        utilities: float64[M, ...], theirs.

    Returns:
        float64[P, ...], slice by slice of the trailing axes.

    Raises:
        InvalidInputError: a utility that is not finite.
    """
    finite("utilities", utilities)
    num_players, sizes = masks.shape[1], masks.sum(axis=1)
    gains = utilities - utilities[np.argmin(sizes)]
    proper = (sizes > 0) & (sizes < num_players)
    members, total = masks[proper].astype(np.float64), gains[np.argmax(sizes)]
    slices = zip(gains[proper].reshape(len(members), total.size).T, total.reshape(-1))
    values = [
        _egalitarian(_scaled(members, each, whole)) * _scale(each, whole) for each, whole in slices
    ]
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


def _alone(num_players: int) -> Masks:
    """bool[P, P]: each player alone."""
    return np.eye(num_players, dtype=bool)


def _scaled(members: HostArray, gains: HostArray, total: float) -> Objections:
    scale = _scale(gains, total)
    return Objections(members, gains / scale, float(total / scale))


def _scale(gains: HostArray, total: float) -> float:
    """The largest utility, 1 where all are 0."""
    return float(max(np.abs(gains).max(initial=0.0), abs(total))) or 1.0


def _egalitarian(objections: Objections) -> HostArray:
    """float64[P]: the least equal subsidy first, then the most equal shares that need no more.

    Both programs take up only objections that matter: they are solved for some coalitions, and
    those that then object most join, until none objects too much. This is the solution for all
    coalitions.
    """
    members, gains, total = objections
    if not len(members):  # one player alone
        return np.array([total])
    heard = members.sum(axis=1) == 1
    shares, subsidy = _least_subsidy(members[heard], gains[heard], total)
    while _hear(heard, gains - members @ shares, subsidy + TOLERANCE):
        shares, subsidy = _least_subsidy(members[heard], gains[heard], total)
    least = (
        gains - (gains - members @ shares).max() - SLACK
    )  # what these shares give, so that there are some that do
    shares = _most_equal(members[heard], least[heard], total)
    while _hear(heard, least - members @ shares, SLACK):
        shares = _most_equal(members[heard], least[heard], total)
    return shares


def _hear(heard: HostArray, excess: HostArray, most: float) -> bool:
    """Marks the coalitions, at most AT_A_TIME, that object most in `heard` bool[M]; whether there
    were any.
    """
    loudest = np.argsort(-excess, kind="stable")[:AT_A_TIME]
    fresh = loudest[(excess[loudest] > most) & ~heard[loudest]]
    heard[fresh] = True
    return len(fresh) > 0


def _least_subsidy(members: HostArray, gains: HostArray, total: float) -> tuple[HostArray, float]:
    """(shares float64[P], e): minimise e subject to members @ shares + e >= gains, shares.sum() =
    total.
    """
    num_players = members.shape[1]
    solved = linprog(
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
    """float64[P]: minimise ||shares|| subject to members @ shares >= least, shares.sum() = total.

    Shares are equal ones and a deviation from them; the least deviation is a least-distance
    program, whose dual is a least-squares problem with non-negative unknowns (Lawson and Hanson
    1974, chapter 23).
    """
    num_players = members.shape[1]
    equal, basis = np.full(num_players, total / num_players), helmert(num_players)
    columns = np.vstack([basis @ members.T, least - members @ equal])
    weights, _ = nnls(columns, np.eye(num_players)[-1], maxiter=30 * max(columns.shape))
    residual = columns @ weights - np.eye(num_players)[-1]
    return np.asarray(equal - (residual[:-1] / residual[-1]) @ basis)


def _values_and_errors(draws: Draws) -> tuple[HostArray, HostArray]:
    """Values float64[P, ...] of all draws, and standard errors from leaving out half of them at a
    time.

    To leave out few would tell nothing where two coalitions object alike: either alone keeps the
    solution where it is. The variance is the mean of (values of a half - values)^2 over balanced
    halves, times the share of coalitions that were not drawn (Shao and Wu 1989, Annals of
    Statistics 17, the jackknife that deletes half).
    """

    def of(kept: HostArray) -> HostArray:
        masks = np.concatenate([draws.fixed, draws.masks[kept, 0]])
        return least_core_values(
            masks, np.concatenate([draws.fixed_utilities, draws.utilities[kept, 0]])
        )

    count, num_players = len(draws.masks), draws.masks.shape[-1]
    values, sides = of(np.ones(count, bool)), hadamard(GROUPS)[np.arange(count) % GROUPS, 1:].T > 0
    squares = np.stack([(of(half) - values) ** 2 for half in [*sides, *~sides]])
    unseen = 1 - count / (2.0 ** min(num_players, MOST_IN_A_TABLE) - num_players - 2)
    return values, np.sqrt(squares.mean(axis=0) * unseen)


def _instability(masks: Masks, gains: HostArray, values: HostArray) -> HostArray:
    """float64[...]: the largest objection of a coalition, nobody and everybody aside; 0 where there
    is none.
    """
    sizes = masks.sum(axis=1)
    proper = (sizes > 0) & (sizes < masks.shape[1])
    excess = gains[proper] - np.tensordot(masks[proper].astype(np.float64), values, axes=1)
    return excess.max(axis=0) if proper.any() else np.zeros(gains.shape[1:])
