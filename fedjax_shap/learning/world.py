"""The arrays that decide how a coalition trains, and the trace that its training leaves."""

from flax import struct

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.typing import Array, Params


@struct.dataclass
class World:
    """All arrays that decide how a coalition trains.

    Attributes:
        data: the federation.
        initial: the parameters from which every coalition starts.
        num_steps: int32[C], local steps K_i a round; 0 for an idle client.
        weights: float32[C], the clients' weights in the mean.
        first_round: int32[], the number of the first round; rounds seed the mini-batches.
        num_rounds: int32[], the most rounds a coalition trains; no more than the algorithm has room for.
    """

    data: FederatedData
    initial: Params
    num_steps: Array
    weights: Array
    first_round: Array
    num_rounds: Array


@struct.dataclass
class Trace:
    """What happened, round by round; after a coalition stopped its last entry is repeated.

    Attributes:
        loss: float[R], the members' training loss: the mean of the losses met at their local steps, weighted as
            their uploads are.
        observed: float[R, ...], what `observe` said of the model after each round.
        rounds: int32[], rounds trained.
    """

    loss: Array
    observed: Array
    rounds: Array
