"""Published tables from their own files: heart disease, adult, a9a, and FLCE's tic-tac-toe."""

from dataclasses import replace

import numpy as np

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.features import pool_of
from fedjax_shap.data.npz_file import read_npz
from fedjax_shap.data.parts import numeric, parted
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.scaling import scaled
from fedjax_shap.data.tables import Table, read_table, table_of
from fedjax_shap.typing import HostArray

HOSPITALS = ("Cleveland", "Hungary", "Switzerland", "VA")
ADULT = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)
A9A_FEATURES = 123
HEART_FEATURES = 13
HEART_OTHERS = {"center", "split", "y"}  # the columns that are not features


def heart_disease(*, folder: str | None = None, normalise: str = "pooled") -> Pool:
    """Heart disease in four hospitals (UCI), 13 features, 486 training and 254 test patients.

    The split is FLamby's. The natural federation is the column "center"; `notes["test_center"]` is
    the hospital of each test patient.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        normalise: "pooled" standardises by all training patients, "per_client" each hospital's
            patients (its test patients too) by its own training patients, "none" leaves the units
            of measurement.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Ogier du Terrail et al. 2022, "FLamby" (NeurIPS Datasets and Benchmarks).
    """
    one_of("normalise", normalise, ("pooled", "per_client", "none"))
    table = _heart_table(folder)
    names = [name for name in table.columns if name not in HEART_OTHERS]
    raw = np.stack([numeric(table, name) for name in names], axis=1)
    y = numeric(table, "y")
    require(
        bool(np.isin(y, (0, 1)).all()),
        f"Expected column 'y' of {table.name} to hold 0 and 1 only.",
    )
    y = y.astype(np.int32)
    train = table.columns["split"] == "train"
    hospital = table.columns["center"].astype(np.int64)
    x = scaled(table.name, raw, train, normalise, hospital)
    # hospitals by name, as clients and for the test patients
    center = np.array(HOSPITALS)[hospital]
    notes = {"features": names, "labels": ("healthy", "disease"), "test_center": center[~train]}
    return parted(
        x, y, train, columns={"center": center}, natural="center", num_classes=2, notes=notes
    )


def _heart_table(folder: str | None) -> Table:
    """The table of `heart_disease`, whose columns are those that are expected."""
    path = files.locate(
        folder,
        "heart_disease",
        ["flamby_split_features.csv"],
        origin="the UCI archive's Heart Disease set (processed.*.data), with the rows and the "
        "split of FLamby's loader",
    )
    table = read_table(path)
    split = table.column("split", "split")
    center = table.column("center", "center")
    require(
        len(table.columns.keys() - HEART_OTHERS) == HEART_FEATURES
        and set(center) == {"0", "1", "2", "3"}
        and set(split) == {"train", "test"},
        f"Expected {path} to have columns center (0..3), split (train, test), y and "
        f"{HEART_FEATURES} features, got {list(table.columns)}.",
    )
    return table


def adult(*, folder: str | None = None) -> Pool:
    """Adult census income (UCI), 32,561 training and 16,281 test people, 108 features, two classes.

    Numbers are standardised by the training rows; categories are one-hot, "?" being one. Every
    column of categories can be the one by which rows are given to clients.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Becker and Kohavi 1996, "Adult" (UCI Machine Learning Repository).
    """
    origin = "the UCI archive's Adult set (archive.ics.uci.edu/dataset/2/adult)"
    paths = [
        files.locate(folder, "adult", [name], origin=origin)
        for name in ("adult.data", "adult.test")
    ]
    train, test = (files.rows(path, width=len(ADULT), skip="|") for path in paths)
    table = table_of(f"{paths[0]} and {paths[1]}", ADULT, [*train, *test])
    # the test file writes a full stop after each label
    income = np.char.rstrip(table.columns["income"], ".")
    for cell in np.unique(income):
        one_of(f"a label of {table.name}", str(cell), ("<=50K", ">50K"))
    table = replace(table, columns={**table.columns, "income": income})
    first = np.arange(len(income)) < len(train)
    return pool_of(table, label="income", client=None, train=first)


def a9a(*, folder: str | None = None) -> Pool:
    """a9a (LIBSVM's form of Adult), 32,561 training and 16,281 test rows, 123 binary features.

    There are two classes.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Platt 1998, "Sequential minimal optimization", for the binning; Chang and Lin 2011,
        "LIBSVM", for the file.
    """
    origin = "the LIBSVM data page (www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets)"
    sets = []
    for name in ("a9a", "a9a.t"):
        path = files.locate(folder, "a9a", [name], origin=origin)
        x, y = files.libsvm(path, num_features=A9A_FEATURES)
        require(
            bool(np.isin(y, (-1, 1)).all()), f"Expected the labels of {path} to be -1 and +1 only."
        )
        sets.append((x, (y > 0).astype(np.int32)))
    (x, y), test = sets
    return Pool(x=x, y=y, test=test, num_classes=2, notes={"labels": ("<=50K", ">50K")})


def flce(*, folder: str | None = None, task: str = "tictactoe_quantity", seed: int = 6694) -> Pool:
    """FLCE's tic-tac-toe (VLDB 2024), 27 features, 8 clients, with the published Shapley values.

    The natural federation is the column "client"; `notes["exact_shapley"]` is float64[8], the exact
    values that were published.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        task: "tictactoe_quantity" or "tictactoe_label", how FLCE split the rows.
        seed: FLCE's seed, 6694 to 6699.

    Raises:
        InvalidInputError: no such file, or one that is not such a federation.

    References:
        The contribution-estimation benchmark for federated learning ("FLCE", VLDB 2024) and its
        repository's results.
    """
    integer("seed", seed, least=0)
    arrays = _flce_arrays(folder, f"{task}_{seed}.npz")
    ids = range(len(arrays["exact_shapley"]))
    owner = np.repeat(ids, [len(arrays[f"y_{i}"]) for i in ids])
    return Pool(
        x=np.concatenate([arrays[f"x_{i}"] for i in ids]).astype(np.float32),
        y=np.concatenate([arrays[f"y_{i}"] for i in ids]).astype(np.int32),
        test=(arrays["x_test"].astype(np.float32), arrays["y_test"].astype(np.int32)),
        num_classes=2,
        columns={"client": np.array([f"client {i}" for i in ids])[owner]},
        natural="client",
        notes={"exact_shapley": arrays["exact_shapley"].astype(np.float64)},
    )


def _flce_arrays(folder: str | None, file: str) -> dict[str, HostArray]:
    """The arrays of one of FLCE's federations, whose shapes and labels are those expected."""
    origin = (
        "the FLCE benchmark's repository: each client's rows x_i, y_i, the set x_test, y_test, and "
        "exact_shapley"
    )
    path = files.locate(folder, "flce", [file], origin=origin)
    arrays = read_npz(path, ["x_test", "y_test", "exact_shapley"])
    count = len(arrays["exact_shapley"])
    for suffix in (*range(count), "test"):
        x = f"x_{suffix}"
        y = f"y_{suffix}"
        require(
            x in arrays
            and y in arrays
            and arrays[x].ndim == 2
            and arrays[x].shape == (len(arrays[y]), *arrays["x_test"].shape[1:]),
            f"Expected {path} to hold a table {x} and its labels {y} for each of {count} clients.",
        )
        require(
            bool(np.isin(arrays[y], (0, 1)).all()),
            f"Expected {y} of {path} to hold 0 and 1 only.",
        )
    return arrays
