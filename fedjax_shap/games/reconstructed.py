"""One game for a whole run: what each coalition would have made of the uploads that all sent (Song
et al. 2019).
"""

import jax
import jax.numpy as jnp

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.game import Game
from fedjax_shap.games.mixtures import Uploads, mixed_worth, sound
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.metric import metric_for
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import Array, Key, Params


def reconstructed(
    data: FederatedData,
    training: Training,
    *,
    metric: str = "accuracy",
    batches: Key | None = None,
) -> Game:
    """One-round reconstruction: everybody trains once, and each coalition's model is put together
    from the updates.

    V(S) is the metric of theta_0 + sum_t sum_{i in S and P_t} w_i / w(S and P_t) Delta_i^t, where
    Delta_i^t is the update that i sent in round t of the one run of all, and w(...) the sum of the
    weights (algorithm 1). A round in which nobody of S took part leaves S's model as it was. Rounds
    in which the same clients took part share one sum of updates for each of them, so a run of
    always everyone keeps as much as one of its rounds.

    Args:
        data: the federation; its clients are the players.
        training: how clients train and who takes part when; its algorithm's `tol` must be None.
        metric: a name in `learning.metric.METRICS`, on the server's validation set.
        batches: seeds the mini-batches of the run, which is trained here and not where coalitions
            are valued; `jax.random.key(0)` if None.

    Guarantees:
        V of nobody is the metric of theta_0, V of everybody that of the run's last model, up to
        float rounding. A coalition that holds an update that diverged is worth NaN.

    References:
        Song, Tong, Wei 2019, "Profit allocation for federated learning", algorithm 1.
    """
    run = rounds(data, training, metric=metric)
    require(
        run.uploads,
        "Expected an algorithm whose model is the mean of the uploads: reconstruction adds up "
        "updates.",
    )
    seed = jax.random.key(0) if batches is None else batches
    sums: dict[bytes, Uploads] = {}
    for game, _, index in run.play(seed):
        pattern, sent = run.present[index].tobytes(), _updates(game.world)
        sums[pattern] = _added(sums[pattern], sent) if pattern in sums else sent
    require(bool(sums), "Expected somebody to take part in some round, but nobody ever does.")
    value, values = mixed_worth(
        run.model, metric_for(metric, data.validation[1], data.num_classes), shares_by_group
    )
    world = _joined(list(sums.values()), run.start.world[0].initial)
    return Game(world=world, value=value, num_players=data.num_clients, values=values)


def shares_by_group(uploads: Uploads, mask: Array) -> Array:
    """float[S + 1]: the members of mask bool[P] share 1 within each group, and the model that is
    last counts whole.
    """
    weights = jnp.where(mask[uploads.members], uploads.weights, 0.0)
    total = jax.ops.segment_sum(weights, uploads.group, num_segments=len(weights))[uploads.group]
    return jnp.append(weights / jnp.where(total > 0, total, 1.0), 1.0)


@jax.jit
def _updates(uploads: Uploads) -> Uploads:
    """The uploads as what they change in x_t, without x_t itself: leaves [S, ...]."""
    changed = jax.tree.map(lambda leaf: leaf[:-1] - leaf[-1:], uploads.params)
    return uploads.replace(params=changed, finite=uploads.finite[:-1] & uploads.finite[-1])  # type: ignore[attr-defined, no-any-return]


@jax.jit
def _added(some: Uploads, more: Uploads) -> Uploads:
    """The sums of the updates of the same participants."""
    params = jax.tree.map(jnp.add, some.params, more.params)
    return some.replace(params=params, finite=some.finite & more.finite)  # type: ignore[attr-defined, no-any-return]


def _joined(groups: list[Uploads], initial: Params) -> Uploads:
    """All groups in one row, leaves [S, ...] of each, and theta_0 last."""
    first = groups[0]
    stacked = jax.tree.map(
        lambda theta, *leaves: jnp.concatenate([*leaves, jnp.asarray(theta)[None]]),
        initial,
        *(one.params for one in groups),
    )
    params, finite = sound(stacked)
    return Uploads(
        world=first.world,
        params=params,
        finite=finite & jnp.append(jnp.concatenate([one.finite for one in groups]), True),
        members=jnp.concatenate([one.members for one in groups]),
        weights=jnp.concatenate([one.weights for one in groups]),
        group=jnp.concatenate(
            [jnp.full_like(one.members, index) for index, one in enumerate(groups)]
        ),
    )
