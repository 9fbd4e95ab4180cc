"""A model that merges statistics: members send sums over their rows, and a coalition's model is
fitted from the sum of its members' sums.

Sums are linear in the rows, so that the model of a coalition is the one that its members' rows
together would give, whatever each of them has.
"""

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.task import Task
from fedjax_shap.learning.tasks import task_for
from fedjax_shap.typing import Array, HostArray, PyTree

Merge = Literal["sums", "average"]


class Rows(NamedTuple):
    """Rows of which some count.

    Attributes:
        x: float64[N, F], features, less the origin of `Known`.
        y: int32[N], classes; float64[N, D], quantities.
        weight: float64[N], 1 for rows that count and 0 for the others.
    """

    x: Array
    y: Array
    weight: Array


class Known(NamedTuple):
    """What everyone knows before any sum is made.

    Attributes:
        origin: float64[F], subtracted from all features.
        start: the model before any sum, a tree of float64 arrays: that of nobody.
        more: what else the model's functions read, a tree of host arrays.
    """

    origin: HostArray
    start: PyTree
    more: PyTree = ()


class Begin(Protocol):
    """Reads off a federation what everyone knows."""

    def __call__(self, data: FederatedData, task: Task, /) -> Known:
        """What everyone knows.

        Args:
            data: the federation.
            task: what is learned.

        Raises:
            InvalidInputError: data that the model cannot use.
        """


class Sums(Protocol):
    """What a member sends in a round, as a function that JAX can trace."""

    def __call__(self, more: PyTree, state: PyTree, rows: Rows, /) -> PyTree:
        """Sums over rows.

        Args:
            more: as in `Known`.
            state: the coalition's model so far.
            rows: those of one member, or of a coalition.

        Returns:
            A tree of float64 arrays, linear in `rows.weight`.
        """


class Fit(Protocol):
    """Makes a model of sums, as a function that JAX can trace."""

    def __call__(self, more: PyTree, state: PyTree, sums: PyTree, /) -> PyTree:
        """The coalition's next model.

        Args:
            more: as in `Known`.
            state: its model so far.
            sums: the sum of its members' sums; zeros of nobody.
        """


class Predict(Protocol):
    """What a model gives, as a function that JAX can trace."""

    def __call__(self, more: PyTree, state: PyTree, x: Array, /) -> Array:
        """float64[T, outputs], as the task has them, of x[T, F]."""


class Parts(Protocol):
    """Which parts of a member's model there are."""

    def __call__(self, state: PyTree, /) -> PyTree:
        """A tree like `state` of numbers that broadcast to it: 1 for parts that there are, or 0."""


class ChooseTask(Protocol):
    """The task of a model on the data at hand."""

    def __call__(self, task: Task | None, data: FederatedData, /) -> Task:
        """The task.

        Args:
            task: the one that is asked for; None for what the data suggest.
            data: the federation.

        Raises:
            InvalidInputError: a task that does not fit the model.
        """


class StatisticsModel(NamedTuple):
    """A model that merges statistics; your own is another one.

    Attributes:
        name: what refusals call it.
        task: its task on the data at hand.
        begin: what everyone knows of a federation.
        sums: what a member sends in a round.
        fit: the model, from sums.
        predict: what the model gives.
        rounds: how many times sums are made, each at the model of the round before. With one round
            the sums do not depend on the coalition, and are made once for all.
        parts: which parts of a member's model there are, for the mean of models; all if None.
    """

    name: str
    task: ChooseTask
    begin: Begin
    sums: Sums
    fit: Fit
    predict: Predict
    rounds: int = 1
    parts: Parts | None = None


def features(x: Any) -> HostArray:
    """Examples [T, ...] as float64[T, F]."""
    rows = np.asarray(x)
    return rows.reshape(len(rows), -1).astype(np.float64)


def class_means(data: FederatedData) -> tuple[HostArray, HostArray]:
    """What sums are about, so that they lose no digits: it changes rounding alone.

    Args:
        data: the federation.

    Returns:
        (float64[F], float64[L, F]): the mean of all clients' rows; and the means of their classes
        less that, 0 of a class without rows.
    """
    y = np.asarray(data.y)
    x = features(data.x)
    origin = x.mean(axis=0)
    x = x - origin
    means = np.zeros((data.classes, x.shape[1]))
    for label in np.unique(y):
        means[label] = x[y == label].mean(axis=0)
    return origin, means


def of_classes(name: str) -> ChooseTask:
    """The tasks of a model that tells classes apart."""
    return _only(name, ("classification", "binary"), "classes")


def of_quantities(name: str) -> ChooseTask:
    """The task of a model that predicts quantities."""
    return _only(name, ("regression",), "quantities")


def _only(name: str, names: tuple[str, ...], learns: str) -> ChooseTask:
    """Refuses all tasks but those of these names."""

    def choose(task: Task | None, data: FederatedData, /) -> Task:
        chosen = task_for(task, data)
        require(
            chosen.name in names,
            f"Expected task={chosen.name!r} to be {' or '.join(map(repr, names))} with "
            f"model={name!r}, which learns {learns}.",
        )
        return chosen

    return choose
