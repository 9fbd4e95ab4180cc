"""A training bound to a federation: its functions, and what each takes and gives."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.world import Observe, Read, Run, Sent, Trace, World
from fedjax_shap.typing import Array, Key, Params, PyTree


class Orders(Protocol):
    """The orders in which clients draw their rows."""

    def __call__(
        self, data: FederatedData, key: Key, round_: Array, client: Array, /
    ) -> Callable[[Array], Array]:
        """The orders of one client in one round.

        Args:
            data: the federation.
            key: seeds them.
            round_: int[], its number.
            client: int[], its id.

        Returns:
            epoch int[] -> int32[N], the order in that pass, the valid rows first.
        """


class Collect(Protocol):
    """What the members of a coalition send in a round."""

    def __call__(
        self, world: World, key: Key, round_: Array, run: Run, coalition: Coalition, /
    ) -> Sent:
        """Trains the members of one coalition for one round.

        Args:
            world: the federation.
            key: seeds the mini-batches.
            round_: int[], counted from `world.first_round`.
            run: where the coalition's training is.
            coalition: who is in it, in S slots.

        Returns:
            What they sent, leaves [S, ...] by slot.
        """


class Advance(Protocol):
    """What the server does with what was sent in a round."""

    def __call__(self, run: Run, sent: Sent, share: Array, /) -> Run:
        """Ends a round.

        Args:
            run: where the coalition's training is.
            sent: what its members sent.
            share: float[], the weight of those who took part, of that of all members.

        Returns:
            Where the training is after the round: as before where no weight is positive.
        """


class Train(Protocol):
    """The training of one coalition."""

    def __call__(
        self, world: World, key: Key, coalition: Coalition, observe: Observe = ..., /
    ) -> tuple[Params, Trace]:
        """Trains from `world.initial`, until converged or out of rounds.

        Args:
            world: the federation.
            key: seeds the mini-batches.
            coalition: who trains.
            observe: what the trace follows round by round; nothing unless given.

        Returns:
            (the last model, what happened round by round).
        """


class TrainChunk(Protocol):
    """The training of many coalitions side by side."""

    def __call__(
        self, world: World, key: Key, chunk: Chunk, observe: Observe, read: Read, /
    ) -> PyTree:
        """Trains each coalition from `world.initial`, until converged or out of rounds.

        Args:
            world: the federation.
            key: seeds the mini-batches.
            chunk: M coalitions.
            observe: what a trace follows round by round.
            read: what is read off each training.

        Returns:
            What `read` gives for each coalition, leaves [M, ...].
        """


class Learner(NamedTuple):
    """A learning procedure bound to a federation.

    Attributes:
        world: its arrays; pass them as arguments, never close over them.
        model: the model; its outputs are what metrics take, see `task.Bound`.
        algorithm: what members and server do.
        collect: what the members of a coalition send in one round.
        advance: what the server does with it.
        train: one coalition's training.
        train_chunk: the same for many coalitions side by side.
    """

    world: World
    model: Model
    algorithm: Algorithm
    collect: Collect
    advance: Advance
    train: Train
    train_chunk: TrainChunk
