"""The exchange of messages between parties that answer one another kind by kind, or end."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from fedjax_shap._validate import function_of, one_of, require
from fedjax_shap.protocols.transcript import Message, Transcript


class Party(Protocol):
    """Who takes part."""

    def receive(self, arrived: Message, /) -> list[Message]:
        """The answers to a message, or a refusal in a sentence."""


class Carrier(Protocol):
    """What carries messages, and what it loses, repeats, alters or reorders."""

    def __call__(self, kind: str, step: int, messages: Sequence[Message], /) -> Sequence[Message]:
        """The messages that arrive.

        Args:
            kind: of the messages.
            step: of the messages.
            messages: all that were sent of this kind.
        """


class Exchanged(NamedTuple):
    """What came of an exchange.

    Attributes:
        transcript: all messages that arrived.
        seconds: {party: seconds it computed}.
    """

    transcript: Transcript
    seconds: dict[str, float]


def all_arrive(_kind: str, _step: int, messages: Sequence[Message]) -> Sequence[Message]:
    """A carrier that delivers everything."""
    return messages


def exchange(
    parties: Mapping[str, Party],
    first: Sequence[Message],
    turns: Iterable[tuple[str, int]],
    *,
    carrier: Carrier = all_arrive,
    keep: bool = False,
) -> Exchanged:
    """Carries messages until the last turn, or ends at the first that is missing or refused.

    Args:
        parties: {name: party}.
        first: the messages of the first turn.
        turns: kind and step of the messages that are carried, turn by turn.
        carrier: what carries them.
        keep: whether the transcript keeps contents.

    Raises:
        InvalidInputError: a message did not arrive, or its receiver refused it.
    """
    function_of("carrier", carrier, ("kind", "step", "messages"), "all_arrive")
    transcript = Transcript(keep=keep)
    seconds = dict.fromkeys(parties, 0.0)
    pending = list(first)
    for kind, step in turns:
        now = [one for one in pending if one.kind == kind]
        pending = [one for one in pending if one.kind != kind]
        arrived = carrier(kind, step, now)
        for one in arrived:
            one_of("receiver", one.receiver, parties, "a party that takes part")
            transcript.record(one)
            began = time.perf_counter()
            pending += parties[one.receiver].receive(one)
            seconds[one.receiver] += time.perf_counter() - began
        _require_all(now, arrived, step)
    return Exchanged(transcript, seconds)


def _require_all(sent: Sequence[Message], arrived: Sequence[Message], step: int) -> None:
    """Ends where a message did not arrive: who waits for it would wait for ever."""
    there = {(one.sender, one.receiver) for one in arrived}
    for one in sent:
        require(
            (one.sender, one.receiver) in there,
            f"Expected {one.kind!r} of {one.sender} at step {step}, {one.receiver} got nothing: "
            "the run ends here, and no party has a result.",
        )
