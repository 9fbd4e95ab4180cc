"""Sources that are a user's own files: a comma-separated table, or arrays in an npz file."""

from fedjax_shap._validate import texts
from fedjax_shap.data.cells import Notation
from fedjax_shap.data.csv_dialect import Dialect
from fedjax_shap.data.features import Treatment
from fedjax_shap.data.missing import Missing
from fedjax_shap.data.own_csv import Reading, Split, pool_of_files
from fedjax_shap.data.own_npz import Channels, pool_of_arrays
from fedjax_shap.data.own_targets import Kind
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.roles import Roles
from fedjax_shap.data.scaling import Scale


def csv(
    *,
    path: str | tuple[str, ...] | dict[str, str],
    label: str | tuple[str, ...],
    client: str | None = None,
    test_path: str | tuple[str, ...] | dict[str, str] | None = None,
    test_column: str | None = None,
    test_fraction: float = 0.25,
    features: tuple[str, ...] | None = None,
    drop: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    most_categories: int = 100,
    scale: Scale = "pooled",
    missing: Missing = "refuse",
    indicator: bool = False,
    na: tuple[str, ...] = (),
    separator: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    units: tuple[str, ...] = (),
    encoding: str = "utf-8-sig",
    header: bool | tuple[str, ...] = True,
    targets: Kind = "classes",
    seed: int = 0,
) -> Pool:
    """Any file of comma-separated values with a line of column names and a column of labels.

    Columns that hold only numbers become one feature each, the others one for each category.

    Args:
        path: the file, gzipped or not. Several files, a folder, a pattern such as `sites/*.csv`, or
            a table of member names and files are one member each, unless `client` is given.
        label: the column of classes, which become 0..L-1 in sorted order; for regression, the
            column of quantities or several of them.
        client: the column that says whose a row is, which then is not a feature; None if there is
            none.
        test_path: the file of test rows, or several as in `path`; None if it has none of its own.
        test_column: a column of "train" and "test" that says which rows are the test set; None to
            draw them.
        test_fraction: the fraction of rows drawn for the test set, nearly the same in each class
            and each member; a member keeps at least one training row.
        features: the columns to use; None for all that are nothing else.
        drop: columns not to use. A column without a name is called column_1, ... by its place.
        categories: columns of categories although they look like numbers, such as codes.
        groups: columns that are no features, but by which a partition can give rows to members.
        most_categories: a column of more categories is refused, as is one of nearly as many as
            rows.
        scale: of columns of numbers: "pooled" and "per_client" standardise by all training rows or
            by the member's own, "unit" takes them to [0, 1], "none" leaves them.
        missing: what becomes of empty cells: they are refused, filled by the "mean" or "median" of
            the training rows (in columns of categories they are one more), or "drop" leaves their
            rows out.
        indicator: whether columns with filled numbers get one beside them that says which.
        na: further texts that mark a missing value, such as "?" or "-999".
        separator: what stands between cells; None to choose among comma, semicolon, tab and bar.
        decimal: "." or ",".
        thousands: what stands between groups of three digits, such as ","; None for nothing.
        units: signs around numbers that are to be passed over, such as "%" and "$".
        encoding: of the text; a byte-order mark of UTF-16 is followed.
        header: whether the first line names the columns; false for column_1, ..., or their names.
        targets: "classes" or "quantities"; a run takes it from its task.
        seed: decides which rows are test rows.

    Raises:
        InvalidInputError: no such file or column, ragged lines, an empty or NaN cell, names, ids or
            numbers written as text among the features, nearly as many classes as rows or fewer
            than two.
    """
    notation = Notation(decimal=decimal, thousands=thousands, units=texts("units", units))
    dialect = Dialect(
        separator=separator, encoding=encoding, header=header, na=na, notation=notation
    )
    roles = Roles.of(label, client, test_column, features, drop, categories, groups)
    treatment = Treatment(scale=scale, indicator=indicator, most_categories=most_categories)
    reading = Reading(
        roles=roles,
        targets=targets,
        missing=missing,
        split=Split(test_path=test_path, test_fraction=test_fraction, seed=seed),
        treatment=treatment,
    )
    return pool_of_files(path, dialect, reading)


def npz(
    *,
    path: str,
    test_fraction: float = 0.25,
    scale: Scale | None = None,
    channels: Channels | None = None,
    targets: Kind = "classes",
    seed: int = 0,
) -> Pool:
    """A NumPy npz file with arrays x and y, perhaps client, and perhaps test_x and test_y.

    Args:
        path: the file: x[T, ...]; y[T] (words, whole numbers, booleans, or one-hot [T, L]) whose
            classes become 0..L-1 in sorted order, or quantities [T] or [T, D]; client[T] that says
            whose a row is; test_x, test_y and perhaps test_client.
        test_fraction: the fraction of rows drawn for the test set if the file holds none, nearly
            the same in each class and each member; a member keeps at least one training row.
        scale: "pooled" and "per_client" standardise each feature by all training rows or by the
            member's own, "unit" takes it to [0, 1] (bytes by 255), "none" leaves x; None leaves all
            but bytes.
        channels: where the channels of images stand: "last", "first", or "none" if there are none
            and an axis is to be added; None for "last", and for "none" in bytes [T, H, W].
        targets: "classes" or "quantities"; a run takes it from its task.
        seed: decides which rows are test rows.

    Raises:
        InvalidInputError: not an npz file, an array that is missing or of another length, NaN,
            nearly as many classes as rows or fewer than two.
    """
    return pool_of_arrays(
        path,
        scale=scale,
        channels=channels,
        targets=targets,
        test_fraction=test_fraction,
        seed=seed,
    )
