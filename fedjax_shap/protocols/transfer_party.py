"""A party of an encrypted transfer: it has a key of its own, and awaits one message at a time."""

from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.privacy.encrypted import decrypt_integers, from_bytes
from fedjax_shap.privacy.paillier import PrivateKey, public_bytes, read_public
from fedjax_shap.protocols.coordinated_numbers import (
    EncryptedNumbers,
    Hidden,
    Numbers,
    PlainNumbers,
    Work,
)
from fedjax_shap.protocols.coordinated_session import message, require_awaited
from fedjax_shap.protocols.coordinated_steps import OPTIMIZERS, Schedule, no_moments
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.protocols.transfer_sides import Side
from fedjax_shap.typing import HostArray

KINDS = ("terms", "gradient", "opened")  # of a step, in order
NEXT = {"start": "terms", "terms": "gradient", "gradient": "opened", "opened": "terms"}


class Session(NamedTuple):
    """What both parties of a transfer know before it begins.

    Attributes:
        name: of this run; every message carries it.
        parties: the source's name and the target's.
        num_steps: how many steps they take.
        schedule: how they step.
        bits: after the point, of plain factors; what is encrypted has 16 more.
        allow_short_keys: whether keys may be short: for tests.
    """

    name: str
    parties: tuple[str, str]
    num_steps: int
    schedule: Schedule
    bits: int
    allow_short_keys: bool

    def other(self, name: str) -> str:
        """The other party."""
        first, second = self.parties
        if name == first:
            return second
        return first


class TransferParty:
    """One of the two parties: `side` has its numbers, this sends and takes messages."""

    def __init__(self, session: Session, name: str, side: Side, private: PrivateKey | None) -> None:
        """A party that has sent nothing yet.

        Args:
            session: what both know.
            name: its own.
            side: its numbers.
            private: its key; None without encryption.
        """
        self.name = name
        self.side = side
        self._session = session
        self._private = private
        self._own: Numbers = PlainNumbers()
        if private is not None:
            self._own = EncryptedNumbers(private.public, session.bits)
        self._theirs: Numbers | None = None
        self._awaits = "start"
        self._step = 0
        self._hidden = Hidden(None)
        self._moments = no_moments(side.theta.size)
        self._decryptions = 0

    def start(self) -> list[Message]:
        """The first message: its public key."""
        parts: tuple[Part, ...] = ()
        if self._private is not None:
            parts = (Part("public key", "plain", public_bytes(self._private.public)),)
        return [self._to("start", *parts)]

    def receive(self, arrived: Message) -> list[Message]:
        """The answers to a message.

        Raises:
            InvalidInputError: it is not the one that the party waits for, or cannot be read.
        """
        other = self._session.other(self.name)
        name = self._session.name
        require_awaited(name, arrived, self.name, (other,), self._awaits, self._step)
        answers = {
            "start": self._began,
            "terms": self._multiplied,
            "gradient": self._opened,
            "opened": self._stepped,
        }
        answer = answers[arrived.kind](arrived)
        self._awaits = NEXT[arrived.kind]
        if self._step == self._session.num_steps:
            self._awaits = ""
        return answer

    def parameters(self) -> HostArray:
        """float64[F + 1, d], once the training is over."""
        require(
            not self._awaits,
            f"Expected {self.name} to give its parameters at the end; it awaits {self._awaits!r}.",
        )
        return self.side.theta

    def work(self) -> Work:
        """What it did for the sake of encryption, under both keys; decryptions are not timed."""
        own = self._own.work()
        theirs = self._numbers.work()
        return Work(
            encryptions=own.encryptions + theirs.encryptions,
            products=own.products + theirs.products,
            decryptions=self._decryptions,
            seconds=own.seconds + theirs.seconds,
        )

    @property
    def _numbers(self) -> Numbers:
        """Arithmetic under the other party's key."""
        if self._theirs is None:
            raise InvalidInputError(f"Expected {self.name} to have got 'start' first.")
        return self._theirs

    # -------------------------------------------------------------- message by message

    def _began(self, arrived: Message) -> list[Message]:
        """The other party's key, then this one's first numbers."""
        self._theirs = numbers_of(self._session, self._private is not None, arrived)
        return [self._send_terms()]

    def _send_terms(self) -> Message:
        """What the other party takes of this one, under this one's key."""
        sent = self._own.put(self.side.sent().ravel())
        part = self._own.part("terms", sent)
        return self._to("terms", part._replace(reader=part.reader and self.name))

    def _multiplied(self, arrived: Message) -> list[Message]:
        """The gradient under the other party's key and under masks, all but its own part."""
        numbers = self._numbers
        factors = self.side.factors()
        width, count, _ = factors.shape
        terms = numbers.read(arrived.content("terms"), width * count)
        hidden = []
        for of_coordinate in factors:
            first, terms = numbers.split(terms, count)
            hidden.append(numbers.hide(numbers.sums(first, of_coordinate)))
        self._hidden = joined(hidden)
        return [self._to("gradient", numbers.masked_part("gradient", self._hidden))]

    def _opened(self, arrived: Message) -> list[Message]:
        """The other party's gradient, decrypted and still under its masks."""
        other = self._session.other(self.name)
        part = opened(self._private, arrived, "gradient", other)
        if self._private is not None:
            self._decryptions += len(part.content) // (self._private.public.width // 2)
        return [self._to("opened", part)]

    def _stepped(self, arrived: Message) -> list[Message]:
        """A step, once the masks are off, and the numbers of the next one."""
        shape = self.side.theta.T.shape
        revealed = self._numbers.reveal(arrived.content("gradient"), self._hidden)
        gradient = revealed.reshape(shape).T + self.side.own()
        schedule = self._session.schedule
        rule = OPTIMIZERS[schedule.optimizer]
        direction, self._moments = rule(gradient.ravel(), self._moments)
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            moved = self.side.theta - schedule.rate(0) * direction.reshape(gradient.shape)
        require(
            bool(np.isfinite(moved).all()),
            f"Expected the parameters of {self.name} to stay finite at step {self._step}, got "
            f"others: learning_rate={schedule.learning_rate:g} is too large.",
        )
        self.side.theta = moved
        self._step += 1
        if self._step == self._session.num_steps:
            return []
        return [self._send_terms()]

    def _to(self, kind: str, *parts: Part) -> Message:
        """A message for the other party, of the step at hand."""
        other = self._session.other(self.name)
        return message(self._session.name, self.name, other, kind, self._step, parts)


def numbers_of(session: Session, encrypted: bool, arrived: Message) -> Numbers:
    """Arithmetic under the key of a party's first message."""
    if not encrypted:
        return PlainNumbers()
    content = arrived.content("public key")
    public = read_public(content, allow_short_keys=session.allow_short_keys)
    return EncryptedNumbers(public, session.bits)


def joined(hidden: list[Hidden]) -> Hidden:
    """Several lists of hidden numbers as one."""
    if isinstance(hidden[0].sent, np.ndarray):
        return Hidden(np.concatenate([one.sent for one in hidden]))
    first: Any = hidden[0].sent
    numbers = tuple(number for one in hidden for number in one.sent.numbers)
    masks = tuple(mask for one in hidden for mask in one.masks)
    return Hidden(first._replace(numbers=numbers), masks, max(one.size for one in hidden))


def opened(private: PrivateKey | None, arrived: Message, name: str, reader: str) -> Part:
    """A part decrypted: integers modulo n, which say something to who has their masks only."""
    content = arrived.content(name)
    if private is None:
        return Part(name, "plain", content)
    integers = decrypt_integers(private, from_bytes(private.public, content))
    width = private.public.width // 2
    rows = b"".join(one.to_bytes(width, "big") for one in integers)
    return Part(name, "sealed", rows, reader)
