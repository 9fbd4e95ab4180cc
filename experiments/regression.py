"""Softmax regression as an optimisation problem, and the label skew of FedaGrac's code."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from fedjax_shap._validate import InvalidInputError, integer, number, require
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import MOST_DRAWS, Partition, Shares, as_shares
from fedjax_shap.typing import HostArray

LARGEST_ERROR = 1e-10  # of f*


class Objective(NamedTuple):
    """f(x) = mean cross-entropy + l2 |x|^2 of softmax regression on all training rows, float64."""

    x: HostArray  # [N, D + 1], a column of ones behind the features
    y: HostArray  # int[N]
    num_classes: int
    l2: float

    def __call__(self, flat: HostArray) -> tuple[float, HostArray]:
        """F and its gradient at parameters float[(D + 1) L]."""
        params = flat.reshape(-1, self.num_classes)
        logits = self.x @ params
        each = logsumexp(logits, axis=1)
        loss = (each - logits[np.arange(len(self.y)), self.y]).mean() + self.l2 * (params**2).sum()
        slope = np.exp(logits - each[:, None])
        slope[np.arange(len(self.y)), self.y] -= 1
        return float(loss), (self.x.T @ slope / len(self.y) + 2 * self.l2 * params).ravel()

    def accuracy(self, flat: HostArray, x: HostArray, y: HostArray) -> float:
        """The part of the rows x[T, D] whose label the parameters recognise."""
        params = flat.reshape(-1, self.num_classes)
        return float(((x @ params[:-1] + params[-1]).argmax(axis=1) == y).mean())

    def optimum(self) -> tuple[HostArray, float, float]:
        """The minimum, by L-BFGS.

        Returns:
            (x*, f(x*), how far that is above f* at most). The bound is |gradient|^2 / (4 l2), as f
            is strongly convex.
        """
        start = np.zeros(self.x.shape[1] * self.num_classes)
        options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 30}
        lowest = minimize(self, start, jac=True, method="L-BFGS-B", options=options)
        error = float((lowest.jac**2).sum() / (4 * self.l2))
        require(
            error <= LARGEST_ERROR,
            f"Expected l2={self.l2} to let L-BFGS reach f* within {LARGEST_ERROR}.",
        )
        return lowest.x, float(lowest.fun), error


def objective(pool: Pool, l2: float) -> Objective:
    """That of the pool's training rows."""
    x = np.concatenate([np.asarray(pool.x, np.float64), np.ones((pool.num_rows, 1))], axis=1)
    return Objective(x, np.asarray(pool.y), pool.num_classes, l2)


def balanced(*, num_clients: int, alpha: float) -> Partition:
    """Dirichlet label skew as in FedaGrac's code: a client of the mean size gets no further class.

    So sizes stay near each other, and clients differ by their classes. As there, the last client
    gets the row that rounding may leave over.

    Args:
        num_clients: C.
        alpha: the concentration, > 0.

    Raises:
        InvalidInputError: a setting out of range; later, too few rows for every client to get one a
            class.

    References:
        Wu et al. 2023, "FedaGrac", arXiv 2112.09355, the authors' code (DataPartitioner).
    """
    integer("num_clients", num_clients, least=1)
    number("alpha", alpha, above=0)

    def draw(rng: np.random.Generator, pool: Pool) -> list[HostArray]:
        owned: list[HostArray] = [np.zeros(0, int)] * num_clients
        for label in range(pool.num_classes):
            rows = rng.permutation(np.flatnonzero(pool.y == label))
            part = rng.dirichlet(np.full(num_clients, alpha))
            part = part * [len(own) < pool.num_rows / num_clients for own in owned]
            cuts = (np.cumsum(part / part.sum()) * len(rows)).astype(int)[:-1]
            owned = [np.concatenate(pair) for pair in zip(owned, np.split(rows, cuts), strict=True)]
        return owned

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        for _ in range(MOST_DRAWS):
            owned = draw(rng, pool)
            if min(map(len, owned)) >= pool.num_classes:
                return as_shares(owned)
        raise InvalidInputError(
            f"Expected alpha={alpha} to leave each of {num_clients} clients at least "
            f"{pool.num_classes} rows, but none of {MOST_DRAWS} draws does."
        )

    return split
