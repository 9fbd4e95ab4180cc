"""What parties bring to a coordinated training, checked before a key is made."""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from fedjax_shap._validate import (
    InvalidInputError,
    a_text,
    described,
    finite,
    integer,
    listed,
    one_of,
    require,
    texts,
)
from fedjax_shap.privacy.encrypted import MOST_FACTOR_BITS
from fedjax_shap.privacy.whole_numbers import INTEGER_BITS
from fedjax_shap.protocols.coordinated_session import (
    COORDINATOR,
    ENCRYPTIONS,
    Encryption,
    ModelName,
)
from fedjax_shap.protocols.given import real, real_numbers, shown
from fedjax_shap.typing import HostArray

LEAST_STEPS = 1000  # of the encoding, in a column's largest number


def blocks_of(blocks: Any) -> list[HostArray]:
    """The blocks as float64[N, F] each."""
    several = isinstance(blocks, Iterable) and not isinstance(blocks, str | bytes | Mapping | Set)
    require(
        several and (not isinstance(blocks, np.ndarray) or blocks.ndim > 0),
        f"Expected blocks={described(blocks)} to be a list of arrays [N, F], one a party in their "
        "order.",
    )
    return [real(f"blocks[{place}]", block, "[N, F]") for place, block in enumerate(blocks)]


def require_columns(
    blocks: Sequence[HostArray], names: Sequence[str], bits: int, encryption: Encryption
) -> None:
    """Refuses blocks of other rows, hosts without columns, and what is no fixed-point number."""
    one_of("encryption", encryption, ENCRYPTIONS)
    integer("bits", bits, least=8, most=MOST_FACTOR_BITS)
    num_rows = len(blocks[0])
    require(num_rows > 0, "Expected blocks with rows, got none.")
    for name, block in zip(names, blocks, strict=True):
        require(
            len(block) == num_rows,
            f"Expected {num_rows} rows of every party, {name} has {len(block)}: rows are aligned "
            "first.",
        )
        require(
            block.shape[1] > 0 or name == names[-1], f"Expected {name} to have a column, got none."
        )
        largest = np.abs(block).max(axis=0)
        for column, size in enumerate(largest):
            require(
                encryption == "none" or size < 2**INTEGER_BITS,
                f"Expected column {column} of {name} to stay below 2^{INTEGER_BITS}, got {size:g}: "
                "features on one scale are asked for.",
            )
            require(
                encryption == "none" or size == 0 or size >= LEAST_STEPS * 2.0**-bits,
                f"Expected column {column} of {name} to reach {LEAST_STEPS * 2.0**-bits:g}, got "
                f"{size:g}: rounded to 2^-{bits}, little would remain of it.",
            )


def names_of(names: Sequence[str] | None, count: int, label_holder: str) -> tuple[str, ...]:
    """The hosts' names."""
    a_text("label_holder", label_holder)
    require(count >= 1, f"Expected blocks of a host and the label holder, got {count + 1}.")
    hosts = tuple(f"host {place}" for place in range(1, count + 1))
    if names is not None:
        hosts = texts("names", names)
    require(len(hosts) == count, f"Expected {count} names of hosts, got {len(hosts)}.")
    every = [*hosts, label_holder, COORDINATOR]
    require(
        len(set(every)) == len(every) and all(every),
        "Expected the names of the parties to differ, and none to be "
        f"{COORDINATOR!r} or empty, got {listed(hosts)} and label_holder={label_holder!r}.",
    )
    return hosts


def batch_size_of(batch_size: int | None, num_rows: int) -> int:
    """The rows of a step."""
    if batch_size is None:
        return num_rows
    integer("batch_size", batch_size, least=1)
    return min(batch_size, num_rows)


def targets_of(y: HostArray, model: ModelName, num_rows: int) -> HostArray:
    """float64[N], classes as -1 and 1."""
    targets = real_numbers(y)
    if targets is None or targets.shape != (num_rows,):
        raise InvalidInputError(f"Expected y[N] of {num_rows} real numbers, got {shown(y)}.")
    targets = targets.astype(float)
    finite("y", targets)
    if model == "linear":
        return targets
    classes = set(np.unique(targets))
    require(
        classes in ({0.0, 1.0}, {-1.0, 1.0}),
        f"Expected y to hold 0 and 1, or -1 and 1, for the logistic model, got "
        f"{listed([f'{one:g}' for one in sorted(classes)], quoted=False)}.",
    )
    return np.where(targets > 0, 1.0, -1.0)
