"""The coordinator of a coordinated training: it has the private key, and decrypts what is masked.

It sees step by step how many columns a party has, and integers that are uniform whatever they hide.
"""

import time

from fedjax_shap._validate import require
from fedjax_shap.privacy.encrypted import decrypt_integers, from_bytes
from fedjax_shap.privacy.paillier import PrivateKey, public_bytes, read_public
from fedjax_shap.protocols.coordinated_numbers import (
    EncryptedNumbers,
    Numbers,
    PlainNumbers,
    Work,
)
from fedjax_shap.protocols.coordinated_session import COORDINATOR, message, require_awaited
from fedjax_shap.protocols.transcript import Message, Part


class Coordinator:
    """Sends its public key, then answers one message of each party a step."""

    def __init__(
        self,
        session: str,
        parties: tuple[str, ...],
        kind: str,
        num_steps: int,
        private: PrivateKey | None,
    ) -> None:
        """A coordinator that has sent nothing yet.

        Args:
            session: the session's name.
            parties: who sends what it decrypts.
            kind: of their messages.
            num_steps: how many each party sends.
            private: its key; None without encryption.
        """
        self.name = COORDINATOR
        self._session = session
        self._parties = parties
        self._kind = kind
        self._num_steps = num_steps
        self._private = private
        self._steps = dict.fromkeys(parties, 0)
        self._decryptions = 0
        self._seconds = 0.0

    def start(self, receivers: tuple[str, ...]) -> list[Message]:
        """The first message to all: the public key."""
        parts: tuple[Part, ...] = ()
        if self._private is not None:
            parts = (Part("public key", "plain", public_bytes(self._private.public)),)
        return [message(self._session, self.name, one, "start", 0, parts) for one in receivers]

    def receive(self, arrived: Message) -> list[Message]:
        """What it decrypted of a message, for its sender.

        Raises:
            InvalidInputError: it is not the sender's message of this step, or cannot be read.
        """
        sender = arrived.sender
        require(
            sender in self._parties,
            f"Expected a message of {' or '.join(self._parties)}, {self.name} got one of {sender}.",
        )
        step = self._steps[sender]
        kind = self._kind * (step < self._num_steps)
        require_awaited(self._session, arrived, self.name, (sender,), kind, step)
        parts = tuple(self._opened(part, sender) for part in arrived.parts if part.name != "step")
        self._steps[sender] += 1
        return [message(self._session, self.name, sender, "opened", step, parts)]

    def work(self) -> Work:
        """What it decrypted."""
        return Work(decryptions=self._decryptions, seconds=self._seconds)

    def _opened(self, part: Part, reader: str) -> Part:
        """A part decrypted: integers modulo n, which say something to who has their masks only."""
        if self._private is None:
            return part
        public = self._private.public
        began = time.perf_counter()
        opened = decrypt_integers(self._private, from_bytes(public, part.content))
        self._seconds += time.perf_counter() - began
        self._decryptions += len(opened)
        content = b"".join(one.to_bytes(public.width // 2, "big") for one in opened)
        return Part(part.name, "sealed", content, reader)


class ByKey:
    """How parties make their arithmetic from the coordinator's first message."""

    def __init__(self, *, encrypted: bool, bits: int, allow_short_keys: bool) -> None:
        """A beginning.

        Args:
            encrypted: whether the first message has a public key.
            bits: after the point, of features.
            allow_short_keys: whether it may be short: for tests.
        """
        self._encrypted = encrypted
        self._bits = bits
        self._allow_short_keys = allow_short_keys

    def __call__(self, arrived: Message, /) -> Numbers:
        """A party's arithmetic."""
        if not self._encrypted:
            return PlainNumbers()
        content = arrived.content("public key")
        public = read_public(content, allow_short_keys=self._allow_short_keys)
        return EncryptedNumbers(public, self._bits)
