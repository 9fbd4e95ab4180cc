"""Messages between parties, and the transcript: who got what from whom, and what could be read.

A message consists of parts, and each part has a form, which says who can read it:

=========  ========================================================================
`plain`    everybody who sees it: names, public keys, results
`sealed`   who has the key (`reader`), and nobody else: shares on their way through a
           server, numbers under homomorphic encryption, labels of the reader's ids
`masked`   nobody: numbers under masks, each uniform by itself, that cancel in a sum;
           ids as points under secret scalars, equal only to those under the same
`share`    its receiver, but it says nothing of its secret below the threshold
=========  ========================================================================

The form is what the sender declares; a transcript that keeps the contents lets a test hold it to
them (that sealed and masked bytes look random, that plain ones hold no data).
"""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.protocols.given import on_or_off

Form: TypeAlias = Literal["plain", "sealed", "masked", "share"]


class Part(NamedTuple):
    """A part of a message.

    Attributes:
        name: what it is, such as "seed shares".
        form: who can read it.
        content: its bytes.
        reader: the party that has the key of a sealed part; no name else.
    """

    name: str
    form: Form
    content: bytes
    reader: str = ""


class Message(NamedTuple):
    """A message from one party to another.

    Attributes:
        session: the run of the protocol that it belongs to.
        sender: who sent it.
        receiver: whom it is for.
        kind: what it is, such as "upload"; a party takes each kind once.
        parts: what it holds.
    """

    session: str
    sender: str
    receiver: str
    kind: str
    parts: tuple[Part, ...]

    @property
    def num_bytes(self) -> int:
        """Of all parts, without what carries them over a network."""
        return sum(len(part.content) for part in self.parts)

    def content(self, name: str) -> bytes:
        """The content of the one part of this name.

        Raises:
            InvalidInputError: there is none, or more than one.
        """
        found = [part.content for part in self.parts if part.name == name]
        if len(found) != 1:
            raise InvalidInputError(
                f"Expected the message {self.kind!r} of {self.sender} to have one part {name!r}, "
                f"got {len(found)}."
            )
        return found[0]


class Seen(NamedTuple):
    """A part of a message as its receiver saw it.

    Attributes:
        sender: who sent the message.
        receiver: who got it.
        kind: of the message.
        name: of the part.
        form: of the part.
        reader: of the part.
        num_bytes: of the part.
        content: the part's bytes, where the transcript keeps them; b"" else.
    """

    sender: str
    receiver: str
    kind: str
    name: str
    form: Form
    reader: str
    num_bytes: int
    content: bytes

    @property
    def readable(self) -> bool:
        """Whether the receiver could read the part."""
        if self.form == "sealed":
            return self.reader == self.receiver
        return self.form != "masked"


class Transcript:
    """All messages that arrived, part by part, in their order.

    Late, repeated and refused messages stand in it as well: their receivers saw them.
    """

    def __init__(self, *, keep: bool = False) -> None:
        """An empty transcript.

        Args:
            keep: whether contents are kept, and not their sizes alone.

        Raises:
            InvalidInputError: `keep` is neither True nor False.
        """
        on_or_off(keep=keep)
        self._keep = bool(keep)
        self._parts: list[Seen] = []
        self._messages: Counter[str] = Counter()

    def record(self, message: Message) -> None:
        """Adds a message that arrived."""
        self._messages[message.kind] += 1
        for part in message.parts:
            content = part.content * self._keep
            seen = Seen(
                sender=message.sender,
                receiver=message.receiver,
                kind=message.kind,
                name=part.name,
                form=part.form,
                reader=part.reader,
                num_bytes=len(part.content),
                content=content,
            )
            self._parts.append(seen)

    def __iter__(self) -> Iterator[Seen]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def received(self, party: str) -> list[Seen]:
        """The parts that a party got."""
        return [seen for seen in self._parts if seen.receiver == party]

    def read(self, party: str) -> list[Seen]:
        """The parts that a party got and could read."""
        return [seen for seen in self.received(party) if seen.readable]

    def bytes_to(self, party: str) -> int:
        """The bytes that a party got."""
        return sum(seen.num_bytes for seen in self.received(party))

    def bytes_from(self, party: str) -> int:
        """The bytes that arrived from a party."""
        return sum(seen.num_bytes for seen in self._parts if seen.sender == party)

    def to_json(self) -> list[dict[str, str | int]]:
        """A row for each kind of message and part: how many parts, their form and their bytes."""
        parts: Counter[tuple[str, str, Form]] = Counter()
        sizes: Counter[tuple[str, str, Form]] = Counter()
        for seen in self._parts:
            what = (seen.kind, seen.name, seen.form)
            parts[what] += 1
            sizes[what] += seen.num_bytes
        return [
            {
                "kind": kind,
                "messages": self._messages[kind],
                "part": name,
                "form": form,
                "parts": parts[kind, name, form],
                "bytes": sizes[kind, name, form],
            }
            for kind, name, form in parts
        ]
