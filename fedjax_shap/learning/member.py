"""One member's part of a round: it receives the model, corrects it, trains and uploads."""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from fedjax_shap._validate import require
from fedjax_shap.learning.algorithm import Algorithm, Round
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.client_update import Examples, client_update
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.model import Model
from fedjax_shap.learning.pace import Pace
from fedjax_shap.learning.task import Loss
from fedjax_shap.typing import Array, Params, PyTree


class Contribution(NamedTuple):
    """What came of a member's part of a round.

    Attributes:
        upload: of the model's shapes.
        extra: what else is averaged, () for nothing.
        state: what the member keeps, as before the round where it did no step.
        loss: float[], the mean of the losses at its steps, 0 where it did none.
    """

    upload: Params
    extra: PyTree
    state: PyTree
    loss: Array


class MemberUpdate(Protocol):
    """A member's part of a round of an algorithm."""

    def __call__(self, at: Round, examples: Examples) -> Contribution:
        """Trains one member.

        Args:
            at: what it knows when the round starts; its learning rate is filled in here.
            examples: what it trains on, and for how many steps.

        Returns:
            What it uploads and keeps, and its loss.
        """


def member_update(
    algorithm: Algorithm,
    local: Local,
    model: Model,
    loss: Loss = cross_entropy,
    *,
    pace: Pace | None = None,
) -> MemberUpdate:
    """A member's part of a round of an algorithm.

    Args:
        algorithm: what it does besides its gradient steps.
        local: how it trains.
        model: what it trains.
        loss: what it minimises.
        pace: how its steps are looped over; step by step if None.

    Raises:
        InvalidInputError: the algorithm uses a learning rate that only an optax transformation
            knows.
    """
    require(
        not algorithm.needs_learning_rate or local.learning_rate is not None,
        "Expected optimizer to be the name of one in optax, so that the algorithm knows its "
        "learning rate.",
    )
    update = client_update(local, model, algorithm.records, loss=loss, pace=pace)
    rate = local.learning_rate or 0.0

    def take_part(at: Round, examples: Examples) -> Contribution:
        at = at._replace(learning_rate=rate)
        # train along the direction of the algorithm
        correction = algorithm.correction(at)

        def direct(own: Params, gradient: Params) -> Params:
            return algorithm.direction(correction, at.start, own, gradient)

        drawing = examples._replace(key_of=at.key_of_step)
        done, loss = update(at.start, drawing, direct)
        # upload; a member without a step keeps its state
        upload, extra, after = algorithm.upload(at, done)
        trained = examples.num_steps > 0
        kept = jax.tree.map(lambda new, old: jnp.where(trained, new, old), after, at.state)
        return Contribution(upload, extra, kept, loss)

    return take_part
