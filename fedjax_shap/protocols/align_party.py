"""A party of an alignment, as a state machine: it takes a stage's messages, then closes the stage.

See `protocols.align` for the protocol, what it protects and its references.
"""

from collections.abc import Callable, Sequence

from fedjax_shap._validate import InvalidInputError, how_many, listed, require
from fedjax_shap.privacy.curve import POINT_BYTES, hash_to_curve
from fedjax_shap.privacy.masking import KEY_BYTES, context_of, key_pair, pair_sign
from fedjax_shap.privacy.psi import require_points, secret_scalar
from fedjax_shap.privacy.shamir import Entropy
from fedjax_shap.protocols.align_tables import (
    TAG_BYTES,
    Label,
    Table,
    common_rows,
    cut,
    label,
    require_table,
    require_tags,
    shares_of_zero,
    table_of,
)
from fedjax_shap.protocols.delivery import require_awaited
from fedjax_shap.protocols.ids import Ids, require_one_kind
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.typing import HostArray

STAGES = ("hello", "blinded", "evaluated", "common")
_SIZE_BYTES = 8
_MOST_IDS = 10**9


class Party:
    """A party: its ids, its secrets, and which stage is open.

    The party with the fewest ids leads. Each of the others holds a scalar under which the leader
    has its own ids' points multiplied without showing them. A message that is refused changes
    nothing; a stage that lacks a message ends the alignment, and no party has rows then.
    """

    def __init__(
        self, session: str, parties: Sequence[str], name: str, ids: Ids, *, entropy: Entropy
    ) -> None:
        """A party that has sent nothing yet.

        Args:
            session: a name that was never used before.
            parties: all parties' names, in the order that all of them know.
            name: the party's.
            ids: its ids, one a row.
            entropy: where its scalar and its keys come from.
        """
        require(name in parties, f"Expected {name!r} to be one of the parties.")
        self.name = name
        self.sizes: dict[str, int] = {name: len(ids.ids)}
        self._session = session
        self._parties = tuple(parties)
        self._ids = ids
        self._entropy = entropy
        self._stages = list(STAGES)
        self._over = ""
        self._leader = ""
        self._scalar = secret_scalar(entropy)
        self._pair = key_pair(entropy)
        # of the open stage, by sender; of others: their kinds of ids and public keys
        self._arrived: dict[str, Message] = {}
        self._kinds: dict[str, str] = {name: ids.kind}
        self._keys: dict[str, bytes] = {name: self._pair.public}
        # the row of each tag of the party's own, and the common rows
        self._rows_by_tag: dict[bytes, int] = {}
        self._rows: Sequence[int] | None = None

    @property
    def rows(self) -> HostArray:
        """int[N_common], the rows of the common ids, ordered by id.

        Raises:
            InvalidInputError: the alignment is not done.
        """
        if self._rows is None or self._stages:
            raise InvalidInputError(self._over or "Expected the alignment to be done before rows.")
        return self._ids.in_order(self._rows)

    @property
    def leads(self) -> bool:
        """Whether the party leads; known once all have said how many ids they have."""
        return self.name == self._leader

    def start(self) -> list[Message]:
        """The first message, to all others: how many ids the party has and of what kind."""
        parts = [
            Part("size", "plain", len(self._ids.ids).to_bytes(_SIZE_BYTES, "big")),
            Part("kind", "plain", self._ids.kind.encode()),
            Part("public key", "plain", self._pair.public),
        ]
        return [self._message("hello", other, *parts) for other in self._others()]

    def receive(self, message: Message) -> None:
        """Takes a message of the open stage.

        Raises:
            InvalidInputError: the message is late, early, repeated, or not what the stage asks for;
                the party goes on without it.
        """
        require(not self._over, self._over)
        stage = next(iter(self._stages), "")
        require_awaited(self._session, message, self.name, stage)
        require(
            message.sender in self._awaited(stage),
            f"Expected {stage!r} of a party that {self.name} waits for, got {message.sender}'s.",
        )
        require(
            message.sender not in self._arrived,
            f"Expected {stage!r} of {message.sender} once: what comes again is refused.",
        )
        self._checks[stage](message)
        self._arrived[message.sender] = message

    def close(self) -> list[Message]:
        """Ends the open stage; what is to be sent now.

        Raises:
            InvalidInputError: a message is missing, or the parties' ids are of several kinds; the
                alignment is over then.
        """
        require(not self._over, self._over)
        require(bool(self._stages), "Expected a stage to be open, but the alignment is done.")
        stage = self._stages[0]
        missing = [name for name in self._awaited(stage) if name not in self._arrived]
        try:
            require(
                not missing,
                f"Expected {stage!r} of {listed(missing)} as {self.name} waits for it, but it did "
                "not come, or could not be used: the alignment is over, and no party has rows.",
            )
            messages = self._closings[stage]()
        except InvalidInputError as error:
            self._over = str(error)
            self._rows = None
            raise
        self._stages.pop(0)
        self._arrived = {}
        return messages

    # -------------------------------------------------------------- what a stage takes

    def _awaited(self, stage: str) -> tuple[str, ...]:
        """From whom the party waits for a message."""
        if stage == "hello":
            return self._others()
        if stage == "evaluated":
            return self._others() * self.leads
        return (self._leader,) * (not self.leads)

    @property
    def _checks(self) -> dict[str, Callable[[Message], None]]:
        """What is checked of each stage's messages."""
        return {
            "hello": self._take_hello,
            "blinded": self._require_points,
            "evaluated": self._require_evaluated,
            "common": self._require_common,
        }

    def _take_hello(self, message: Message) -> None:
        """How many ids another party has, of what kind, and its public key."""
        content = message.content("size")
        size = int.from_bytes(content, "big")
        require(
            len(content) == _SIZE_BYTES and 1 <= size <= _MOST_IDS,
            f"Expected {message.sender} to say that it has 1 to {_MOST_IDS:,} ids, got {size:,}.",
        )
        kind = message.content("kind")
        require(
            kind in (b"integers", b"texts"),
            f"Expected the ids of {message.sender} to be integers or texts.",
        )
        key = message.content("public key")
        require(
            len(key) == KEY_BYTES and key not in self._keys.values(),
            f"Expected a public key of {message.sender} of {KEY_BYTES} bytes that nobody else has.",
        )
        self.sizes[message.sender] = size
        self._kinds[message.sender] = kind.decode()
        self._keys[message.sender] = key

    def _require_points(self, message: Message) -> None:
        """Refuses points that cannot be such, or not as many as the leader has ids."""
        size = self.sizes[self._leader]
        require_points(message.sender, message.content("points"), size)

    def _require_evaluated(self, message: Message) -> None:
        """Refuses products that are no points, and a table of another size."""
        self._require_points(message)
        table = Table(message.content("table"), self.sizes[message.sender])
        require_table(message.sender, table, len(self._parties))

    def _require_common(self, message: Message) -> None:
        """Refuses tags that are not of this party's ids."""
        tags = require_tags(message.sender, message.content("tags"))
        unknown = sum(tag not in self._rows_by_tag for tag in tags)
        require(
            unknown == 0,
            f"Expected {self._leader} to name common ids by tags of {self.name}, but "
            f"{how_many(unknown, 'tag is', 'tags are')} of no id of {self.name}.",
        )

    # -------------------------------------------------------------- what closes a stage

    @property
    def _closings(self) -> dict[str, Callable[[], list[Message]]]:
        """What is sent once a stage is closed."""
        return {
            "hello": self._blind,
            "blinded": self._evaluate,
            "evaluated": self._intersect,
            "common": self._hear_common,
        }

    def _blind(self) -> list[Message]:
        """The leader's ids as points under its scalar, the same for all others."""
        require_one_kind({name: self._kinds[name] for name in self._parties})
        self._leader = min(self._parties, key=lambda name: self.sizes[name])
        if not self.leads:
            return []
        points = self._scalar.multiply(hash_to_curve(self._ids.encoded()))
        part = Part("points", "masked", b"".join(points))
        return [self._message("blinded", other, part) for other in self._others()]

    def _evaluate(self) -> list[Message]:
        """The leader's points under this party's scalar, and a table of its own ids' labels."""
        if self.leads:
            return []
        encoded = self._ids.encoded()
        own = self._scalar.multiply(hash_to_curve(encoded))
        context = context_of(self._session, self.name)
        labels = [label(context, point) for point in own]
        self._rows_by_tag = {one.tag: row for row, one in enumerate(labels)}
        table = table_of(labels, self._shares_of_zero(encoded), self._entropy)
        blinded = self._arrived[self._leader].content("points")
        points = self._scalar.multiply(cut(blinded, POINT_BYTES))
        parts = [Part("points", "masked", b"".join(points)), Part("table", "masked", table)]
        return [self._message("evaluated", self._leader, *parts)]

    def _intersect(self) -> list[Message]:
        """The leader's common rows; to each other party the tags of its common ids."""
        if not self.leads:
            return []
        labels = {other: self._labels_of(message) for other, message in self._arrived.items()}
        tables = {
            other: Table(message.content("table"), self.sizes[other])
            for other, message in self._arrived.items()
        }
        common = common_rows(tables, labels)
        self._rows = common
        messages = []
        for other in self._others():
            tags = sorted(labels[other][row].tag for row in common)
            part = Part("tags", "sealed", b"".join(tags), other)
            messages.append(self._message("common", other, part))
        return messages

    def _hear_common(self) -> list[Message]:
        """The rows of the common ids, of all but the leader; nothing is sent."""
        if not self.leads:
            tags = cut(self._arrived[self._leader].content("tags"), TAG_BYTES)
            self._rows = [self._rows_by_tag[tag] for tag in tags]
        return []

    # -------------------------------------------------------------- what these use

    def _others(self) -> tuple[str, ...]:
        """All parties but this one."""
        return tuple(name for name in self._parties if name != self.name)

    def _shares_of_zero(self, encoded: Sequence[bytes]) -> list[int] | None:
        """This party's shares of zero for its ids; None where there are two parties."""
        if len(self._parties) == 2:
            return None
        holders = [name for name in self._parties if name != self._leader]
        place = holders.index(self.name)
        secrets = []
        for other_place, other in enumerate(holders):
            if other != self.name:
                context = context_of(self._session, *sorted((self.name, other)))
                secret = self._pair.agree(self._keys[other], context)
                secrets.append((secret, pair_sign(place, other_place)))
        return shares_of_zero(secrets, encoded)

    def _labels_of(self, message: Message) -> list[Label]:
        """The labels of the leader's ids under another party's scalar."""
        context = context_of(self._session, message.sender)
        points = self._scalar.divide(cut(message.content("points"), POINT_BYTES))
        return [label(context, point) for point in points]

    def _message(self, stage: str, receiver: str, *parts: Part) -> Message:
        """A message of this party."""
        return Message(self._session, self.name, receiver, stage, parts)
