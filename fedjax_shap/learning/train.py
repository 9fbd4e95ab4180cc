"""The round loop: one coalition's federated training, from broadcast to convergence."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

import chex
import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.coalitions import Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.aggregate import Summing
from fedjax_shap.learning.algorithm import Algorithm, Draws, Round, has_converged
from fedjax_shap.learning.client_update import ROWS_AT_ONCE, Examples, fetch_from
from fedjax_shap.learning.learner import Advance, Collect, Learner, Train
from fedjax_shap.learning.member import Contribution, MemberUpdate, member_update
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.pace import pace_of
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.protected import protected
from fedjax_shap.learning.protection import Protection, chances_of, protection_of
from fedjax_shap.learning.room import with_room
from fedjax_shap.learning.row_orders import Drawn, batches_in, batches_of, draws_of, orders_of
from fedjax_shap.learning.side_by_side import side_by_side
from fedjax_shap.learning.task import bound_to
from fedjax_shap.learning.train_chunk import train_chunk
from fedjax_shap.learning.training import Training, linked, model_of, task_of
from fedjax_shap.learning.world import (
    Observe,
    Run,
    Sent,
    Trace,
    World,
    seeds,
    steps_by_round,
    world_of,
)
from fedjax_shap.trees import divisor, where_rows, zeros
from fedjax_shap.typing import Array, HostArray, Key, Params, PyTree


class _CollectInOrder(Protocol):
    """`Collect` with the orders in which the members draw their rows, by slot."""

    def __call__(
        self, world: World, key: Key, round_: Array, run: Run, coalition: Coalition, drawn: Drawn
    ) -> Sent: ...


class _Progress(NamedTuple):
    """Where the training of one coalition is, and what happened on the way."""

    round: Array
    run: Run
    unchanged: Array  # int32[], successive rounds in which the loss hardly changed
    losses: Array  # float[R]
    observed: Array  # float[R, ...]


def unobserved(world: World, params: Params) -> Array:
    """Follows nothing: 0 for any model."""
    return jnp.zeros(())


def learner(
    data: FederatedData,
    training: Training,
    *,
    horizon: int | None = None,
    protection: Protection | None = None,
) -> Learner:
    """Binds a training to a federation.

    Args:
        data: the federation.
        training: how its coalitions train.
        horizon: R, of how many rounds steps and participation are drawn; `algorithm.max_rounds` if
            None.
        protection: what `training.privacy` comes to; worked out here if None.

    Raises:
        InvalidInputError: as `protection_of`; a part of the training of another kind, initial
            parameters of other shapes, or settings for another number of clients.

    Guarantees:
        Mini-batches are a function of (key, round, client id) alone: the same in every coalition.
        No row but a client's own is ever read for it. A client's slot has no influence. An absent
        member keeps its state.
    """
    model = model_of(training, data)
    task = bound_to(task_of(training, data), data)
    local = training.local
    protection = protection or protection_of(data, training)
    algorithm = protected(training.algorithm, protection)
    world = _world(data, training, model, algorithm, horizon or algorithm.max_rounds)
    world = replace(world, chances=chances_of(protection))
    orders = orders_of(local)
    sizes = np.asarray(data.sizes)
    num_steps = np.asarray(world.num_steps)
    pace = pace_of(local, sizes, num_steps)
    update = member_update(algorithm, local, model, task.loss, pace=pace)
    collect = _collect(update, algorithm, local.batch_size)
    collect_in_groups = _collect(update, algorithm, local.batch_size, num_steps)
    advance = _advance(algorithm)
    draws = draws_of(orders, local.num_orders(sizes, num_steps))

    def collect_alone(
        world: World, key: Key, round_: Array, run: Run, coalition: Coalition
    ) -> Sent:
        drawn = draws(world, key, round_, coalition.members, coalition.present)
        return collect_in_groups(world, key, round_, run, coalition, drawn)

    def collect_one_of_many(
        world: World, key: Key, round_: Array, run: Run, coalition: Coalition
    ) -> Sent:
        # under vmap over coalitions the orders of all clients are drawn once for all
        everyone = jnp.arange(world.data.num_clients)
        drawn = draws(world, key, round_, everyone, jnp.ones_like(everyone, bool))
        own = drawn._replace(starts=drawn.starts[coalition.members])
        return collect(world, key, round_, run, coalition, own)

    train = _train(collect_one_of_many, advance, algorithm)
    batches = batches_of(orders, local.batch_size, pace)
    many = train_chunk(batches, update, algorithm, shares_batch=model.shares_batch)
    predicting = linked(model, task.outputs)
    at_once = local.batch_size or ROWS_AT_ONCE
    roomy = with_room(collect_alone, at_once)
    many = with_room(many, at_once)
    return Learner(world, predicting, algorithm, roomy, advance, train, many)


def _world(
    data: FederatedData, training: Training, model: Model, algorithm: Algorithm, num_rounds: int
) -> World:
    """The arrays of a training, with steps and participation drawn for so many rounds."""
    drawn = seeds(training.root_key)
    num_steps = steps_by_round(
        data, training.local, algorithm, training.steps, drawn.steps, num_rounds
    )
    who = (training.participation or always())(drawn.participation, *num_steps.shape)
    present = np.asarray(who) >= 1
    return world_of(data, model, algorithm, num_steps, present, training.root_key, training.initial)


def begun(world: World, coalition: Coalition) -> Run:
    """A coalition before its first round."""
    return Run(
        world.initial,
        world.server,
        jax.tree.map(lambda leaf: leaf[coalition.members], world.clients),
    )


def _collect(
    update: MemberUpdate,
    algorithm: Algorithm,
    batch_size: int | None,
    num_steps: HostArray | None = None,
) -> _CollectInOrder:
    """What the members of a coalition send in a round.

    Args:
        update: a member's part.
        algorithm: what is done with its parts.
        batch_size: B, or None for full batches.
        num_steps: int[R, C], by which members are grouped; all stand side by side if None.
    """
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
            size = world.data.sizes[client]
            num_rows = world.data.largest
            examples = Examples(
                fetch=fetch_from(world.data, client),
                num_rows=num_rows,
                size=size,
                num_steps=num_steps,
                batches=batches_in(drawn, start, size, batch_size, num_rows),
            )
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


def _summing(algorithm: Algorithm) -> Callable[[World, Key, Array, Coalition], PyTree]:
    """`Sent.summing` of a round of a coalition."""

    def summing(world: World, key: Key, round_: Array, coalition: Coalition) -> PyTree:
        if algorithm.aggregate.finish is None:
            return ()
        expected = world.expected(round_, coalition.mask)
        return Summing(key, world.first_round + round_, coalition.mask, expected)

    return summing


def _advance(algorithm: Algorithm) -> Advance:
    """What the server does with what was sent; nothing where no weight is positive."""
    finish = algorithm.aggregate.finish

    def advance(run: Run, sent: Sent, share: Array) -> Run:
        sums = algorithm.aggregate.at_once((sent.uploads, sent.extra), sent.weights)
        any_weight = sent.weights.sum() > 0
        if finish is not None:
            sums = finish(sums, sent.summing, sent.weights.sum(), run.server)
            any_weight = sent.summing.expected > 0
        upload, extra = sums
        moved = algorithm.server_update(run.params, upload, extra, run.server, share)
        params, server = jax.tree.map(
            lambda new, old: jnp.where(any_weight, new, old), moved, (run.params, run.server)
        )
        return Run(params, server, sent.clients)

    return advance


def _train(collect: Collect, advance: Advance, algorithm: Algorithm) -> Train:
    """Rounds until converged or out of rounds; under `vmap` each coalition stops on its own."""
    max_rounds = algorithm.max_rounds
    tol = algorithm.tol

    def train(
        world: World, key: Key, coalition: Coalition, observe: Observe = unobserved
    ) -> tuple[Params, Trace]:
        chex.assert_equal_shape([coalition.members, coalition.present])
        chex.assert_rank(coalition.mask, 1)
        own = jnp.where(coalition.present, world.weights[coalition.members], 0.0).sum()

        def unfinished(at: _Progress) -> Array:
            more = at.round < world.num_rounds
            if tol is None:
                return more
            return more & (at.unchanged < algorithm.patience)

        def step(at: _Progress) -> _Progress:
            # train the members and move the model
            sent = collect(world, key, at.round, at.run, coalition)
            run = advance(at.run, sent, world.share(sent.weights.sum(), own))
            return _after_round(at, run, sent.loss, observe(world, run.params), tol)

        shape = jax.eval_shape(observe, world, world.initial).shape
        start = _Progress(
            round=jnp.int32(0),
            run=begun(world, coalition),
            unchanged=jnp.int32(0),
            losses=jnp.zeros(max_rounds),
            observed=jnp.zeros((max_rounds, *shape)),
        )
        end = jax.lax.while_loop(unfinished, step, start)
        # the last entry of the trace stands for all rounds after a stop
        last = jnp.minimum(jnp.arange(max_rounds), end.round - 1)
        trace = Trace(loss=end.losses[last], observed=end.observed[last], rounds=end.round)
        return end.run.params, trace

    return train


def _after_round(at: _Progress, run: Run, loss: Array, seen: Array, tol: float | None) -> _Progress:
    """Notes a round that ended at `run`, with training loss float[] and observation float[...]."""
    # count successive rounds in which the loss hardly changed
    unchanged = at.unchanged
    if tol is not None:
        before = at.losses[jnp.maximum(at.round - 1, 0)]
        converged = has_converged(at.round, loss, before, tol)
        unchanged = jnp.where(converged, unchanged + 1, 0)
    return _Progress(
        round=at.round + 1,
        run=run,
        unchanged=unchanged,
        losses=at.losses.at[at.round].set(loss),
        observed=at.observed.at[at.round].set(seen),
    )
