"""Tables of an alignment: what a party says of its ids to the leader, and what the leader reads.

With two parties a table has the labels of the party's ids. With more it is a hidden one, of shares
of zero: of those of all parties but the leader for one id the sum is 0, and fewer look random.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from fedjax_shap._validate import require
from fedjax_shap.privacy.hidden_tables import KEY_BYTES, PRIME, hide, look_up, shape_of
from fedjax_shap.privacy.shamir import Entropy

TAG_BYTES = 16
_SHARE_BYTES = 32  # that become a number modulo PRIME, almost uniform


class Label(NamedTuple):
    """What a pseudorandom point becomes.

    Attributes:
        tag: 16 bytes by which equal points are told.
        key: 32 bytes under which a hidden table has a value.
    """

    tag: bytes
    key: bytes


def label(context: bytes, point: bytes) -> Label:
    """The label of a point.

    Args:
        context: the session, and whose scalar the point is under.
        point: 32 bytes.
    """
    size = TAG_BYTES + KEY_BYTES
    digest = hashlib.blake2b(context + point, digest_size=size).digest()
    return Label(digest[:TAG_BYTES], digest[TAG_BYTES:])


class Table(NamedTuple):
    """A table as it was sent.

    Attributes:
        content: its bytes.
        num_ids: how many ids its sender has.
    """

    content: bytes
    num_ids: int


def table_of(labels: Sequence[Label], shares: Sequence[int] | None, entropy: Entropy) -> bytes:
    """The table of a party.

    Args:
        labels: of its ids.
        shares: of zero, for each id; None where there are two parties.
        entropy: random bytes for what a hidden table leaves open.
    """
    if shares is None:
        return b"".join(sorted(one.tag for one in labels))
    keys = [one.key for one in labels]
    return hide(dict(zip(keys, shares, strict=True)), entropy)


def require_table(owner: str, table: Table, num_parties: int) -> None:
    """Refuses a table of another size than its sender's number of ids asks for."""
    size = shape_of(table.num_ids).num_bytes
    if num_parties == 2:
        size = table.num_ids * TAG_BYTES
    given = len(table.content)
    require(given == size, f"Expected the table of {owner} to have {size:,} bytes, got {given:,}.")
    if num_parties == 2:
        require_tags(owner, table.content)


def common_rows(tables: Mapping[str, Table], labels: Mapping[str, Sequence[Label]]) -> list[int]:
    """The leader's rows whose ids all others have.

    Args:
        tables: of each other party.
        labels: {party: labels of the leader's ids under its scalar}.
    """
    if len(tables) == 1:
        ((other, table),) = tables.items()
        known = set(cut(table.content, TAG_BYTES))
        return [row for row, one in enumerate(labels[other]) if one.tag in known]
    sums: dict[int, int] = {}
    for other, table in tables.items():
        keys = [one.key for one in labels[other]]
        for row, share in enumerate(look_up(table.content, table.num_ids, keys)):
            sums[row] = (sums.get(row, 0) + share) % PRIME
    return [row for row, total in sums.items() if total == 0]


def shares_of_zero(secrets: Sequence[tuple[bytes, int]], encoded: Sequence[bytes]) -> list[int]:
    """A party's shares of zero, one an id.

    Args:
        secrets: (what it shares with another party, the sign of what comes of it here); for the
            other party the sign is the opposite.
        encoded: the ids.
    """
    shares = [0] * len(encoded)
    for secret, sign in secrets:
        for row, one in enumerate(encoded):
            digest = hashlib.blake2b(one, key=secret, digest_size=_SHARE_BYTES).digest()
            shares[row] += sign * int.from_bytes(digest, "little")
    return [share % PRIME for share in shares]


def cut(content: bytes, size: int) -> list[bytes]:
    """Bytes in pieces of one size."""
    return [content[start : start + size] for start in range(0, len(content), size)]


def require_tags(owner: str, content: bytes) -> list[bytes]:
    """Tags in increasing order, so that each is there once; or a refusal."""
    tags = cut(content, TAG_BYTES)
    is_whole = len(content) % TAG_BYTES == 0
    require(
        is_whole and all(one < following for one, following in pairwise(tags)),
        f"Expected the tags of {owner} to be of {TAG_BYTES} bytes, each once, in their order.",
    )
    return tags
