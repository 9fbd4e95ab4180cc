"""Predictions of a model whose weights lie at several parties: each adds its part of the outputs.

The label holder learns the sum of all parts, and the coordinator nothing: what it decrypts is under
the label holder's masks.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.privacy.paillier import PrivateKey
from fedjax_shap.protocols.coordinated_coordinator import Coordinator
from fedjax_shap.protocols.coordinated_exchange import Carrier, Exchanged, Party, exchange
from fedjax_shap.protocols.coordinated_numbers import Begin, Hidden, Numbers, PlainNumbers
from fedjax_shap.protocols.coordinated_session import COORDINATOR, message, require_awaited
from fedjax_shap.protocols.transcript import Message
from fedjax_shap.typing import HostArray

TURNS = (("start", 0), ("part", 0), ("outputs", 0), ("opened", 0))


class Roles(NamedTuple):
    """Who is who in a prediction.

    Attributes:
        session: the name of this run.
        hosts: the parties without labels.
        label_holder: who learns the outputs.
    """

    session: str
    hosts: tuple[str, ...]
    label_holder: str


class Contributor:
    """A host: it sends its part of the outputs once."""

    def __init__(self, roles: Roles, name: str, outputs: HostArray, begin: Begin) -> None:
        """A host that waits for the coordinator's key.

        Args:
            roles: who is who.
            name: its own.
            outputs: float64[M], its part.
            begin: makes its arithmetic from the first message.
        """
        self.name = name
        self._roles = roles
        self._outputs = outputs
        self._begin = begin
        self._awaits = "start"

    def receive(self, arrived: Message) -> list[Message]:
        """Its part, for the label holder."""
        session = self._roles.session
        require_awaited(session, arrived, self.name, (COORDINATOR,), self._awaits, 0)
        numbers = self._begin(arrived)
        part = numbers.part("part", numbers.put(self._outputs))
        self._awaits = ""
        return [message(session, self.name, self._roles.label_holder, "part", 0, (part,))]


class Asker:
    """The label holder: it learns the sums."""

    def __init__(self, roles: Roles, outputs: HostArray, begin: Begin) -> None:
        """A label holder that waits for the coordinator's key.

        Args:
            roles: who is who.
            outputs: float64[M], its own part.
            begin: makes its arithmetic from the first message.
        """
        self.name = roles.label_holder
        self.outputs: HostArray | None = None
        self._roles = roles
        self._own = outputs
        self._begin = begin
        self._awaits = "start"
        self._numbers: Numbers = PlainNumbers()
        self._received: dict[str, Any] = {}
        self._hidden = Hidden(None)

    def receive(self, arrived: Message) -> list[Message]:
        """Masked sums for the coordinator, once all parts are there."""
        senders: tuple[str, ...] = (COORDINATOR,)
        if self._awaits == "part":
            senders = tuple(host for host in self._roles.hosts if host not in self._received)
        session = self._roles.session
        require_awaited(session, arrived, self.name, senders, self._awaits, 0)
        numbers = self._numbers
        if arrived.kind == "start":
            self._numbers = self._begin(arrived)
            self._awaits = "part"
            return []
        if arrived.kind == "opened":
            self.outputs = numbers.reveal(arrived.content("outputs"), self._hidden)
            self._awaits = ""
            return []
        self._received[arrived.sender] = numbers.read(arrived.content("part"), len(self._own))
        if len(self._received) < len(self._roles.hosts):
            return []
        parts = [self._received[host] for host in self._roles.hosts]
        self._hidden = numbers.hide(numbers.total(numbers.put(self._own), *parts))
        self._awaits = "opened"
        part = numbers.masked_part("outputs", self._hidden)
        return [message(session, self.name, COORDINATOR, "outputs", 0, (part,))]


def outputs_of_all(
    roles: Roles,
    parts: Mapping[str, HostArray],
    *,
    private: PrivateKey | None,
    begin: Begin,
    carrier: Carrier,
    keep: bool,
) -> tuple[HostArray, Exchanged]:
    """The sums of all parties' parts, float64[M], and the exchange by which they came about.

    Args:
        roles: who is who.
        parts: {party: float64[M]}.
        private: the coordinator's key; None without encryption.
        begin: makes the parties' arithmetic.
        carrier: what carries messages.
        keep: whether the transcript keeps contents.
    """
    asker = Asker(roles, parts[roles.label_holder], begin)
    coordinator = Coordinator(
        roles.session, (roles.label_holder,), kind="outputs", num_steps=1, private=private
    )
    contributors = {name: Contributor(roles, name, parts[name], begin) for name in roles.hosts}
    parties: dict[str, Party] = {
        **contributors,
        roles.label_holder: asker,
        COORDINATOR: coordinator,
    }
    first = coordinator.start((*roles.hosts, roles.label_holder))
    exchanged = exchange(parties, first, TURNS, carrier=carrier, keep=keep)
    outputs = asker.outputs
    require(outputs is not None, f"Expected {asker.name} to have got the outputs.")
    return np.asarray(outputs), exchanged
