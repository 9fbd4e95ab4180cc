"""A vertical model: what a coalition of parties learns from its columns and the label holder's."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.vertical import Columns
from fedjax_shap.learning.class_scores import two_columns
from fedjax_shap.learning.statistics.model import ChooseTask
from fedjax_shap.learning.task import Task
from fedjax_shap.typing import Array, HostArray, Key, PyTree

ONE_LOGIT = "binary"  # the task whose metrics take the logit of the second class alone


class Seen(NamedTuple):
    """What a coalition sees.

    Attributes:
        columns: bool[F], True for the columns of its parties and the label holder's.
        parties: bool[P + 1], True for its parties; the label holder is last, and always there.
    """

    columns: Array
    parties: Array


class Fit(Protocol):
    """Fits the model of one coalition, as a function that JAX can trace."""

    def __call__(self, known: PyTree, key: Key, seen: Seen, /) -> PyTree:
        """The model.

        Args:
            known: as in `Fitting`.
            key: seeds what training draws; the same for all coalitions.
            seen: what the coalition sees. Nothing else may have an effect on the model.
        """


class Predict(Protocol):
    """What a model gives, as a function that JAX can trace."""

    def __call__(self, known: PyTree, state: PyTree, x: Array, /) -> Array:
        """Outputs for rows.

        Args:
            known: as in `Fitting`.
            state: the model of a coalition.
            x: float[T, F], all columns; it reads those that the coalition sees.

        Returns:
            float[T, outputs], as metrics of the task take them.
        """


class Fitting(NamedTuple):
    """A vertical model on the data at hand.

    Attributes:
        known: what fitting reads of the training rows, a tree of host arrays.
        fit: fits the model of a coalition.
        predict: what it gives.
        bytes_each: what memory the fitting of a coalition takes, about.
    """

    known: PyTree
    fit: Fit
    predict: Predict
    bytes_each: int


class Bind(Protocol):
    """Prepares a model for the data at hand."""

    def __call__(self, columns: Columns, task: Task, /) -> Fitting:
        """The model for these columns.

        Args:
            columns: aligned rows.
            task: what is learned.

        Raises:
            InvalidInputError: columns that the model cannot use.
        """


class VerticalModel(NamedTuple):
    """What a coalition of parties learns; your own is another one.

    Attributes:
        name: what refusals call it.
        task: its task on the data at hand.
        bind: the model for the data at hand.
        float64: whether it computes in float64.
    """

    name: str
    task: ChooseTask
    bind: Bind
    float64: bool = True


def as_federation(columns: Columns) -> FederatedData:
    """The columns of all parties as a federation of one client, which holds the training rows.

    Args:
        columns: aligned rows.
    """
    return from_arrays(
        {"all columns": (columns.x, columns.y)},
        test=columns.test,
        validation=columns.validation,
        num_classes=columns.num_classes,
        quantities=columns.num_classes is None,
    )


def as_task_has(task: Task, logits: Array) -> Array:
    """Logits of classes as metrics of the task take them.

    Args:
        task: of classes.
        logits: float[T, L], one a class; or float[T, 1], that of the second of two.
    """
    if logits.shape[1] == 1 and task.name != ONE_LOGIT:
        return two_columns(logits)
    return logits


def in_float64(x: Any) -> HostArray:
    """float64[N, F]."""
    return np.asarray(x, np.float64)
