"""The pool of a user's own tables of text."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, one_of, require
from fedjax_shap.data.cells import readings
from fedjax_shap.data.csv_dialect import Dialect
from fedjax_shap.data.csv_files import Files, Paths, files_at, table_from
from fedjax_shap.data.features import (
    Features,
    Treatment,
    features_of,
    naming,
    require_features,
    require_sides,
)
from fedjax_shap.data.members import member_names
from fedjax_shap.data.missing import POLICIES, filled, settle_rows
from fedjax_shap.data.own_targets import RowTargets, targets_of
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.roles import Roles
from fedjax_shap.data.scaling import say_alone
from fedjax_shap.data.splits import (
    draw_test,
    say_shared,
    say_single,
    say_untaught,
    say_untrained,
    strata_of,
)
from fedjax_shap.data.suspects import say_doubtful_numbers
from fedjax_shap.data.tables import Table, numbers
from fedjax_shap.typing import HostArray

NOBODY = ""  # whose rows of a test file without members are
FILE = "file"  # the column that says which file a row came from


@dataclass(frozen=True, kw_only=True)
class Split:
    """Which rows are the test set.

    Attributes:
        test_path: files of them; None if there are none of their own.
        test_fraction: of the rows to draw, where neither a file nor a column says it.
        seed: decides which.
    """

    test_path: Paths | None = None
    test_fraction: float = 0.25
    seed: int = 0

    def check(self, roles: Roles) -> None:
        """Refuses a seed out of range, or test rows that are stated twice."""
        integer("seed", self.seed, least=0)
        require(
            self.test_path is None or roles.test_column is None,
            "Expected test_path or test_column to be given, not both.",
        )


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a pool makes of a table.

    Attributes:
        roles: what the columns are for.
        targets: "classes" or "quantities".
        missing: what becomes of missing cells.
        split: which rows are the test set.
        treatment: what is made of the columns of features.
    """

    roles: Roles
    targets: str
    missing: str
    split: Split
    treatment: Treatment

    def check(self) -> None:
        """Refuses, before a table is read, settings that are out of range or contradict."""
        self.treatment.check()
        self.split.check(self.roles)
        one_of("missing", self.missing, POLICIES)
        label = self.roles.label
        require(
            self.targets == "quantities" or len(label) == 1,
            f"Expected label={list(label)} to name one column of classes; if they are "
            'quantities, write [task] name = "regression" (targets="quantities" in Python).',
        )


def pool_of_files(path: Paths, dialect: Dialect, reading: Reading) -> Pool:
    """Reads tables of one's own.

    Args:
        path: the file or files, see `csv_files.files_at`.
        dialect: how they are written.
        reading: what is made of them.

    Raises:
        InvalidInputError: what cannot be read, or cannot be used without a doubt.
    """
    dialect.check()
    reading.check()
    files, test = _files(path, reading.split.test_path)
    table = table_from(files, test, dialect, reading.roles.drop)
    return pool_of_table(table, files, test, reading)


def pool_of_table(table: Table, files: Files, test: Files | None, reading: Reading) -> Pool:
    """The pool of one table.

    Args:
        table: all rows, those of training files first.
        files: the files of training rows, or of all.
        test: the files of test rows; None if there are none of their own.
        reading: what is made of it, checked.

    Raises:
        InvalidInputError: what cannot be used without a doubt.
    """
    roles = reading.roles
    split = reading.split
    treatment = reading.treatment
    roles.check(table)
    used = roles.used(table)
    require_features(table, used)
    # rows are left out before anything is drawn
    table = replace(table, words=table.words | frozenset(roles.categories))
    table = settle_rows(table, reading.missing, needed=roles.needed, used=used)
    target = _targets(table, roles.label, reading.targets)
    members = _members(table, roles.client, files, test)
    train = _training_rows(table, roles, split, target, members, len(files.paths))
    require_sides(table, train)
    if target.labels:
        say_single(table.name, "class", np.array(target.labels)[target.y])
    say_untaught(table.name, target.labels, target.y[train])
    whole = filled(table, used, train, reading.missing)
    features = features_of(whole, used, train, treatment, absent=table.absent, members=members)
    natural = None
    if members is not None:
        say_single(table.name, "member", members)
        say_untrained(table.name, members, train)
        say_alone(table.name, treatment.scale, train, members)
        natural = roles.client or _free_name(table)
    for name in roles.groups:
        features.columns[name] = naming(table.columns[name], numbers(table, name))
    pool = _pool(features, target, train, members, natural)
    if split.test_path or roles.test_column:
        say_shared(table.name, pool.x, pool.test[0])
    return pool


def _pool(
    features: Features,
    target: RowTargets,
    train: HostArray,
    members: HostArray | None,
    natural: str | None,
) -> Pool:
    """The pool of features, targets and members of all rows."""
    columns = dict(features.columns)
    if natural is not None and members is not None:
        columns[natural] = members
    test_columns = {name: cells[~train] for name, cells in columns.items()}
    if natural is not None and NOBODY in test_columns[natural]:
        del test_columns[natural]
    notes: dict[str, Any] = {"features": features.names}
    if target.labels:
        notes["labels"] = target.labels
    return Pool(
        x=features.of(train),
        y=target.y[train],
        test=(features.of(~train), target.y[~train]),
        num_classes=target.num_classes,
        columns={name: cells[train] for name, cells in columns.items()},
        test_columns=test_columns,
        natural=natural,
        class_order=target.order,
        notes=notes,
    )


def _files(path: Paths, test_path: Paths | None) -> tuple[Files, Files | None]:
    """The files of training rows (or of all), and those of test rows if they have their own."""
    if test_path is None:
        return files_at("path", path), None
    test = files_at("test_path", test_path)
    return files_at("path", path, without=test.paths), test


def _targets(table: Table, label: tuple[str, ...], kind: str) -> RowTargets:
    """What is to be learnt."""
    name = f"column {label[0]!r} of {table.name}"
    if kind == "classes":
        return targets_of(table.columns[label[0]], name, kind)
    columns = []
    for one in label:
        values = numbers(table, one)
        if values is None:
            cells = table.columns[one]
            hint = ""
            written = readings(np.unique(cells))
            if written:
                hint = f"; write {' or '.join(written)} to read them"
            raise InvalidInputError(
                f"Expected column {one!r} of {table.name} to hold quantities, but it holds words "
                f"such as {str(cells[0])!r} ({table.place(0)}){hint}."
            )
        say_doubtful_numbers(table, one, values)
        columns.append(values)
    return targets_of(np.stack(columns, axis=1), name, kind)


def _members(
    table: Table, client: str | None, files: Files, test: Files | None
) -> HostArray | None:
    """Whose each row is, str[T], `NOBODY`'s where only the file could say it; None if unknown."""
    if client is not None:
        return member_names(table.columns[client], f"column {client!r} of {table.name}")
    if files.names is None or table.file is None:
        return None
    names = list(files.names)
    if test is not None and set(names) & set(test.names or ()):
        names += test.names or ()
    elif test is not None:
        names += [NOBODY] * len(test.paths)
    return np.array(names)[table.file]


def _training_rows(
    table: Table,
    roles: Roles,
    split: Split,
    target: RowTargets,
    members: HostArray | None,
    num_training_files: int,
) -> HostArray:
    """The training rows, bool[T]: as a file or a column states them, or drawn."""
    if split.test_path is not None:
        assert table.file is not None  # tables from files know which
        return np.asarray(table.file < num_training_files)
    stated = roles.test_column
    if stated is not None:
        cells = table.columns[stated]
        for cell in np.unique(cells):
            one_of(f"a cell of column {stated!r} of {table.name}", str(cell), ("train", "test"))
        return np.asarray(cells == "train")
    strata = strata_of(target.y, target.num_classes)
    rows, _ = draw_test(split.seed, members, strata, split.test_fraction)
    train = np.zeros(table.num_rows, bool)
    train[rows] = True
    return train


def _free_name(table: Table) -> str:
    """A name for the column of files that no other column has."""
    name = FILE
    while name in table.columns:
        name += "_"
    return name
