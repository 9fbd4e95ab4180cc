"""One game for a whole run: what each coalition makes of all uploads (Song et al. 2019)."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.games.mixtures import Uploads, mixed_worth, zero_nonfinite
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.keys import Seed, key_of
from fedjax_shap.learning.metric import Metric
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import Array, Key, Params


def reconstructed(
    data: FederatedData,
    training: Training,
    *,
    metric: str | Metric | None = None,
    batches: Seed = None,
) -> Game:
    """One-round reconstruction: everybody trains once, and updates make up each coalition's model.

    V(S) is the metric of theta_0 + sum_t sum_{i in S and P_t} w_i / w(S and P_t) Delta_i^t, where
    Delta_i^t is the update that i sent in round t of the one run of all, and w(...) the sum of the
    weights (algorithm 1). A round in which nobody of S took part leaves S's model as it was. Rounds
    in which the same clients took part share one sum of updates for each of them, so a run in which
    everyone always takes part needs the memory of one round.

    Args:
        data: the federation; its clients are the players.
        training: how clients train and who takes part when; its algorithm's `tol` must be None.
        metric: as in `games.silo.silo`, on the server's validation set.
        batches: seeds the mini-batches of the run, which is trained here and not where coalitions
            are valued; `jax.random.key(0)` if None; a whole number stands for the key of that seed.

    Returns:
        A game of C players whose utilities are scalars.

    Raises:
        InvalidInputError: an algorithm whose model is not the mean of the uploads, a `tol`, or a
            run in which nobody takes part.

    Guarantees:
        V(empty) is the metric of theta_0, V of everybody that of the run's last model, up to float
        rounding. A coalition that holds an update that diverged is worth NaN.

    References:
        Song, Tong, Wei 2019, "Profit allocation for federated learning", algorithm 1.
    """
    require(
        training.privacy is None,
        "Expected privacy to be left out with game='reconstructed', which adds up single uploads; "
        "use game='silo' or 'rounds'.",
    )
    run = rounds(data, training, metric=metric)
    require(
        run.uploads,
        "Expected an algorithm whose model is the mean of the uploads: reconstruction adds up "
        "updates.",
    )
    groups = _sums(run, key_of(batches, "batches"))
    value, values = mixed_worth(run.model, run.measure, shares_by_group)
    world = _joined(groups, run.start.world[0].initial)
    return Game(world, value, data.num_clients, values)


def shares_by_group(uploads: Uploads, mask: Array) -> Array:
    """`MixingShares` by weight among members within each group; the last model counts in full."""
    weights = jnp.where(mask[uploads.members], uploads.weights, 0.0)
    total = jax.ops.segment_sum(weights, uploads.group, num_segments=len(weights))[uploads.group]
    return jnp.append(weights / jnp.where(total > 0, total, 1.0), 1.0)


def _sums(run: Rounds, key: Key) -> list[Uploads]:
    """The updates of a run, summed over the rounds in which the same clients took part."""
    sums: dict[bytes, Uploads] = {}
    for game, _, index in run.play(key):
        participants = run.present[index].tobytes()
        updates = _updates(game.world)
        if participants in sums:
            updates = _added(sums[participants], updates)
        sums[participants] = updates
    require(bool(sums), "Expected somebody to take part in some round, but nobody ever does.")
    return list(sums.values())


@jax.jit
def _updates(uploads: Uploads) -> Uploads:
    """The uploads less x_t, and without x_t itself: leaves [S, ...]."""
    chex.assert_tree_shape_prefix((uploads.params, uploads.finite), (len(uploads.members) + 1,))
    changes = jax.tree.map(lambda leaf: leaf[:-1] - leaf[-1:], uploads.params)
    return replace(uploads, params=changes, finite=uploads.finite[:-1] & uploads.finite[-1])


@jax.jit
def _added(some: Uploads, more: Uploads) -> Uploads:
    """The sums of the updates of the same participants."""
    chex.assert_trees_all_equal_shapes(some, more)
    params = jax.tree.map(jnp.add, some.params, more.params)
    return replace(some, params=params, finite=some.finite & more.finite)


def _joined(groups: list[Uploads], initial: Params) -> Uploads:
    """The updates of all groups one after another, leaves [S, ...] of each, and theta_0 last."""
    first = groups[0]
    stacked = jax.tree.map(
        lambda theta, *leaves: jnp.concatenate([*leaves, jnp.asarray(theta)[None]]),
        initial,
        *(group.params for group in groups),
    )
    params, finite = zero_nonfinite(stacked)
    return Uploads(
        world=first.world,
        params=params,
        finite=finite & jnp.append(jnp.concatenate([group.finite for group in groups]), True),
        members=jnp.concatenate([group.members for group in groups]),
        weights=jnp.concatenate([group.weights for group in groups]),
        group=jnp.concatenate(
            [jnp.full_like(group.members, index) for index, group in enumerate(groups)]
        ),
    )
