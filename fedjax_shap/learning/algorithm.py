"""One interface for federated algorithms: what members do besides their steps, and the server."""

from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from fedjax_shap.learning.aggregate import Aggregation, mean
from fedjax_shap.typing import Array, HostArray, Key, Params, PyTree

# folded into a run's key for clients' draws; rounds are folded in as 0, 1, ...
_OF_CLIENTS = 2**32 - 1
_OF_STEPS = 2**32 - 2


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

    def key_of_step(self, step: Array) -> Key:
        """A key of a local step, int[], of this client in this round, the same in every coalition;
        apart from `key`.
        """
        return jax.random.fold_in(jax.random.fold_in(self.key, _OF_STEPS), step)


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


class InitClient(Protocol):
    """What a client keeps before its first round."""

    def __call__(self, params: Params, /) -> PyTree:
        """A client's first state, () for none.

        Args:
            params: initial parameters; only their shapes and types decide.
        """


class InitServer(Protocol):
    """What the server keeps besides the model before the first round."""

    def __call__(self, params: Params, /) -> PyTree:
        """The server's first state, () for none.

        Args:
            params: initial parameters; only their shapes and types decide.
        """


class Broadcast(Protocol):
    """What the server sends its members besides the model."""

    def __call__(self, server: PyTree, /) -> PyTree:
        """The message of a round, () for none.

        Args:
            server: the server's state.
        """


class Correction(Protocol):
    """What stays fixed during a client's part of a round."""

    def __call__(self, at: Round, /) -> PyTree:
        """Such as a correction of all its gradients, () for none.

        Args:
            at: what the client knows.
        """


class Direction(Protocol):
    """The gradient that a client's optimiser gets."""

    def __call__(
        self, correction: PyTree, start: Params, params: Params, gradient: Params, /
    ) -> Params:
        """The direction of one local step.

        Args:
            correction: what `Correction` gave for the round.
            start: x_t, the server's model.
            params: x, where the client is.
            gradient: its raw gradient at x.

        Returns:
            A gradient of the model's shapes.
        """


class Upload(Protocol):
    """What a client sends at the end of its part of a round."""

    def __call__(self, at: Round, done: Done, /) -> tuple[Params, PyTree, PyTree]:
        """What is sent and kept.

        Args:
            at: what the client knew.
            done: what came of its local steps.

        Returns:
            (upload, of the model's shapes; extra, what else is averaged, () for none; the client's
            next state, of the shapes of the last one).
        """


class ServerUpdate(Protocol):
    """What the server does at the end of a round."""

    def __call__(
        self, params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array, /
    ) -> tuple[Params, PyTree]:
        """The next model.

        Args:
            params: x_t.
            upload: the aggregate of the uploads, of the model's shapes.
            extra: the aggregate of what else was sent.
            server: the server's state.
            share: float[], the weight of those who took part, of that of all members of the
                coalition.

        Returns:
            (x_{t+1}, the server's next state).
        """


class ClientWeights(Protocol):
    """How much each client counts in the means over those who take part."""

    def __call__(self, sizes: HostArray, /) -> HostArray:
        """The clients' weights.

        Args:
            sizes: int[C], their numbers of examples.

        Returns:
            float32[C], >= 0.
        """


class Reach(Protocol):
    """How far a round may carry the model beyond where its gradients were taken."""

    def __call__(self, num_steps: HostArray, weights: HostArray, step: float, /) -> float:
        """How much of what was shown to work a round asks of the algorithm.

        Args:
            num_steps: int[C], the local steps of those who take part.
            weights: float[C], their weights in the means, which sum to 1.
            step: eta h, the local learning rate times the curvature of the loss.

        Returns:
            Above 1 beyond what was shown to work.
        """


def _nothing(_: Any) -> PyTree:
    return ()


def _raw(correction: PyTree, start: Params, params: Params, gradient: Params) -> Params:
    return gradient


def _upload_model(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
    return done.params, (), at.state


def _take_mean(
    params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
) -> tuple[Params, PyTree]:
    return upload, server


class Algorithm(NamedTuple):
    """A federated algorithm; what is left out is FedAvg's.

    Attributes:
        weights: the weight of each client.
        max_rounds: R, the most rounds a coalition trains.
        tol: a coalition stops once its training loss changed by no more than this share of its
            value in `patience` successive rounds; None for never.
        patience: see `tol`.
        init_client: a client's state before its first round.
        init_server: the server's state at the start.
        broadcast: what the server sends besides the model.
        correction: what stays fixed during a client's part of a round.
        direction: the gradient that a client's optimiser is given.
        records: which of "first" and "mean" of its raw gradients a client records.
        upload: what a client sends, and what it keeps. Weighted means over those who take part
            reach the server.
        server_update: what the server makes of them.
        averages_uploads: whether x_{t+1} is the mean of the uploads.
        sends: what an upload is: "model", the one that a client ended with; "gradient"; or "more",
            where something else is averaged, or a client keeps a state between rounds.
        aggregate: how uploads, and what is averaged beside them, become what reaches the server;
            their weighted means unless given.
        needs_learning_rate: whether the learning rate of the local optimiser is used.
        most_steps: the most local steps of a client in a round, None for any number.
        reach: how far a round carries the model beyond where its gradients were taken; None for an
            algorithm that any number of local steps left stable.
    """

    weights: ClientWeights
    max_rounds: int
    tol: float | None
    patience: int
    init_client: InitClient = _nothing
    init_server: InitServer = _nothing
    broadcast: Broadcast = _nothing
    correction: Correction = _nothing
    direction: Direction = _raw
    records: tuple[str, ...] = ()
    upload: Upload = _upload_model
    server_update: ServerUpdate = _take_mean
    averages_uploads: bool = True
    sends: Literal["model", "gradient", "more"] = "model"
    aggregate: Aggregation = mean()
    needs_learning_rate: bool = False
    most_steps: int | None = None
    reach: Reach | None = None


def has_converged(round_: Array, loss: Array, before: Array, tol: float) -> Array:
    """Whether a training loss hardly changed in this round; never in the first.

    Args:
        round_: int[], counted from 0.
        loss: float[...], of this round.
        before: float[...], of the round before.
        tol: the largest change, as a share of `before`.
    """
    return (round_ > 0) & (jnp.abs(loss - before) <= tol * jnp.abs(before))
