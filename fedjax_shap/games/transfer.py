"""The game of federated transfer: sources with labels are the players, the target is always there.

V(S) is the metric of the target's model with the sources of S; V(nobody) that of the target alone,
trained on what labels it has.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import caution, integer, of_kind, require
from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.data.transfer import TransferData, transfer_data
from fedjax_shap.data.transfer_splits import between, by_columns, matched
from fedjax_shap.games.game import Game
from fedjax_shap.keys import Seed, key_of
from fedjax_shap.learning.architecture import Architecture, Model
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.metric import Metric, in_blocks, judged
from fedjax_shap.learning.task import measure_on
from fedjax_shap.learning.tasks import classification
from fedjax_shap.learning.transfer import (
    Activation,
    Alignment,
    Loss,
    Networks,
    Objective,
    Parties,
    Transfer,
    checked,
    fit_of,
)
from fedjax_shap.typing import Array, HostArray, Key

__all__ = [
    "Objective",
    "TransferData",
    "between",
    "by_columns",
    "matched",
    "transfer",
    "transfer_data",
]

BLOCK_BYTES = 2**26  # that the coalitions which train side by side may take


def transfer(
    data: TransferData,
    model: Architecture | Sequence[Architecture],
    *,
    dimension: int = 32,
    loss: Loss = "logistic",
    alignment: Alignment = "distance",
    gamma: float = 0.005,
    penalty: float = 0.005,
    activation: Activation = "tanh",
    tell_labels: bool = False,
    steps: int = 200,
    optimizer: str = "adam",
    learning_rate: float = 0.01,
    metric: str | Metric | None = None,
    key: Seed = None,
) -> Game:
    """The game in which V(S) is the metric of the target's model with the sources of S.

    Sources are the players, and the target is a permanent member. All coalitions start from the
    same parameters, which go by the parties' names: neither the order of the sources nor who else
    is there changes where a party starts. Rows go into each step all together, and losses are sums
    over rows as in the paper, so that a rate for "sgd" is small.

    Args:
        data: what sources and target hold.
        model: the network of every party into the common space, or one for each, the target's last,
            such as `models.mlp(hidden=(64,))`. Its initial parameters must not all be zero, from
            where it would not move.
        dimension: d of the common space, >= 1.
        loss: of the labelled rows: "logistic", or "taylor", its second-order form that additive
            encryption can compute.
        alignment: of common users: "distance", |u_s - u_B|^2, or "product", -u_s u_B'.
        gamma: weight of the alignment, >= 0. The paper's .05 is for a few hundred labels and 1,396
            common users; where it outweighs the labels, all rows come to lie in one place.
        penalty: weight of half the squared norm of all parameters, >= 0.
        activation: of the last layer, which bounds the common space: "tanh", "sigmoid" or "none".
        tell_labels: whether members tell the labels of common users, so that these count in the
            loss as the target's own labelled rows do.
        steps: of the optimiser, >= 1.
        optimizer: the name of one in optax.
        learning_rate: its step size, > 0.
        metric: a name in the metrics of classes; a function (outputs, y) -> float of which more is
            better; accuracy if None. Outputs are a logit a class; of two classes (0, phi).
        key: seeds the initial parameters.

    Returns:
        A game of P players whose utilities are scalars.

    Raises:
        InvalidInputError: a setting out of its range, networks that start at zero, a target without
            any label, or a metric that is undefined on these data.

    References:
        Liu, Chen, Yang 2018, "Secure federated transfer learning".
    """
    of_kind("data", data, TransferData, "transfer.transfer_data(...)")
    objective = checked(Objective(loss, alignment, gamma, penalty, activation))
    fit = fit_of(optimizer, learning_rate, steps)
    measure = measure_of(data, metric)
    models = _models(data, model, dimension)
    _require_labels(data, tell_labels)
    learning = Transfer(tuple(one.apply for one in models), objective, fit)
    initial = _initial(data, models, dimension, key_of(key))
    world = _world(data, initial, tell_labels)

    def value(world: Parties, key: Key, coalition: Coalition) -> Array:
        return worth(world, coalition.mask)

    def worth(world: Parties, mask: Array) -> Array:
        networks = learning.trained(world, mask)
        x, y = world.held_out
        return judged(measure, learning.outputs(networks, world, mask, x), y)

    at_once = max(BLOCK_BYTES // _bytes_each(data, initial), 1)

    def values(world: Parties, key: Key, chunk: Chunk) -> Array:
        side_by_side = jax.vmap(worth, (None, 0))
        return in_blocks(lambda masks: side_by_side(world, masks), chunk.mask, at_once)

    def redrawn(world: Parties, key: Key) -> Parties:
        return replace(world, initial=_initial(data, models, dimension, key))

    return Game(world, value, data.num_sources, values, reseed=redrawn, permanent=data.target)


def measure_of(data: TransferData, metric: str | Metric | None) -> Measure:
    """The metric by which coalitions are valued, checked on the validation rows."""
    y = data.validation[1]
    return measure_on(classification(), y, data.num_classes, data.num_classes, metric)


# ------------------------------------------------------------------ the world


def _models(
    data: TransferData, model: Architecture | Sequence[Architecture], dimension: int
) -> tuple[Model, ...]:
    """The network of every party, for its own features."""
    integer("dimension", dimension, least=1)
    count = len(data.x)
    several: list[Architecture] = []
    if isinstance(model, Sequence):
        several.extend(model)
    else:
        several.extend([model] * count)
    require(
        len(several) == count,
        f"Expected model to be one network, or one for each of {count} parties, got "
        f"{len(several)}.",
    )
    for one in several:
        of_kind("model", one, Architecture, "models.mlp(hidden=(64,))")
    return tuple(one(x.shape[1:], dimension) for one, x in zip(several, data.x))


def _require_labels(data: TransferData, tell_labels: bool) -> None:
    """Refuses a target of whose rows nobody has a label; says where all have the same."""
    told = isinstance(tell_labels, bool)
    require(told, f"Expected tell_labels={tell_labels!r} to be True or False.")
    count = len(data.labelled)
    require(
        count > 0 or tell_labels,
        f"Expected {data.target!r} to have a label, or tell_labels=True, by which sources tell it "
        "those of common users.",
    )
    kinds = np.unique(data.y[-1][data.labelled])
    if count > 0 and len(kinds) < data.num_classes:
        caution(
            f"The {count} labelled rows of {data.target!r} are of {len(kinds)} of "
            f"{data.num_classes} classes, so that alone it knows no other."
        )


def _initial(data: TransferData, models: Sequence[Model], dimension: int, key: Key) -> Networks:
    """The parameters at the start: each party's by its name, the head at zero."""
    parties = (*data.names, data.target)
    drawn = [
        one.init(jax.random.fold_in(key, _number_of(name))) for name, one in zip(parties, models)
    ]
    for name, params in zip(parties, drawn):
        moved = any(bool(np.any(np.asarray(leaf))) for leaf in jax.tree.leaves(params))
        require(
            moved,
            f"Expected the network of {name!r} to start elsewhere than at zero, from where it "
            "would not move; write models.mlp(hidden=(64,)), or initializer='lecun'.",
        )
    scores = num_scores(data.num_classes)
    head = jnp.zeros((scores, dimension))
    return Networks(tuple(drawn), head, jnp.zeros(scores))


def _number_of(name: str) -> int:
    """32 bits that stand for a name, the same on every machine and in every run."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big")


def _world(data: TransferData, initial: Networks, tell_labels: bool) -> Parties:
    """All arrays, of the target's rows only those that training reads."""
    read = np.unique(np.concatenate([data.labelled, *(pairs[:, 1] for pairs in data.pairs)]))
    labelled = np.searchsorted(read, data.labelled)
    told = [tell_labels & ~np.isin(pairs[:, 1], data.labelled) for pairs in data.pairs]
    signs = [_signs(y, data.num_classes) for y in (*data.y[:-1], data.y[-1][data.labelled])]
    return Parties(
        x=tuple(map(jnp.asarray, (*data.x[:-1], data.x[-1][read]))),
        signs=tuple(signs[:-1]),
        of_source=tuple(jnp.asarray(pairs[:, 0], jnp.int32) for pairs in data.pairs),
        of_target=tuple(
            jnp.asarray(np.searchsorted(read, pairs[:, 1]), jnp.int32) for pairs in data.pairs
        ),
        told=tuple(jnp.asarray(one, jnp.float32) for one in told),
        labelled=jnp.asarray(labelled, jnp.int32),
        target_signs=signs[-1],
        initial=initial,
        held_out=(jnp.asarray(data.validation[0]), jnp.asarray(data.validation[1])),
    )


def num_scores(num_classes: int) -> int:
    """K: one score for two classes, one a class for more."""
    if num_classes == 2:
        return 1
    return num_classes


def _signs(y: HostArray, num_classes: int) -> Array:
    """float32[N, K]: 1 for a row's class and -1 for the others; of two classes, of the second."""
    belongs = y[:, None] == np.arange(num_classes)
    return jnp.asarray(np.where(belongs[:, -num_scores(num_classes) :], 1, -1), jnp.float32)


def _bytes_each(data: TransferData, initial: Networks) -> int:
    """About what one coalition takes while it trains: its parameters, and rows by widest layer."""
    leaves = jax.tree.leaves(initial.parties)
    widest = max(leaf.shape[-1] for leaf in leaves)
    rows = sum(map(len, data.x))
    numbers = 4 * sum(leaf.size for leaf in leaves) + 3 * rows * widest
    return int(4 * numbers)
