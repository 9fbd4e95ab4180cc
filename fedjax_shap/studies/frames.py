"""Studies as data frames of pandas and as Parquet files."""

from pathlib import Path
from typing import Any

from fedjax_shap._validate import not_installed
from fedjax_shap.atomic import replacing, writable
from fedjax_shap.studies.study import Study, load_study


def read_study(folder: str | Path) -> Any:
    """The results in the folders of a folder as a `pandas.DataFrame`, a cell and member a row.

    Args:
        folder: of a sweep, or any other whose folders are those of runs.

    Returns:
        The columns of `Study.columns`: `cell`, the fields in which the cells differ, `member`, its
        value, cost and payment, and what is known of its cell. Amounts are floats here.

    Raises:
        InvalidInputError: pandas is not installed, or there are no results.
    """
    try:
        import pandas
    except ImportError as error:
        raise not_installed(
            "pandas",
            "read_study()",
            "install fedjax-shap[studies], or use load_study(), which needs nothing",
        ) from error
    return pandas.DataFrame(_plain(load_study(folder)))


def write_parquet(study: Study, path: Path) -> None:
    """Writes a study as a Parquet file that is whole or absent; amounts are floats there.

    Raises:
        InvalidInputError: pyarrow is not installed, or the file cannot be written.
    """
    pyarrow, parquet = require_pyarrow()
    table = pyarrow.table(_of_one_type(_plain(study)))
    with writable("parquet", path), replacing(path) as file:
        parquet.write_table(table, file)


def require_pyarrow() -> tuple[Any, Any]:
    """What is used of pyarrow.

    Raises:
        InvalidInputError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise not_installed("pyarrow", "Parquet files", "install fedjax-shap[studies]") from error
    return pyarrow, parquet


def _plain(study: Study) -> dict[str, list[Any]]:
    """The columns of a study, with amounts as floats."""
    columns = study.columns()
    for name in ("cost", "payment", "profit"):
        columns[name] = [None if one is None else float(one) for one in columns[name]]
    return columns


def _of_one_type(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns whose entries are of one type each: a field with numbers and texts becomes text."""
    for name, column in columns.items():
        kinds = {type(entry) for entry in column if entry is not None}
        if len(kinds) > 1 and kinds <= {int, float}:
            columns[name] = [None if entry is None else float(entry) for entry in column]
        elif len(kinds) > 1:
            columns[name] = [None if entry is None else str(entry) for entry in column]
    return columns
