"""Inbox: a party's place in a protocol, which messages it waits for, and which came."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from fedjax_shap._validate import InvalidInputError, function_of, listed, require
from fedjax_shap.protocols.delivery import Log, Network, explained, require_awaited
from fedjax_shap.protocols.transcript import Message


class Inbox:
    """The open stage of a party, and the messages of it that came.

    A message that is refused changes nothing. A stage that lacks a message ends the party's part in
    the protocol, and whatever is asked of it then is refused by the same sentence.
    """

    def __init__(self, session: str, owner: str, stages: Sequence[str]) -> None:
        """An inbox at the first stage.

        Args:
            session: the run of the protocol.
            owner: the party's name.
            stages: the kinds of messages, in the order in which all parties send them.
        """
        self.session = session
        self.owner = owner
        self.arrived: dict[str, Message] = {}
        self._stages = list(stages)
        self._over = ""

    @property
    def open(self) -> str:
        """The open stage; no name once all are closed."""
        return next(iter(self._stages), "")

    def require_done(self, what: str) -> None:
        """Refuses what is known only when all stages are closed."""
        require(not self._over, self._over)
        require(not self.open, f"Expected all messages to have been exchanged before {what}.")

    def take(
        self, message: Message, awaited: Iterable[str], check: Callable[[Message], None]
    ) -> None:
        """Takes a message of the open stage.

        Args:
            message: what arrived.
            awaited: from whom the party waits for one.
            check: refuses one whose content cannot be used.

        Raises:
            InvalidInputError: the message is late, early, repeated, or not what the stage asks for.
        """
        require(not self._over, self._over)
        require_awaited(self.session, message, self.owner, self.open)
        require(
            message.sender in awaited,
            f"Expected {self.open!r} of a party that {self.owner} waits for, got "
            f"{message.sender}'s.",
        )
        require(
            message.sender not in self.arrived,
            f"Expected {self.open!r} of {message.sender} once: what comes again is refused.",
        )
        check(message)
        self.arrived[message.sender] = message

    def close(
        self, awaited: Iterable[str], answer: Callable[[], list[Message]], loss: str
    ) -> list[Message]:
        """Ends the open stage; what is to be sent now.

        Args:
            awaited: from whom a message must have come.
            answer: makes what is to be sent.
            loss: what nobody gets where one is missing, as the end of a sentence.

        Raises:
            InvalidInputError: one is missing, or there is no answer to what came.
        """
        require(not self._over, self._over)
        require(bool(self.open), "Expected a stage to be open, but all are closed.")
        missing = [name for name in awaited if name not in self.arrived]
        try:
            require(
                not missing,
                f"Expected {self.open!r} of {listed(missing)} as {self.owner} waits for it, but it "
                f"did not come, or could not be used: {loss}.",
            )
            messages = answer()
        except InvalidInputError as error:
            self._over = str(error)
            raise
        self._stages.pop(0)
        self.arrived = {}
        return messages


class Speaker(Protocol):
    """A party of a protocol in which all close the same stages one after another."""

    @property
    def name(self) -> str:
        """Its name."""

    def start(self) -> list[Message]:
        """Its first messages."""

    def receive(self, message: Message) -> None:
        """Takes a message, or refuses it by an `InvalidInputError`."""

    def close(self) -> list[Message]:
        """Ends the open stage; what it sends now."""


def converse(
    parties: Sequence[Speaker], stages: Sequence[str], *, network: Network, log: Log
) -> None:
    """Carries messages between parties until all stages are closed.

    Args:
        parties: those who take part.
        stages: in their order.
        network: what carries the messages.
        log: where it is written down.

    Raises:
        InvalidInputError: a stage lacks a message, with the first sentence by which one was
            refused.
    """
    function_of("network", network, ("stage", "messages"), "delivery.all_arrive")
    by_name = {party.name: party for party in parties}
    sent: list[Message] = []
    for name, party in by_name.items():
        with log.timed(name):
            sent += party.start()
    for stage in stages:
        for message in network(stage, sent):
            if message.receiver not in by_name:
                log.refusals.append(f"Expected a receiver that takes part, got {message.receiver}.")
                continue
            with log.arrived(message):
                by_name[message.receiver].receive(message)
        sent = []
        for name, party in by_name.items():
            with log.timed(name), explained(log.refusals):
                sent += party.close()
