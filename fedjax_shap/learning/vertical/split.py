"""Split networks: a bottom network a party, joined by the label holder's top network."""

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from fedjax_shap._validate import integer, number, require
from fedjax_shap.data.vertical import OF_LABEL_HOLDER, Columns
from fedjax_shap.learning.local import optimizer_of
from fedjax_shap.learning.metric import EXAMPLES_AT_ONCE, in_blocks
from fedjax_shap.learning.task import Loss, Task, bound_to
from fedjax_shap.learning.tasks import task_for
from fedjax_shap.learning.vertical.model import Fitting, Seen, VerticalModel, as_federation
from fedjax_shap.typing import Array, Key, Params, PyTree


class _Known(NamedTuple):
    """What training reads.

    Attributes:
        x: float32[N, F].
        y: [N], the targets.
        places: int[P + 1, W], which columns each party has; F where it has fewer than others.
        widths: float32[P + 1], how many it has.
        seeds: uint32[P + 1], what tells a party's initial weights from others', by its name.
    """

    x: Array
    y: Array
    places: Array
    widths: Array
    seeds: Array


class _State(NamedTuple):
    """A coalition's network.

    Attributes:
        params: {"bottom": layers, "top": layers}, each layer a kernel and a bias; those of the
            bottom networks have an axis of parties first.
        present: float32[P + 1], 1 for the parties of the coalition.
    """

    params: Params
    present: Array


class _Batch(NamedTuple):
    """A mini-batch.

    Attributes:
        blocks: float32[P + 1, B, W], each party's columns.
        y: [B], the targets.
        counts: float32[B], 0 where a row is padding.
    """

    blocks: Array
    y: Array
    counts: Array


class _Schedule(NamedTuple):
    """How networks train, as `split` takes it.

    Attributes:
        rule: the optimiser.
        batch_size: rows of a mini-batch.
        epochs: passes over the training rows.
        l2: weight of the penalty.
    """

    rule: optax.GradientTransformation
    batch_size: int
    epochs: int
    l2: float


def split(
    *,
    bottom: tuple[int, ...] = (16,),
    top: tuple[int, ...] = (16,),
    optimizer: str = "adam",
    learning_rate: float = 0.01,
    batch_size: int = 128,
    epochs: int = 20,
    l2: float = 0.0,
) -> VerticalModel:
    """A split network: a bottom network a party, and the label holder's top network above.

    All layers but the last are followed by a ReLU. The part of an absent party in what the top
    network reads is 0, so its bottom network neither learns nor has an effect. Initial weights are
    normal of variance 1 / inputs, a party's by its own columns. They are drawn by the party's name,
    so that the order of parties has no effect; they and the mini-batches are the same in all
    coalitions.

    Args:
        bottom: widths of each party's layers, one at least.
        top: widths of the hidden layers of the label holder's network; () for a linear one.
        optimizer: a name in optax.
        learning_rate: step size, > 0.
        batch_size: rows of a mini-batch, drawn without replacement; the last of a pass may be
            smaller.
        epochs: passes over the training rows, >= 1.
        l2: weight >= 0 of a penalty l2 / 2 |w|^2 on all weights.

    References:
        Vepakomma, Gupta, Swedish, Raskar 2018, "Split learning for health: distributed deep
        learning without sharing raw patient data".
    """
    _require_widths(bottom=bottom, top=top)
    integer("batch_size", batch_size, least=1)
    integer("epochs", epochs, least=1)
    number("l2", l2, least=0)
    rule = optimizer_of(optimizer, learning_rate, None)
    schedule = _Schedule(rule, batch_size, epochs, l2)

    def bind(columns: Columns, task: Task) -> Fitting:
        data = as_federation(columns)
        bound = bound_to(task, data)
        widths = (*top, task.outputs(data))
        known = _known(columns)

        def fit(known: _Known, key: Key, seen: Seen) -> _State:
            for_weights, for_rows = jax.random.split(key)
            present = seen.parties.astype(known.x.dtype)
            begun = _State(_initial(for_weights, known, bottom, widths), present)
            return _trained(schedule, bound.loss, known, for_rows, begun)

        def predict(known: _Known, state: _State, x: Array) -> Array:
            def of_rows(some: Array) -> Array:
                return _outputs(state.params, state.present, _blocks(known, some))

            outputs = in_blocks(of_rows, x, EXAMPLES_AT_ONCE)
            if bound.outputs is None:
                return outputs
            return bound.outputs(outputs)

        widest = max(*bottom, *widths, known.places.shape[1])
        rows = EXAMPLES_AT_ONCE + batch_size
        bytes_each = 4 * 4 * len(known.widths) * widest * (widest + rows)
        return Fitting(known, fit, predict, bytes_each)

    return VerticalModel("split", task_for, bind, float64=False)


def _trained(schedule: _Schedule, loss: Loss, known: _Known, key: Key, begun: _State) -> _State:
    """The network after all passes over the training rows."""
    rule = schedule.rule

    def of_batch(params: Params, batch: _Batch) -> Array:
        each = loss(_outputs(params, begun.present, batch.blocks), batch.y)
        squares: Any = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))
        penalised: Array = (each * batch.counts).sum() / batch.counts.sum()
        penalised += schedule.l2 / 2 * squares
        return penalised

    def one_step(now: PyTree, rows: tuple[Array, Array]) -> tuple[PyTree, None]:
        params, opt = now
        own, counts = rows
        batch = _Batch(_blocks(known, known.x[own]), known.y[own], counts)
        updates, opt = rule.update(jax.grad(of_batch)(params, batch), opt, params)
        return (optax.apply_updates(params, updates), opt), None

    def one_pass(now: PyTree, epoch: Array) -> tuple[PyTree, None]:
        own = jax.random.fold_in(key, epoch)
        after, _ = jax.lax.scan(one_step, now, _batches(own, known, schedule.batch_size))
        return after, None

    start = (begun.params, rule.init(begun.params))
    (params, _), _ = jax.lax.scan(one_pass, start, jnp.arange(schedule.epochs))
    return begun._replace(params=params)


def _require_widths(**given: Any) -> None:
    """Refuses what are not widths of layers."""
    for name, widths in given.items():
        require(
            isinstance(widths, tuple | list),
            f"Expected {name}={widths!r} to be the widths of layers, such as (16,).",
        )
        for width in widths:
            integer(name, width, least=1)
    require(len(given["bottom"]) > 0, "Expected bottom=() to be the width of one layer or more.")


def _known(columns: Columns) -> _Known:
    """The training rows, and which columns each party has."""
    owners = np.asarray(columns.owners)
    parties = [*range(len(columns.names)), OF_LABEL_HOLDER]
    own = [np.flatnonzero(owners == party) for party in parties]
    widest = max(map(len, own))
    places = np.full((len(own), widest), len(owners))
    for party, where in enumerate(own):
        places[party, : len(where)] = where
    x: Any = np.asarray(columns.x, np.float32)
    y: Any = np.asarray(columns.y)
    counts: Any = np.array([len(where) for where in own], np.float32)
    held: Any = places
    return _Known(x, y, held, counts, _seeds(columns.names))


def _seeds(names: Sequence[str]) -> Any:
    """A number for each party, that of its name; 0 for the label holder."""
    each = [zlib.crc32(name.encode("utf-8", "surrogatepass")) for name in names]
    return np.array([*each, 0], np.uint32)


def _blocks(known: _Known, x: Array) -> Array:
    """float32[P + 1, B, W]: each party's columns of rows x[B, F], then zeros."""
    padded = jnp.concatenate([x, jnp.zeros((len(x), 1), x.dtype)], axis=1)
    return jnp.moveaxis(padded[:, known.places], 1, 0)


def _outputs(params: Params, present: Array, blocks: Array) -> Array:
    """float32[B, outputs] of the blocks of a batch of rows."""
    # each party's network, all at once
    given = blocks
    for layer in params["bottom"]:
        products = jnp.einsum("pbi,pio->pbo", given, layer["kernel"])
        given = jax.nn.relu(products + layer["bias"][:, None])
    # what the label holder receives; nothing of absent parties
    sent = given * present[:, None, None]
    received = jnp.moveaxis(sent, 0, 1).reshape(blocks.shape[1], -1)
    *hidden, last = params["top"]
    for layer in hidden:
        received = jax.nn.relu(received @ layer["kernel"] + layer["bias"][None])
    outputs: Array = received @ last["kernel"] + last["bias"][None]
    return outputs


def _initial(key: Key, known: _Known, bottom: tuple[int, ...], top: tuple[int, ...]) -> Params:
    """Normal weights of variance 1 / inputs, zero biases."""
    num_parties, width = known.places.shape
    for_bottom, for_top = jax.random.split(key)
    layers = []
    inputs = jnp.maximum(known.widths, 1.0)
    for depth, outputs in enumerate(bottom):
        drawn = _by_party(jax.random.fold_in(for_bottom, depth), known, (width, outputs))
        kernel = drawn / jnp.sqrt(inputs)[:, None, None]
        layers.append({"kernel": kernel, "bias": jnp.zeros((num_parties, outputs))})
        inputs = jnp.full(num_parties, float(outputs))
        width = outputs
    above = []
    received = num_parties * width
    for depth, outputs in enumerate(top):
        own = jax.random.fold_in(for_top, depth)
        if depth == 0:
            # the lowest layer reads one part from each party
            drawn = _by_party(own, known, (width, outputs)).reshape(received, outputs)
        else:
            drawn = jax.random.normal(own, (received, outputs))
        above.append({"kernel": drawn / received**0.5, "bias": jnp.zeros(outputs)})
        received = outputs
    return {"bottom": layers, "top": above}


def _by_party(key: Key, known: _Known, shape: tuple[int, int]) -> Array:
    """Standard normal numbers for each party, float32[P + 1, *shape], by its name."""

    def of_party(seed: Array) -> Array:
        return jax.random.normal(jax.random.fold_in(key, seed), shape)

    return jax.vmap(of_party)(known.seeds)


def _batches(key: Key, known: _Known, size: int) -> tuple[Array, Array]:
    """The mini-batches of a pass: rows int[K, B], and float32[K, B], 0 where one is padding."""
    num_rows = len(known.y)
    size = min(size, num_rows)
    num_steps = -(-num_rows // size)
    room = jnp.arange(num_steps * size)
    order = jax.random.permutation(key, num_rows)
    counts = (room < num_rows).astype(known.x.dtype)
    rows = order[jnp.minimum(room, num_rows - 1)]
    return rows.reshape(num_steps, size), counts.reshape(num_steps, size)
