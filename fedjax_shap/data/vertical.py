"""Vertical data: parties with different columns of the same rows, of whom one holds the labels."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import a_text, finite, require
from fedjax_shap.data.row_ids import require_one_kind, row_ids
from fedjax_shap.data.targets import class_targets, quantity_targets
from fedjax_shap.typing import HostArray

LABEL_HOLDER = "label holder"
OF_LABEL_HOLDER = -1  # among the owners of columns


class VerticalData(NamedTuple):
    """What the parties of a vertical federation hold, before or after their rows are aligned.

    Attributes:
        names: the P parties besides the label holder; they are the players.
        label_holder: the name of who holds the labels, and perhaps columns of its own.
        blocks: P + 1 of float64[N_p, F_p], each party's rows and columns; the label holder's last,
            of shape [N, 0] where it has no columns.
        ids: P + 1 of str or int [N_p], whose each row is, each id once.
        y: int32[N], the labels 0..L-1 of the label holder's rows; float32[N] for quantities.
        num_classes: L; None for quantities.
        features: P + 1 of the names of each party's columns.
    """

    names: tuple[str, ...]
    label_holder: str
    blocks: tuple[HostArray, ...]
    ids: tuple[HostArray, ...]
    y: HostArray
    num_classes: int | None
    features: tuple[tuple[str, ...], ...]

    @property
    def parties(self) -> tuple[str, ...]:
        """The P + 1 names of all who hold something, the label holder's last."""
        return (*self.names, self.label_holder)


class VerticalPool(NamedTuple):
    """What a source of vertical data gives.

    Attributes:
        data: what the parties hold.
        test_fraction: the fraction of the common rows that is drawn for the test set.
        seed: decides which.
    """

    data: VerticalData
    test_fraction: float = 0.25
    seed: int = 0


class Columns(NamedTuple):
    """The aligned rows of a vertical federation, split in sets: what a vertical game reads.

    Attributes:
        x: float32[N, F], the training rows; the parties' columns side by side, the label holder's
            last, each of mean 0 and standard deviation 1 over these rows.
        y: int32[N], labels 0..L-1; float32[N] for quantities.
        owners: int[F], whose each column is: 0..P-1, or -1 for the label holder's.
        names: the P parties besides the label holder.
        label_holder: its name.
        features: P + 1 of the names of each party's columns, the label holder's last.
        validation: (x[T, F], y[T]), the rows on which coalitions are valued.
        test: (x[T, F], y[T]), rows on which a run is reported.
        num_classes: L; None for quantities.
    """

    x: HostArray
    y: HostArray
    owners: HostArray
    names: tuple[str, ...]
    label_holder: str
    features: tuple[tuple[str, ...], ...]
    validation: tuple[HostArray, HostArray]
    test: tuple[HostArray, HostArray]
    num_classes: int | None

    @property
    def holders(self) -> HostArray:
        """int[F]: whose each column is; P for the label holder's."""
        own = np.asarray(self.owners)
        return np.where(own == OF_LABEL_HOLDER, len(self.names), own)


def from_blocks(
    parties: Mapping[str, Any],
    y: Any,
    *,
    label_holder: str = LABEL_HOLDER,
    own: Any = None,
    ids: Mapping[str, Any] | None = None,
    features: Mapping[str, Sequence[str]] | None = None,
    quantities: bool = False,
) -> VerticalData:
    """A vertical federation from arrays.

    Args:
        parties: numbers [N_p, F_p] by the names of the P parties besides the label holder.
        y: [N], the label holder's labels: class ids 0..L-1, names of classes, or quantities.
        label_holder: its name.
        own: numbers [N, F], the label holder's own columns; None for none.
        ids: [N_p] ids of rows by party, the label holder's among them; None where all parties hold
            the same rows in the same order.
        features: names of columns by party; parties left out have theirs numbered.
        quantities: whether y are quantities to predict and not classes.

    Raises:
        InvalidInputError: no party, names that are not texts or not distinct, blocks that are not
            finite numbers [N_p, F_p], numbers of rows that disagree, or ids that occur twice.
    """
    require(
        isinstance(parties, Mapping) and len(parties) > 0,
        "Expected parties to be blocks of columns by name, such as {'bank': x}, got "
        f"{type(parties).__name__} of {len(parties)}.",
    )
    a_text("label_holder", label_holder)
    targets = class_targets
    if quantities:
        targets = quantity_targets
    found = targets({"y": np.asarray(y)})
    labels = found.sets["y"]
    if own is None:
        own = np.zeros((len(labels), 0))
    whole = {**parties, label_holder: own}
    require(
        len(whole) == len(parties) + 1,
        f"Expected label_holder={label_holder!r} to be none of parties={list(parties)}; give its "
        "columns as own.",
    )
    blocks = {name: _block(name, block) for name, block in whole.items()}
    return checked(
        VerticalData(
            names=tuple(parties),
            label_holder=label_holder,
            blocks=tuple(blocks.values()),
            ids=_ids(blocks, ids),
            y=labels,
            num_classes=found.num_classes,
            features=_features(blocks, features),
        )
    )


def checked(data: VerticalData) -> VerticalData:
    """The data, or a refusal of what no federation can hold.

    Raises:
        InvalidInputError: parts of different lengths, names or ids that occur twice, numbers of
            rows or columns that disagree, or numbers that are not finite.
    """
    parties = data.parties
    for name in parties:
        require(a_text("a party's name", name) != "", "Expected a party's name not to be empty.")
    require(
        len(set(parties)) == len(parties) and len(data.names) > 0,
        f"Expected the names of a label holder and of one party or more to differ, got {parties}.",
    )
    for what in ("blocks", "ids", "features"):
        count = len(getattr(data, what))
        require(
            count == len(parties),
            f"Expected {what} to be {len(parties)}, one a party, the label holder's last, got "
            f"{count}.",
        )
    for name, block, ids, features in zip(parties, data.blocks, data.ids, data.features):
        _require_whole(name, block, ids, features)
    require_one_kind(dict(zip(parties, data.ids)))
    require(
        data.num_classes is None or data.num_classes > 1,
        f"Expected {data.label_holder!r} to hold labels of two classes or more, got one class.",
    )
    require(
        len(data.y) == len(data.blocks[-1]),
        f"Expected {data.label_holder!r} to hold a label for each of its {len(data.blocks[-1])} "
        f"rows, got {len(data.y)}.",
    )
    return data


def _require_whole(name: str, block: HostArray, ids: HostArray, features: Sequence[str]) -> None:
    """Refuses a party's part whose numbers of rows or columns disagree."""
    require(
        np.ndim(block) == 2 and len(ids) == len(block) and len(features) == block.shape[1],
        f"Expected party {name!r} to hold rows of columns, an id a row and a name a column, got "
        f"{np.shape(block)} numbers, {len(ids)} ids and {len(features)} names.",
    )
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused
        finite(f"the columns of party {name!r}", np.asarray(block).astype(np.float32))
    require(len(ids) > 0, f"Expected party {name!r} to hold a row.")
    kinds, counts = np.unique(ids, return_counts=True)
    require(
        len(kinds) == len(ids),
        f"Expected party {name!r} to hold each id once, but it holds {kinds[counts.argmax()]!s} "
        f"{counts.max()} times.",
    )
    require(
        len(set(features)) == len(features),
        f"Expected the columns of party {name!r} to have names of their own, got {list(features)}.",
    )


def _block(name: str, block: Any) -> HostArray:
    """A party's columns as float64[N, F], so that standardising loses no digits."""
    numbers = np.asarray(block)
    require(
        numbers.dtype.kind in "iufb" and numbers.ndim == 2,
        f"Expected the columns of party {name!r} to be numbers [rows, columns], got "
        f"{numbers.dtype} {numbers.shape}.",
    )
    return numbers.astype(np.float64)


def _ids(blocks: Mapping[str, HostArray], given: Mapping[str, Any] | None) -> tuple[HostArray, ...]:
    """Ids of rows a party; their numbers where none are given."""
    if given is None:
        sizes = {name: len(block) for name, block in blocks.items()}
        require(
            len(set(sizes.values())) == 1,
            f"Expected all parties to hold the same rows where ids=None, got {sizes} rows; give "
            "ids of the rows by party.",
        )
        return tuple(np.arange(size) for size in sizes.values())
    require(
        set(given) == set(blocks),
        f"Expected ids to be given of {list(blocks)}, got those of {list(given)}.",
    )
    return tuple(row_ids(f"party {name!r}", given[name]) for name in blocks)


def _features(
    blocks: Mapping[str, HostArray], given: Mapping[str, Sequence[str]] | None
) -> tuple[tuple[str, ...], ...]:
    """Names of columns a party; numbered where none are given."""
    named = dict(given or {})
    unknown = sorted(set(named) - set(blocks))
    require(not unknown, f"Expected features to be those of {list(blocks)}, got {unknown}.")
    return tuple(
        tuple(named.get(name, [f"x{place}" for place in range(block.shape[1])]))
        for name, block in blocks.items()
    )
