"""A task: what a federation learns, as one record of outputs, loss and metrics."""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import one_of
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.measure import Measure, own_measure
from fedjax_shap.learning.metric import Metric
from fedjax_shap.typing import Array, HostArray

Targets = Literal["classes", "quantities"]


class Loss(Protocol):
    """What local training minimises, example by example."""

    def __call__(self, outputs: Array, y: Array, /) -> Array:
        """The loss of each example.

        Args:
            outputs: float[B, outputs], what the model gives.
            y: int[B], classes; float[B] or [B, D], quantities.

        Returns:
            float[B].
        """


class CountOutputs(Protocol):
    """How many outputs a model needs for a task."""

    def __call__(self, data: FederatedData, /) -> int:
        """Counts them.

        Args:
            data: the federation.

        Raises:
            InvalidInputError: targets that the task cannot learn.
        """


class Bound(NamedTuple):
    """A task bound to the targets at hand.

    Attributes:
        loss: of a model's own outputs.
        outputs: makes what metrics take of a model's own outputs float[B, outputs], such as
            predictions in the units of y; None where these are the same.
    """

    loss: Loss
    outputs: Callable[[Array], Array] | None = None


class Bind(Protocol):
    """Binds a task to the targets at hand."""

    def __call__(self, y: HostArray, /) -> Bound:
        """Reads off the targets what the task needs to know of them.

        Args:
            y: [T, ...], the targets of all training rows.
        """


class Task(NamedTuple):
    """What a federation learns; your own is another one.

    Attributes:
        name: what refusals call it.
        targets: whether rows have "classes" or "quantities".
        outputs: how many outputs a model needs.
        loss: what local training minimises.
        metrics: what models can be scored by, by name. They take the outputs that `loss` takes.
        default_metric: the one used where none is asked for.
        bind: what depends on the training targets, such as the units in which models predict; its
            loss then takes the place of `loss`. None where nothing does.
    """

    name: str
    targets: Targets
    outputs: CountOutputs
    loss: Loss
    metrics: Mapping[str, Measure]
    default_metric: str
    bind: Bind | None = None


def bound_to(task: Task, data: FederatedData) -> Bound:
    """The task bound to the training targets of a federation."""
    if task.bind is None:
        return Bound(task.loss)
    return task.bind(np.asarray(data.y))


def measure_for(task: Task, data: FederatedData, metric: str | Metric | None) -> Measure:
    """The metric by which a federation's models are valued on the server's validation set.

    Args:
        task: what they learn.
        data: the federation.
        metric: a name in `task.metrics`; a function (outputs, y) -> float[...], of which more is
            better; a `Measure`; or the task's default if None.

    Raises:
        InvalidInputError: an unknown name, a metric that is undefined on the validation set, or a
            function that JAX cannot trace.
    """
    y = data.validation[1]
    num_outputs = 0
    if not isinstance(metric, str | Measure | None):
        num_outputs = task.outputs(data)
    return measure_on(task, y, data.num_classes, num_outputs, metric)


def measure_on(
    task: Task,
    y: Array | HostArray,
    num_classes: int | None,
    num_outputs: int,
    metric: str | Metric | None,
) -> Measure:
    """The metric by which models are valued on some rows.

    Args:
        task: what they learn.
        y: [T, ...], the rows' targets.
        num_classes: L; None for quantities.
        num_outputs: of a model; only functions are tried on so many.
        metric: as in `measure_for`.

    Raises:
        InvalidInputError: as `measure_for`.
    """
    if metric is None:
        metric = task.default_metric
    if isinstance(metric, str):
        one_of("metric", metric, task.metrics, f"a metric of the task {task.name!r}")
        measure = task.metrics[metric]._replace(name=metric)
    elif isinstance(metric, Measure):
        measure = metric
    else:
        measure = own_measure(metric, (len(y), num_outputs), jnp.asarray(y))
    measure.check(measure.name or measure.label, np.asarray(y), num_classes)
    return measure
