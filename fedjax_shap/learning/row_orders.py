"""The orders in which clients draw their rows, of one client or of several at once."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import chex
import jax
import jax.numpy as jnp

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.client_update import Batches
from fedjax_shap.learning.learner import Orders
from fedjax_shap.learning.local import Local, num_batches, place_of, shuffle
from fedjax_shap.learning.pace import Pace
from fedjax_shap.learning.world import World
from fedjax_shap.typing import Array, Key

# the orders of several clients are padded to the largest client, and drawn all at once, where that
# takes no more than so many times the rows there are
PADDED_AT_MOST = 4


class Drawn(NamedTuple):
    """The orders of several clients in every pass of a round, one client's after another's.

    Attributes:
        rows: int32[E, L], the order of each client from where its part begins.
        starts: int32[S], where the part of each client begins.
    """

    rows: Array
    starts: Array


class DrawOrders(Protocol):
    """Draws the orders of several clients."""

    def __call__(
        self, world: World, key: Key, round_: Array, clients: Array, present: Array
    ) -> Drawn:
        """Draws for a round.

        Args:
            world: the federation.
            key: seeds the orders.
            round_: int[], counted from `world.first_round`.
            clients: int[S], ids, which differ from each other where they are present.
            present: bool[S], whose orders are wanted.
        """


def orders_of(local: Local) -> Orders:
    """The order in which a client's rows are drawn, anew in each round and pass."""

    def of_client(
        data: FederatedData, key: Key, round_: Array, client: Array
    ) -> Callable[[Array], Array]:
        num_rows = data.largest
        if not local.reshuffle:
            return lambda epoch: jnp.arange(num_rows, dtype=jnp.int32)
        seed = jax.random.fold_in(jax.random.fold_in(key, round_), client)
        return lambda epoch: shuffle(jax.random.fold_in(seed, epoch), num_rows, data.sizes[client])

    return of_client


class ClientBatches(Protocol):
    """The mini-batches of the clients of a federation."""

    def __call__(
        self, data: FederatedData, key: Key, round_: Array, client: Array, num_steps: Array, /
    ) -> Batches | None:
        """The mini-batches of one client in one round.

        Args:
            data: the federation.
            key: seeds the orders of its rows.
            round_: int[], its number.
            client: int[], its id.
            num_steps: int[], its steps.

        Returns:
            Its mini-batches; None where every step reads all its rows.
        """


def batches_of(orders: Orders, batch_size: int | None, pace: Pace) -> ClientBatches:
    """The mini-batches of one client at a time, drawn window by window.

    Args:
        orders: in which its rows are drawn.
        batch_size: B, or None for the full batch.
        pace: how long windows are, and whether their orders are drawn all at once.
    """

    def of_client(
        data: FederatedData, key: Key, round_: Array, client: Array, num_steps: Array
    ) -> Batches | None:
        if batch_size is None:
            return None
        order_of = orders(data, key, round_, client)
        size = data.sizes[client]
        width = min(batch_size, data.largest)

        def batches(first: Array) -> Callable[[Array], Array]:
            end = jnp.minimum(first + pace.window, num_steps)
            if pace.orders is None:
                rows = _one_by_one(order_of, size, first, end, (pace.window, width, data.largest))
            else:
                rows = _at_once(order_of, size, first, (pace.window, width, pace.orders))
            return lambda k: rows[k - first]

        return batches

    return of_client


def _at_once(
    order_of: Callable[[Array], Array], size: Array, first: Array, counts: tuple[int, int, int]
) -> Array:
    """int[W, B], the rows of a window's steps, where `counts` = (W, B, E) has the orders needed."""
    window, width, num_orders = counts
    steps = first + jnp.arange(window)
    passes = num_batches(size, width)
    begun = first // passes
    orders = jax.vmap(order_of)(begun + jnp.arange(num_orders))
    order = jnp.minimum(steps // passes - begun, num_orders - 1)
    place = _within(place_of(steps, size, width), size)
    rows: Array = orders[order[:, None], place]
    return rows


def _one_by_one(
    order_of: Callable[[Array], Array],
    size: Array,
    first: Array,
    end: Array,
    counts: tuple[int, int, int],
) -> Array:
    """int[W, B], the rows of a window's steps, where `counts` = (W, B, N).

    One order is drawn after another, as many as the steps need.
    """
    window, width, num_rows = counts
    longest = -(-num_rows // width)
    passes = num_batches(size, width)
    place = _within(jnp.arange(longest * width), size)

    def put(epoch: Array, rows: Array) -> Array:
        # the next pass takes the place of what stands beyond the end of this one
        own = order_of(epoch)[place].reshape(longest, width)
        at = longest + epoch * passes - first
        return jax.lax.dynamic_update_slice(rows, own, (at, jnp.zeros_like(at)))

    nothing = jnp.zeros((longest + window + longest, width), jnp.int32)
    drawn: Array = jax.lax.fori_loop(first // passes, (end - 1) // passes + 1, put, nothing)
    return drawn[longest : longest + window]


def _within(place: Array, size: Array) -> Array:
    """Places among a client's rows: beyond its last one, where nothing counts, that of the last."""
    return jnp.minimum(place, jnp.maximum(size - 1, 0))


def batches_in(
    drawn: Drawn, start: Array, size: Array, batch_size: int | None, num_rows: int
) -> Batches | None:
    """The mini-batches of one client of several whose orders are drawn already.

    Args:
        drawn: the orders of all.
        start: int[], where its part begins.
        size: int[], its rows.
        batch_size: B, or None for the full batch.
        num_rows: N, the rows of the largest client.
    """
    if batch_size is None:
        return None
    width = min(batch_size, num_rows)

    def rows_of(k: Array) -> Array:
        place = _within(place_of(k, size, width), size)
        return drawn.rows[k // num_batches(size, width), start + place]

    return lambda first: rows_of


def drawing_of(orders: Orders, num_orders: int) -> DrawOrders:
    """Draws E orders of each client, in memory that goes by the rows there are.

    Args:
        orders: those of one client.
        num_orders: E.
    """

    def drawn(world: World, key: Key, round_: Array, clients: Array, present: Array) -> Drawn:
        chex.assert_rank([clients, present], 1)
        chex.assert_equal_shape([clients, present])
        data = world.data
        number = world.first_round + round_
        longest = data.largest
        epochs = jnp.arange(num_orders)
        num_slots = len(clients)

        def order_of(client: Array, epoch: Array) -> Array:
            return orders(data, key, number, client)(epoch)

        if num_orders == 0 or num_slots * longest <= PADDED_AT_MOST * len(data.y):
            # all clients at once, each in a part as long as the largest
            of_epoch = jax.vmap(order_of, in_axes=(0, None))
            padded = jax.vmap(of_epoch, in_axes=(None, 0))(clients, epochs)
            rows = padded.reshape(num_orders, num_slots * longest)
            return Drawn(rows, longest * jnp.arange(num_slots, dtype=jnp.int32))
        # one client after another, each in a part as long as itself: the order of the next takes
        # the place of what pads this one's
        sizes = jnp.where(present, data.sizes[clients], 0)
        starts = jnp.cumsum(sizes, dtype=jnp.int32) - sizes

        def put(slot: Array, rows: Array) -> Array:
            own = jax.vmap(order_of, in_axes=(None, 0))(clients[slot], epochs)
            return jax.lax.dynamic_update_slice(rows, own, (0, starts[slot]))

        nothing = jnp.zeros((num_orders, len(data.y) + longest), jnp.int32)
        return Drawn(jax.lax.fori_loop(0, num_slots, put, nothing), starts)

    return drawn
