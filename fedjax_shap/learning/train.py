"""The round loop: one coalition's federated training, from broadcast to convergence."""

from dataclasses import replace
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.coalitions import Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Algorithm, has_converged
from fedjax_shap.learning.client_update import ROWS_AT_ONCE
from fedjax_shap.learning.collect import collectors
from fedjax_shap.learning.learner import Advance, Collect, Learner, Train
from fedjax_shap.learning.member import member_update
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.pace import pace_of
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.protected import protected
from fedjax_shap.learning.protection import Protection, chances_of, protection_of
from fedjax_shap.learning.room import with_room
from fedjax_shap.learning.row_orders import batches_of, drawing_of, orders_of
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
from fedjax_shap.typing import Array, Key, Params


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
    draws = drawing_of(orders, local.num_orders(sizes, num_steps))
    alone, one_of_many = collectors(update, algorithm, draws, local.batch_size, num_steps)
    advance = _advance(algorithm)
    batches = batches_of(orders, local.batch_size, pace)
    many = train_chunk(batches, update, algorithm, shares_batch=model.shares_batch)
    at_once = local.batch_size or ROWS_AT_ONCE
    return Learner(
        world,
        linked(model, task.outputs),
        algorithm,
        collect=with_room(alone, at_once),
        advance=advance,
        train=_train(one_of_many, advance, algorithm),
        train_chunk=with_room(many, at_once),
    )


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
