"""Delivery: what carries messages between parties, and what is written down of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.protocols.transcript import Message, Transcript


class Network(Protocol):
    """What carries messages, and what it loses, keeps for later, repeats or reorders."""

    def __call__(self, stage: str, messages: Sequence[Message], /) -> Sequence[Message]:
        """The messages that arrive now.

        Args:
            stage: the open stage.
            messages: those sent now.
        """


def all_arrive(_stage: str, messages: Sequence[Message]) -> Sequence[Message]:
    """A network that delivers everything."""
    return messages


def require_awaited(session: str, message: Message, receiver: str, kind: str) -> None:
    """Refuses a message that is not the one of `kind` that `receiver` waits for.

    Args:
        session: the run of the protocol.
        message: what arrived.
        receiver: who got it.
        kind: what it waits for; "" for nothing.
    """
    require(
        message.session == session,
        f"Expected a message of the session {session!r}, got one of {message.session!r}.",
    )
    require(
        message.receiver == receiver,
        f"Expected a message for {receiver}, got one for {message.receiver}.",
    )
    awaited = repr(kind)
    if not kind:
        awaited = "nothing more"
    require(
        message.kind == kind,
        f"Expected {awaited} of this session, {receiver} got {message.kind!r} of {message.sender}: "
        "what comes late, early or again is refused.",
    )


class Log(NamedTuple):
    """What is written down while messages go to and fro."""

    transcript: Transcript
    seconds: dict[str, float]
    refusals: list[str]

    @contextmanager
    def timed(self, party: str) -> Iterator[None]:
        """Adds to the party's seconds."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[party] += time.perf_counter() - began

    @contextmanager
    def arrived(self, message: Message) -> Iterator[None]:
        """Records a message, and why its receiver refuses it if it does."""
        self.transcript.record(message)
        with self.timed(message.receiver):
            try:
                yield
            except InvalidInputError as error:
                self.refusals.append(str(error))


@contextmanager
def explained(refusals: Sequence[str]) -> Iterator[None]:
    """Adds to a refusal why the first refused message was refused, where there was one."""
    try:
        yield
    except InvalidInputError as error:
        if not refusals:
            raise
        raise InvalidInputError(f"{error} The first refused message: {refusals[0]}") from error
