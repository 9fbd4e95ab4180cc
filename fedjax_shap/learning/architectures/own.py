"""Models of one's own: flax modules without mutable state, and whether a model fits the data."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Protocol, cast

import jax
import jax.numpy as jnp
from flax import linen as nn

from fedjax_shap._validate import InvalidInputError, described, require
from fedjax_shap.learning.architecture import Architecture, Model, TrainApply
from fedjax_shap.typing import Array, Key, Params

# a keyword of a module's __call__ -> its value while it trains
MODES = {"train": True, "training": True, "is_training": True, "deterministic": False}


class Network(Protocol):
    """Makes an nnx module for the data at hand."""

    def __call__(self, shape: tuple[int, ...], num_outputs: int, rngs: Any, /) -> Any:
        """A module that gives outputs float[B, O] for x[B, ...].

        Args:
            shape: of one example.
            num_outputs: O.
            rngs: `nnx.Rngs` that draw the initial parameters.
        """


def from_flax(network: nn.Module | Callable[[int], nn.Module], /) -> Architecture:
    """Any flax linen module without mutable state, such as
    `from_flax(lambda outputs: Net(outputs))`.

    Dropout is drawn in local steps only, where `__call__` takes a keyword `train` (or
    `deterministic`); it is off where the model is evaluated.

    Args:
        network: the number of outputs -> the module, which gives outputs float[B, O] for
            x[B, ...]; or a module that has the right number of outputs already.

    Raises:
        InvalidInputError: what is not a module; later, one that does not fit the data, or that has
            mutable state, such as the statistics of batch normalisation.

    References:
        Wu and He 2018, "Group normalization"; Hsieh et al. 2020, "The non-IID data quagmire of
        decentralized machine learning" (why batch statistics go wrong between clients).
    """
    require(
        callable(network),
        f"Expected network={described(network)} to be a flax module or a function of the number of "
        "outputs that makes one, such as lambda outputs: Net(outputs).",
    )

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        module = network
        if not isinstance(module, nn.Module):
            module = module(num_outputs)
        require(
            isinstance(module, nn.Module),
            f"Expected network={described(network)} to give a flax linen module, got "
            f"{described(module)}; an nnx module goes to from_nnx.",
        )
        return _model_of(module, shape, num_outputs)

    return architecture


def from_nnx(network: Network, /) -> Architecture:
    """Any flax nnx module without mutable state, such as
    `from_nnx(lambda shape, outputs, rngs: Net(shape[0], outputs, rngs=rngs))`.

    Only its `nnx.Param` are trained. Dropout is drawn in local steps and off where the model is
    evaluated, by `module.train()` and `module.eval()`.

    Args:
        network: (shape of an example, number of outputs, rngs) -> the module.

    Raises:
        InvalidInputError: what is not a function; later, what does not give a module, one that
            does not fit the data, or that has mutable state, such as the statistics of batch
            normalisation.
    """
    from fedjax_shap.learning.architectures.own_nnx import architecture_of  # nnx takes long

    return architecture_of(network)


def _model_of(module: nn.Module, shape: tuple[int, ...], num_outputs: int) -> Model:
    """The model of a flax module, or a refusal of one with mutable state."""
    name = type(module).__name__
    mode = next((one for one in MODES if one in inspect.signature(module.__call__).parameters), "")
    evaluated: dict[str, Any] = {}
    trained: dict[str, Any] = {}
    if mode:
        evaluated = {mode: not MODES[mode]}
        trained = {mode: MODES[mode]}
    example = jnp.zeros((1, *shape))

    def initial(key: Key) -> dict[str, Params]:
        return dict(module.init(key, example, **evaluated))

    try:
        collections = jax.eval_shape(initial, jax.random.key(0))
    except Exception as error:
        refuse_error(name, shape, error)
    require_parameters_alone(name, collections.keys() - {"params"})

    def apply(params: Params, x: Array) -> Array:
        return cast(Array, module.apply({"params": params}, x, **evaluated))

    def in_step(params: Params, x: Array, key: Key) -> Array:
        return cast(Array, module.apply({"params": params}, x, rngs={"dropout": key}, **trained))

    train: TrainApply | None = None
    if mode:
        train = in_step
    # a module without parameters has no such collection
    model = Model(lambda key: initial(key).get("params", {}), apply, train=train)
    return fitted(model, shape, num_outputs, name)


def fitted(model: Model, shape: tuple[int, ...], num_outputs: int, name: str) -> Model:
    """The model itself, or a refusal of one that does not fit the data; nothing is computed.

    Args:
        model: the model.
        shape: of one example.
        num_outputs: O.
        name: what a refusal calls the model.

    Raises:
        InvalidInputError: a model that fails on such examples, that has parameters which are not
            floating-point numbers, or outputs of another shape.
    """
    x = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    try:
        params = jax.eval_shape(model.init, jax.random.key(0))
        if isinstance(params, dict):
            require_parameters_alone(name, params.keys() & {"batch_stats"})
        given = [jax.eval_shape(model.apply, params, x)]
        if model.train is not None:
            given.append(jax.eval_shape(model.train, params, x, jax.random.key(0)))
    except InvalidInputError:
        raise
    except Exception as error:
        refuse_error(name, shape, error)
    leaves = jax.tree.leaves(params)
    kinds = {str(leaf.dtype) for leaf in leaves if not jnp.issubdtype(leaf.dtype, jnp.floating)}
    require(
        bool(leaves) and not kinds,
        f"Expected model={name} to have parameters that are floating-point numbers, got "
        f"{' and '.join(sorted(kinds)) or 'none'}; counters and keys are no parameters.",
    )
    for outputs in given:
        shown = getattr(outputs, "shape", None)
        require(
            shown == (2, num_outputs),
            f"Expected model={name} to give {num_outputs} outputs an example, float[B, "
            f"{num_outputs}] for B examples of shape {shape}, got shape {shown} for 2.",
        )
    return model


def require_parameters_alone(name: str, others: Iterable[str]) -> None:
    """Refuses mutable state, which FedAvg does not average."""
    kinds = ", ".join(map(repr, sorted(others)))
    require(
        not kinds,
        f"Expected model={name} to have parameters alone, got {kinds} as well: statistics of "
        "different members' batches are not parameters, and their mean is not that of the pooled "
        "batches; normalise by GroupNorm or LayerNorm instead (Wu and He 2018; Hsieh et al. 2020).",
    )


def refuse_error(name: str, shape: tuple[int, ...], error: Exception) -> NoReturn:
    """Refuses a model that fails, in one sentence that says on what and why."""
    # the first paragraph, without the address that flax adds
    reason = " ".join(str(error).split("\n\n")[0].split(" (https://")[0].split())
    hint = ""
    if type(error).__name__ == "InvalidRngError":
        hint = (
            "; a module that draws numbers as it trains takes `train: bool` (or `deterministic`) "
            "in __call__, as in Dropout(0.5, deterministic=not train)"
        )
    if "batch_stats" in reason:
        hint = (
            "; statistics of batches are not parameters, so write GroupNorm or LayerNorm in place "
            "of BatchNorm"
        )
    raise InvalidInputError(
        f"Expected model={name} to work on examples of shape {shape}, got "
        f"{type(error).__name__}: {reason[:300]}{hint}"
    ) from error
