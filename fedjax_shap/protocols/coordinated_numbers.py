"""Numbers as parties of a coordinated training send them: under encryption, or as they are.

Both kinds do the same, so that one protocol serves for both: encrypted, what a party gets of
others is sealed for the coordinator, and what the coordinator gets is under masks; without
encryption numbers are float64, and everybody reads what it gets.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import finite, require
from fedjax_shap.privacy import encrypted as vectors
from fedjax_shap.privacy.encrypted import Encrypted
from fedjax_shap.privacy.paillier import PublicKey
from fedjax_shap.privacy.whole_numbers import reals
from fedjax_shap.protocols.coordinated_session import COORDINATOR, MORE_BITS
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.typing import HostArray


class Hidden(NamedTuple):
    """Numbers on their way to the coordinator, and what takes the masks off.

    Attributes:
        sent: what the coordinator gets.
        masks: an integer a number; none without encryption.
        size: the integers without masks lie between -2^size and 2^size.
    """

    sent: Any
    masks: tuple[int, ...] = ()
    size: int = 0


class Work(NamedTuple):
    """What a party did for the sake of encryption.

    Attributes:
        encryptions: ciphertexts that it made, those that mask or refresh others included.
        products: of an encrypted and a plain number.
        decryptions: of ciphertexts.
        seconds: in which it did so, reading and writing of ciphertexts left out.
    """

    encryptions: int = 0
    products: int = 0
    decryptions: int = 0
    seconds: float = 0.0


class Numbers(Protocol):
    """What a party does with numbers that it sends or gets."""

    def put(self, values: HostArray) -> Any:
        """Numbers float64[B] of its own as it sends them."""

    def total(self, *terms: Any) -> Any:
        """Sums, place by place."""

    def sums(self, numbers: Any, matrix: HostArray) -> Any:
        """The F sums of B numbers times a plain matrix[B, F]."""

    def hide(self, numbers: Any) -> Hidden:
        """Numbers under fresh masks."""

    def refresh(self, numbers: Any) -> Any:
        """Numbers whose making nobody sees."""

    def split(self, numbers: Any, count: int) -> tuple[Any, Any]:
        """The first `count` numbers, and the others."""

    def part(self, name: str, numbers: Any) -> Part:
        """A part of a message to another party."""

    def masked_part(self, name: str, hidden: Hidden) -> Part:
        """A part of a message to the coordinator."""

    def read(self, content: bytes, count: int, *, products: bool = False) -> Any:
        """`count` numbers, or sums of products, from a part of another party's message."""

    def reveal(self, content: bytes, hidden: Hidden) -> HostArray:
        """float64[F], what the coordinator decrypted of `hidden`, without its masks."""

    def work(self) -> Work:
        """What was done for the sake of encryption so far."""


class Begin(Protocol):
    """Makes a party's arithmetic."""

    def __call__(self, arrived: Message, /) -> Numbers:
        """The arithmetic that the coordinator's first message asks for."""


class PlainNumbers:
    """Numbers as they are, float64."""

    def put(self, values: HostArray) -> HostArray:
        """The numbers themselves."""
        values = np.asarray(values, float)
        finite("what is sent", values)
        return values

    def total(self, *terms: HostArray) -> HostArray:
        """Their sum, in their order."""
        total: HostArray = np.sum(terms, axis=0)
        return total

    def sums(self, numbers: HostArray, matrix: HostArray) -> HostArray:
        """The product of the transposed matrix and the numbers; where it overflows, infinite."""
        with np.errstate(all="ignore"):
            return np.asarray(matrix, float).T @ numbers

    def hide(self, numbers: HostArray) -> Hidden:
        """The numbers, without a mask."""
        return Hidden(numbers)

    def refresh(self, numbers: HostArray) -> HostArray:
        """The numbers themselves."""
        return numbers

    def split(self, numbers: HostArray, count: int) -> tuple[HostArray, HostArray]:
        """The first `count` numbers, and the others."""
        return numbers[:count], numbers[count:]

    def part(self, name: str, numbers: HostArray) -> Part:
        """A plain part."""
        return Part(name, "plain", numbers.astype("<f8").tobytes())

    def masked_part(self, name: str, hidden: Hidden) -> Part:
        """A plain part, too."""
        return self.part(name, hidden.sent)

    def read(self, content: bytes, count: int, *, products: bool = False) -> HostArray:
        """float64[count].

        Raises:
            InvalidInputError: they are more or fewer.
        """
        require(
            len(content) == 8 * count,
            f"Expected {count} numbers in {8 * count} bytes, got {len(content)} bytes.",
        )
        numbers = np.frombuffer(content, "<f8").astype(float)
        finite("what was sent", numbers)
        return numbers

    def reveal(self, content: bytes, hidden: Hidden) -> HostArray:
        """float64[F], what the coordinator sent back."""
        return self.read(content, len(hidden.sent))

    def work(self) -> Work:
        """None."""
        return Work()


class EncryptedNumbers:
    """Numbers under the coordinator's public key."""

    def __init__(self, public: PublicKey, bits: int) -> None:
        """A party's arithmetic.

        Args:
            public: the coordinator's key.
            bits: after the point, of features.
        """
        self._public = public
        self._bits = bits
        self.counts: Counter[str] = Counter()
        self.seconds: dict[str, float] = defaultdict(float)

    def put(self, values: HostArray) -> Encrypted:
        """Numbers under encryption."""
        with self._counted("encryptions", len(values)):
            return vectors.encrypt(self._public, values, bits=self._bits + MORE_BITS)

    def total(self, *terms: Encrypted) -> Encrypted:
        """Sums under encryption."""
        with self._counted("sums", len(terms[0].numbers) * (len(terms) - 1)):
            return vectors.add(self._public, *terms)

    def sums(self, numbers: Encrypted, matrix: HostArray) -> Encrypted:
        """Sums of products under encryption."""
        with self._counted("products", matrix.size):
            return vectors.multiply(self._public, numbers, matrix, bits=self._bits)

    def hide(self, numbers: Encrypted) -> Hidden:
        """Numbers plus uniform integers modulo n."""
        with self._counted("encryptions", len(numbers.numbers)):
            sent, masks = vectors.masked(self._public, numbers)
        return Hidden(sent, masks, numbers.size)

    def refresh(self, numbers: Encrypted) -> Encrypted:
        """The same numbers with fresh randomness."""
        with self._counted("encryptions", len(numbers.numbers)):
            return vectors.refreshed(self._public, numbers)

    def split(self, numbers: Encrypted, count: int) -> tuple[Encrypted, Encrypted]:
        """The first `count` numbers, and the others."""
        first = numbers._replace(numbers=numbers.numbers[:count])
        return first, numbers._replace(numbers=numbers.numbers[count:])

    def part(self, name: str, numbers: Encrypted) -> Part:
        """A part that only the coordinator could read, who does not get it."""
        return Part(name, "sealed", vectors.to_bytes(self._public, numbers), COORDINATOR)

    def masked_part(self, name: str, hidden: Hidden) -> Part:
        """A part that nobody can read: the coordinator finds masked numbers in it."""
        return Part(name, "masked", vectors.to_bytes(self._public, hidden.sent))

    def read(self, content: bytes, count: int, *, products: bool = False) -> Encrypted:
        """Numbers under encryption.

        Raises:
            InvalidInputError: they are more or fewer, of other bits, or no numbers under this key.
        """
        numbers = vectors.from_bytes(self._public, content)
        bits = self._bits * (1 + products) + MORE_BITS
        require(
            len(numbers.numbers) == count and numbers.bits == bits,
            f"Expected {count} encrypted numbers of {bits} bits after the point, got "
            f"{len(numbers.numbers)} of {numbers.bits}.",
        )
        return numbers

    def reveal(self, content: bytes, hidden: Hidden) -> HostArray:
        """float64[F], decrypted numbers without their masks."""
        width = self._public.width // 2
        count = len(hidden.masks)
        require(
            len(content) == width * count,
            f"Expected {count} decrypted numbers in {width * count} bytes, got {len(content)}.",
        )
        rows = [content[at : at + width] for at in range(0, len(content), width)]
        return reals(
            [int.from_bytes(row, "big") for row in rows],
            int(self._public.n),
            bits=hidden.sent.bits,
            size=hidden.size,
            masks=hidden.masks,
        )

    def work(self) -> Work:
        """What it did so far."""
        return Work(
            encryptions=self.counts["encryptions"],
            products=self.counts["products"],
            decryptions=0,
            seconds=sum(self.seconds.values()),
        )

    @contextmanager
    def _counted(self, what: str, count: int) -> Iterator[None]:
        """Counts operations and the seconds that they take."""
        began = time.perf_counter()
        yield
        self.counts[what] += count
        self.seconds[what] += time.perf_counter() - began
