"""Tasks by name: classes by softmax, one logit or a margin; quantities; counts."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import number, one_of, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.class_scores import cross_entropy, shortfalls, two_columns
from fedjax_shap.learning.measure import (
    OF_CLASSES,
    OF_COUNTS,
    OF_MARGINS,
    OF_QUANTITIES,
    Measure,
    after,
)
from fedjax_shap.learning.quantity_scores import aligned
from fedjax_shap.learning.task import Bound, Task
from fedjax_shap.typing import Array, HostArray

__all__ = [
    "TASKS",
    "Measure",
    "Task",
    "binary",
    "classification",
    "hinge",
    "natural",
    "poisson",
    "regression",
]


def natural() -> None:
    """What the data suggest: classification of classes, regression of quantities."""


def classification() -> Task:
    """Classes by softmax: a logit a class, cross-entropy, accuracy unless another metric is asked
    for.
    """
    return Task(
        name="classification",
        targets="classes",
        outputs=lambda data: data.classes,
        loss=cross_entropy,
        metrics=OF_CLASSES,
        default_metric="accuracy",
    )


def binary() -> Task:
    """Two classes by one logit z of the second: the cross-entropy of sigmoid(z)."""

    def loss(outputs: Array, y: Array) -> Array:
        return cross_entropy(two_columns(outputs), y)

    return Task(
        name="binary",
        targets="classes",
        outputs=lambda data: _one_for_two_classes("binary", data),
        loss=loss,
        metrics=_of_one_logit(OF_CLASSES),
        default_metric="accuracy",
    )


def regression(
    *,
    loss: Literal["squared", "absolute", "huber"] = "squared",
    delta: float = 1.35,
    standardise: bool = True,
) -> Task:
    """Quantities: squared, absolute or Huber error, R^2 unless another metric is asked for.

    Models predict in units that are standardised by the mean and the deviation of all training
    rows' targets, which are taken to be known to everyone, as those of standardised features are.
    So an untrained model that gives 0 predicts the mean, and its R^2 is about 0. Metrics and
    predictions are in the units of y.

    Args:
        loss: of an error e, in standardised units: "squared", e^2 / 2; "absolute", |e|; "huber",
            e^2 / 2 up to `delta`, and delta (|e| - delta / 2) beyond it. Of several columns it is
            the sum.
        delta: where the Huber loss becomes linear, in standardised units.
        standardise: False to predict and to lose in the units of y.

    References:
        Huber 1964, "Robust estimation of a location parameter".
    """
    one_of("loss", loss, _ERRORS)
    number("delta", delta, above=0)
    of_error = _ERRORS[loss]

    def each(outputs: Array, y: Array) -> Array:
        errors: Array = of_error(aligned(outputs, y) - y, delta)
        return errors.reshape(len(y), -1).sum(axis=1)

    def bind(y: HostArray) -> Bound:
        mean = y.mean(axis=0, dtype=np.float64)
        deviation = y.std(axis=0, dtype=np.float64)
        # a target that is constant up to rounding is not divided
        constant = deviation <= 1e-7 * np.maximum(1.0, np.abs(mean))
        scale = _a_column(np.where(constant, 1.0, deviation))
        shift = _a_column(mean)
        return Bound(
            loss=lambda outputs, y: each(outputs, (y - shift) / scale),
            outputs=lambda outputs: shift + scale * outputs,
        )

    task = Task(
        name="regression",
        targets="quantities",
        outputs=_one_a_column,
        loss=each,
        metrics=OF_QUANTITIES,
        default_metric="r2",
    )
    if standardise:
        return task._replace(bind=bind)
    return task


def poisson(*, standardise: bool = True) -> Task:
    """Counts by their log rates: the Poisson loss, minus the deviance unless another metric is
    asked for.

    Metrics take the predicted log rates; so does one's own.

    Args:
        standardise: whether the unit of local training is the mean rate of all training rows, which
            is then taken to be known to everyone: a model that gives 0 predicts it. If False the
            unit is a rate of 1.

    References:
        McCullagh, Nelder 1989, "Generalized linear models", chapter 6.
    """

    def each(outputs: Array, y: Array) -> Array:
        log_rate = aligned(outputs, y)
        return (jnp.exp(log_rate) - y * log_rate).reshape(len(y), -1).sum(axis=1)

    def bind(y: HostArray) -> Bound:
        mean = y.mean(axis=0, dtype=np.float64)
        unit = np.where(mean > 0, mean, 1.0)
        rate = _a_column(unit)
        shift = _a_column(np.log(unit))
        return Bound(
            loss=lambda outputs, y: each(outputs, y / rate),
            outputs=lambda outputs: shift + outputs,
        )

    task = Task(
        name="poisson",
        targets="quantities",
        outputs=_one_a_count,
        loss=each,
        metrics=OF_COUNTS | _of_rates(OF_QUANTITIES),
        default_metric="deviance",
    )
    if standardise:
        return task._replace(bind=bind)
    return task


def hinge(*, squared: bool = False) -> Task:
    """Two classes by a margin z, of which the second is positive: the linear SVM in the primal.

    Args:
        squared: False for the loss max(0, 1 - s z), with s = 1 for the second class and -1 for the
            first; True for its square.

    References:
        Cortes, Vapnik 1995, "Support-vector networks".
    """

    def each(outputs: Array, y: Array) -> Array:
        short = shortfalls(outputs, y)
        if squared:
            return short**2
        return short

    probabilistic = ("negative_loss", "log_loss")
    hits = {name: one for name, one in OF_CLASSES.items() if name not in probabilistic}
    return Task(
        name="hinge",
        targets="classes",
        outputs=lambda data: _one_for_two_classes("hinge", data),
        loss=each,
        metrics=_of_one_logit(hits) | OF_MARGINS,
        default_metric="accuracy",
    )


TASKS: dict[str, Callable[..., Task | None]] = {
    "natural": natural,
    "classification": classification,
    "binary": binary,
    "regression": regression,
    "poisson": poisson,
    "hinge": hinge,
}


def task_for(task: Task | None, data: FederatedData) -> Task:
    """The task itself, or what the data suggest if None.

    Raises:
        InvalidInputError: what is not a task, or one for other targets than the data have.
    """
    if task is None:
        task = classification()
        if data.num_classes is None:
            task = regression()
    require(
        isinstance(task, Task),
        f"Expected task={getattr(task, '__name__', task)!r} to be a Task, such as regression().",
    )
    kind = "classes"
    hint = "; say quantities=True of from_arrays, or targets='quantities' of a source"
    if data.num_classes is None:
        kind = "quantities"
        hint = ", such as regression()"
    require(
        task.targets == kind,
        f"Expected task={task.name!r}, which learns {task.targets}, to be one for the data, whose "
        f"rows have {kind}{hint}.",
    )
    one_of("default_metric", task.default_metric, task.metrics)
    return task


def _squared(error: Array, delta: float) -> Array:
    return error**2 / 2


def _absolute(error: Array, delta: float) -> Array:
    return jnp.abs(error)


def _huber(error: Array, delta: float) -> Array:
    size = jnp.abs(error)
    return jnp.where(size <= delta, error**2 / 2, delta * (size - delta / 2))


_ERRORS: dict[str, Any] = {"squared": _squared, "absolute": _absolute, "huber": _huber}


def _a_column(numbers: HostArray) -> Array:
    """A number float[], or one a column float[1, D], to go with outputs float[B, D]."""
    return jnp.asarray(numbers.reshape((1, -1)[: 2 * numbers.ndim]))


def _one_for_two_classes(name: str, data: FederatedData) -> int:
    """One output, or a refusal of other than two classes."""
    require(
        data.num_classes == 2,
        f"Expected task={name!r} to be used with 2 classes, got {data.num_classes}; use "
        "'classification'.",
    )
    return 1


def _one_a_column(data: FederatedData) -> int:
    """An output a column of the targets."""
    return int(np.prod(data.test[1].shape[1:], dtype=int))


def _one_a_count(data: FederatedData) -> int:
    """An output a column of the targets, or a refusal of targets that are no counts."""
    sets = {name: data.client(index)[1] for index, name in enumerate(data.names)}
    sets |= {"validation": np.asarray(data.validation[1]), "test": np.asarray(data.test[1])}
    for name, y in sets.items():
        require(
            bool((y >= 0).all()),
            f"Expected targets of {name} to be counts >= 0 for task='poisson', got {y.min()}.",
        )
    return _one_a_column(data)


def _of_one_logit(measures: Mapping[str, Measure]) -> dict[str, Measure]:
    """Measures of a logit a class, for one logit of the second of two."""
    return {name: after(two_columns, one) for name, one in measures.items()}


def _of_rates(measures: Mapping[str, Measure]) -> dict[str, Measure]:
    """Measures of predictions, for log rates."""
    return {name: after(jnp.exp, one) for name, one in measures.items()}
