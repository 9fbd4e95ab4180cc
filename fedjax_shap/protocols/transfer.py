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
from typing import NamedTuple, get_args

import numpy as np

from fedjax_shap._validate import a_text, finite, integer, number, one_of, require
from fedjax_shap.privacy.encrypted import MOST_FACTOR_BITS
from fedjax_shap.privacy.paillier import LEAST_KEY, PrivateKey, generate
from fedjax_shap.protocols.coordinated_exchange import Carrier, all_arrive, exchange
from fedjax_shap.protocols.coordinated_numbers import Work
from fedjax_shap.protocols.coordinated_session import ENCRYPTIONS, Encryption
from fedjax_shap.protocols.coordinated_steps import schedule
from fedjax_shap.protocols.transcript import Transcript
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


class Held(NamedTuple):
    """What a party brings.

    Attributes:
        x: float[N, F], its rows.
        y: int[N] of the source, int[labels] of the target: classes 0 and 1, or -1 and 1.
        pairs: int[pairs], its rows of common users, in the order of both.
        theta: float[F + 1, d], its network at the start; the last row is the bias.
        labelled: int[labels], of the target, the rows whose labels it has; None of the source.
    """

    x: HostArray
    y: HostArray
    pairs: HostArray
    theta: HostArray
    labelled: HostArray | None = None


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
            if None.
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
    for name in names:
        a_text("names", name)
    require(len(set(names)) == 2, f"Expected two names that differ, got {names}.")
    num_pairs = _require_fit(names, source, target)
    terms = _checked(Terms(alignment, gamma, penalty, activation, _told(told, num_pairs)))
    labelled = np.asarray(target.labelled)
    sides = (
        Source(source.x, _signs(names[0], source.y), source.pairs, source.theta, terms),
        Target(target.x, labelled, _signs(names[1], target.y), target.pairs, target.theta, terms),
    )
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


# ------------------------------------------------------------------ what parties bring


def _checked(terms: Terms) -> Terms:
    """The terms of the loss, or a refusal of one out of its range."""
    one_of("alignment", terms.alignment, get_args(Alignment))
    one_of("activation", terms.activation, get_args(Activation))
    number("gamma", terms.gamma, least=0)
    number("penalty", terms.penalty, least=0)
    return terms


def _told(told: HostArray | None, num_pairs: int) -> HostArray:
    """float64[pairs]: where the source's label counts."""
    if told is None:
        return np.zeros(num_pairs)
    weights = np.asarray(told, float)
    require(
        weights.shape == (num_pairs,) and bool(np.isin(weights, (0, 1)).all()),
        f"Expected told to be 0 or 1 for each of {num_pairs} common users.",
    )
    return weights


def _key(bits: int, allow_short_keys: bool) -> PrivateKey:
    """A new private key."""
    _, private = generate(bits, allow_short_keys=allow_short_keys)
    return private


def _require_fit(names: tuple[str, str], source: Held, target: Held) -> int:
    """How many users are common, or a refusal of what does not go together."""
    for name, held in zip(names, (source, target)):
        finite(f"x of {name!r}", np.asarray(held.x, float))
        require(
            np.ndim(held.x) == 2
            and np.ndim(held.theta) == 2
            and len(held.theta) == np.shape(held.x)[1] + 1,
            f"Expected {name!r} to bring rows x[N, F] and a network theta[F + 1, d], got shapes "
            f"{list(np.shape(held.x))} and {list(np.shape(held.theta))}.",
        )
        _require_rows(f"pairs of {name!r}", held.pairs, len(held.x))
    require(
        np.shape(source.theta)[1] == np.shape(target.theta)[1],
        f"Expected both networks to lead into one space, got widths {np.shape(source.theta)[1]} "
        f"and {np.shape(target.theta)[1]}.",
    )
    require(
        len(source.pairs) == len(target.pairs),
        f"Expected the same common users at both, got {len(source.pairs)} rows and "
        f"{len(target.pairs)}.",
    )
    require(
        len(source.y) == len(source.x),
        f"Expected {names[0]!r} to have a label for each of {len(source.x)} rows, got "
        f"{len(source.y)}.",
    )
    require(
        target.labelled is not None and len(target.labelled) == len(target.y),
        f"Expected {names[1]!r} to say of which rows its {len(target.y)} labels are.",
    )
    _require_rows(f"labelled of {names[1]!r}", target.labelled, len(target.x))
    return len(source.pairs)


def _require_rows(name: str, rows: HostArray | None, count: int) -> None:
    """Refuses what are not numbers of rows."""
    places = np.asarray(rows)
    whole = places.ndim == 1 and (places.size == 0 or places.dtype.kind in "iu")
    require(
        whole and bool(((places >= 0) & (places < count)).all()),
        f"Expected {name} to be row numbers 0..{count - 1}.",
    )


def _signs(name: str, y: HostArray) -> HostArray:
    """float64[N]: two classes as -1 and 1."""
    labels = np.asarray(y)
    kinds = set(np.unique(labels).tolist())
    require(
        kinds <= {0, 1} or kinds <= {-1, 1},
        f"Expected labels of {name!r} to be 0 and 1, or -1 and 1, got {sorted(kinds)[:5]}.",
    )
    signs: HostArray = np.where(labels > 0, 1.0, -1.0)
    return signs
