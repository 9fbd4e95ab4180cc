"""Vertical models in closed form: of any columns, the Gram matrix is a part of that of all."""

from typing import Any

import numpy as np

from fedjax_shap._validate import number
from fedjax_shap.data.vertical import Columns
from fedjax_shap.learning.statistics.linear import Gram, ridge
from fedjax_shap.learning.statistics.model import StatisticsModel, of_classes
from fedjax_shap.learning.task import Task
from fedjax_shap.learning.tasks import regression
from fedjax_shap.learning.vertical.model import (
    Fitting,
    Seen,
    VerticalModel,
    as_federation,
    as_task_has,
    in_float64,
)
from fedjax_shap.typing import Array, HostArray, Key, PyTree

CERTAIN = 2.0  # the score of least Taylor loss


def taylor(*, penalty: float = 1.0) -> VerticalModel:
    """Logistic regression by the second-order Taylor loss, in closed form.

    With s the score of a row and y = -1 or 1, the loss is the sum over rows of log 2 - y s / 2 +
    s^2 / 8, plus `penalty` / 2 times the sum of squares of the slopes; the intercept, which is the
    label holder's, is not penalised. It is the loss that can be trained under additively
    homomorphic encryption. Of more than two classes it is one class against the rest, each.

    Args:
        penalty: on the slopes, > 0.

    References:
        Hardy et al. 2017, "Private federated learning on vertically partitioned data via entity
        resolution and additively homomorphic encryption", section 4.
    """
    number("penalty", penalty, above=0)
    # log 2 - y s / 2 + s^2 / 8 = (s - 2 y)^2 / 8 + constant
    squares = ridge(penalty=4 * penalty)

    def bind(columns: Columns, task: Task) -> Fitting:
        by_squares = _of_sums(squares, _with_scores(columns), regression())

        def predict(known: PyTree, state: PyTree, x: Array) -> Array:
            return as_task_has(task, by_squares.predict(known, state, x))

        return by_squares._replace(predict=predict)

    return VerticalModel("taylor", of_classes("taylor"), bind)


def from_sums(model: StatisticsModel) -> VerticalModel:
    """A linear regression in closed form as a vertical model.

    Args:
        model: `statistics.ridge()` or `statistics.least_squares()`.
    """

    def bind(columns: Columns, task: Task) -> Fitting:
        return _of_sums(model, columns, task)

    return VerticalModel(model.name, model.task, bind)


def _with_scores(columns: Columns) -> Columns:
    """The columns with the scores of least loss in place of the classes: float32[N, L], 2 for the
    class of a row and -2 for the others; [N, 1] of two classes.
    """
    labels = np.arange(columns.num_classes or 0)
    if len(labels) == 2:
        labels = labels[1:]

    def scores(y: HostArray) -> HostArray:
        belongs = np.asarray(y)[:, None] == labels[None]
        return np.where(belongs, CERTAIN, -CERTAIN).astype(np.float32)

    on_validation, labels_there = columns.validation
    on_test, labels_of_test = columns.test
    return columns._replace(
        y=scores(columns.y),
        validation=(on_validation, scores(labels_there)),
        test=(on_test, scores(labels_of_test)),
        num_classes=None,
    )


def _of_sums(model: StatisticsModel, columns: Columns, task: Task) -> Fitting:
    """The Gram matrix of all columns, made once, of which each coalition takes its part."""
    known = model.begin(as_federation(columns), task)
    x = in_float64(columns.x) - known.origin
    y: Any = np.asarray(columns.y)
    gram = _gram(known.more, x, y)
    width = x.shape[1]

    def fit(sums: tuple[Gram, PyTree, PyTree, HostArray], key: Key, seen: Seen) -> PyTree:
        of_all, start, more, _ = sums
        there = seen.columns.astype(of_all.xx.dtype)
        own = Gram(
            rows=of_all.rows,
            x=of_all.x * there,
            y=of_all.y,
            xx=of_all.xx * there[:, None] * there[None],
            xy=of_all.xy * there[:, None],
        )
        return model.fit(more, start, own)

    def predict(sums: tuple[Gram, PyTree, PyTree, Array], state: PyTree, x: Array) -> Array:
        _, _, more, origin = sums
        return model.predict(more, state, x - origin[None])

    read = (gram, known.start, known.more, known.origin)
    return Fitting(read, fit, predict, 8 * 6 * width * width)


def _gram(centre: HostArray, x: HostArray, y: HostArray) -> Gram:
    """The Gram matrix of rows that all count, on the host."""
    targets = y.reshape(len(y), -1).astype(np.float64) - centre[None]
    sums: Any = (
        np.float64(len(y)),
        x.sum(axis=0),
        targets.sum(axis=0),
        x.T @ x,
        x.T @ targets,
    )
    return Gram(*sums)
