"""Utilities that were never observed, filled in at low rank: completed federated values.

The matrix of utilities U of rounds t and coalitions S is completed as w_t h_S, which minimises

    sum over observed (t, S) of (U_tS - w_t h_S)^2 + lambda (sum_t n_t |w_t|^2 + sum_S n_S |h_S|^2),

for U in units of the root mean square of what is observed, so that values are in proportion to
utilities. If weighted, n counts the observed entries of a row or a column (Zhou et al. 2008); if
not, it is 1 as in Fan et al. (2022). With one round fully observed and a few entries of the others,
plain regularisation makes it cheapest to take the others for 0.

References:
    Fan, Fang, Zhou, Pei, Friedlander, Liu, Zhang 2022, "Improving fairness for data valuation in
    horizontal federated learning". Zhou, Wilkinson, Schreiber, Pan 2008, "Large-scale parallel
    collaborative filtering", for the weighted regularisation.
"""

from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import finite, integer, number, require
from fedjax_shap.coalitions import pack
from fedjax_shap.shapley.orders import prefixes
from fedjax_shap.shapley.sampling import mean_and_error
from fedjax_shap.shapley.semivalue import semivalues
from fedjax_shap.typing import HostArray, Masks


class Completed(NamedTuple):
    """A matrix of utilities as the product of two thin ones.

    Attributes:
        rounds: float64[R, K], w_t for each round.
        coalitions: float64[M, K], h_S for each column.
        residual: the root mean square of the observed utilities minus w_t h_S.
    """

    rounds: HostArray
    coalitions: HostArray
    residual: float

    @property
    def total(self) -> HostArray:
        """float64[M]: the columns' sums over rounds, sum_t w_t h_S."""
        return np.asarray(self.coalitions @ self.rounds.sum(axis=0))


def complete(
    utilities: HostArray,
    observed: HostArray,
    *,
    rank: int = 2,
    regularisation: float = 0.01,
    weighted: bool = True,
    tolerance: float = 1e-5,
    max_sweeps: int = 200,
) -> Completed:
    """The matrix of low rank nearest to the observed one, by alternating least squares in float64.

    Args:
        utilities: float64[R, M], finite where observed; other entries are not read.
        observed: bool[R, M].
        rank: K; no more than min(R, M) is used.
        regularisation: lambda > 0.
        weighted: whether each row and column counts in the regularisation as often as it is
            observed.
        tolerance: it has converged once a sweep lowers the objective by no more than this fraction.
        max_sweeps: the most sweeps at each rank.

    Guarantees:
        Deterministic: it grows from rank 1, each factor starting from the leading singular vector
        of what is not yet explained, with zeros where nothing is observed. Columns observed alike
        come out alike. A column of zeros, and one that is never observed, comes out 0.
    """
    utilities = np.asarray(utilities, np.float64)
    observed = np.asarray(observed, bool)
    _check(utilities, observed, rank, regularisation)
    integer("max_sweeps", max_sweeps, least=1)
    known = np.where(observed, utilities, 0.0)
    finite("utilities", known)
    # work in units of the root mean square of what is observed
    count = max(int(observed.sum()), 1)
    scale = float(np.sqrt((known**2).sum() / count)) or 1.0
    sides = (
        _Side.of(observed, regularisation, weighted),
        _Side.of(observed.T, regularisation, weighted),
    )
    rounds, coalitions = _factors(known / scale, observed, sides, rank, tolerance, max_sweeps)
    unexplained = np.where(observed, known / scale - rounds @ coalitions.T, 0.0)
    residual = scale * float(np.sqrt((unexplained**2).sum() / count))
    root = np.sqrt(scale)
    return Completed(rounds * root, coalitions * root, residual)


def values_of_table(completed: Completed) -> tuple[HostArray, HostArray]:
    """The values where the columns are all 2^P subsets, and 0 for their errors.

    Args:
        completed: of M = 2^P columns in the order of `all_subsets`.

    Returns:
        float64[P] each: phi_i = 1/P sum_t sum over S without i of (w_t h_(S + i) - w_t h_S) / C(P -
        1, |S|).
    """
    values = semivalues(completed.total)
    return values, np.zeros_like(values)


def values_of_orders(completed: Completed, orders: HostArray) -> tuple[HostArray, HostArray]:
    """The values where the columns are the prefixes of joining orders.

    Args:
        completed: of M = G (P + 1) columns, order by order, each from the empty to the grand
            coalition.
        orders: int[G, P], random joining orders, G >= 2.

    Returns:
        float64[P] each: the mean over orders of sum_t (w_t h_(before + i) - w_t h_before), and its
        standard error from their spread. The error is that of drawing orders, given the completion,
        and not that of completing.
    """
    integer("orders", len(orders), least=2)
    gains = np.diff(completed.total.reshape(len(orders), -1), axis=1)
    return mean_and_error(np.take_along_axis(gains, np.argsort(orders, axis=1), axis=1))


def columns_of(orders: HostArray) -> Masks:
    """bool[G (P + 1), P]: the prefixes of joining orders int[G, P], order by order."""
    return prefixes(orders).reshape(-1, orders.shape[1])


def observable(masks: Masks, present: HostArray) -> HostArray:
    """bool[R, M]: whether all members of each coalition took part in each round.

    Args:
        masks: bool[M, P], the coalitions.
        present: bool[R, P], who took part.
    """
    absent = (~present).T.astype(np.int32)
    return np.asarray((masks.astype(np.int32) @ absent).T == 0)


class _Side(NamedTuple):
    """The normal equations of all rows of a matrix, by which of their entries are observed.

    Rows with the same entries observed have the same equations, which are set up and inverted once.

    Attributes:
        distinct: float64[D, M], 1 where observed.
        which: int[R], the equations of each row.
        penalty: float64[D].
    """

    distinct: HostArray
    which: HostArray
    penalty: HostArray

    @classmethod
    def of(cls, observed: HostArray, regularisation: float, weighted: bool) -> "_Side":
        """The patterns of bool[R, M]."""
        names: dict[bytes, int] = {}
        which = np.array([names.setdefault(name, len(names)) for name in pack(observed)])
        _, first = np.unique(which, return_index=True)
        distinct = observed[first].astype(np.float64)
        counts = np.ones(len(distinct))
        if weighted:
            counts = np.maximum(distinct.sum(axis=1), 1)
        return cls(distinct, which, regularisation * counts)

    def solved(self, known: HostArray, factor: HostArray) -> HostArray:
        """float64[R, K]: each row of known float64[R, M] by ridge regression on factor [M, K]."""
        rank = factor.shape[1]
        # the matrices of the normal equations, one a pattern
        products = (factor[:, :, None] * factor[:, None, :]).reshape(-1, rank**2)
        ridge = self.penalty[:, None, None] * np.eye(rank)
        gram = (self.distinct @ products).reshape(-1, rank, rank) + ridge
        return np.asarray(np.einsum("rjk,rk->rj", np.linalg.inv(gram)[self.which], known @ factor))

    def charge(self, factor: HostArray) -> float:
        """The regularisation of a factor float64[R, K]."""
        return float(self.penalty[self.which] @ (factor**2).sum(axis=1))


def _factors(
    known: HostArray,
    observed: HostArray,
    sides: tuple[_Side, _Side],
    rank: int,
    tolerance: float,
    max_sweeps: int,
) -> tuple[HostArray, HostArray]:
    """(rounds float64[R, K], coalitions float64[M, K]), grown by one factor at a time."""
    rounds = np.zeros((len(known), 0))
    coalitions = np.zeros((known.shape[1], 0))
    for _ in range(min(rank, *known.shape)):
        unexplained = np.where(observed, known - rounds @ coalitions.T, 0.0)
        rounds = np.hstack([rounds, _leading(unexplained)])
        rounds, coalitions = _alternated(known, observed, sides, rounds, tolerance, max_sweeps)
    return rounds, coalitions


def _alternated(
    known: HostArray,
    observed: HostArray,
    sides: tuple[_Side, _Side],
    rounds: HostArray,
    tolerance: float,
    max_sweeps: int,
) -> tuple[HostArray, HostArray]:
    """Alternating least squares from `rounds` float64[R, K], until a sweep gains too little."""
    rows, columns = sides
    before = np.inf
    for _ in range(max_sweeps):
        coalitions = columns.solved(known.T, rounds)
        rounds = rows.solved(known, coalitions)
        unexplained = np.where(observed, known - rounds @ coalitions.T, 0.0)
        objective = float((unexplained**2).sum()) + rows.charge(rounds) + columns.charge(coalitions)
        if before - objective <= tolerance * objective:
            break
        before = objective
    return rounds, coalitions


def _leading(matrix: HostArray) -> HostArray:
    """float64[R, 1]: the leading left singular vector times the root of its singular value."""
    left, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(left[:, :1] * np.sqrt(sizes[0]))


def _check(utilities: HostArray, observed: HostArray, rank: int, regularisation: float) -> None:
    """Refuses shapes that differ, and settings out of range."""
    require(
        utilities.ndim == 2 and observed.shape == utilities.shape,
        f"Expected utilities and observed to be [R, M] alike, got shapes {utilities.shape} and "
        f"{observed.shape}.",
    )
    integer("rank", rank, least=1)
    number("regularisation", regularisation, above=0)
