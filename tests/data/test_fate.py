"""FATE's federations: rows and parties are FATE's; test rows are not training rows."""

import numpy as np
import pytest
from pools import published, sound

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.data.sources import load


def fate(data_folder, *names):
    return [published(data_folder / "fate" / f"{name}.csv") for name in names]


def parties(pool):
    names, counts = np.unique(pool.columns["party"], return_counts=True)
    return dict(zip(names.tolist(), counts.tolist()))


def test_student_is_fates_split_with_grades_as_quantities(data_folder):
    guest, host, test = fate(data_folder, *(f"student_homo_{p}" for p in ("guest", "host", "test")))
    pool = sound(load("student", folder=str(data_folder)))
    assert parties(pool) == {"guest": len(guest), "host": len(host)} == {"guest": 158, "host": 158}
    assert pool.num_classes is None and pool.x.shape == (316, 13)
    assert pool.y.tolist() == [float(row["y"]) for row in (*guest, *host)]
    assert pool.test[1].tolist() == [float(row["y"]) for row in test]
    assert not pool.test_columns  # the test set belongs to nobody
    # features are in their order, whatever the order of the columns
    ages = np.array([float(row["x0"]) for row in (*guest, *host)])
    np.testing.assert_allclose(pool.x[:, 0], (ages - ages.mean()) / ages.std(), rtol=1e-5)


def test_ordinary_least_squares_on_student_and_motor_gives_sensible_errors(data_folder):
    """FATE's whole student table gives an RMSE of 4.136 in sample, motor's 0.2793."""
    for name, least, most in (("student", 4.1, 5.0), ("motor", 0.25, 0.31)):
        pool = sound(load(name, folder=str(data_folder)))
        ones = [np.append(x, np.ones((len(x), 1)), axis=1) for x in (pool.x, pool.test[0])]
        weights, *_ = np.linalg.lstsq(ones[0].astype(float), pool.y.astype(float))
        error = np.sqrt(np.mean((ones[1] @ weights - pool.test[1]) ** 2))
        assert least < error < most, (name, error)


def test_vehicles_that_fate_tests_on_are_no_training_rows_unless_asked_for(data_folder):
    host, test = fate(data_folder, "vehicle_scale_homo_host", "vehicle_scale_homo_test")
    hosted = {row["id"] for row in host}
    assert {row["id"] for row in test} <= hosted and len(test) == 169
    pool = sound(load("vehicle", folder=str(data_folder)))
    assert parties(pool) == {"guest": 413, "host": 433 - 169} and pool.num_classes == 4
    seen = {row.tobytes() for row in pool.x}
    assert not any(row.tobytes() in seen for row in pool.test[0])
    with pytest.warns(InputWarning, match="169 of the host's 433 rows are test rows"):
        published_pool = sound(load("vehicle", folder=str(data_folder), as_published=True))
    assert parties(published_pool) == {"guest": 413, "host": 433}
    assert np.bincount(published_pool.y).tolist() == [212, 217, 218, 199]


def test_motor_is_joined_by_id_and_has_no_natural_members(data_folder, tmp_path):
    guest, host = fate(data_folder, "motor_hetero_guest", "motor_hetero_host")
    pool = sound(load("motor", folder=str(data_folder)))
    assert pool.natural is None and pool.x.shape == (600, 11) and len(pool.test[1]) == 200
    first = dict(zip(pool.notes["features"], np.concatenate([pool.x, pool.test[0]]).T))
    for name, rows in (("pm", guest), ("i_q", host)):
        total = sum(float(row[name]) for row in rows)
        assert first[name].sum() == pytest.approx(total, abs=1e-3)
    # the rows of both files belong together, whatever their order
    for part in ("guest", "host"):
        lines = (data_folder / "fate" / f"motor_hetero_{part}.csv").read_text().split()
        if part == "host":
            lines[1:] = lines[:0:-1]
        (tmp_path / f"motor_hetero_{part}.csv").write_text("\n".join(lines))
    np.testing.assert_array_equal(load("motor", folder=str(tmp_path)).x, pool.x)
    (tmp_path / "motor_hetero_host.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(InvalidInputError, match="to hold the same ids"):
        load("motor", folder=str(tmp_path))


def test_another_table_is_refused(tmp_path):
    path = tmp_path / "student_homo_guest.csv"
    path.write_text("id,y\n1,2\n")
    with pytest.raises(InvalidInputError, match="to have the columns"):
        load("student", folder=str(tmp_path))
