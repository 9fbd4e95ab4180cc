"""FATE's small federations: pupils, vehicles and a motor, split as FATE publishes them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import caution, require
from fedjax_shap.data import files
from fedjax_shap.data.parts import drawn_within, numeric, parted
from fedjax_shap.data.pool import Pool, standardise
from fedjax_shap.data.tables import read_table
from fedjax_shap.typing import HostArray

ORIGIN = "FATE's repository (github.com/FederatedAI/FATE, examples/data)"
PARTIES = ("guest", "host")
STUDENT_FEATURES = [f"x{number}" for number in range(13)]
VEHICLE_FEATURES = [f"x{number}" for number in range(18)]
VEHICLE_CLASSES = ("class 0", "class 1", "class 2", "class 3")  # FATE does not name them
MOTOR_GUEST = ["pm", "stator_yoke", "stator_tooth", "stator_winding"]
MOTOR_HOST = ["ambient", "coolant", "u_d", "u_q", "torque", "i_d", "i_q"]


class _Rows(NamedTuple):
    """The rows of one file: ids float64[T], x float64[T, features], y float64[T]."""

    ids: HostArray
    x: HostArray
    y: HostArray


def student(*, folder: str | None = None) -> Pool:
    """Pupils of two parties (FATE's split), 316 training and 79 test rows, 13 features, a grade.

    The rows are UCI's pupils of mathematics; y is the final grade, 0 to 20 points. FATE cut the
    table in its order: "guest" is the first 158 pupils and "host" the next 158 (they are not UCI's
    two schools); the last 79 are the test set and belong to no member. UCI's other columns are not
    in FATE's files. Features are standardised by the training rows. Licences: Apache 2.0 (FATE),
    CC BY 4.0 (UCI).

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Cortez and Silva 2008, "Using data mining to predict secondary school student performance";
        archive.ics.uci.edu/dataset/320. FATE's files student_homo_*.csv.
    """
    guest, host, test = (
        _read(folder, f"student_homo_{part}.csv", STUDENT_FEATURES) for part in (*PARTIES, "test")
    )
    x, test_x = standardise(np.concatenate([guest.x, host.x]), test.x)
    return Pool(
        x=x,
        y=np.concatenate([guest.y, host.y]).astype(np.float32),
        test=(test_x, test.y.astype(np.float32)),
        num_classes=None,
        columns={"party": np.repeat(PARTIES, [len(guest.y), len(host.y)])},
        natural="party",
        notes={"features": STUDENT_FEATURES},
    )


def vehicle(*, folder: str | None = None, as_published: bool = False) -> Pool:
    """Vehicle silhouettes of two parties (FATE's split), 677 training and 169 test rows, 4 classes.

    18 features in [-1, 1], scaled by FATE. **All 169 rows of FATE's test file are rows of its host
    file as well**, so they are left out of the host here: guest 413 rows, host 264. The test set
    belongs to no member. Licence: Apache 2.0 (FATE).

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        as_published: whether the host keeps the test rows (433 rows), so that the host's model is
            tested on rows that it was trained on.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Siebert 1987, "Vehicle recognition using rule based methods" (Statlog);
        archive.ics.uci.edu/dataset/149. FATE's files vehicle_scale_homo_*.csv.
    """
    guest, host, test = (
        _read(folder, f"vehicle_scale_homo_{part}.csv", VEHICLE_FEATURES)
        for part in (*PARTIES, "test")
    )
    shared = np.isin(host.ids, test.ids)
    if as_published:
        caution(
            f"{shared.sum()} of the host's {len(host.ids)} rows are test rows as well, which makes "
            "the host look better than it is; say as_published = false to leave them out."
        )
    else:
        host = _Rows(*(part[~shared] for part in host))
    y = np.concatenate([guest.y, host.y])
    for labels in (y, test.y):
        require(
            bool(np.isin(labels, range(len(VEHICLE_CLASSES))).all()),
            "Expected column 'y' of vehicle_scale_homo_*.csv to hold 0 to 3 only.",
        )
    return Pool(
        x=np.concatenate([guest.x, host.x]).astype(np.float32),
        y=y.astype(np.int32),
        test=(test.x.astype(np.float32), test.y.astype(np.int32)),
        num_classes=len(VEHICLE_CLASSES),
        columns={"party": np.repeat(PARTIES, [len(guest.y), len(host.y)])},
        natural="party",
        notes={"features": VEHICLE_FEATURES, "labels": VEHICLE_CLASSES},
    )


def motor(*, folder: str | None = None, test_fraction: float = 0.25, seed: int = 0) -> Pool:
    """An electric motor's sensors (FATE), 800 rows, 11 features, the motor's speed.

    FATE splits this table by columns, for vertical federations; here the columns of its guest and
    its host are joined by id. The rows come from one machine and have no natural members: members
    who get rows at random (the partitions "natural", "iid" and "quantity") differ by nothing but
    chance and size. All columns are standardised in the files, the speed (y) among them, so an RMSE
    is in standard deviations of the speed. Licence: Apache 2.0 (FATE).

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        test_fraction: the fraction of rows drawn for the test set.
        seed: decides which.

    Raises:
        InvalidInputError: no such file, or files that do not hold the same ids.

    References:
        Kirchgaessner, Wallscheid, Boecker 2021, "Electric motor temperature" (Paderborn
        University). FATE's files motor_hetero_guest.csv and motor_hetero_host.csv.
    """
    guest = _read(folder, "motor_hetero_guest.csv", MOTOR_GUEST, key="idx", label="motor_speed")
    host = _read(folder, "motor_hetero_host.csv", MOTOR_HOST, key="idx", label=None)
    require(
        np.array_equal(np.sort(guest.ids), np.sort(host.ids)),
        "Expected motor_hetero_guest.csv and motor_hetero_host.csv to hold the same ids.",
    )
    # both in the order of their ids
    first = np.argsort(guest.ids)
    second = np.argsort(host.ids)
    raw = np.concatenate([guest.x[first], host.x[second]], axis=1)
    nobody = np.zeros(len(raw), int)
    train = drawn_within(nobody, nobody, fraction=test_fraction, seed=seed)
    notes = {"features": [*MOTOR_GUEST, *MOTOR_HOST]}
    y = guest.y[first]
    return parted(raw, y, train, columns={}, natural=None, num_classes=None, notes=notes)


def _read(
    folder: str | None,
    file: str,
    features: Sequence[str],
    *,
    key: str = "id",
    label: str | None = "y",
) -> _Rows:
    """The rows of one of FATE's files, whose ids differ; y is zero where there is no label."""
    table = read_table(files.locate(folder, "fate", [file], origin=ORIGIN))
    needed = {key, *features}
    if label is not None:
        needed.add(label)
    require(
        set(table.columns) == needed,
        f"Expected {table.name} to have the columns {sorted(needed)}, got {list(table.columns)}.",
    )
    ids = numeric(table, key)
    require(len(np.unique(ids)) == len(ids), f"Expected {table.name} to hold each {key} once.")
    y = np.zeros(len(ids))
    if label is not None:
        y = numeric(table, label)
    return _Rows(ids, np.stack([numeric(table, name) for name in features], axis=1), y)
