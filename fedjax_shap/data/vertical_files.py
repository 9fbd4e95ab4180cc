"""Sources of vertical data by name: FATE's files as they are, and a file of your own a party."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from fedjax_shap._validate import caution, how_many, listed, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.csv_dialect import Dialect
from fedjax_shap.data.csv_files import files_at, table_from
from fedjax_shap.data.features import Treatment, features_of
from fedjax_shap.data.missing import settle_rows
from fedjax_shap.data.own_targets import Kind, targets_of
from fedjax_shap.data.parts import numeric
from fedjax_shap.data.tables import Table
from fedjax_shap.data.vertical import VerticalData, VerticalPool, checked
from fedjax_shap.typing import HostArray

MOST_CATEGORIES = 100  # of a column of words
ORIGIN = "FATE's repository (github.com/FederatedAI/FATE, examples/data)"
GUEST = "guest"


class _Published(NamedTuple):
    """A set that FATE publishes split by columns.

    Attributes:
        stem: how its files begin.
        key: the column of ids.
        label: the guest's column of labels.
        targets: "classes" or "quantities".
        hosts: the endings of the hosts' files.
    """

    stem: str
    key: str
    label: str
    targets: str
    hosts: tuple[str, ...] = ("host",)


FATE = {
    "breast": _Published("breast_hetero", "id", "y", "classes"),
    "default_credit": _Published("default_credit_hetero", "id", "y", "classes"),
    "vehicle": _Published("vehicle_scale_hetero", "id", "y", "classes"),
    "student": _Published("student_hetero", "id", "y", "quantities"),
    "dvisits": _Published("dvisits_hetero", "id", "doctorco", "quantities"),
    "motor": _Published("motor_hetero", "idx", "motor_speed", "quantities"),
    "motor_two_hosts": _Published(
        "motor_hetero", "idx", "motor_speed", "quantities", ("host_1", "host_2")
    ),
}


def fate_hetero(
    *,
    which: Literal[
        "breast",
        "default_credit",
        "vehicle",
        "student",
        "dvisits",
        "motor",
        "motor_two_hosts",
    ],
    folder: str | None = None,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> VerticalPool:
    """FATE's vertical federations, each split by columns as FATE publishes it: the guest holds the
    labels and columns of its own, a host further columns.

    breast (569 rows, 10 + 20 columns), default_credit (30,000, 13 + 10), vehicle (846, 9 + 9),
    student (395, 6 + 7), dvisits (5,190, 3 + 9), motor (800, 4 + 7), and motor_two_hosts, whose
    host's columns are two parties' (3 and 4). Licence: Apache 2.0 (FATE).

    Args:
        which: the set.
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        test_fraction: the fraction of the common rows drawn for the test set.
        seed: decides which.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        FATE's files *_hetero_guest.csv and *_hetero_host.csv; see also `fate`.
    """
    one_of("which", which, FATE)
    published = FATE[which]
    paths = {
        party: str(files.locate(folder, "fate", [f"{published.stem}_{party}.csv"], origin=ORIGIN))
        for party in (GUEST, *published.hosts)
    }
    tables = {party: _table(party, path, Dialect()) for party, path in paths.items()}
    data = _joined(tables, published.key, published.label, published.targets, missing="refuse")
    return VerticalPool(data, test_fraction, seed)


def vertical_csv(
    *,
    parties: dict[str, Any],
    label: str,
    id_column: str = "id",
    targets: Kind = "classes",
    drop: tuple[str, ...] = (),
    missing: Literal["refuse", "drop"] = "refuse",
    separator: str | None = None,
    na: tuple[str, ...] = (),
    test_fraction: float = 0.25,
    seed: int = 0,
) -> VerticalPool:
    """A file of comma-separated values a party, each with a column of ids.

    The party whose file has the column of labels is the label holder; the others are the players.
    Columns of numbers become one feature each, the others one for each category that the party has.

    Args:
        parties: the party's file by its name.
        label: the column of labels, in one file.
        id_column: the column of ids, in every file; each id once.
        targets: whether labels are classes or quantities.
        drop: columns not to use, in whichever file.
        missing: "refuse", or "drop" to leave out a party's rows with a missing cell.
        separator: what stands between cells; None to find out.
        na: further texts that stand for a missing value.
        test_fraction: the fraction of the common rows drawn for the test set.
        seed: decides which.

    Raises:
        InvalidInputError: fewer than two files, one that cannot be read, no or several columns of
            labels, an id that occurs twice, or what `csv` refuses of a column.
    """
    require(
        isinstance(parties, Mapping) and len(parties) >= 2,
        f"Expected parties={parties!r} to name the files of at least two parties, such as "
        "{bank = 'bank.csv', shop = 'shop.csv'}.",
    )
    dialect = Dialect(separator=separator, na=na)
    dialect.check()
    tables = {party: _table(party, path, dialect) for party, path in parties.items()}
    known = dict.fromkeys(name for table in tables.values() for name in table.columns)
    for name in drop:
        one_of("drop", name, known)
    data = _joined(tables, id_column, label, targets, missing=missing, drop=drop)
    return VerticalPool(data, test_fraction, seed)


def _table(party: str, path: Any, dialect: Dialect) -> Table:
    """The table of one party."""
    found = files_at(f"parties[{party!r}]", path)
    require(
        len(found.paths) == 1,
        f"Expected parties[{party!r}]={path!r} to be one file, got {len(found.paths)}.",
    )
    return table_from(found, None, dialect, ())


def _joined(
    tables: Mapping[str, Table],
    key: str,
    label: str,
    targets: str,
    *,
    missing: str,
    drop: Sequence[str] = (),
) -> VerticalData:
    """What the parties hold, the label holder last."""
    holders = [party for party, table in tables.items() if label in table.columns]
    if not holders:
        known = sorted({name for table in tables.values() for name in table.columns})
        one_of("label", label, known, "a column of one party's file")
    require(
        len(holders) == 1,
        f"Expected label={label!r} to be a column of one party's file, got those of "
        f"{listed(holders)}.",
    )
    order = [*(party for party in tables if party != holders[0]), holders[0]]
    whole = {party: _settled(tables[party], party, key, label, drop, missing) for party in order}
    blocks = []
    names = []
    for table in whole.values():
        block, features = _features(table, [key, label, *drop])
        blocks.append(block)
        names.append(features)
    holder = whole[holders[0]]
    found = targets_of(
        _labels(holder, label, targets), f"column {label!r} of {holder.name}", targets
    )
    return checked(
        VerticalData(
            names=tuple(order[:-1]),
            label_holder=order[-1],
            blocks=tuple(blocks),
            ids=_ids([table.columns[key] for table in whole.values()]),
            y=found.y,
            num_classes=found.num_classes,
            features=tuple(names),
        )
    )


def _settled(
    table: Table, party: str, key: str, label: str, drop: Sequence[str], missing: str
) -> Table:
    """A party's table without the rows that a missing cell rules out; its ids are there."""
    require(
        key in table.columns,
        f"Expected id_column={key!r} to be a column of {table.name}, the file of {party!r}, got "
        f"{listed(list(table.columns))}.",
    )
    needed = [name for name in (key, label) if name in table.columns]
    used = [name for name in table.columns if name not in (*needed, *drop)]
    return settle_rows(table, missing, needed=needed, used=used, fills=False)


def _features(table: Table, others: Sequence[str]) -> tuple[HostArray, tuple[str, ...]]:
    """float64[N, F], a party's columns as measured, and their names."""
    used = [name for name in table.columns if name not in others]
    everything = np.ones(table.num_rows, bool)
    treatment = Treatment(scale="none", most_categories=MOST_CATEGORIES, scaled_later=True)
    found = features_of(table, used, everything, treatment, absent={})
    return found.of(everything, np.float64), tuple(found.names)


def _labels(table: Table, label: str, targets: str) -> HostArray:
    """The cells of the column of labels: words, or numbers where these are quantities."""
    if targets == "quantities":
        return numeric(table, label)
    return table.columns[label]


def _ids(cells: Sequence[HostArray]) -> tuple[HostArray, ...]:
    """Ids as int64 where those of all parties are whole numbers as Python writes them, else as
    text.
    """
    if all(_whole(own) for own in cells):
        return tuple(own.astype(np.int64) for own in cells)
    words = tuple(own.astype(str) for own in cells)
    numbers = sum(_whole(own) for own in cells)
    if numbers:
        caution(
            f"{how_many(numbers, 'party', 'parties')} of {len(cells)} number their rows and others "
            "do not, so ids are compared as texts."
        )
    return words


def _whole(cells: HostArray) -> bool:
    """Whether all cells are whole numbers written without a sign, a point or leading zeros."""
    return all(
        cell.isascii() and cell.isdecimal() and len(cell) < 19 and str(int(cell)) == cell
        for cell in cells.tolist()
    )


VERTICAL_SOURCES: dict[str, Callable[..., VerticalPool]] = {
    "fate_hetero": fate_hetero,
    "vertical_csv": vertical_csv,
}
