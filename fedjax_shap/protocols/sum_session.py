"""The session of a secure sum: who takes part, against whom it protects, and how messages look.

References:
    Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
    2017, figure 4 (the protocol) and section 6 (thresholds).
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from fedjax_shap._validate import InvalidInputError, integer, one_of, require
from fedjax_shap.privacy.masking import context_of
from fedjax_shap.protocols.transcript import Part

Against: TypeAlias = Literal["server", "server and members"]

SERVER = "server"
LEAST_MEMBERS = 2
# What members send, in order; the consistency check is left out against the server alone.
STAGES = ("keys", "shares", "upload", "agreement", "unmasking")
# What the server answers to all who sent it; nothing after the last stage.
ANSWERS = {
    "keys": "all keys",
    "shares": "sealed shares",
    "upload": "survivors",
    "agreement": "all agreements",
}
_INDEX_BYTES = 4


class Session(NamedTuple):
    """What all parties of a secure sum know before it begins; `session` makes one.

    Attributes:
        name: of this sum; every message carries it.
        members: the members' names; a member's index is its place.
        length: words of an upload.
        threshold: how many members must answer at every stage.
        against: "server": the server may read all it gets and lie about who uploaded, but it passes
            on public keys as they were sent, and members do not help it. "server and members": up
            to a third of the members may help it; keys, and who is said to have uploaded, are
            signed by the members, whose identities are known beforehand.
        identities: {name: public key, 32 bytes}, of all members; empty against the server alone.
    """

    name: str
    members: tuple[str, ...]
    length: int
    threshold: int
    against: Against
    identities: Mapping[str, bytes]

    @property
    def stages(self) -> tuple[str, ...]:
        """What members send, in order."""
        if self.signed:
            return STAGES
        return tuple(stage for stage in STAGES if stage != "agreement")

    @property
    def signed(self) -> bool:
        """Whether members sign their keys and whom they heard to be there."""
        return self.against == "server and members"

    def place(self, name: str) -> int:
        """A member's place, counted from 0."""
        return self.members.index(name)

    def point(self, name: str) -> int:
        """Where a member's share of a secret is evaluated."""
        return self.place(name) + 1

    def context(self, *names: str) -> bytes:
        """Names as bytes, together with the session's."""
        return context_of(self.name, *names)

    def pair(self, use: str, one: str, other: str) -> bytes:
        """Two members as bytes, the same for both, for what they agree on."""
        return self.context(use, *sorted((one, other)))


def least_threshold(num_members: int, against: Against) -> int:
    """The smallest threshold that protects `num_members`.

    Against the server alone floor(n / 2) + 1: it cannot ask one half for the shares of a member's
    key and the other for those of its seed. Against the server and up to a third of the members
    floor(2n / 3) + 1.
    """
    if against == "server":
        return num_members // 2 + 1
    return 2 * num_members // 3 + 1


def session(
    members: Sequence[str],
    *,
    name: str,
    length: int,
    threshold: int | None = None,
    against: Against = "server",
    identities: Mapping[str, bytes] | None = None,
) -> Session:
    """The session of a secure sum.

    Args:
        members: their names, all different.
        name: of this sum, one that was never used before: by it, what was sent for another sum is
            refused.
        length: words of an upload.
        threshold: how many members must answer at every stage; the least that protects by default.
        against: see `Session`.
        identities: see `Session`; asked for against the server and members.

    Raises:
        InvalidInputError: fewer than 2 members, names that are not different, a threshold that does
            not protect or that cannot be met, or identities that are missing.
    """
    members = tuple(members)
    count = len(members)
    require(count >= LEAST_MEMBERS, f"Expected at least {LEAST_MEMBERS} members, got {count}.")
    require(
        len(set(members)) == count and SERVER not in members,
        f"Expected the members' names to be different, and none to be {SERVER!r}.",
    )
    integer("length", length, least=1)
    one_of("against", against, ("server", "server and members"))
    least = least_threshold(count, against)
    if threshold is None:
        threshold = least
    integer("threshold", threshold)
    require(
        threshold <= count, f"Expected threshold={threshold} to be at most the {count} members."
    )
    require(
        threshold >= least,
        f"Expected threshold={threshold} to be >= {least}: with fewer of {count} members a single "
        f"upload is not protected against the {against}.",
    )
    known = dict(identities or {})
    missing = [one for one in members if one not in known]
    require(
        against == "server" or not missing,
        f"Expected identities to name every member against {against!r}; {len(missing)} are "
        "missing.",
    )
    return Session(name, members, length, threshold, against, known)


# ------------------------------------------------------------------ records of bytes


def pack(session: Session, rows: Mapping[str, bytes]) -> bytes:
    """Members, each with as many bytes, as one text of bytes."""
    return b"".join(
        session.place(name).to_bytes(_INDEX_BYTES, "big") + content
        for name, content in rows.items()
    )


def unpack(session: Session, content: bytes, size: int) -> dict[str, bytes]:
    """{member: `size` bytes}, from what `pack` gives.

    Raises:
        InvalidInputError: the bytes are no such records, or name a member twice.
    """
    width = _INDEX_BYTES + size
    rows: dict[str, bytes] = {}
    wrong = InvalidInputError(
        f"Expected records of {width} bytes, each of another member, got {len(content)} bytes."
    )
    if len(content) % width:
        raise wrong
    for start in range(0, len(content), width):
        index = int.from_bytes(content[start : start + _INDEX_BYTES], "big")
        if index >= len(session.members) or session.members[index] in rows:
            raise wrong
        rows[session.members[index]] = content[start + _INDEX_BYTES : start + width]
    return rows


def plain(name: str, content: bytes) -> Part:
    """A part that everybody can read."""
    return Part(name, "plain", content)


def sealed_for(reader: str, content: bytes) -> Part:
    """The sealed shares for one member."""
    return Part("shares", "sealed", content, reader)
