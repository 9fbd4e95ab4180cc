"""Models from flax modules: initial parameters, arithmetic, and the first layer by itself."""

from collections.abc import Callable
from functools import partial
from typing import Literal, cast, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fedjax_shap._validate import one_of
from fedjax_shap.learning.architecture import CheckExamples, Model
from fedjax_shap.learning.precision import Precision, computing
from fedjax_shap.typing import Array, Key, Params, PyTree

Initializer = Literal["lecun", "torch", "zeros"]
# On a CPU, a program that runs once and draws the same bits is compiled in a third of the time.
QUICKLY = {"xla_backend_optimization_level": 1}


def build_layered(
    module: nn.Module,
    shape: tuple[int, ...],
    initializer: Initializer,
    precision: Precision,
    *,
    shares_batch: bool = False,
) -> Model:
    """The model of a module with the methods `first` and `rest`, whose layers are one dict each.

    Args:
        module: its one collection is "params".
        shape: of one example.
        initializer: how parameters are drawn; "lecun" leaves them as the module draws them.
        precision: see `learning.precision`.
        shares_batch: see `Model`.
    """
    one_of("initializer", initializer, _INITIALIZERS)
    one_of("precision", precision, get_args(Precision))

    def init(key: Key) -> Params:
        return _drawn(module, shape, initializer, key)

    def first(params: Params, x: Array) -> Array:
        return cast(Array, module.apply({"params": params}, x, method="first"))

    def rest(params: Params, x: Array) -> Array:
        return cast(Array, module.apply({"params": params}, x, method="rest"))

    below = computing(first, precision)
    above = computing(rest, precision)
    return Model(
        init,
        lambda params, x: above(params, below(params, x)),
        below,
        above,
        shares_batch=shares_batch,
    )


def build(
    module: nn.Module,
    shape: tuple[int, ...],
    precision: Precision = "float32",
    *,
    shares_batch: bool = False,
    check: CheckExamples | None = None,
) -> Model:
    """The model of any module whose one collection is "params", drawn as the module draws them.

    Args:
        module: x[B, ...] -> outputs float[B, O].
        shape: of one example.
        precision: see `learning.precision`.
        shares_batch: see `Model`.
        check: see `Model`.
    """
    one_of("precision", precision, get_args(Precision))

    def init(key: Key) -> Params:
        return _drawn(module, shape, "lecun", key)

    def apply(params: Params, x: Array) -> Array:
        return cast(Array, module.apply({"params": params}, x))

    return Model(init, computing(apply, precision), shares_batch=shares_batch, check=check)


def _drawn(module: nn.Module, shape: tuple[int, ...], initializer: Initializer, key: Key) -> Params:
    """The initial parameters, drawn by one program, which modules of equal settings share.

    On some processors their last bits differ from what the operations give one by one.
    """
    program = _within
    if jax.default_backend() == "cpu" and not isinstance(key, jax.core.Tracer):
        program = _once
    return cast(Params, program(module, shape, initializer, key))


def _initial(
    module: nn.Module, shape: tuple[int, ...], initializer: Initializer, key: Key
) -> Params:
    """What the programs of `_drawn` compute."""
    drawn = module.init(key, jnp.zeros((1, *shape)))["params"]
    return _INITIALIZERS[initializer](key, drawn)


def _torch_uniform(key: Key, params: PyTree) -> PyTree:
    """Weights and biases of every layer uniform in +-1/sqrt(fan_in)."""
    drawn = {}
    for index, (name, layer) in enumerate(sorted(params.items())):
        bound = float(np.prod(layer["kernel"].shape[:-1])) ** -0.5
        keys = jax.random.split(jax.random.fold_in(key, index), len(layer))
        drawn[name] = {
            part: jax.random.uniform(k, leaf.shape, leaf.dtype, -bound, bound)
            for k, (part, leaf) in zip(keys, sorted(layer.items()))
        }
    return drawn


_INITIALIZERS: dict[str, Callable[[Key, PyTree], PyTree]] = {
    "lecun": lambda key, params: params,
    "torch": _torch_uniform,
    "zeros": lambda key, params: jax.tree.map(jnp.zeros_like, params),
}
_jitted = partial(jax.jit, _initial, static_argnums=(0, 1, 2))
_within = _jitted()  # within another program, whose options count
_once = _jitted(compiler_options=QUICKLY)
