"""Patients: recordings, scores, centres and the split are those that were published."""

from collections import Counter

import numpy as np
import pytest
from pools import covering, published, rows_by_member

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.data.sources import load


def test_parkinsons_is_42_patients_whose_last_recordings_are_the_test_set(data_folder):
    rows = published(data_folder / "parkinsons" / "parkinsons_updrs.data.gz")
    pool = covering(load("parkinsons", folder=str(data_folder), scale="none"))
    counts = Counter(f"patient {row['subject#']}" for row in rows)
    assert rows_by_member(pool) == counts and len(counts) == 42
    assert pool.num_rows + len(pool.test[1]) == len(rows) == 5875 and pool.x.shape[1] == 19
    total = pool.y.sum(dtype=float) + pool.test[1].sum(dtype=float)
    assert total == pytest.approx(sum(float(row["total_UPDRS"]) for row in rows))
    time = pool.notes["features"].index("test_time")
    for patient in counts:
        own = pool.x[pool.columns["patient"] == patient, time]
        last = pool.test[0][pool.test_columns["patient"] == patient, time]
        assert own.max() <= last.min() and len(last) == round(0.25 * counts[patient])
    jitter = np.concatenate([pool.x, pool.test[0]])[:, 3]
    published_jitter = [float(row["Jitter(%)"]) for row in rows]
    assert pool.notes["features"][3] == "log Jitter(%)"
    np.testing.assert_allclose(np.sort(np.exp(jitter)), np.sort(published_jitter), rtol=1e-5)
    motor = load("parkinsons", folder=str(data_folder), score="motor_UPDRS")
    assert motor.y.mean() < pool.y.mean() and motor.x.shape == pool.x.shape


def test_tcga_brca_is_flambys_split_of_six_centres(data_folder):
    with pytest.warns(InputWarning, match="a task of your own"):
        pool = covering(load("tcga_brca", folder=str(data_folder), target="survival", scale="none"))
    folder = data_folder / "tcga_brca"
    folds = published(folder / "train_test_split.csv")
    region = {row["TSS Code"]: row["Region"] for row in published(folder / "centers.csv")}
    assert [pool.num_rows, len(pool.test[1])] == [866, 222] and pool.x.shape[1] == 39
    for part, columns in (("train", pool.columns), ("test", pool.test_columns)):
        named = [region[f["pid"].split("-")[1]] for f in folds if f["fold"] == part]
        assert columns["center"].tolist() == named
    patients = {row["pid"]: row for row in published(folder / "brca.csv")}
    train = [patients[fold["pid"]] for fold in folds if fold["fold"] == "train"]
    assert pool.y.tolist() == [[float(row["T"]), float(row["E"])] for row in train]
    assert pool.x[:, 0].tolist() == [float(row["age_at_index"]) for row in train]


def test_a_death_within_the_horizon_is_known_or_the_patient_is_left_out(data_folder):
    rows = published(data_folder / "tcga_brca" / "brca.csv")
    folded = {f["pid"] for f in published(data_folder / "tcga_brca" / "train_test_split.csv")}
    seen = [(float(r["T"]), r["E"] == "1.0") for r in rows if r["pid"] in folded]
    for years, known, deaths in ((3.0, 505, 69), (1.0, 935, 20)):
        pool = covering(load("tcga_brca", folder=str(data_folder), years=years))
        days = 365.25 * years
        assert sum(died and time <= days for time, died in seen) == deaths
        assert sum(time > days or died for time, died in seen) == known
        y = np.concatenate([pool.y, pool.test[1]])
        assert len(y) == known and y.sum() == deaths and pool.num_classes == 2
    with pytest.raises(InvalidInputError, match=r"years=30\.0 to leave patients"):
        load("tcga_brca", folder=str(data_folder), years=30.0)


def test_another_table_is_refused(tmp_path):
    (tmp_path / "parkinsons_updrs.data").write_text("subject#,age\n1,2\n")
    with pytest.raises(InvalidInputError, match=r"the columns of parkinsons_updrs\.data"):
        load("parkinsons", folder=str(tmp_path))
    (tmp_path / "brca.csv").write_text("pid,E,T\na,0,1\n")
    (tmp_path / "train_test_split.csv").write_text("pid,fold,fold2\na,train,train_0\n")
    with pytest.raises(InvalidInputError, match="39 features"):
        load("tcga_brca", folder=str(tmp_path))
