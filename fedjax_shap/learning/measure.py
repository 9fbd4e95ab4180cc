"""Measures: a metric as people read it, and whether more or less of it is better.

What a coalition is worth, V, is "larger is better" whatever the metric: errors enter it with a
minus sign, and are shown without.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, require
from fedjax_shap.learning import class_scores, quantity_scores
from fedjax_shap.learning.metric import Metric
from fedjax_shap.typing import Array, HostArray

MOST_SHOWN = 10  # classes named in a refusal


class MeasureCheck(Protocol):
    """Refuses targets on which a metric is undefined."""

    def __call__(self, name: str, y: HostArray, num_classes: int | None, /) -> None:
        """Looks at targets before anything is trained.

        Args:
            name: the metric's, for the refusal.
            y: [T, ...], the targets on which models will be scored.
            num_classes: L; None for quantities.

        Raises:
            InvalidInputError: the metric is undefined there.
        """


def defined(name: str, y: HostArray, num_classes: int | None, /) -> None:
    """Accepts all targets."""


class Measure(NamedTuple):
    """A metric with its direction and its name in text; called, it gives V.

    Attributes:
        score: the metric as people read it, such as a root mean squared error.
        sign: 1 where larger is better, -1 for errors: V = sign * score.
        label: what text and figures call it, such as "RMSE".
        check: refuses targets on which it is undefined.
        smooth: whether it is differentiable in a model's parameters nearly everywhere and not flat,
            so that estimators of first order can follow its slope.
        name: by which a configuration asks for it; for one's own that of its function.
    """

    score: Metric
    sign: Literal[1, -1] = 1
    label: str = "metric"
    check: MeasureCheck = defined
    smooth: bool = False
    name: str = ""

    def __call__(self, outputs: Array, y: Array, /) -> Array:
        """V, larger is better: sign * score.

        Args:
            outputs: as `Metric` takes them.
            y: likewise.
        """
        score = self.score(outputs, y)
        if self.sign == 1:
            return score
        return -score


def every_class_occurs(name: str, y: HostArray, num_classes: int | None, /) -> None:
    """Refuses labels among which a class does not occur."""
    present = np.unique(y).tolist()
    require(
        num_classes is not None and num_classes >= 2 and len(present) == num_classes,
        f"Expected metric={name!r} to be used where there are two or more classes that all occur, "
        f"got {num_classes} classes of which {present[:MOST_SHOWN]} occur.",
    )


def targets_differ(name: str, y: HostArray, num_classes: int | None, /) -> None:
    """Refuses quantities of which a column is constant."""
    require(
        bool((y.max(axis=0) > y.min(axis=0)).all()),
        f"Expected metric={name!r} to be used on targets that differ from row to row, got "
        f"{len(y)} rows of one value.",
    )


OF_CLASSES: dict[str, Measure] = {
    "accuracy": Measure(class_scores.accuracy, 1, "accuracy"),
    "balanced_accuracy": Measure(class_scores.balanced_accuracy, 1, "balanced accuracy"),
    "roc_auc": Measure(class_scores.roc_auc, 1, "ROC-AUC", every_class_occurs),
    "average_precision": Measure(
        class_scores.average_precision, 1, "average precision", every_class_occurs
    ),
    "f1_macro": Measure(class_scores.f1_macro, 1, "F1 (macro)"),
    "f1_micro": Measure(class_scores.f1_micro, 1, "F1 (micro)"),
    "negative_loss": Measure(class_scores.negative_loss, 1, "negative loss", smooth=True),
    "log_loss": Measure(class_scores.log_loss, -1, "log loss", smooth=True),
}
OF_MARGINS: dict[str, Measure] = {
    "hinge_loss": Measure(class_scores.hinge_loss, -1, "hinge loss", smooth=True),
}
OF_QUANTITIES: dict[str, Measure] = {
    "r2": Measure(quantity_scores.r2, 1, "R^2", targets_differ, smooth=True),
    "rmse": Measure(quantity_scores.rmse, -1, "RMSE", smooth=True),
    "mae": Measure(quantity_scores.mae, -1, "MAE", smooth=True),
    "mse": Measure(quantity_scores.mse, -1, "MSE", smooth=True),
}
OF_COUNTS: dict[str, Measure] = {
    "deviance": Measure(quantity_scores.deviance, -1, "deviance", smooth=True),
    "d2": Measure(quantity_scores.d2, 1, "D^2", targets_differ, smooth=True),
}


def own_measure(metric: Any, outputs: tuple[int, ...], y: Array) -> Measure:
    """A metric of one's own as a measure: larger is better.

    Args:
        metric: (outputs, y) -> float[...], traceable by JAX.
        outputs: the shape of the outputs on which it will be used.
        y: the targets, [T, ...].

    Raises:
        InvalidInputError: what cannot be called so, cannot be traced, or gives no real numbers.
    """
    called = getattr(metric, "__name__", None) or type(metric).__name__
    require(
        callable(metric),
        f"Expected metric={metric!r} to be a name, a function (outputs, y) -> float, or a Measure.",
    )
    shape = jax.ShapeDtypeStruct(outputs, jnp.float32)
    try:
        given = jax.eval_shape(metric, shape, jax.ShapeDtypeStruct(y.shape, y.dtype))
    except Exception as error:
        first_line = str(error).strip().partition("\n")[0]
        raise InvalidInputError(
            f"Expected metric={called} to score outputs{list(outputs)} against y{list(y.shape)} "
            "with jax.numpy, not with NumPy or scikit-learn and without `if` on its numbers, but "
            f"it raises {type(error).__name__}: {first_line}"
        ) from error
    require(
        isinstance(given, jax.ShapeDtypeStruct)
        and not jnp.issubdtype(given.dtype, jnp.complexfloating)
        and jnp.issubdtype(given.dtype, jnp.number),
        f"Expected metric={called} to give a real number, got {given}.",
    )

    require(
        given.shape[:1] != y.shape[:1],
        f"Expected metric={called} to give a number, got one for each row, {list(given.shape)}; "
        "return their mean.",
    )

    def score(outputs: Array, y: Array) -> Array:
        return jnp.asarray(metric(outputs, y), jnp.result_type(float))

    if called == "<lambda>":
        called = "own_metric"
    if outputs[1:] > (1,) and jnp.issubdtype(y.dtype, jnp.integer) and not given.shape:
        _say_uneven_ties(called, score, outputs, y)
    return Measure(score, 1, called.replace("_", " "), name=called)


def _say_uneven_ties(name: str, score: Metric, outputs: tuple[int, ...], y: Array) -> None:
    """A caution about a metric to which the classes' numbers matter only where outputs tie.

    The model of nobody often gives all classes one output. A metric that takes the first of them,
    as argmax does, makes V(empty) depend on how classes are numbered, and with it every value.

    Args:
        name: the metric's.
        score: the metric.
        outputs: (T, L), the shape of the outputs.
        y: int[T], classes.
    """
    different = jax.random.normal(jax.random.key(0), outputs)
    tied = jnp.zeros(outputs)
    swapped = outputs[1] - 1 - y
    one = (score(different, y), score(tied, y))
    other = (score(different[:, ::-1], swapped), score(tied, swapped))
    even, even_in_ties = np.isclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)
    if even and not even_in_ties:
        caution(
            f"The metric {name!r} gives ties to a class by its number: where all outputs are equal "
            f"it is {float(one[1]):.3f}, or {float(other[1]):.3f} with the classes in reverse, and "
            "V(empty) with it; let tied classes count in equal parts, as 'accuracy' does."
        )


def after(change: Callable[[Array], Array], measure: Measure) -> Measure:
    """A measure of what `change` makes of the outputs."""

    @wraps(measure.score)
    def score(outputs: Array, y: Array) -> Array:
        return measure.score(change(outputs), y)

    return measure._replace(score=score)
