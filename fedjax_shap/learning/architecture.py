"""What a model is: pure functions, built for the shape of the data at hand."""

from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from fedjax_shap.typing import Array, HostArray, Key, Params


class Init(Protocol):
    """Draws a model's parameters."""

    def __call__(self, key: Key, /) -> Params:
        """A pytree of arrays, of the same shapes for every key."""


class Apply(Protocol):
    """A model, or a part of one."""

    def __call__(self, params: Params, x: Array, /) -> Array:
        """float[B, ...]: what the model gives for x[B, ...]."""


class TrainApply(Protocol):
    """A model as it is while it trains, where that draws numbers (dropout)."""

    def __call__(self, params: Params, x: Array, key: Key, /) -> Array:
        """float[B, ...]: what the model gives for x[B, ...] with what it draws by `key`."""


class CheckExamples(Protocol):
    """Refuses examples that a model cannot use."""

    def __call__(self, x: HostArray, /) -> None:
        """Raises `InvalidInputError` unless x[T, ...] can be used."""


class Model(NamedTuple):
    """A model for one shape of example.

    Attributes:
        init: key -> params.
        apply: (params, x[B, ...]) -> outputs float[B, O], by which the model is evaluated, and
            trained where it draws nothing.
        first: (params, x[B, ...]) -> pre-activations as `rest` reads them, linear in params: the
            first layer of a mean of models gives the mean of what their first layers give. None
            where a model has no such layer.
        rest: (params, pre-activations) -> outputs, the layers above: apply(params, x) =
            rest(params, first(params, x)).
        shares_batch: whether models that train side by side are faster where they share one
            mini-batch (from which patches are then gathered once) than where each holds it (which
            makes first layers batched products).
        train: (params, x[B, ...], key) -> outputs float[B, O] in a local step, where the model
            draws numbers as it trains (dropout). The key is a function of the run's key, the round,
            the client and the step: the same in every coalition. None where `apply` is trained.
        check: refuses examples that the model cannot use, such as token ids beyond its vocabulary.
        counted: `apply` as it would be written without regard to speed, by whose operations the
            work of a device is counted; None where that is `apply` itself.
    """

    init: Init
    apply: Apply
    first: Apply | None = None
    rest: Apply | None = None
    shares_batch: bool = False
    train: TrainApply | None = None
    check: CheckExamples | None = None
    counted: Apply | None = None


@runtime_checkable
class Architecture(Protocol):
    """A family of models, one for each kind of data."""

    def __call__(self, shape: tuple[int, ...], num_outputs: int, /) -> Model:
        """The model for the data at hand.

        Args:
            shape: of one example.
            num_outputs: how many outputs an example has, as the task says: a logit a class for
                classification, a number a column for regression.
        """


def num_params(params: Params) -> int:
    """How many numbers a parameter tree holds."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
