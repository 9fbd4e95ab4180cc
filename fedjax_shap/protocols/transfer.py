"""Encrypted transfer: a source with labels and a target train networks into one common space.

Each party has a Paillier key of its own and no third one is needed. In a step each sends numbers of
its network under its own key; the other multiplies them into its own gradient, hides that under
masks, has it decrypted, and takes the masks off. With `encryption="none"` the same messages carry
plain numbers; the two models differ by the rounding to fixed-point numbers. The loss is that of
`learning.transfer` with the Taylor loss, two classes, one source, and networks of one layer.

**Who learns what.** A party learns the gradient of its own network at each step, and how many
numbers the other sends: the width of the common space, the common users, and the other's features.
What it decrypts for the other is under masks. Gradients of many steps say something of the other's
anchor and of its rows. Parties are taken to follow the protocol.

References:
    Liu, Chen, Yang 2018, "Secure federated transfer learning", algorithm 1.
"""

import os
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import integer, one_of
from fedjax_shap.privacy.encrypted import MOST_FACTOR_BITS
from fedjax_shap.privacy.paillier import LEAST_KEY, PrivateKey, generate
from fedjax_shap.protocols.coordinated_exchange import Carrier, all_arrive, exchange
from fedjax_shap.protocols.coordinated_numbers import Work
from fedjax_shap.protocols.coordinated_session import ENCRYPTIONS, Encryption
from fedjax_shap.protocols.coordinated_steps import schedule
from fedjax_shap.protocols.given import on_or_off
from fedjax_shap.protocols.transcript import Transcript
from fedjax_shap.protocols.transfer_checks import (
    Held,
    checked,
    checked_terms,
    names_of,
    require_lesson,
    told_of,
)
from fedjax_shap.protocols.transfer_party import KINDS, Session, TransferParty
from fedjax_shap.protocols.transfer_sides import (
    Activation,
    Alignment,
    Side,
    Source,
    Target,
    Terms,
)
from fedjax_shap.typing import HostArray


class Trained(NamedTuple):
    """What came of an encrypted transfer.

    Attributes:
        source: float64[F + 1, d], the source's network, known to it alone.
        target: float64[F + 1, d], the target's, known to it alone.
        sides: the source's numbers and the target's, for predictions.
        keys: their private keys; None without encryption.
        transcript: all messages that arrived.
        seconds: {party: seconds it computed}.
        work: {party: what it did for the sake of encryption}.
        session: what both knew.
    """

    source: HostArray
    target: HostArray
    sides: tuple[Source, Target]
    keys: tuple[PrivateKey | None, PrivateKey | None]
    transcript: Transcript
    seconds: dict[str, float]
    work: dict[str, Work]
    session: Session

    @property
    def traffic(self) -> dict[str, int]:
        """{party: bytes sent and received}, what `costs` prices."""
        return {
            name: self.transcript.bytes_from(name) + self.transcript.bytes_to(name)
            for name in self.seconds
        }


def encrypted_transfer(
    source: Held,
    target: Held,
    *,
    names: tuple[str, str] = ("source", "target"),
    alignment: Alignment = "distance",
    gamma: float = 0.005,
    penalty: float = 0.005,
    activation: Activation = "tanh",
    told: HostArray | None = None,
    steps: int = 20,
    encryption: Encryption = "paillier",
    bits: int = 24,
    key_bits: int = LEAST_KEY,
    allow_short_keys: bool = False,
    carrier: Carrier = all_arrive,
    keep: bool = False,
    optimizer: str = "adam",
    learning_rate: float = 0.01,
) -> Trained:
    """Trains the networks of a source and a target.

    Args:
        source: what the source brings.
        target: what the target brings.
        names: of both.
        alignment: of common users: "distance", |u_A - u_B|^2, or "product", -u_A u_B'.
        gamma: weight of the alignment, >= 0.
        penalty: weight of half the squared norm of all parameters, >= 0.
        activation: "tanh" or "sigmoid", which bounds the common space.
        told: float[pairs], 1 where the source's label of a common user counts in the loss; nowhere
            if None, and nowhere where the target has the label itself.
        steps: how many, >= 1.
        encryption: "paillier", or "none" for the same protocol with plain numbers.
        bits: plain factors are rounded to 2^-bits, what is encrypted to 2^-(bits + 16).
        key_bits: of both keys.
        allow_short_keys: whether they may have fewer than 2,048: for tests.
        carrier: what carries messages; all arrive by default.
        keep: whether the transcript keeps contents.
        optimizer: "adam", "rmsprop" or "sgd", each party by itself.
        learning_rate: of every step.

    Raises:
        InvalidInputError: rows or settings that do not fit; a message that is missing, altered,
            repeated or out of order; `phe` or `gmpy2` is missing. There is no model then.
    """
    one_of("encryption", encryption, ENCRYPTIONS)
    integer("steps", steps, least=1)
    integer("bits", bits, least=8, most=MOST_FACTOR_BITS)
    on_or_off(allow_short_keys=allow_short_keys, keep=keep)
    names = names_of(names)
    source, target = checked(names, source, target)
    told = told_of(told, names, target)
    terms = checked_terms(Terms(alignment, gamma, penalty, activation, told))
    require_lesson(names, source, target, terms)
    sides = _sides(source, target, terms)
    session = Session(
        name=os.urandom(16).hex(),
        parties=names,
        num_steps=steps,
        schedule=schedule(optimizer=optimizer, learning_rate=learning_rate, decay=False, l2=0.0),
        bits=bits,
        allow_short_keys=allow_short_keys,
    )
    keys: tuple[PrivateKey | None, PrivateKey | None] = (None, None)
    if encryption == "paillier":
        keys = (_key(key_bits, allow_short_keys), _key(key_bits, allow_short_keys))
    return _trained(session, sides, keys, carrier, keep)


def _trained(
    session: Session,
    sides: tuple[Source, Target],
    keys: tuple[PrivateKey | None, PrivateKey | None],
    carrier: Carrier,
    keep: bool,
) -> Trained:
    """The training of a session that was checked."""
    both: tuple[Side, ...] = sides
    parties = {
        name: TransferParty(session, name, side, key)
        for name, side, key in zip(session.parties, both, keys, strict=True)
    }
    first = [one for party in parties.values() for one in party.start()]
    turns = [(kind, step) for step in range(session.num_steps) for kind in KINDS]
    done = exchange(parties, first, [("start", 0), *turns], carrier=carrier, keep=keep)
    source, target = (party.parameters() for party in parties.values())
    return Trained(
        source=source,
        target=target,
        sides=sides,
        keys=keys,
        transcript=done.transcript,
        seconds=done.seconds,
        work={name: party.work() for name, party in parties.items()},
        session=session,
    )


def _sides(source: Held, target: Held, terms: Terms) -> tuple[Source, Target]:
    """The numbers of both, checked."""
    labelled = np.asarray(target.labelled)
    return (
        Source(source.x, source.y, source.pairs, source.theta, terms),
        Target(target.x, labelled, target.y, target.pairs, target.theta, terms),
    )


def _key(bits: int, allow_short_keys: bool) -> PrivateKey:
    """A new private key."""
    _, private = generate(bits, allow_short_keys=allow_short_keys)
    return private
