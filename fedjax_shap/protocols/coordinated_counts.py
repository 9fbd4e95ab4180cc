"""Counts of a coordinated training, in closed form: the bytes and the encryptions of each party.

They are those of `coordinated`, message by message, without a key or a number: what a party sends
follows from rows, columns and the length of the key, and not from what the columns hold.
"""

from collections.abc import Mapping
from typing import NamedTuple

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.privacy.encrypted import HEADER
from fedjax_shap.privacy.paillier import LEAST_KEY
from fedjax_shap.protocols.coordinated_checks import batch_size_of
from fedjax_shap.protocols.coordinated_session import ENCRYPTIONS, STEP_BYTES, Encryption

NUMBER = 8  # bytes of a plain number


class Counts(NamedTuple):
    """What a party does in a training.

    Attributes:
        sent: bytes.
        received: bytes.
        encryptions: ciphertexts that it makes, those that mask or refresh others included.
        products: of an encrypted and a plain number.
        columns: whose gradients it takes, the intercept included.
    """

    sent: int
    received: int
    encryptions: int
    products: int
    columns: int


class Training(NamedTuple):
    """A training that is counted and not run.

    Attributes:
        num_rows: of all parties.
        epochs: passes over the rows.
        batch_size: rows of a step; the last step of an epoch may have fewer.
        encryption: "paillier" or "none".
        key_bits: of the coordinator's key.
    """

    num_rows: int
    epochs: int
    batch_size: int
    encryption: Encryption
    key_bits: int

    @property
    def num_steps(self) -> int:
        """Of all epochs."""
        return self.epochs * -(-self.num_rows // self.batch_size)

    @property
    def key_bytes(self) -> int:
        """Of the modulus; 0 without encryption."""
        return (self.key_bits + 7) // 8 * (self.encryption != "none")

    def sent(self, count: int) -> int:
        """Bytes of `count` numbers of a party."""
        if not self.key_bytes:
            return NUMBER * count
        return HEADER + 2 * self.key_bytes * count

    def opened(self, count: int) -> int:
        """Bytes of `count` numbers that the coordinator sends back."""
        return (self.key_bytes or NUMBER) * count


def training(
    num_rows: int,
    *,
    epochs: int = 20,
    batch_size: int | None = None,
    encryption: Encryption = "paillier",
    key_bits: int = LEAST_KEY,
) -> Training:
    """A training that is to be counted, with the loss of each step, as `coordinated` has it.

    Args:
        num_rows: of all parties.
        epochs: passes over the rows.
        batch_size: rows of a step; all by default.
        encryption: "paillier", or "none".
        key_bits: of the coordinator's key.

    Raises:
        InvalidInputError: settings that `coordinated` refuses.
    """
    integer("num_rows", num_rows, least=1)
    integer("epochs", epochs, least=1)
    one_of("encryption", encryption, ENCRYPTIONS)
    return Training(num_rows, epochs, batch_size_of(batch_size, num_rows), encryption, key_bits)


def of_hosts(asked: Training, columns: Mapping[str, int]) -> dict[str, Counts]:
    """What each host does.

    Args:
        asked: the training.
        columns: {host: its number of columns}.

    Raises:
        InvalidInputError: a host without columns.
    """
    for name, count in columns.items():
        require(count > 0, f"Expected {name} to have a column, got none.")
    return {name: _of_host(asked, count) for name, count in columns.items()}


def of_label_holder(asked: Training, num_hosts: int, num_columns: int) -> Counts:
    """What the label holder does, which has an intercept.

    Args:
        asked: the training.
        num_hosts: P, with whom it exchanges parts of the residual.
        num_columns: of its own, 0 or more.
    """
    columns = num_columns + 1
    steps = asked.num_steps
    own = asked.sent(columns) + asked.sent(1)
    back = asked.opened(columns) + asked.opened(1)
    rows = _rows_sent(asked)
    losses = steps * (STEP_BYTES + asked.sent(1))
    encrypted = bool(asked.key_bytes)
    return Counts(
        sent=num_hosts * rows + steps * (STEP_BYTES + own),
        received=_start(asked) + num_hosts * (rows + losses) + steps * (STEP_BYTES + back),
        encryptions=encrypted * (asked.epochs * asked.num_rows + steps * (columns + 1)),
        products=encrypted * asked.epochs * asked.num_rows * (columns + 1),
        columns=columns,
    )


def _of_host(asked: Training, columns: int) -> Counts:
    """What a host with so many columns does."""
    steps = asked.num_steps
    rows = _rows_sent(asked)
    own = 2 * STEP_BYTES + asked.sent(columns) + asked.sent(1)
    encrypted = bool(asked.key_bytes)
    return Counts(
        sent=rows + steps * own,
        received=_start(asked) + rows + steps * (STEP_BYTES + asked.opened(columns)),
        encryptions=encrypted * (asked.epochs * asked.num_rows + steps * (columns + 1)),
        products=encrypted * asked.epochs * asked.num_rows * (columns + 1),
        columns=columns,
    )


def _rows_sent(asked: Training) -> int:
    """Bytes of a number a row in every epoch, batch by batch."""
    each = asked.sent(1) - asked.sent(0)
    return asked.num_steps * (STEP_BYTES + asked.sent(0)) + asked.epochs * asked.num_rows * each


def _start(asked: Training) -> int:
    """Bytes of the coordinator's first message: the modulus, and a power modulo its square."""
    return STEP_BYTES + 3 * asked.key_bytes
