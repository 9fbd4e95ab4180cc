"""The parties of a coordinated training, as state machines: a message comes in, messages go out.

A message that is refused changes nothing: a party is as before, and sends nothing.
"""

from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.protocols.coordinated_columns import Columns, mean_loss
from fedjax_shap.protocols.coordinated_numbers import Begin, Hidden, Numbers, Work
from fedjax_shap.protocols.coordinated_session import (
    COORDINATOR,
    Session,
    message,
    require_awaited,
)
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.typing import HostArray


class Host:
    """A party without labels."""

    def __init__(self, session: Session, name: str, x: HostArray, begin: Begin) -> None:
        """A host that waits for the coordinator's key.

        Args:
            session: what all parties know.
            name: its own.
            x: float[N, F].
            begin: makes its arithmetic from the first message.
        """
        self.name = name
        self._session = session
        self._begin = begin
        self._columns = Columns(session, x)
        self._awaits = "start"
        self._step = 0
        self._numbers: Numbers | None = None
        self._own = np.zeros(0)
        self._hidden = Hidden(None)

    def receive(self, arrived: Message) -> list[Message]:
        """The answers to a message.

        Raises:
            InvalidInputError: it is not the message that the host waits for, or cannot be read; the
                host is as before then.
        """
        sender = COORDINATOR
        if self._awaits == "residual":
            sender = self._session.label_holder
        name = self._session.name
        require_awaited(name, arrived, self.name, (sender,), self._awaits, self._step)
        if arrived.kind == "start":
            self._numbers = self._begin(arrived)
            return [self._send_part()]
        if arrived.kind == "residual":
            return self._send_sums(arrived)
        opened = arrived.content("gradient")
        self._columns.learn(self._arithmetic.reveal(opened, self._hidden), self._step)
        self._step += 1
        if self._step == self._session.num_steps:
            self._awaits = ""
            return []
        return [self._send_part()]

    def weights(self) -> HostArray:
        """float64[F], once the training is over."""
        _require_over(self.name, self._awaits)
        return self._columns.weights

    def work(self) -> Work:
        """What it did for the sake of encryption."""
        return self._arithmetic.work()

    @property
    def _arithmetic(self) -> Numbers:
        return _begun(self.name, self._numbers)

    def _send_part(self) -> Message:
        """The host's part of d, for the label holder."""
        self._own = self._columns.part(self._step)
        self._awaits = "residual"
        part = self._arithmetic.part("part", self._arithmetic.put(self._own))
        return self._to(self._session.label_holder, "part", part)

    def _send_sums(self, arrived: Message) -> list[Message]:
        """The sums of the host's columns for the coordinator, that of the loss for the holder."""
        numbers = self._arithmetic
        residual = numbers.read(arrived.content("residual"), len(self._own))
        sums = self._columns.sums(numbers, residual, self._step, self._own)
        own, loss = numbers.split(sums, self._columns.count)
        self._hidden = numbers.hide(own)
        self._awaits = "opened"
        sent = [self._to(COORDINATOR, "gradient", numbers.masked_part("gradient", self._hidden))]
        if self._session.loss:
            part = numbers.part("loss", numbers.refresh(loss))
            sent.append(self._to(self._session.label_holder, "loss", part))
        return sent

    def _to(self, receiver: str, kind: str, *parts: Part) -> Message:
        """A message of the step at hand."""
        return message(self._session.name, self.name, receiver, kind, self._step, parts)


class LabelHolder:
    """The party with the labels, and perhaps with columns of its own."""

    def __init__(self, session: Session, x: HostArray, y: HostArray, begin: Begin) -> None:
        """A label holder that waits for the coordinator's key.

        Args:
            session: what all parties know.
            x: float[N, F]; F may be 0.
            y: float[N], -1 and 1 for the logistic model.
            begin: makes its arithmetic from the first message.
        """
        self.name = session.label_holder
        self.losses: list[float] = []
        self._session = session
        self._begin = begin
        self._columns = Columns(session, x, intercept=session.intercept)
        self._y = np.asarray(y, float)
        self._awaits = "start"
        self._step = 0
        self._numbers: Numbers | None = None
        self._own = np.zeros(0)
        self._received: dict[str, Any] = {}
        self._sums: Any = None
        self._hidden = {"gradient": Hidden(None)}

    def receive(self, arrived: Message) -> list[Message]:
        """The answers to a message; see `Host.receive`."""
        senders: tuple[str, ...] = (COORDINATOR,)
        if self._awaits in ("part", "loss"):
            senders = tuple(host for host in self._session.hosts if host not in self._received)
        name = self._session.name
        require_awaited(name, arrived, self.name, senders, self._awaits, self._step)
        if arrived.kind == "start":
            self._numbers = self._begin(arrived)
            self._await_parts()
            return []
        if arrived.kind == "opened":
            self._learn(arrived)
            return []
        products = arrived.kind == "loss"
        count = len(self._own)
        if products:
            count = 1
        content = arrived.content(arrived.kind)
        self._received[arrived.sender] = self._arithmetic.read(content, count, products=products)
        if len(self._received) < len(self._session.hosts):
            return []
        # in the hosts' order, whoever was first: sums of floats depend on it
        terms = [self._received[host] for host in self._session.hosts]
        self._received = {}
        if products:
            return [self._send_gradient(terms)]
        return self._send_residual(terms)

    def weights(self) -> HostArray:
        """float64[F], the intercept last where there is one, once the training is over."""
        _require_over(self.name, self._awaits)
        return self._columns.weights

    def work(self) -> Work:
        """What it did for the sake of encryption."""
        return self._arithmetic.work()

    @property
    def _arithmetic(self) -> Numbers:
        return _begun(self.name, self._numbers)

    def _await_parts(self) -> None:
        """Its own part of d, and a wait for those of the hosts."""
        y = self._y[self._session.batch(self._step)]
        self._own = self._columns.part(self._step) - self._columns.target * y
        self._awaits = "part"

    def _send_residual(self, parts: list[Any]) -> list[Message]:
        """d, the sum of all parts, for each host; it starts from fresh encryptions of its own."""
        numbers = self._arithmetic
        residual = numbers.total(numbers.put(self._own), *parts)
        self._sums = self._columns.sums(numbers, residual, self._step, self._own)
        part = numbers.part("residual", residual)
        sent = [self._to(host, "residual", part) for host in self._session.hosts]
        self._awaits = "loss"
        if not self._session.loss:
            sent.append(self._send_gradient([]))
        return sent

    def _send_gradient(self, losses: list[Any]) -> Message:
        """The sums of its columns, and that of the loss, for the coordinator."""
        numbers = self._arithmetic
        own, loss = numbers.split(self._sums, self._columns.count)
        self._hidden = {"gradient": numbers.hide(own)}
        if losses:
            self._hidden["loss"] = numbers.hide(numbers.total(loss, *losses))
        self._awaits = "opened"
        parts = [numbers.masked_part(name, hidden) for name, hidden in self._hidden.items()]
        return self._to(COORDINATOR, "gradient", *parts)

    def _learn(self, arrived: Message) -> None:
        """A step, once the masks are off."""
        revealed = {
            name: self._arithmetic.reveal(arrived.content(name), hidden)
            for name, hidden in self._hidden.items()
        }
        if "loss" in revealed:
            mean = float(revealed["loss"][0]) / len(self._own)
            self.losses.append(mean_loss(self._session.model, mean))
        self._columns.learn(revealed["gradient"], self._step)
        self._step += 1
        if self._step == self._session.num_steps:
            self._awaits = ""
            return
        self._await_parts()

    def _to(self, receiver: str, kind: str, *parts: Part) -> Message:
        """A message of the step at hand."""
        return message(self._session.name, self.name, receiver, kind, self._step, parts)


def _begun(name: str, numbers: Numbers | None) -> Numbers:
    """The arithmetic of a party that has got the coordinator's first message."""
    if numbers is None:
        raise InvalidInputError(f"Expected {name} to have got 'start' of the coordinator first.")
    return numbers


def _require_over(name: str, awaits: str) -> None:
    """Refuses to give weights before the last step."""
    require(not awaits, f"Expected {name} to give its weights at the end; it awaits {awaits!r}.")
