"""Entry: one line of a ledger, hashed with its predecessor, and signed where the ledger is."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.ledger.canonical import canonical, digest, read
from fedjax_shap.ledger.signing import Signer

FIRST = "ledger"  # the kind of entry 0, which says whose ledger it is
NOTHING = "0" * 64  # what entry 0 names as the hash of its predecessor

_KEYS = {"number", "previous", "time", "kind", "content"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry, as it is in the ledger.

    Attributes:
        number: 0 for the ledger's own entry, then 1, 2, ...
        previous: the hash of the entry before, `NOTHING` for entry 0.
        time: when it was appended by the clock of the appending machine, in UTC:
            2026-01-31T23:59:59Z.
        kind: what it records: "run", "settlement", ...
        content: the record.
        body: canonical JSON of the five above. It alone is hashed; see `canonical`.
        hash: SHA-256 of the body, 64 hexadecimal digits.
        signature: Ed25519 of `message(hash)`, 128 hexadecimal digits; None in a ledger that is not
            signed.
    """

    number: int
    previous: str
    time: str
    kind: str
    content: dict[str, Any]
    body: str
    hash: str
    signature: str | None

    def to_json(self) -> dict[str, Any]:
        """The entry as a dict for JSON; its hash is that of the canonical text of the first five.

        `read_entry` reads an entry from that text.
        """
        names = ("number", "previous", "time", "kind", "content", "hash", "signature")
        return {name: getattr(self, name) for name in names}


def make_entry(
    number: int, previous: str, kind: str, content: Any, signer: Signer | None = None
) -> Entry:
    """Makes the entry that follows on the one whose hash is `previous`.

    Raises:
        InvalidInputError: a kind that is not a word, or a content that is not an object for JSON.
    """
    fine = isinstance(kind, str) and kind.strip() != ""
    require(fine, f"Expected kind={kind!r} to be a word such as 'settlement'.")
    require(
        isinstance(content, dict),
        f"Expected content to be an object, got {type(content).__name__}.",
    )
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = canonical(
        {"number": number, "previous": previous, "time": time, "kind": kind, "content": content}
    )
    name = digest(body)
    signature = None
    if signer is not None:
        signature = signer.sign(message(name))
    return read_entry(body, name, signature)


def read_entry(body: Any, name: Any, signature: Any) -> Entry:
    """Reads an entry as it is kept, and checks that it is whole; its signature is not checked here.

    Args:
        body: what should be its body.
        name: what should be its hash.
        signature: what should be its signature, or None.

    Raises:
        ValueError: it is not what an entry is; the message says why.
    """
    for wanted, value in (("body", body), ("hash", name), ("signature", signature)):
        missing = wanted == "signature" and value is None
        if not missing and not isinstance(value, str):
            raise ValueError(f"its {wanted} is not a text")
    # The hash first: what is not as it was hashed need not be read.
    if digest(body) != name:
        raise ValueError("its hash is not that of its body")
    try:
        fields = read(body)
    except InvalidInputError as error:
        raise ValueError(f"its body cannot be canonical JSON: {error}") from error
    except ValueError as error:
        raise ValueError(f"its body is not canonical JSON: {error}") from error
    if not isinstance(fields, dict) or fields.keys() != _KEYS:
        raise ValueError("its body does not have the keys of an entry")
    kinds = {"number": int, "previous": str, "time": str, "kind": str, "content": dict}
    if not all(type(fields[key]) is kind for key, kind in kinds.items()):
        raise ValueError("its body does not have the values of an entry")
    return Entry(**fields, body=body, hash=name, signature=signature)


def message(name: str) -> bytes:
    """What is signed for the entry whose hash is `name`.

    The words keep it apart from anything else that is signed.
    """
    return f"fedjax-shap ledger entry {name}".encode()


def checkpoint_message(last: int, head: str) -> bytes:
    """What is signed to say that a ledger ends with entry number `last`, whose hash is `head`."""
    return f"fedjax-shap ledger checkpoint {last} {head}".encode()
