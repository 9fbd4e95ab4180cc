"""Sensors: radar over fields of mines, and telephones carried by people."""

import io
from pathlib import Path
from typing import Literal

import numpy as np

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.parts import drawn_within, parted
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.scaling import Scale, scaled
from fedjax_shap.data.targets import classes
from fedjax_shap.typing import HostArray

FIELDS = 29
MINE_FEATURES = 9
MISSING = "?"


def landmine(
    *,
    folder: str | None = None,
    scale: Scale = "pooled",
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Pool:
    """Land mines by radar, 14,820 places in 29 fields, 9 features, mine or clutter.

    6.2 % are mines, so that ROC-AUC says more than accuracy. Fields 1 to 15 lie in foliage, 16 to
    29 in desert (Xue et al. 2007). Features come from four kinds of images; they have no units. The
    natural federation is by field (column "field"), and test rows are drawn within fields, by
    class. A licence is not stated (public research data of Duke University).

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        scale: "pooled" standardises features by all training rows, "per_client" each field's rows
            by its own, "none" leaves them.
        test_fraction: the fraction of each field's rows drawn for the test set.
        seed: decides which.

    Raises:
        InvalidInputError: no such file, or one that does not hold these fields.

    References:
        Xue, Liao, Carin, Krishnapuram 2007, "Multi-task learning for classification with Dirichlet
        process priors" (JMLR 8).
    """
    path = files.locate(
        folder,
        "landmine",
        ["LandmineData.mat"],
        origin="the authors of Xue et al. 2007 (JMLR 8), or "
        "github.com/daizhongxiang/Federated_Bayesian_Optimization",
    )
    fields = _mat(path)
    raw = np.concatenate([x for x, _ in fields])
    y = np.concatenate([labels for _, labels in fields])
    owner = np.repeat(
        [f"field {number + 1}" for number in range(FIELDS)], [len(x) for x, _ in fields]
    )
    train = drawn_within(owner, y, fraction=test_fraction, seed=seed)
    return parted(
        scaled(str(path), raw, train, scale, owner),
        y,
        train,
        columns={"field": owner},
        natural="field",
        num_classes=2,
        notes={"labels": ("clutter", "mine")},
    )


def wisdm(
    *,
    folder: str | None = None,
    missing: Literal["mean", "drop"] = "mean",
    scale: Scale = "pooled",
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Pool:
    """Activities by telephone (WISDM), 5,418 stretches of 36 people, 43 features, six activities.

    Each row is ten seconds of an accelerometer in a trouser pocket (version 1.1, transformed).
    Features are counts in bins, means, mean times between peaks (ms), and deviations (m/s2); the
    row's number and the person's are not features. The column XAVG is zero in all rows of the
    published file. Half of the people do all six activities; 11 neither sit nor stand.
    The natural federation is by person (column "user"), and test rows are drawn within people, by
    activity. The data may be passed on with their readme.txt (WISDM Lab, Fordham University).

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        missing: what becomes of "?", a time between peaks where no peaks were found (mostly
            sitting). "mean" takes the mean of the training rows and adds a feature for each
            of the three columns that says so, "drop" leaves the row out.
        scale: "pooled" standardises features by all training rows, "per_client" each person's rows
            by its own, "none" leaves the units.
        test_fraction: the fraction of each person's rows drawn for the test set.
        seed: decides which.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Kwapisz, Weiss, Moore 2010, "Activity recognition using cell phone accelerometers"
        (SensorKDD).
    """
    one_of("missing", missing, ("mean", "drop"))
    path = files.locate(
        folder,
        "wisdm",
        ["WISDM_ar_v1.1_transformed.arff"],
        origin="the WISDM Lab (www.cis.fordham.edu/wisdm)",
    )
    names, cells = _arff(path)
    features = names[2:-1]
    raw = _floats(path, cells[:, 2:-1])
    y, kinds = classes(cells[:, -1], f"the activities of {path}")
    owner = np.array([f"user {number}" for number in cells[:, 1]])
    if missing == "drop":
        whole = np.isfinite(raw).all(axis=1)
        raw, y, owner = (part[whole] for part in (raw, y, owner))
    train = drawn_within(owner, y, fraction=test_fraction, seed=seed)
    if missing == "mean":
        gaps = np.flatnonzero(np.isnan(raw).any(axis=0))
        marks = np.isnan(raw[:, gaps]).astype(np.float64)
        raw = np.where(np.isnan(raw), np.nanmean(raw[train], axis=0), raw)
        raw = np.concatenate([raw, marks], axis=1)
        features = [*features, *(f"{features[gap]} is missing" for gap in gaps)]
    return parted(
        scaled(str(path), raw, train, scale, owner),
        y,
        train,
        columns={"user": owner},
        natural="user",
        num_classes=len(kinds),
        notes={"features": features, "labels": kinds},
    )


def _mat(path: Path) -> list[tuple[HostArray, HostArray]]:
    """The fields of a MATLAB file: features float64[T, 9] and labels int[T] of each."""
    from scipy.io import loadmat

    try:
        arrays = loadmat(io.BytesIO(files.contents(path)))
        feature = arrays["feature"][0]
        label = arrays["label"][0]
    except Exception as error:  # the reader raises many kinds, and this file is someone else's
        raise InvalidInputError(
            f"Expected {path} to be a MATLAB file with feature and label, but: {error}."
        ) from error
    fields = [(np.asarray(x, np.float64), np.asarray(y).ravel()) for x, y in zip(feature, label)]
    require(
        len(fields) == FIELDS
        and all(x.shape == (len(y), MINE_FEATURES) for x, y in fields)
        and all(np.isfinite(x).all() and np.isin(y, (0, 1)).all() for x, y in fields),
        f"Expected {path} to hold {FIELDS} fields of {MINE_FEATURES} features and labels 0 and 1.",
    )
    return fields


def _arff(path: Path) -> tuple[list[str], HostArray]:
    """The names of the attributes, and the rows, str[T, attributes].

    The published header has attributes without a type and nominal ones without values, which
    scipy's reader refuses.
    """
    head, mark, body = files.text(path).partition("@data")
    lines = [line.split() for line in head.splitlines() if line.startswith("@attribute")]
    names = [line[1].strip('"') for line in lines]
    rows = [line.split(",") for line in body.splitlines() if line.strip()]
    require(
        bool(mark)
        and names[:2] == ["UNIQUE_ID", "user"]
        and names[-1] == "class"
        and len(rows) > 0
        and {len(row) for row in rows} == {len(names)},
        f"Expected {path} to be an arff table that begins with UNIQUE_ID and user and ends with "
        "class, with a cell in each row for each.",
    )
    return names, np.array(rows)


def _floats(path: Path, cells: HostArray) -> HostArray:
    """Cells as float64, NaN for "?"."""
    try:
        return np.where(cells == MISSING, "nan", cells).astype(np.float64)
    except ValueError as error:
        raise InvalidInputError(f"Expected {path} to hold numbers or '?', but: {error}.") from error
