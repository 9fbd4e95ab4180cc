"""How coalitions come by their models: from sums that members send once or round by round, or as
the mean of their members' own models.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.flatten_util import ravel_pytree

from fedjax_shap._validate import one_of
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.statistics.model import Merge, Rows, StatisticsModel, features
from fedjax_shap.learning.task import Task
from fedjax_shap.typing import Array, HostArray, PyTree


@struct.dataclass
class Statistics:
    """All arrays that decide the models of coalitions, and those on which they are scored.

    Attributes:
        start: the model of nobody.
        more: what else the model's functions read.
        held_out: (x float64[T, F], y[T]), one a set on which models are scored.
        rows: those of all members; None where what they send is known.
        owner: int32[N], whose row each is; -1 for one that counts for nobody. None likewise.
        sent: float64[P, K], what members send where that is the same in every coalition: their
            sums; or which parts of their own models there are, and these parts. None otherwise.
    """

    start: PyTree
    more: PyTree
    held_out: tuple[tuple[Any, Any], ...]
    rows: Rows | None = None
    owner: Array | None = None
    sent: Array | None = None


class Models(Protocol):
    """The models of one coalition, as a function that JAX can trace under `jax.enable_x64`."""

    def __call__(self, world: Statistics, mask: Array, /) -> PyTree:
        """The models.

        Args:
            world: all arrays.
            mask: bool[P].

        Returns:
            The model after each round, a tree of arrays [R, ...].
        """


class Fitted(NamedTuple):
    """How the coalitions of a federation come by their models.

    Attributes:
        world: all arrays.
        models: the models of one coalition.
        bytes_each: what memory a coalition takes, about.
    """

    world: Statistics
    models: Models
    bytes_each: int


def fitting(
    data: FederatedData,
    model: StatisticsModel,
    task: Task,
    merge: Merge,
    held_out: tuple[tuple[Array, Array], ...],
) -> Fitted:
    """How the coalitions of a federation come by their models.

    Args:
        data: the federation.
        model: what members sum and what is fitted.
        task: what is learned.
        merge: "sums" or "average", see `games.statistics.merged`.
        held_out: (x[T, ...], y[T]), one a set on which models are scored.

    Raises:
        InvalidInputError: another word for `merge`, or data that the model cannot use.
    """
    one_of("merge", merge, ("sums", "average"))
    world = _world(data, model, task, held_out)
    num_rows = sum(len(y) for _, y in held_out)
    numbers = 4 * num_rows * max(task.outputs(data), 1)
    numbers += 8 * sum(np.size(leaf) for leaf in jax.tree.leaves(world.start))
    if merge == "average":
        world = _with_models(model, world, data.num_clients)
        models: Models = _averaged
    elif model.rounds == 1:
        world = _with_sums(model, world, data)
        models = _of_known_sums(model)
    else:
        models = _round_by_round(model)
    if world.sent is None:
        numbers += 4 * np.size(_rows(world).x)
    else:
        numbers += world.sent.shape[1]
    return Fitted(world, models, 8 * numbers)


def _world(
    data: FederatedData,
    model: StatisticsModel,
    task: Task,
    held_out: tuple[tuple[Array, Array], ...],
) -> Statistics:
    """The world with the rows of all members."""
    known = model.begin(data, task)
    owner: Any = np.repeat(np.arange(data.num_clients, dtype=np.int32), np.asarray(data.sizes))
    owner[np.asarray(data.idle)[owner]] = -1

    def centred(x: Array) -> Any:
        return features(x) - known.origin

    y: Any = np.asarray(data.y)
    weight: Any = np.ones(len(y))
    return Statistics(
        start=known.start,
        more=known.more,
        held_out=tuple((centred(x), np.asarray(y)) for x, y in held_out),
        rows=Rows(centred(data.x), y, weight),
        owner=owner,
    )


# ------------------------------------------------------------------ what members send, once


def _with_sums(model: StatisticsModel, world: Statistics, data: FederatedData) -> Statistics:
    """The world with each member's sums in the place of its rows."""
    every = np.arange(data.largest)
    # the rows of each member, padded by others that do not count
    places = np.asarray(data.offsets)[:, None] + every
    weights = every < np.asarray(data.sizes)[:, None]
    weights &= ~np.asarray(data.idle)[:, None]
    places = np.minimum(places, len(data.y) - 1)

    def of_member(world: Statistics, places: Array, weight: Array) -> Array:
        of_all = _rows(world)
        rows = Rows(of_all.x[places], of_all.y[places], weight)
        flat, _ = ravel_pytree(model.sums(world.more, world.start, rows))
        return flat

    sent = _of_each(of_member, world, places, weights.astype(np.float64))
    return replace(world, rows=None, owner=None, sent=sent)


def _with_models(model: StatisticsModel, world: Statistics, num_players: int) -> Statistics:
    """The world with each member's own model in the place of its rows."""
    of_coalition = _round_by_round(model)

    def of_member(world: Statistics, mask: Array) -> Array:
        state = last(of_coalition(world, mask))
        numbers, _ = ravel_pytree(state)
        parts = jnp.ones_like(numbers)
        if model.parts is not None:
            there = jax.tree.map(
                lambda part, leaf: jnp.broadcast_to(part, leaf.shape), model.parts(state), state
            )
            parts, _ = ravel_pytree(there)
        return jnp.concatenate([parts, parts * numbers])

    sent = _of_each(of_member, world, np.eye(num_players, dtype=bool))
    return replace(world, rows=None, owner=None, sent=sent)


def _of_each(of_member: Callable[..., Array], world: Statistics, *own: HostArray) -> Any:
    """float64[P, K]: of_member(world, *rows) for the rows of each member of the arrays `own`."""

    def of_all(world: Statistics, own: tuple[Array, ...]) -> Array:
        sent: Array = jax.lax.map(lambda one: of_member(world, *one), own)
        return sent

    with jax.enable_x64(True):
        return np.asarray(jax.jit(of_all)(world, own))


# ------------------------------------------------------------------ the models of a coalition


def last(models: PyTree) -> PyTree:
    """The model after the last round, of those after each."""
    return at_round(models, -1)


def at_round(models: PyTree, index: int) -> PyTree:
    """The model after one round, of those after each."""
    return jax.tree.map(lambda leaf: leaf[index], models)


def _of_known_sums(model: StatisticsModel) -> Models:
    """The model of the sum of what members send."""

    def models(world: Statistics, mask: Array) -> PyTree:
        assert world.sent is not None
        # the structure of sums, from a row that does not count
        x, y = world.held_out[0]
        none = Rows(x[:1], y[:1], jnp.zeros(1))
        _, unravel = ravel_pytree(model.sums(world.more, world.start, none))
        sums = unravel(mask.astype(world.sent.dtype) @ world.sent)
        state = model.fit(world.more, world.start, sums)
        return jax.tree.map(lambda leaf: leaf[None], state)

    return models


def _round_by_round(model: StatisticsModel) -> Models:
    """The models of sums that are made anew at each model."""

    def models(world: Statistics, mask: Array) -> PyTree:
        assert world.owner is not None
        of_all = _rows(world)
        counts = mask[world.owner] & (world.owner >= 0)
        rows = of_all._replace(weight=counts.astype(of_all.weight.dtype))

        def one_round(state: PyTree, _: None) -> tuple[PyTree, PyTree]:
            after = model.fit(world.more, state, model.sums(world.more, state, rows))
            return after, after

        _, states = jax.lax.scan(one_round, world.start, None, length=model.rounds)
        return states

    return models


def _averaged(world: Statistics, mask: Array) -> PyTree:
    """The mean of the members' own models; the model of nobody where no member has a part."""
    assert world.sent is not None
    start, unravel = ravel_pytree(world.start)
    parts, numbers = jnp.split(mask.astype(start.dtype) @ world.sent, 2)
    there = parts > 0
    mean = jnp.where(there, numbers / jnp.where(there, parts, 1.0), start)
    return jax.tree.map(lambda leaf: leaf[None], unravel(mean))


def _rows(world: Statistics) -> Rows:
    """The rows of all members."""
    assert world.rows is not None
    return world.rows
