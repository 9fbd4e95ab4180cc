"""The session of a coordinated training: what all parties know, its steps, and how messages look.

Kinds of messages, by step:

==========  ==================  ===============================================================
`start`     coordinator to all  its public key, once
`part`      host to holder      the host's part of the residual d, of each row of the batch
`residual`  holder to hosts     d, the sum of all parts
`loss`      host to holder      the sum of d times the host's part, of which the loss consists
`gradient`  all to coordinator  the sums X'd of the party's columns, under masks
`opened`    coordinator to all  what it decrypted of theirs, still under masks
==========  ==================  ===============================================================

Predictions take `start`, `part`, `outputs` (the holder's sums of all parts, under masks) and
`opened`.
"""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.protocols.coordinated_steps import Schedule
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.typing import HostArray

ModelName: TypeAlias = Literal["linear", "logistic"]
Encryption: TypeAlias = Literal["paillier", "none"]

COORDINATOR = "coordinator"
MODELS = ("linear", "logistic")
ENCRYPTIONS = ("paillier", "none")
MORE_BITS = 16  # after the point, of what is encrypted: beyond those of the features
STEP_BYTES = 4


class Session(NamedTuple):
    """What all parties of a coordinated training know before it begins.

    Attributes:
        name: of this run; every message carries it.
        hosts: the parties without labels.
        label_holder: the party with them.
        model: "linear" or "logistic".
        num_rows: N, in the common order of all parties.
        num_epochs: passes over the rows.
        batch_size: rows of a step, the last step of an epoch may have fewer.
        seed: of the order of the rows in each epoch.
        schedule: how parties step.
        intercept: whether the label holder has one.
        loss: whether the label holder learns the loss of each step.
        bits: after the point, of features; what is encrypted has MORE_BITS more.
    """

    name: str
    hosts: tuple[str, ...]
    label_holder: str
    model: ModelName
    num_rows: int
    num_epochs: int
    batch_size: int
    seed: int
    schedule: Schedule
    intercept: bool
    loss: bool
    bits: int

    @property
    def parties(self) -> tuple[str, ...]:
        """All but the coordinator, the label holder last."""
        return (*self.hosts, self.label_holder)

    @property
    def steps_an_epoch(self) -> int:
        """Batches of an epoch."""
        return -(-self.num_rows // self.batch_size)

    @property
    def num_steps(self) -> int:
        """Of all epochs."""
        return self.num_epochs * self.steps_an_epoch

    @property
    def kinds(self) -> tuple[str, ...]:
        """Messages of a step, in order."""
        if self.loss:
            return ("part", "residual", "loss", "gradient", "opened")
        return ("part", "residual", "gradient", "opened")

    def epoch(self, step: int) -> int:
        """The epoch of a step, both counted from 0."""
        return step // self.steps_an_epoch

    def batch(self, step: int) -> HostArray:
        """int[B], the rows of a step: all in their order, or a part of them in a drawn order."""
        if self.steps_an_epoch == 1:
            return np.arange(self.num_rows)
        order = np.random.default_rng([self.seed, self.epoch(step)]).permutation(self.num_rows)
        first = step % self.steps_an_epoch * self.batch_size
        return order[first : first + self.batch_size]


def message(
    session: str, sender: str, receiver: str, kind: str, step: int, parts: tuple[Part, ...]
) -> Message:
    """A message that says to which step it belongs."""
    when = Part("step", "plain", step.to_bytes(STEP_BYTES, "big"))
    return Message(session, sender, receiver, kind, (when, *parts))


def require_awaited(
    session: str, message: Message, receiver: str, senders: tuple[str, ...], kind: str, step: int
) -> None:
    """Refuses a message that is not the one that `receiver` waits for.

    Args:
        session: the session's name.
        message: what arrived.
        receiver: whom it reached.
        senders: from whom the receiver still waits for one.
        kind: of the message that it waits for; "" where it waits for none.
        step: of that message.
    """
    require(
        message.session == session,
        f"Expected a message of the session {session!r}, {receiver} got one of "
        f"{message.session!r}.",
    )
    require(
        message.receiver == receiver,
        f"Expected a message for {receiver}, got one for {message.receiver}.",
    )
    said = int.from_bytes(message.content("step"), "big")
    got = f"{receiver} got {message.kind!r} of {message.sender} at step {said}"
    awaited = "nothing more"
    if kind:
        awaited = f"{kind!r} of {' or '.join(senders) or 'nobody'} at step {step}"
    require(
        message.kind == kind and message.sender in senders and said == step,
        f"Expected {awaited}, {got}: what comes late, early or again is refused.",
    )
