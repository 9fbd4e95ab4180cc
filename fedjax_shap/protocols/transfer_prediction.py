"""Predictions after an encrypted transfer: the target's rows by the source's anchor.

The source sends its anchor Phi under its key. The target sums Phi u of each row, hides the sums
under masks, has them decrypted, and takes the masks off: it learns the outputs, and the source how
many rows there are.
"""

import os

from fedjax_shap._validate import InvalidInputError, of_kind, require
from fedjax_shap.privacy.paillier import PrivateKey, public_bytes
from fedjax_shap.protocols.coordinated_exchange import (
    Carrier,
    Exchanged,
    Party,
    all_arrive,
    exchange,
)
from fedjax_shap.protocols.coordinated_numbers import (
    EncryptedNumbers,
    Hidden,
    Numbers,
    PlainNumbers,
)
from fedjax_shap.protocols.coordinated_session import message, require_awaited
from fedjax_shap.protocols.given import on_or_off, real
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.protocols.transfer import Trained
from fedjax_shap.protocols.transfer_party import Session, numbers_of, opened
from fedjax_shap.typing import HostArray

TURNS = (("anchor", 0), ("outputs", 0), ("opened", 0))


class Answerer:
    """The source: it sends its anchor, and decrypts what it cannot read."""

    def __init__(self, session: Session, anchor: HostArray, private: PrivateKey | None) -> None:
        """A source that has sent nothing yet.

        Args:
            session: of both.
            anchor: float64[d], Phi.
            private: its key; None without encryption.
        """
        self._session = session
        self._anchor = anchor
        self._private = private
        self._awaits = "outputs"

    def start(self) -> list[Message]:
        """Its anchor, with the key that it is under."""
        parts: list[Part] = []
        numbers: Numbers = PlainNumbers()
        source, target = self._session.parties
        if self._private is not None:
            numbers = EncryptedNumbers(self._private.public, self._session.bits)
            parts.append(Part("public key", "plain", public_bytes(self._private.public)))
        part = numbers.part("anchor", numbers.put(self._anchor))
        parts.append(part._replace(reader=part.reader and source))
        return [message(self._session.name, source, target, "anchor", 0, tuple(parts))]

    def receive(self, arrived: Message) -> list[Message]:
        """The outputs decrypted, still under the target's masks."""
        source, target = self._session.parties
        require_awaited(self._session.name, arrived, source, (target,), self._awaits, 0)
        self._awaits = ""
        part = opened(self._private, arrived, "outputs", target)
        return [message(self._session.name, source, target, "opened", 0, (part,))]


class Asker:
    """The target: it learns the outputs of its rows."""

    def __init__(self, session: Session, encoded: HostArray, encrypted: bool) -> None:
        """A target that waits for the anchor.

        Args:
            session: of both.
            encoded: float64[M, d], its rows in the common space.
            encrypted: whether the anchor comes under a key.
        """
        self.outputs: HostArray | None = None
        self._session = session
        self._encoded = encoded
        self._encrypted = encrypted
        self._awaits = "anchor"
        self._hidden = Hidden(None)
        self._numbers: Numbers = PlainNumbers()

    def receive(self, arrived: Message) -> list[Message]:
        """Masked outputs for the source; nothing once they are back."""
        source, target = self._session.parties
        require_awaited(self._session.name, arrived, target, (source,), self._awaits, 0)
        if arrived.kind == "opened":
            self._awaits = ""
            self.outputs = self._numbers.reveal(arrived.content("outputs"), self._hidden)
            return []
        self._numbers = numbers_of(self._session, self._encrypted, arrived)
        anchor = self._numbers.read(arrived.content("anchor"), self._encoded.shape[1])
        self._hidden = self._numbers.hide(self._numbers.sums(anchor, self._encoded.T))
        self._awaits = "opened"
        part = self._numbers.masked_part("outputs", self._hidden)
        return [message(self._session.name, target, source, "outputs", 0, (part,))]


def predict_transfer(
    trained: Trained, x: HostArray, *, carrier: Carrier = all_arrive, keep: bool = False
) -> tuple[HostArray, Exchanged]:
    """The outputs of the target's rows, by both parties together.

    Args:
        trained: what `encrypted_transfer` gave.
        x: float[M, F], rows of the target.
        carrier: what carries messages.
        keep: whether the transcript keeps contents.

    Returns:
        float64[M], phi, which the target learns; and the exchange, with its transcript.

    Raises:
        InvalidInputError: rows of other features, or a message that is missing or refused.
    """
    of_kind("trained", trained, Trained, "fs.protocols.encrypted_transfer(source, target)")
    on_or_off(keep=keep)
    rows = real("x", x, "[M, F]")
    count = len(trained.target) - 1
    require(
        len(rows) > 0 and rows.shape[1] == count,
        f"Expected x[M, {count}], rows of the target, got shape {list(rows.shape)}.",
    )
    session = trained.session._replace(name=os.urandom(16).hex())
    source, target = trained.sides
    private = trained.keys[0]
    answerer = Answerer(session, source.anchor(), private)
    asker = Asker(session, target.encoded(rows), private is not None)
    parties: dict[str, Party] = {session.parties[0]: answerer, session.parties[1]: asker}
    done = exchange(parties, answerer.start(), TURNS, carrier=carrier, keep=keep)
    if asker.outputs is None:
        raise InvalidInputError(f"Expected {session.parties[1]} to have got the outputs.")
    return asker.outputs, done
