"""What the members of one coalition send in a round: all of them train, side by side."""

from collections.abc import Callable
from typing import Protocol

import chex
import jax.numpy as jnp

from fedjax_shap.coalitions import Coalition
from fedjax_shap.learning.aggregate import Summing
from fedjax_shap.learning.algorithm import Algorithm, Draws, Round
from fedjax_shap.learning.client_update import Examples, fetch_from
from fedjax_shap.learning.learner import Collect
from fedjax_shap.learning.member import Contribution, MemberUpdate
from fedjax_shap.learning.row_orders import Drawn, DrawOrders, batches_in
from fedjax_shap.learning.side_by_side import side_by_side
from fedjax_shap.learning.world import Run, Sent, World
from fedjax_shap.trees import divisor, where_rows, zeros
from fedjax_shap.typing import Array, HostArray, Key, PyTree


class _CollectInOrder(Protocol):
    """`Collect` with the orders in which the members draw their rows, by slot."""

    def __call__(
        self, world: World, key: Key, round_: Array, run: Run, coalition: Coalition, drawn: Drawn
    ) -> Sent: ...


def collectors(
    update: MemberUpdate,
    algorithm: Algorithm,
    draws: DrawOrders,
    batch_size: int | None,
    num_steps: HostArray,
) -> tuple[Collect, Collect]:
    """What the members of a coalition send in a round, in two forms with the same numbers.

    Args:
        update: a member's part.
        algorithm: what is done with its parts.
        draws: the orders of several clients' rows.
        batch_size: B, or None for full batches.
        num_steps: int[R, C], local steps of each round and client.

    Returns:
        (for a coalition by itself, whose members stand in groups of about equal steps; for one of
        many under `vmap`, where the orders of all clients are drawn once for all coalitions).
    """
    in_groups = _collect(update, algorithm, batch_size, num_steps)
    at_once = _collect(update, algorithm, batch_size, None)

    def alone(world: World, key: Key, round_: Array, run: Run, coalition: Coalition) -> Sent:
        drawn = draws(world, key, round_, coalition.members, coalition.present)
        return in_groups(world, key, round_, run, coalition, drawn)

    def one_of_many(world: World, key: Key, round_: Array, run: Run, coalition: Coalition) -> Sent:
        everyone = jnp.arange(world.data.num_clients)
        drawn = draws(world, key, round_, everyone, jnp.ones_like(everyone, bool))
        own = drawn._replace(starts=drawn.starts[coalition.members])
        return at_once(world, key, round_, run, coalition, own)

    return alone, one_of_many


def _collect(
    update: MemberUpdate,
    algorithm: Algorithm,
    batch_size: int | None,
    num_steps: HostArray | None,
) -> _CollectInOrder:
    """`Collect` of given orders; `num_steps`, if any, says how members are grouped."""
    summing = _summing(algorithm)

    def collect(
        world: World, key: Key, round_: Array, run: Run, coalition: Coalition, drawn: Drawn
    ) -> Sent:
        chex.assert_rank([coalition.members, coalition.present, drawn.starts], 1)
        chex.assert_equal_shape([coalition.members, coalition.present, drawn.starts])
        # see who of the members takes part; slots of nobody are absent
        here, steps, weights = (
            jnp.where(coalition.present, of_all[coalition.members], jnp.zeros((), of_all.dtype))
            for of_all in world.in_round(round_)
        )
        number = world.first_round + round_
        broadcast = algorithm.broadcast(run.server)
        mean_steps = (weights * steps).sum() / divisor(weights)

        def one(client: Array, state: PyTree, num_steps: Array, start: Array) -> Contribution:
            examples = _examples(world, client, num_steps, drawn, start, batch_size)
            draws = Draws(key, number, client)
            at = Round(run.params, broadcast, state, num_steps, mean_steps, draws)
            return update(at, examples)

        # train the members
        slots = (coalition.members, run.clients, steps, drawn.starts)
        uploads, extra, clients, losses = side_by_side(one, num_steps, steps, slots)
        # leave out what has no weight, also where it is not finite: 0 * nan is nan
        sent = (uploads, extra)
        uploads, extra = where_rows(weights > 0, sent, zeros(sent))
        # take the mean loss of those who trained
        trained = jnp.where(steps > 0, weights, 0.0)
        loss = jnp.where(trained > 0, trained * losses, 0.0).sum() / divisor(trained)
        kept = where_rows(here, clients, run.clients)
        return Sent(uploads, extra, kept, weights, loss, summing(world, key, round_, coalition))

    return collect


def _examples(
    world: World,
    client: Array,
    num_steps: Array,
    drawn: Drawn,
    start: Array,
    batch_size: int | None,
) -> Examples:
    """The rows of a client, in the order that was drawn for it from `start` on."""
    size = world.data.sizes[client]
    num_rows = world.data.largest
    return Examples(
        fetch=fetch_from(world.data, client),
        num_rows=num_rows,
        size=size,
        num_steps=num_steps,
        batches=batches_in(drawn, start, size, batch_size, num_rows),
    )


def _summing(algorithm: Algorithm) -> Callable[[World, Key, Array, Coalition], PyTree]:
    """`Sent.summing` of a round of a coalition."""

    def summing(world: World, key: Key, round_: Array, coalition: Coalition) -> PyTree:
        if algorithm.aggregate.finish is None:
            return ()
        expected = world.expected(round_, coalition.mask)
        return Summing(key, world.first_round + round_, coalition.mask, expected)

    return summing
