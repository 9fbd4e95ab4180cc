"""The parties of a query, as state machines: who asks, and who is asked.

See `protocols.query` for the protocol and what it protects.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import how_many, require
from fedjax_shap.privacy.curve import POINT_BYTES, hash_to_curve
from fedjax_shap.privacy.masking import context_of
from fedjax_shap.privacy.psi import require_points, secret_scalar
from fedjax_shap.privacy.shamir import Entropy
from fedjax_shap.protocols.align_tables import TAG_BYTES, cut, label, require_tags
from fedjax_shap.protocols.ids import Ids
from fedjax_shap.protocols.inbox import Inbox
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.typing import HostArray

STAGES = ("question", "answer", "relayed")
_LOSS = "the query is over, without an answer"


class Question(NamedTuple):
    """What all parties of a query know before it begins.

    Attributes:
        session: a name that was never used before.
        asker: who asks.
        members: who is asked; the first is the relay where only counts are revealed.
        counts_only: whether the asker learns how many have an id, and not who.
        most: how many ids members answer for.
    """

    session: str
    asker: str
    members: tuple[str, ...]
    counts_only: bool
    most: int

    @property
    def collector(self) -> str:
        """Who gets the members' answers: the asker, or the relay."""
        if self.counts_only:
            return self.members[0]
        return self.asker

    def label_of(self, point: bytes) -> bytes:
        """The label of a point under a member's scalar."""
        return label(context_of(self.session, "query"), point).tag


class Asker:
    """Who asks: its ids, its scalar, and what it learns."""

    def __init__(self, question: Question, ids: Ids, *, entropy: Entropy) -> None:
        """An asker that has sent nothing yet.

        Args:
            question: what all parties know.
            ids: what is asked for.
            entropy: where its scalar comes from.
        """
        self.name = question.asker
        self.question = question
        self._ids = ids
        self._scalar = secret_scalar(entropy)
        self._inbox = Inbox(question.session, self.name, STAGES)
        self._hits: HostArray = np.zeros((0, 0), dtype=bool)

    @property
    def hits(self) -> HostArray:
        """bool[Q, M]; where only counts are revealed, each row's in a random order.

        Raises:
            InvalidInputError: the query is not done.
        """
        self._inbox.require_done("answers")
        return self._hits

    def start(self) -> list[Message]:
        """The question, to every member: points under the asker's scalar, and the ids' kind."""
        count = len(self._ids.ids)
        require(
            count <= self.question.most,
            f"Expected at most {how_many(self.question.most, 'id')} in a query, got {count:,}: "
            "members answer for no more; most=... says what they allow.",
        )
        points = self._scalar.multiply(hash_to_curve(self._ids.encoded()))
        parts = (
            Part("kind", "plain", self._ids.kind.encode()),
            Part("points", "masked", b"".join(points)),
        )
        session = self.question.session
        return [
            Message(session, self.name, member, "question", parts)
            for member in self.question.members
        ]

    def receive(self, message: Message) -> None:
        """Takes an answer.

        Raises:
            InvalidInputError: it is not what the asker waits for; it goes on without it.
        """
        self._inbox.take(message, self._awaited(), self._check)

    def close(self) -> list[Message]:
        """Ends the open stage; nothing is sent.

        Raises:
            InvalidInputError: an answer is missing.
        """
        return self._inbox.close(self._awaited(), self._read, _LOSS)

    def _awaited(self) -> tuple[str, ...]:
        """From whom the asker waits for a message."""
        if self._inbox.open == "answer" and not self.question.counts_only:
            return self.question.members
        if self._inbox.open == "relayed" and self.question.counts_only:
            return (self.question.collector,)
        return ()

    def _check(self, message: Message) -> None:
        """Refuses answers that cannot be such."""
        count = len(self._ids.ids)
        if self.question.counts_only:
            count *= len(self.question.members)
        require_answer(message, count)

    def _read(self) -> list[Message]:
        """Which labels of the asker's ids are among those that came."""
        awaited = self._awaited()
        if not awaited:
            return []
        count = len(self._ids.ids)
        columns = []
        for name in awaited:
            message = self._inbox.arrived[name]
            known = set(cut(message.content("labels"), TAG_BYTES))
            points = self._scalar.divide(cut(message.content("points"), POINT_BYTES))
            found = [self.question.label_of(point) in known for point in points]
            columns.append(np.array(found, dtype=bool).reshape(count, -1))
        self._hits = np.concatenate(columns, axis=1)
        return []


class Asked:
    """A member that is asked: its ids and its scalar; the relay passes on the others' answers."""

    def __init__(self, question: Question, name: str, ids: Ids, *, entropy: Entropy) -> None:
        """A member that was not asked yet.

        Args:
            question: what all parties know.
            name: the member's.
            ids: those it has.
            entropy: where its scalar comes from, and the order in which a relay passes on.
        """
        require(name in question.members, f"Expected {name!r} to be one of the members.")
        self.name = name
        self._question = question
        self._ids = ids
        self._entropy = entropy
        self._scalar = secret_scalar(entropy)
        self._inbox = Inbox(question.session, name, STAGES)
        self._num_asked = 0

    def start(self) -> list[Message]:
        """Nothing: members wait for the question."""
        return []

    def receive(self, message: Message) -> None:
        """Takes the question; the relay takes the others' answers as well.

        Raises:
            InvalidInputError: it is not what the member waits for; it goes on without it.
        """
        self._inbox.take(message, self._awaited(), self._check)

    def close(self) -> list[Message]:
        """Ends the open stage; what is sent now.

        Raises:
            InvalidInputError: a message is missing.
        """
        stage = self._inbox.open
        answers = {"question": self._answer, "answer": self._relay}
        return self._inbox.close(self._awaited(), answers.get(stage, list), _LOSS)

    def _awaited(self) -> tuple[str, ...]:
        """From whom the member waits for a message; a relay answers to itself as well."""
        if self._inbox.open == "question":
            return (self._question.asker,)
        if self._inbox.open == "answer" and self.name == self._question.collector:
            return self._question.members
        return ()

    def _check(self, message: Message) -> None:
        """Refuses what cannot be a question or an answer."""
        if message.kind == "answer":
            require_answer(message, self._num_asked)
            return
        content = message.content("points")
        count = max(len(content) // POINT_BYTES, 1)
        require(
            count <= self._question.most,
            f"Expected at most {how_many(self._question.most, 'id')} in a query, {self.name} is "
            f"asked for {count:,}.",
        )
        require_points(message.sender, content, count)
        kind = message.content("kind").decode(errors="replace")
        require(
            kind == self._ids.kind,
            f"Expected {message.sender} to ask for {self._ids.kind}, as the ids of {self.name} "
            f"are, got {kind}: 7 and '7' are two ids.",
        )

    def _answer(self) -> list[Message]:
        """The asker's points under this member's scalar, and the labels of its own ids."""
        asked = self._inbox.arrived[self._question.asker].content("points")
        points = self._scalar.multiply(cut(asked, POINT_BYTES))
        self._num_asked = len(points)
        own = self._scalar.multiply(hash_to_curve(self._ids.encoded()))
        labels = map(self._question.label_of, own)
        return [self._message("answer", self._question.collector, points, labels)]

    def _relay(self) -> list[Message]:
        """All members' points of each id in a random order, and all labels as one sorted list."""
        if self.name != self._question.collector:
            return []
        messages = [self._inbox.arrived[name] for name in self._question.members]
        answers = [cut(message.content("points"), POINT_BYTES) for message in messages]
        points: list[bytes] = []
        for of_one_id in zip(*answers, strict=True):
            points += sorted(of_one_id, key=lambda _point: self._entropy(16))
        labels = [one for message in messages for one in cut(message.content("labels"), TAG_BYTES)]
        return [self._message("relayed", self._question.asker, points, labels)]

    def _message(
        self, stage: str, receiver: str, points: Sequence[bytes], labels: Iterable[bytes]
    ) -> Message:
        """Points and sorted labels as a message."""
        parts = (
            Part("points", "masked", b"".join(points)),
            Part("labels", "masked", b"".join(sorted(labels))),
        )
        return Message(self._question.session, self.name, receiver, stage, parts)


def require_answer(message: Message, count: int) -> None:
    """Refuses points that are not `count`, and labels that are not in their order."""
    require_points(message.sender, message.content("points"), count)
    require_tags(message.sender, message.content("labels"))
