"""The arrays that decide how a coalition trains, where a training is, and the trace it leaves."""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.keys import folded
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.local import MOST_STEPS, Local
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.steps import Steps, as_local_says
from fedjax_shap.trees import placed
from fedjax_shap.typing import Array, HostArray, Key, Params, PyTree


@struct.dataclass
class World:
    """All arrays that decide how a coalition trains.

    Attributes:
        data: the federation.
        initial: the parameters from which every coalition starts.
        num_steps: int32[R, C], local steps K_i in each round; 0 for an idle client.
        present: bool[R, C], who takes part in which round.
        weights: float32[C], the clients' weights in the mean.
        first_round: int32[], the number of the first round; rounds seed the mini-batches.
        num_rounds: int32[], the most rounds a coalition trains; no more than the algorithm has room
            for.
        server: the server's state at the start, () where the algorithm has none.
        clients: the clients' states at the start, leaves [C, ...].
        whole: float32[], the weight of all whom the server's state is about, where that is not the
            coalition's own: in the games inside one run it is that of all clients; 0 where it is
            the coalition's.
        chances: float32[R, C], the chance of each client to take part in each round, where sums are
            divided by the weight expected; else ().
    """

    data: FederatedData
    initial: Params
    num_steps: Array
    present: Array
    weights: Array
    first_round: Array
    num_rounds: Array
    server: PyTree
    clients: PyTree
    whole: Array
    chances: PyTree = ()

    def share(self, uploaded: Array, own: Array) -> Array:
        """The share of those who uploaded, float[...].

        Args:
            uploaded: float[...], their weight.
            own: float[...], the weight of the coalition's members.
        """
        whole = jnp.where(self.whole > 0, self.whole, own)
        return uploaded / jnp.where(whole > 0, whole, 1.0)

    def in_round(self, round_: Array) -> tuple[Array, Array, Array]:
        """Who takes part in round `first_round + round_`, with 0 for absent clients.

        Args:
            round_: int[].

        Returns:
            (present bool[C], num_steps int32[C], weights float32[C]).
        """
        row = self._row(round_)
        here = self.present[row]
        return here, jnp.where(here, self.num_steps[row], 0), jnp.where(here, self.weights, 0.0)

    def expected(self, round_: Array, mask: Array) -> Array:
        """The weight that takes part in a round on average, float[...].

        Args:
            round_: int[], as in `in_round`.
            mask: bool[..., C], coalitions. In the games inside one run everyone counts, since the
                server divides by one number whoever was drawn.
        """
        counted = mask | (self.whole > 0)
        weights = self.chances[self._row(round_)] * self.weights
        return jnp.where(counted, weights, 0.0).sum(axis=-1)

    def _row(self, round_: Array) -> Array:
        return jnp.minimum(self.first_round + round_, len(self.present) - 1)


@struct.dataclass
class Run:
    """Where the training of a coalition is.

    Attributes:
        params: the server's model.
        server: the server's state.
        clients: the members' states, leaves [S, ...] by slot.
    """

    params: Params
    server: PyTree
    clients: PyTree


@struct.dataclass
class Sent:
    """What a coalition's members sent in one round, by slot.

    Attributes:
        uploads: leaves [S, ...], of the model's shapes; 0 where the weight is 0.
        extra: leaves [S, ...], what else is averaged; 0 where the weight is 0.
        clients: leaves [S, ...], their states after the round; those of absent members as before.
        weights: float[S], their weights in the means; 0 for absent members and padding.
        loss: float[], the training loss, the weighted mean over those who trained.
        summing: an `aggregate.Summing` where the aggregation finishes sums, else ().
    """

    uploads: Params
    extra: PyTree
    clients: PyTree
    weights: Array
    loss: Array
    summing: PyTree = ()


@struct.dataclass
class Trace:
    """What happened, round by round; after a coalition stopped its last entry is repeated.

    Attributes:
        loss: float[R], the members' training loss: the mean of the losses at their local steps,
            penalty included, weighted as their uploads are.
        observed: float[R, ...], what `observe` gave for the model after each round.
        rounds: int32[], rounds trained.
    """

    loss: Array
    observed: Array
    rounds: Array


class Observe(Protocol):
    """What is followed round by round while a coalition trains."""

    def __call__(self, world: World, params: Params, /) -> Array:
        """Observes one model.

        Args:
            world: the federation.
            params: the coalition's model after a round.

        Returns:
            float[...], the same shape for every model.
        """


class Read(Protocol):
    """What is read off the training of one coalition."""

    def __call__(self, world: World, params: Params, trace: Trace, mask: Array, /) -> PyTree:
        """Reads one training.

        Args:
            world: the federation.
            params: the model with which the training ended.
            trace: what happened round by round.
            mask: bool[P], the coalition.

        Returns:
            Leaves [...], of the same shapes for every coalition.
        """


def world_of(
    data: FederatedData,
    model: Model,
    algorithm: Algorithm,
    num_steps: HostArray,
    present: HostArray,
    key: Key,
    initial: Params | None = None,
) -> World:
    """The world of a federation before its first round.

    Args:
        data: the federation.
        model: what is trained.
        algorithm: whose states members and server have.
        num_steps: int[R, C], local steps in each round.
        present: bool[R, C], who takes part in which round.
        key: seeds the initial parameters, unless these are given.
        initial: initial parameters of the model's structure.

    Raises:
        InvalidInputError: initial parameters of other shapes.
    """
    if initial is None:
        params = model.init(key)
    else:
        params = _of_shape(initial, jax.eval_shape(model.init, key))
    of_clients = (data.num_clients,)
    return World(
        data=data,
        initial=params,
        num_steps=placed(num_steps),
        present=placed(present),
        weights=placed(algorithm.weights(np.asarray(data.sizes))),
        first_round=placed(np.int32(0)),
        num_rounds=placed(np.int32(algorithm.max_rounds)),
        server=algorithm.init_server(params),
        clients=jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, of_clients + leaf.shape),
            algorithm.init_client(params),
        ),
        whole=placed(np.float32(0)),
    )


class Seeds(NamedTuple):
    """What a federation draws before its first round, each by a seed of its own.

    Initial parameters are drawn by the federation's key itself.

    Attributes:
        participation: who takes part in which round.
        steps: numbers of local steps.
    """

    participation: Key
    steps: Key


def seeds(key: Key) -> Seeds:
    """The seeds of a federation of that key."""
    return Seeds(folded(key, 1), folded(key, 2))


def steps_by_round(
    data: FederatedData,
    local: Local,
    algorithm: Algorithm,
    steps: Steps | None,
    key: Key,
    num_rounds: int,
) -> HostArray:
    """int32[R, C], the local steps K_i of each client in each round; 0 for idle clients.

    Args:
        data: the federation.
        local: how each client trains; its epochs or steps count where `steps` is None.
        algorithm: its most steps in a round bound them.
        steps: a law of steps, or None.
        key: seeds what it draws.
        num_rounds: R.
    """
    sizes = np.asarray(data.sizes)
    law = steps or as_local_says(local=local)
    counts = law(key, sizes, local.steps_per_epoch(sizes), num_rounds)
    most = MOST_STEPS
    if algorithm.most_steps is not None:
        most = algorithm.most_steps
    counts = np.minimum(counts, most)
    return np.where(np.asarray(data.idle), 0, counts).astype(np.int32)


def _of_shape(initial: Params, model: Params) -> Params:
    """`initial`, or a refusal where its structure or its shapes are not those of the model's
    parameters.
    """
    given, expected = (jax.tree.map(np.shape, params) for params in (initial, model))
    require(
        given == expected,
        f"Expected initial to have the shapes of the model's parameters {expected}, got {given}.",
    )
    return jax.tree.map(lambda given, wanted: jnp.asarray(given, wanted.dtype), initial, model)
