"""The vertical game: V(S) is the metric of the model on the columns of S and the label holder's.

The label holder is a permanent member: it is in every coalition and no player. A coalition of
parties is a mask over columns, so all coalitions are fitted side by side.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from fedjax_shap._validate import caution, integer, listed, number, of_kind, one_of, require
from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.data.aligned import aligned, columns
from fedjax_shap.data.column_partition import COLUMN_PARTITIONS
from fedjax_shap.data.vertical import OF_LABEL_HOLDER, Columns, VerticalData, from_blocks
from fedjax_shap.games.game import Game
from fedjax_shap.games.vertical_run import followed
from fedjax_shap.learning.judges import judged_by, judges_of, trailing_of
from fedjax_shap.learning.metric import Metric, bootstrapped, in_blocks, judged
from fedjax_shap.learning.statistics.model import StatisticsModel
from fedjax_shap.learning.task import Task, measure_for
from fedjax_shap.learning.vertical.closed_form import from_sums
from fedjax_shap.learning.vertical.model import Fitting, Seen, as_federation
from fedjax_shap.learning.vertical.registry import (
    VERTICAL,
    VerticalModel,
    least_squares,
    logistic,
    ridge,
    split,
    taylor,
)
from fedjax_shap.typing import Array, Key, PyTree

__all__ = [
    "COLUMN_PARTITIONS",
    "VERTICAL",
    "Columns",
    "VerticalData",
    "VerticalModel",
    "aligned",
    "columns",
    "followed",
    "from_blocks",
    "least_squares",
    "logistic",
    "ridge",
    "split",
    "taylor",
    "vertical",
]

BLOCK_BYTES = 2**25  # that the coalitions of a block may take
# no row is a member's own, as all members hold the same ones
VerticalJudging = Literal["server", "classes"]


@struct.dataclass
class Vertical:
    """All arrays of a vertical game.

    Attributes:
        known: what fitting reads of the training rows.
        owners: int[F], whose each column is; P for the label holder's.
        held_out: (x float[T, F], y[T]), the rows on which models are scored.
    """

    known: PyTree
    owners: Array
    held_out: tuple[Array, Array]


def vertical(
    columns: Columns,
    model: VerticalModel | StatisticsModel,
    *,
    metric: str | Metric | None = None,
    task: Task | None = None,
    empty: float | None = None,
    resamples: int = 0,
    judges: VerticalJudging = "server",
) -> Game:
    """The game in which V(S) is the metric of the model on the columns of S and the label holder's.

    Args:
        columns: the aligned rows of all parties; the players are `columns.names`. The metric is
            that on `columns.validation`.
        model: what is learned, such as `logistic()`; `ridge()` and `least_squares()` are those of
            merged statistics.
        metric: a name in the task's metrics; a function (outputs, y) -> float of which more is
            better, traceable by JAX; or the task's default if None. Errors count with a minus sign.
        task: what is learned; what the labels suggest if None.
        empty: V(empty); the metric of the label holder's model alone if None, which has no more
            than an intercept where it holds no columns.
        resamples: if > 0, each utility is followed by the metric on this many bootstrap resamples
            of the validation rows, float[1 + resamples].
        judges: "server", all validation rows; or "classes": each utility is followed by the metric
            on the rows of each class, float[1 + J].

    Returns:
        A game of P players whose utilities are scalars, or have a trailing axis as said above. It
        computes in float64 but for split networks.

    Raises:
        InvalidInputError: columns, owners or sets that do not go together, a model that is not one
            of parties' columns, a task or data that do not fit it, a setting out of its range, or a
            metric that is undefined on these rows.

    Guarantees:
        The model of a coalition is the one of its parties' and the label holder's columns alone:
        another party's columns have no effect on it.

    References:
        Wang, Dang, Zhou 2019, "Measure contribution of participants in federated learning", on
        vertical federations; there the label holder is a player.
    """
    _require_columns(columns)
    integer("resamples", resamples, least=0)
    one_of("judges", judges, get_args(VerticalJudging))
    require(
        resamples == 0 or judges == "server",
        f"Expected resamples={resamples} to be 0 with judges={judges!r}.",
    )
    if empty is not None:
        number("empty", empty)
    chosen = _by_columns(model)
    data = as_federation(columns)
    learned = chosen.task(task, data)
    of_all = measure_for(learned, data, metric)
    judging = judges_of(data, judges, of_all)
    measure = judged_by(bootstrapped(of_all, resamples), judging)
    fitting = chosen.bind(columns, learned)

    def worth(world: Vertical, key: Key, mask: Array) -> Array:
        # the label holder is always there
        parties = jnp.append(mask, True)
        state = fitting.fit(world.known, key, Seen(parties[world.owners], parties))
        x, y = world.held_out
        reached = judged(measure, fitting.predict(world.known, state, x), y)
        if empty is None:
            return reached
        return jnp.where(mask.any(), reached, empty)

    game = _game(_world(columns, fitting, chosen.float64), worth, fitting, len(columns.names))
    return replace(
        game,
        float64=chosen.float64,
        resamples=resamples,
        trailing=trailing_of(judging),
        permanent=columns.label_holder,
    )


# ------------------------------------------------------------------ as a game


def _world(columns: Columns, fitting: Fitting, float64: bool) -> Vertical:
    """All arrays."""
    x, y = columns.validation
    holders: Any = columns.holders
    dtype = np.float64 if float64 else np.float32
    held_out: Any = (np.asarray(x, dtype), np.asarray(y))
    return Vertical(fitting.known, holders, held_out)


def _game(
    world: Vertical, worth: Callable[[Vertical, Key, Array], Array], fitting: Fitting, players: int
) -> Game:
    """A game whose chunks are valued block by block."""
    scored = 8 * 4 * len(world.held_out[1])
    at_once = max(BLOCK_BYTES // (fitting.bytes_each + scored), 1)

    def value(world: Vertical, key: Key, coalition: Coalition) -> Array:
        return worth(world, key, coalition.mask)

    def values(world: Vertical, key: Key, chunk: Chunk) -> Array:
        side_by_side = jax.vmap(worth, (None, None, 0))
        return in_blocks(lambda some: side_by_side(world, key, some), chunk.mask, at_once)

    return Game(world, value, players, values)


def _by_columns(model: VerticalModel | StatisticsModel) -> VerticalModel:
    """The model as one of parties' columns.

    Raises:
        InvalidInputError: what is no model, or one that merges other sums than linear regression.
    """
    of_kind("model", model, VerticalModel | StatisticsModel, "vertical.logistic()")
    if isinstance(model, VerticalModel):
        return model
    one_of("model", model.name, VERTICAL, "a model of parties with different columns")
    return from_sums(model)


def _require_columns(columns: Columns) -> None:
    """Refuses columns whose parts do not go together."""
    of_kind("columns", columns, Columns, "data.aligned.columns(data)")
    owners = np.asarray(columns.owners)
    count = len(columns.names)
    require(count > 0, "Expected columns.names to name one party or more, got none.")
    require(
        len(set(columns.names)) == count,
        f"Expected columns.names to be names of different parties, got {list(columns.names)}.",
    )
    width = np.shape(columns.x)[1]
    require(
        owners.shape == (width,) and owners.dtype.kind in "iu",
        f"Expected columns.owners to be whole numbers, one for each of the {width} columns, got "
        f"{owners.dtype} {list(owners.shape)}.",
    )
    require(
        bool(((owners >= OF_LABEL_HOLDER) & (owners < count)).all()),
        f"Expected columns.owners to lie in -1..{count - 1}, got {owners.min()}..{owners.max()}.",
    )
    for name, (x, _) in (("validation", columns.validation), ("test", columns.test)):
        require(
            np.shape(x)[1:] == (width,),
            f"Expected columns.{name} to have rows of {width} columns, got {list(np.shape(x))}.",
        )
    without = [name for place, name in enumerate(columns.names) if place not in owners]
    if without:
        caution(f"Parties without columns are worth 0: {listed(without)}.")
