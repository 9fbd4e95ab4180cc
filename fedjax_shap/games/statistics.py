"""The game of merged statistics: a coalition's model is fitted from the sum of what its members
send, without any training.

Models that must not be averaged are right in it. The mean of the members' models can be played
beside, to see what it costs.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.flatten_util import ravel_pytree

from fedjax_shap._validate import integer, number, of_kind, one_of, require
from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.learning.judges import Judging, judged_by, judges_of, trailing_of
from fedjax_shap.learning.metric import Metric, bootstrapped, in_blocks, judged
from fedjax_shap.learning.statistics.float64 import packed, unpacked
from fedjax_shap.learning.statistics.model import Known, Merge, Rows, StatisticsModel, features
from fedjax_shap.learning.task import Task, curve_measure, measure_for
from fedjax_shap.typing import Array, HostArray, Key, PyTree

BLOCK_BYTES = 2**24  # that the coalitions of a block may take, next to each other


@struct.dataclass
class Statistics:
    """All arrays of a game of merged statistics.

    Attributes:
        start: the model of nobody.
        more: what else the model's functions read.
        held_out: (x float64[T, F], y[T]), one a set on which models are scored.
        rows: those of all members; None where their sums are known.
        owner: int32[N], whose row each is; -1 for one that counts for nobody.
        sent: float64[P, K], what members send where that is the same in every coalition: sums, or
            the parts of their own models, these times the models, one beside the other.
    """

    start: PyTree
    more: PyTree
    held_out: tuple[tuple[Array, Array], ...]
    rows: Rows | None = None
    owner: Array | None = None
    sent: Array | None = None


class Fitted(NamedTuple):
    """How coalitions come by their models, and on what.

    Attributes:
        world: the arrays, packed, see `learning.statistics.float64`.
        models: (world, mask) -> the models after each round, the last one last.
        bytes_each: memory that a coalition takes, about.
        message: what a member uploads in a round, a tree of shapes.
        start: what it is sent.
    """

    world: Statistics
    models: Callable[[Statistics, Array], tuple[PyTree, ...]]
    bytes_each: int


def merged(
    data: FederatedData,
    model: StatisticsModel,
    *,
    metric: str | Metric | None = None,
    merge: Merge = "sums",
    empty: float | None = None,
    resamples: int = 0,
    judges: Judging = "server",
    task: Task | None = None,
) -> Game:
    """The game in which V(S) is the metric of the model that is fitted from the sums of S.

    It computes in float64, whatever JAX is configured for.

    Args:
        data: the federation; its clients are the players. The metric is that on the server's
            validation set.
        model: what members sum and what is fitted, such as `gaussian_naive_bayes()`.
        metric: a name in the task's metrics; a function (outputs, y) -> float of which more is
            better, traceable by JAX; or the task's default if None. Errors count with a minus sign.
        merge: "sums" fits the model from the sums of all members, as their rows together would;
            "average" takes the mean of the members' own models instead, each part of it over the
            members that have it. The latter is wrong for most of these models, and shows by how
            much.
        empty: V(empty); the metric of the model of nobody if None, for which all classes tie, or
            which predicts the mean of all targets.
        resamples: if > 0, each utility is followed by the metric on this many bootstrap resamples
            of the validation set, float[1 + resamples].
        judges: whose test rows say what a model is worth: "server", all rows of the validation set;
            "members" or "classes": each utility is followed by the metric on the rows of each
            member or class, float[1 + J].
        task: what is learned; what the data suggest if None.

    Returns:
        A game of C players whose utilities are scalars, or have a trailing axis as said above.

    Raises:
        InvalidInputError: a model that does not merge statistics, a task or data that do not fit
            it, a setting out of its range, or a metric that is undefined on these data.

    Guarantees:
        With "sums" the model of a coalition is the one that the rows of its members together give,
        up to float64 rounding. Clients that are idle send zeros.

    References:
        Chu et al. 2006, "Map-reduce for machine learning on multicore", section 3.
    """
    integer("resamples", resamples, least=0)
    require(
        resamples == 0 or judges == "server",
        f"Expected resamples={resamples} to be 0 with judges={judges!r}.",
    )
    if empty is not None:
        number("empty", empty)
    chosen = task_of(model, data, task)
    of_all = measure_for(chosen, data, metric)
    judging = judges_of(data, judges, of_all)
    measure = judged_by(bootstrapped(of_all, resamples), judging)
    fitted = fitting(data, model, chosen, merge, (data.validation,))

    def worth(world: Statistics, mask: Array) -> Array:
        last = fitted.models(world, mask)[-1]
        reached = _scored(model, chosen, measure, world, last, 0)
        if empty is None:
            return reached
        return jnp.where(mask.any(), reached, empty)

    game = _game(fitted, worth, data.num_clients)
    return game.replace(resamples=resamples, trailing=trailing_of(judging))


def followed(
    data: FederatedData,
    model: StatisticsModel,
    *,
    metric: str | Metric | None = None,
    merge: Merge = "sums",
    task: Task | None = None,
) -> Game:
    """The models of `merged`, followed round by round.

    Args:
        data: the federation.
        model: what members sum and what is fitted.
        metric: as in `merged`.
        merge: likewise.
        task: likewise.

    Returns:
        A game whose utilities are float[2, R]: the accuracy on the test set, or the metric as
        people read it where the task has no accuracy; V on the validation set.
    """
    chosen = task_of(model, data, task)
    measure = measure_for(chosen, data, metric)
    shown = curve_measure(chosen, measure).score
    fitted = fitting(data, model, chosen, merge, (data.validation, data.test))

    def worth(world: Statistics, mask: Array) -> Array:
        models = fitted.models(world, mask)
        on_test = [_scored(model, chosen, shown, world, one, 1) for one in models]
        on_validation = [_scored(model, chosen, measure, world, one, 0) for one in models]
        return jnp.stack([jnp.stack(on_test), jnp.stack(on_validation)])

    return _game(fitted, worth, data.num_clients)


def task_of(model: StatisticsModel, data: FederatedData, task: Task | None) -> Task:
    """The task of a model on the data at hand.

    Raises:
        InvalidInputError: a model that does not merge statistics, or a task that does not fit it.
    """
    example = "statistics.gaussian_naive_bayes(), whose members send sums"
    of_kind("model", model, StatisticsModel, example)
    of_kind("data", data, FederatedData, "from_arrays(clients, test) or federate(pool, partition)")
    return model.task(task, data)


# ------------------------------------------------------------------ models of coalitions


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
        merge: as in `merged`.
        held_out: (x[T, ...], y[T]), one a set on which models are scored.
    """
    one_of("merge", merge, ("sums", "average"))
    known = model.begin(data, task)
    owner = np.repeat(np.arange(data.num_clients, dtype=np.int32), np.asarray(data.sizes))
    owner[np.asarray(data.idle)[owner]] = -1
    size = len(data.y)
    scored = tuple((features(x) - known.origin, np.asarray(y)) for x, y in held_out)
    world = Statistics(
        start=known.start,
        more=known.more,
        held_out=scored,
        rows=Rows(features(data.x) - known.origin, np.asarray(data.y), np.ones(size)),
        owner=owner,
    )
    leaves = sum(np.size(leaf) for leaf in jax.tree.leaves(known.start))
    tested = sum(len(y) for _, y in held_out)
    numbers = 4 * tested * max(task.outputs(data), 1) + 8 * leaves
    if merge == "average":
        world = _with_models(model, world, data.num_clients)
        models = _averaged
    elif model.rounds == 1:
        world = _with_sums(model, world, data)
        models = _of_known_sums(model)
        numbers += world.sent.shape[1]
    else:
        models = _round_by_round(model)
        numbers += 4 * size * (known.origin.size + 1)
    return Fitted(packed(world), models, 8 * numbers)


def _with_sums(model: StatisticsModel, world: Statistics, data: FederatedData) -> Statistics:
    """The world with each member's sums in the place of its rows, made once for all coalitions."""
    rows = world.rows
    assert rows is not None
    places = np.arange(data.largest)
    offsets = np.asarray(data.offsets)[:, None]
    # rows of each member, padded by others that do not count
    index = np.minimum(offsets + places, len(rows.weight) - 1)
    counts = places < np.asarray(data.sizes)[:, None]
    counts &= ~np.asarray(data.idle)[:, None]

    def of_member(world: Statistics, own: tuple[Array, Array]) -> Array:
        places, weight = own
        sums = model.sums(
            world.more, world.start, Rows(rows_of(world).x[places], rows_of(world).y[places], weight)
        )
        flat, _ = ravel_pytree(sums)
        return flat

    with jax.enable_x64(True):
        of_all = jax.jit(
            lambda world, own: jax.lax.map(lambda one: of_member(world, one), own)
        )
        sent = of_all(world, (index, counts.astype(np.float64)))
    return world.replace(rows=None, owner=None, sent=np.asarray(sent))


def rows_of(world: Statistics) -> Rows:
    """The rows of all members."""
    assert world.rows is not None
    return world.rows


def _of_known_sums(
    model: StatisticsModel,
) -> Callable[[Statistics, Array], tuple[PyTree, ...]]:
    """Models from sums that are known before there is a coalition."""

    def models(world: Statistics, mask: Array) -> tuple[PyTree, ...]:
        start = world.start
        # the structure of the sums, from no rows
        nobody = Rows(_no_rows(world), _no_targets(world), jnp.zeros(1))
        like, unravel = ravel_pytree(model.sums(world.more, start, nobody))
        sums = mask.astype(like.dtype) @ world.sent
        return (model.fit(world.more, start, unravel(sums)),)

    return models


def _no_rows(world: Statistics) -> Array:
    """A row of features, which does not count."""
    return world.held_out[0][0][:1]


def _no_targets(world: Statistics) -> Array:
    """A target, which does not count."""
    return world.held_out[0][1][:1]


def _round_by_round(
    model: StatisticsModel,
) -> Callable[[Statistics, Array], tuple[PyTree, ...]]:
    """Models from sums that are made anew at each model."""

    def models(world: Statistics, mask: Array) -> tuple[PyTree, ...]:
        assert world.owner is not None
        there = mask[world.owner] & (world.owner >= 0)
        rows = rows_of(world)._replace(weight=there.astype(world.rows.weight.dtype))

        def one_round(state: PyTree, _: None) -> tuple[PyTree, PyTree]:
            after = model.fit(world.more, state, model.sums(world.more, state, rows))
            return after, after

        _, states = jax.lax.scan(one_round, world.start, None, length=model.rounds)
        return tuple(
            jax.tree.map(lambda leaf, index=index: leaf[index], states)
            for index in range(model.rounds)
        )

    return models


def _with_models(model: StatisticsModel, world: Statistics, num_players: int) -> Statistics:
    """The world with each member's own model in the place of its rows."""
    of_one = _round_by_round(model)

    def own(world: Statistics, mask: Array) -> Array:
        state = of_one(world, mask)[-1]
        there = jax.tree.map(jnp.ones_like, state)
        if model.parts is not None:
            given = model.parts(state)
            there = jax.tree.map(lambda part, leaf: jnp.broadcast_to(part, leaf.shape), given, state)
        parts, _ = ravel_pytree(there)
        numbers, _ = ravel_pytree(state)
        return jnp.concatenate([parts, parts * numbers])

    with jax.enable_x64(True):
        of_all = jax.jit(lambda world, masks: jax.lax.map(lambda one: own(world, one), masks))
        sent = of_all(world, np.eye(num_players, dtype=bool))
    return world.replace(rows=None, owner=None, sent=np.asarray(sent))


def _averaged(world: Statistics, mask: Array) -> tuple[PyTree, ...]:
    """The mean of the members' own models; the model of nobody where no member has a part."""
    start, unravel = ravel_pytree(world.start)
    parts, numbers = jnp.split(mask.astype(start.dtype) @ world.sent, 2)
    return (unravel(jnp.where(parts > 0, numbers / jnp.where(parts > 0, parts, 1.0), start)),)


# ------------------------------------------------------------------ as a game


def _scored(
    model: StatisticsModel,
    task: Task,
    measure: Metric,
    world: Statistics,
    state: PyTree,
    held_out: int,
) -> Array:
    """The metric of one model on one of the held-out sets."""
    x, y = world.held_out[held_out]
    outputs = model.predict(world.more, state, x)
    if task.name == "binary":
        outputs = outputs[:, 1:] - outputs[:, :1]
    return judged(measure, outputs, y)


def _game(
    fitted: Fitted, worth: Callable[[Statistics, Array], Array], num_players: int
) -> Game:
    """A game whose chunks are valued block by block."""
    at_once = max(BLOCK_BYTES // fitted.bytes_each, 1)

    def valued(world: Statistics, masks: Array) -> Array:
        with jax.enable_x64(True):
            numbers = unpacked(world)

            def block(some: Array) -> Array:
                return jax.vmap(worth, in_axes=(None, 0))(numbers, some)

            return in_blocks(block, masks, at_once)

    def value(world: Statistics, key: Key, coalition: Coalition) -> Array:
        return valued(world, coalition.mask[None])[0]

    def values(world: Statistics, key: Key, chunk: Chunk) -> Array:
        return valued(world, chunk.mask)

    return Game(fitted.world, value, num_players, values)
