"""Models of one's own that are flax nnx modules; imported where there is one."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from flax import nnx

from fedjax_shap._validate import InvalidInputError, described, require
from fedjax_shap.learning.architecture import Architecture, Model, TrainApply
from fedjax_shap.learning.architectures.own import (
    Network,
    fitted,
    refuse_error,
    require_parameters_alone,
)
from fedjax_shap.typing import Array, Key, Params, PyTree


def architecture_of(network: Network) -> Architecture:
    """What `own.from_nnx` gives."""
    require(
        callable(network) and not isinstance(network, nnx.Module | type),
        f"Expected network={described(network)} to be a function that makes an nnx module, such as "
        "lambda shape, outputs, rngs: Net(shape[0], outputs, rngs=rngs).",
    )

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        def made(key: Key) -> nnx.Module:
            module = network(shape, num_outputs, nnx.Rngs(key))
            require(
                isinstance(module, nnx.Module),
                f"Expected network={described(network)} to give an nnx module, got "
                f"{described(module)}; a linen module goes to from_flax.",
            )
            return cast(nnx.Module, module)

        return _model_of(made, shape, num_outputs)

    return architecture


def _model_of(made: Callable[[Key], nnx.Module], shape: tuple[int, ...], num_outputs: int) -> Model:
    """The model of a function from a key to an nnx module."""
    try:
        module = nnx.eval_shape(lambda: made(jax.random.key(0)))
    except InvalidInputError:
        raise
    except Exception as error:
        refuse_error("the nnx module", shape, error)
    name = type(module).__name__
    module.eval()
    still, *states = nnx.split(module, nnx.Param, nnx.RngState, ...)
    params, draws, others = states
    require_parameters_alone(name, _kinds(others))
    module.train()
    moving = nnx.graphdef(module)

    def init(key: Key) -> Params:
        return nnx.to_pure_dict(nnx.state(made(key), nnx.Param))

    def run(graph: Any, values: Params, drawn: PyTree, x: Array) -> Array:
        state = jax.tree.unflatten(jax.tree.structure(params), jax.tree.leaves(values))
        return cast(Array, nnx.merge(graph, state, drawn)(x))

    def apply(values: Params, x: Array) -> Array:
        return run(still, values, _seeded(draws, jax.random.key(0)), x)

    def in_step(values: Params, x: Array, key: Key) -> Array:
        return run(moving, values, _seeded(draws, key), x)

    train: TrainApply | None = None
    if jax.tree.leaves(draws):
        train = in_step
    return fitted(Model(init, apply, train=train), shape, num_outputs, name)


def _kinds(state: PyTree) -> set[str]:
    """The names of the kinds of variables in a state."""
    variables = jax.tree.leaves(state, is_leaf=lambda one: isinstance(one, nnx.Variable))
    return {type(one).__name__ for one in variables}


def _seeded(draws: PyTree, key: Key) -> PyTree:
    """The states of a module's random streams as they are for a key, before anything is drawn."""

    def of_stream(index: int, leaf: Any) -> Array:
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jnp.zeros(leaf.shape, leaf.dtype)
        own = jax.random.fold_in(key, index)
        if leaf.shape:
            return jax.random.split(own, leaf.shape)
        return own

    leaves, structure = jax.tree.flatten(draws)
    return jax.tree.unflatten(structure, [of_stream(i, leaf) for i, leaf in enumerate(leaves)])
