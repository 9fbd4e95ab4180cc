"""Workload: what a round asks of any device, in operations a step and bytes a message."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Algorithm, Done, Draws, Round
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.task import Loss, bound_to
from fedjax_shap.learning.training import Training, model_of, task_of
from fedjax_shap.typing import Array, HostArray, Params, PyTree

_ROWS = 2, 3  # batches on which a step is counted: it is linear in the examples of its batch


class Messages(NamedTuple):
    """Sizes of what a client and the server send each other in a round, uncompressed and without
    headers.

    Attributes:
        upload: bytes from a client: its upload, and what else the algorithm averages; one number a
            client where they differ.
        download: bytes to a client: the model, and what else the server broadcasts; likewise.
    """

    upload: int | tuple[int, ...]
    download: int | tuple[int, ...]


class Workload(NamedTuple):
    """What training asks of the devices.

    Attributes:
        flops_per_step: float64[C], floating-point operations of a local step of each client.
        messages: bytes of a round's upload and download.
    """

    flops_per_step: HostArray
    messages: Messages


def workload(data: FederatedData, training: Training) -> Workload:
    """What training asks of the devices of a federation; nothing is trained.

    Args:
        data: the federation.
        training: what is trained, how clients train it, and what they and the server send.
    """
    model = model_of(training, data)
    params = jax.eval_shape(model.init, jax.random.key(0))
    loss = bound_to(task_of(training, data), data).loss
    target = jax.ShapeDtypeStruct(data.test[1].shape[1:], data.test[1].dtype)
    flops = flops_per_step(
        model,
        training.local,
        params,
        data.example_shape,
        np.asarray(data.sizes),
        loss=loss,
        target=target,
    )
    return Workload(flops, messages(training.algorithm, params))


def messages(algorithm: Algorithm, params: Params) -> Messages:
    """The sizes of an algorithm's messages for a model; nothing is computed.

    Args:
        algorithm: what is sent.
        params: the model's parameters, as arrays or as shapes and types.
    """
    broadcast = jax.eval_shape(lambda x: algorithm.broadcast(algorithm.init_server(x)), params)

    def sent(params: Params, broadcast: PyTree) -> tuple[PyTree, PyTree]:
        at = Round(
            start=params,
            broadcast=broadcast,
            state=algorithm.init_client(params),
            num_steps=jnp.int32(1),
            mean_steps=jnp.float32(1),
            draws=Draws(jax.random.key(0), jnp.int32(0), jnp.int32(0)),
            learning_rate=1.0,
        )
        recorded = dict.fromkeys(algorithm.records, params)
        done = Done(params, recorded.get("first", ()), recorded.get("mean", ()))
        upload, extra, _ = algorithm.upload(at, done)
        return upload, extra

    return Messages(
        bytes_of(jax.eval_shape(sent, params, broadcast)), bytes_of((params, broadcast))
    )


_LABEL = jax.ShapeDtypeStruct((), jnp.int32)


def flops_per_step(
    model: Model,
    local: Local,
    params: Params,
    shape: tuple[int, ...],
    sizes: HostArray,
    *,
    loss: Loss = cross_entropy,
    target: jax.ShapeDtypeStruct = _LABEL,
) -> HostArray:
    """Floating-point operations of one local step of each client.

    They are counted by XLA, before it optimises the program. The step is the gradient of the mean
    loss on a mini-batch and the optimiser's update; a full batch has all examples of the client,
    and mini-batches count with their mean number over a pass, the last, partial one included. An
    exponential or a logarithm counts as none; what an algorithm adds to a gradient is left out.

    Args:
        model: what is trained.
        local: how it is trained.
        params: its parameters, as arrays or as shapes and types.
        shape: of one example.
        sizes: int[C], the clients' numbers of examples.
        loss: what is minimised.
        target: the shape and type of one target.

    Returns:
        float64[C]; that of one example where a client has none.
    """
    count = _counted(model, local, params, shape, loss, target)
    fewer, more = (count(rows) for rows in _ROWS)
    each = (more - fewer) / (_ROWS[1] - _ROWS[0])
    rows = np.maximum(sizes / np.maximum(local.steps_per_epoch(np.asarray(sizes)), 1), 1)
    return np.asarray(fewer + each * (rows - _ROWS[0]), np.float64)


def _counted(
    model: Model,
    local: Local,
    params: Params,
    shape: tuple[int, ...],
    loss: Loss,
    target: jax.ShapeDtypeStruct,
) -> Callable[[int], float]:
    """(rows of a batch) -> floating-point operations of a step on it."""
    state = jax.eval_shape(local.optimizer.init, params)
    apply = model.counted or model.apply

    def penalised(params: Params, x: Array, y: Array) -> Array:
        penalty: Array | float = 0.0
        if local.l2:
            penalty = sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(params))
        return loss(apply(params, x), y).mean() + local.l2 / 2 * penalty

    def step(params: Params, state: PyTree, x: Array, y: Array) -> tuple[Params, PyTree]:
        change, state = local.optimizer.update(jax.grad(penalised)(params, x, y), state, params)
        return optax.apply_updates(params, change), state

    def count(rows: int) -> float:
        batch = (
            jax.ShapeDtypeStruct((rows, *shape), jnp.float32),
            jax.ShapeDtypeStruct((rows, *target.shape), target.dtype),
        )
        return counted_flops(step, params, state, *batch)

    return count


def counted_flops(function: Callable[..., PyTree], *arguments: PyTree) -> float:
    """Floating-point operations of a function, as XLA counts them before it optimises.

    Args:
        function: that JAX can trace. The body of a loop in it counts once.
        arguments: arrays, or shapes and types.

    Raises:
        InvalidInputError: the backend does not count.
    """
    counted = jax.jit(function).lower(*arguments).cost_analysis()
    if not counted or "flops" not in counted:
        raise InvalidInputError(
            "Expected JAX's backend to count operations, but this one does not; give steps/s."
        )
    return float(counted["flops"])


def bytes_of(tree: PyTree) -> int:
    """Bytes of all arrays of a tree of shapes and types."""
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
