"""Sensors: fields, people, classes and gaps are those that were published."""

import gzip
import io
from collections import Counter

import numpy as np
import pytest
from pools import covering, rows_by_member
from scipy.io import loadmat, savemat

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.sources import load


def test_landmine_is_29_fields_with_the_published_mines(data_folder):
    raw = gzip.decompress((data_folder / "landmine" / "LandmineData.mat.gz").read_bytes())
    arrays = loadmat(io.BytesIO(raw))
    pool = covering(load("landmine", folder=str(data_folder), scale="none"))
    counts = rows_by_member(pool)
    for number in range(29):
        name = f"field {number + 1}"
        assert counts[name] == len(arrays["feature"][0, number])
        own = pool.columns["field"] == name
        last = pool.test_columns["field"] == name
        mines = arrays["label"][0, number].sum()
        assert pool.y[own].sum() + pool.test[1][last].sum() == mines
        assert abs(pool.test[1][last].sum() - mines / 4) < 1.01
        total = pool.x[own].sum(dtype=float) + pool.test[0][last].sum(dtype=float)
        assert total == pytest.approx(arrays["feature"][0, number].sum(), rel=1e-6)
    assert len(counts) == 29 and pool.num_rows + len(pool.test[1]) == 14820


def test_wisdm_is_36_people_with_the_published_activities(data_folder):
    path = data_folder / "wisdm" / "WISDM_ar_v1.1_transformed.arff.gz"
    rows = gzip.decompress(path.read_bytes()).decode().partition("@data")[2].split()
    rows = [row.split(",") for row in rows]
    pool = covering(load("wisdm", folder=str(data_folder), scale="none"))
    assert rows_by_member(pool) == Counter(f"user {row[1]}" for row in rows)
    y = np.concatenate([pool.y, pool.test[1]])
    activities = Counter(pool.notes["labels"][label] for label in y)
    assert activities == Counter(row[-1] for row in rows) and activities["Walking"] == 2081
    features = pool.notes["features"]
    x = dict(zip(features, np.concatenate([pool.x, pool.test[0]]).T))
    assert len(features) == pool.x.shape[1] == 46 and "UNIQUE_ID" not in features
    for name, place in (("XPEAK", 35), ("YPEAK", 36), ("ZPEAK", 37)):
        marked = x[f"{name} is missing"]
        assert marked.sum() == sum(row[place] == "?" for row in rows)
        published = sum(float(row[place]) for row in rows if row[place] != "?")
        assert x[name][marked == 0].sum(dtype=float) == pytest.approx(published, rel=1e-6)
        filled = set(x[name][marked == 1])
        known = x[name][: pool.num_rows][marked[: pool.num_rows] == 0]
        assert list(filled) == [pytest.approx(known.mean(dtype=float))]
    assert not x["XAVG"].any()
    dropped = covering(load("wisdm", folder=str(data_folder), missing="drop"))
    assert dropped.x.shape[1] == 43
    assert dropped.num_rows + len(dropped.test[1]) == sum("?" not in row for row in rows)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "LandmineData.mat"
    path.write_text("no MATLAB file")
    with pytest.raises(InvalidInputError, match="to be a MATLAB file"):
        load("landmine", folder=str(tmp_path))
    savemat(path, {"feature": np.zeros((1, 3)), "label": np.zeros((1, 3))})
    with pytest.raises(InvalidInputError, match="29 fields"):
        load("landmine", folder=str(tmp_path))
    path = tmp_path / "WISDM_ar_v1.1_transformed.arff"
    path.write_text("@relation a\n@attribute b numeric\n@data\n1\n")
    with pytest.raises(InvalidInputError, match="to be an arff table"):
        load("wisdm", folder=str(tmp_path))
    names = ["UNIQUE_ID", "user", "X0", "class"]
    header = "".join(f'@attribute "{name}" numeric\n' for name in names)
    path.write_text(f"{header}@data\n1,1,a,Walking\n2,1,2,Sitting\n")
    with pytest.raises(InvalidInputError, match=r"numbers or '\?'"):
        load("wisdm", folder=str(tmp_path))
