"""One interface for federated algorithms: what a member does besides its gradient steps, and what
the server does.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from fedjax_shap.learning.aggregate import Aggregation, mean
from fedjax_shap.typing import Array, HostArray, Key, Params, PyTree

_OF_CLIENTS = (
    2**32 - 1
)  # folded into a run's key for clients' draws; rounds are folded in as 0, 1, ...


class Draws(NamedTuple):
    """What a client's randomness in a round is a function of; the key is derived where it is used.

    Attributes:
        key: that of the run.
        number: int[], of the round, counted from the first of the run.
        client: int[], its id.
    """

    key: Key
    number: Array
    client: Array


class Round(NamedTuple):
    """What a client knows when it starts its part of a round.

    Attributes:
        start: x_t, the server's model.
        broadcast: what the server sends besides the model.
        state: what the client kept since its last round.
        num_steps: K_i, int[].
        mean_steps: K-bar = sum_i w_i K_i over those of the coalition who take part, float[].
        draws: what the client's own randomness in this round is a function of.
        learning_rate: eta, that of the local optimiser; 0 where only its transformation knows it.
    """

    start: Params
    broadcast: PyTree
    state: PyTree
    num_steps: Array
    mean_steps: Array
    draws: Draws
    learning_rate: float = 0.0

    @property
    def key(self) -> Key:
        """A key of this client and round, the same in every coalition; apart from mini-batches."""
        own = jax.random.fold_in(self.draws.key, _OF_CLIENTS)
        return jax.random.fold_in(jax.random.fold_in(own, self.draws.number), self.draws.client)


class Done(NamedTuple):
    """What came of a client's local steps.

    Attributes:
        params: x_{t, K_i}.
        first: the raw gradient of its first step, 0 where there was none; () unless the algorithm
            records it.
        mean: the mean of its raw gradients, 0 where there were none; () unless the algorithm
            records it.
    """

    params: Params
    first: Params
    mean: Params


def _nothing(_: Any) -> PyTree:
    return ()


def _as_it_is(correction: PyTree, start: Params, params: Params, gradient: Params) -> Params:
    return gradient


def _model(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
    return done.params, (), at.state


def _take(
    params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
) -> tuple[Params, PyTree]:
    return upload, server


class Algorithm(NamedTuple):
    """A federated algorithm; what is left out is FedAvg's.

    Attributes:
        weights: sizes int[C] -> float32[C], the weight of each client in the means over those who
            take part.
        max_rounds: R, the most rounds a coalition trains.
        tol: a coalition stops where its training loss changed by no more than this share ..., or
            None for never.
        patience: ... in so many rounds one after another.
        init_client: params -> a client's state before its first round, () for none; decided by
            shapes alone.
        init_server: params -> the server's state at the start, () for none; decided by shapes
            alone.
        broadcast: server state -> what it broadcasts besides the model.
        correction: Round -> what is fixed for the client's round, such as a correction.
        direction: (correction, x_t, x, gradient) -> the gradient that its optimiser is given at x.
        records: which of "first" and "mean" of its raw gradients a client keeps.
        upload: (Round, Done) -> (upload, extra, state): an upload of the model's shape and what
            else is averaged, and what the client keeps. Weighted means over those who take part
            reach the server.
        server_update: (x_t, mean upload, mean extra, server state, share) -> (x_{t+1}, server
            state); share is the weight of those who took part, of that of all members of the
            coalition.
        averages_uploads: whether x_{t+1} is the mean of the uploads.
        aggregate: how uploads, and what is averaged beside them, become what reaches the server;
            their weighted means unless given.
        needs_learning_rate: whether the learning rate of the local optimiser is used.
        most_steps: the most local steps of a client in a round, None for any number.
    """

    weights: Callable[[HostArray], HostArray]
    max_rounds: int
    tol: float | None
    patience: int
    init_client: Callable[[Params], PyTree] = _nothing
    init_server: Callable[[Params], PyTree] = _nothing
    broadcast: Callable[[PyTree], PyTree] = _nothing
    correction: Callable[[Round], PyTree] = _nothing
    direction: Callable[[PyTree, Params, Params, Params], Params] = _as_it_is
    records: tuple[str, ...] = ()
    upload: Callable[[Round, Done], tuple[Params, PyTree, PyTree]] = _model
    server_update: Callable[[Params, Params, PyTree, PyTree, Array], tuple[Params, PyTree]] = _take
    averages_uploads: bool = True
    aggregate: Aggregation = mean()
    needs_learning_rate: bool = False
    most_steps: int | None = None


def has_converged(round_: Array, loss: Array, before: Array, tol: float) -> Array:
    """Whether a training loss hardly changed in this round (Spec 1.1e); never in the first."""
    return (round_ > 0) & (jnp.abs(loss - before) <= tol * jnp.abs(before))
