"""Linear regression in closed form, from Gram matrices: least squares and ridge."""

from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import number
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.statistics.elimination import pseudo_inverse, solve
from fedjax_shap.learning.statistics.model import (
    Known,
    Rows,
    StatisticsModel,
    features,
    of_quantities,
)
from fedjax_shap.learning.task import Task, bound_to
from fedjax_shap.typing import Array, PyTree

DEPENDENT = 1e-12  # the part of a feature's variance that may be left where others explain it


class Line(NamedTuple):
    """A linear function.

    Attributes:
        slope: float64[F, D].
        intercept: float64[D].
    """

    slope: Array
    intercept: Array


class Gram(NamedTuple):
    """Sums of rows, and of products of their features and targets.

    Attributes:
        rows: float64[].
        x: float64[F].
        y: float64[D].
        xx: float64[F, F].
        xy: float64[F, D].
    """

    rows: Array
    x: Array
    y: Array
    xx: Array
    xy: Array


def ridge(*, penalty: float = 1.0) -> StatisticsModel:
    """Ridge regression in closed form, with an intercept that is not penalised.

    Members send Gram matrices. The model is scikit-learn's `Ridge` on the rows of the coalition.

    Args:
        penalty: times the sum of squares of the slopes, added to the sum of squared errors.

    References:
        Hoerl, Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems".
    """
    number("penalty", penalty, above=0)

    def solved(gram: Array, products: Array) -> Array:
        on_diagonal = penalty * jnp.eye(len(gram))
        return solve(gram + on_diagonal, products)

    return _regression("ridge", solved)


def least_squares() -> StatisticsModel:
    """Least squares in closed form, with an intercept; of several solutions the shortest.

    Members send Gram matrices. The model is scikit-learn's `LinearRegression` on the rows of the
    coalition. A feature of which the others explain all but 1e-12 of the variance counts as one
    that they explain: a Gram matrix has no more digits.

    References:
        Penrose 1956, "On best approximate solutions of linear matrix equations".
    """

    def solved(gram: Array, products: Array) -> Array:
        shortest: Array = pseudo_inverse(gram, DEPENDENT) @ products
        return shortest

    return _regression("least_squares", solved)


class Solve(Protocol):
    """Solves the normal equations."""

    def __call__(self, gram: Array, products: Array, /) -> Array:
        """The slopes.

        Args:
            gram: float64[F, F], products of centred features.
            products: float64[F, D], of centred features and targets.

        Returns:
            float64[F, D].
        """


def _regression(name: str, solved: Solve) -> StatisticsModel:
    """Linear regression whose slopes solve a system of equations."""

    def fit(more: PyTree, state: Line, sums: Gram) -> Line:
        # centre the sums at the coalition's own means
        count = jnp.where(sums.rows > 0, sums.rows, 1.0)
        x = sums.x / count
        y = sums.y / count
        slope = solved(sums.xx - count * jnp.outer(x, x), sums.xy - count * jnp.outer(x, y))
        return Line(slope, y - x @ slope)

    return StatisticsModel(
        name=name,
        task=of_quantities(name),
        begin=_known,
        sums=_gram,
        fit=fit,
        predict=_predict,
    )


def _known(data: FederatedData, task: Task) -> Known:
    """Sums are about the means of all rows. Nobody predicts what the task's model of zeros does:
    the mean of all targets, where the task standardises them.
    """
    x = features(data.x)
    num_targets = task.outputs(data)
    centre = np.zeros(num_targets)
    outputs = bound_to(task, data).outputs
    if outputs is not None:
        zeros = jnp.zeros((1, num_targets))
        centre = np.asarray(outputs(zeros), np.float64).reshape(num_targets)
    slope: Any = np.zeros((x.shape[1], num_targets))
    intercept: Any = np.zeros(num_targets)
    return Known(x.mean(axis=0), Line(slope, intercept), centre)


def _gram(centre: Array, state: Line, rows: Rows) -> Gram:
    """Sums of products, about the common centre."""
    y = rows.y.reshape(len(rows.y), -1) - centre[None]
    weighted = rows.x * rows.weight[:, None]
    return Gram(
        rows=rows.weight.sum(),
        x=weighted.sum(axis=0),
        y=rows.weight @ y,
        xx=weighted.T @ rows.x,
        xy=weighted.T @ y,
    )


def _predict(centre: Array, state: Line, x: Array) -> Array:
    """Predictions in the units of y."""
    return x @ state.slope + (state.intercept + centre)[None]
