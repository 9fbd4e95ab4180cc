"""Stations of Beijing: hours, gaps and the last months are those of the published files."""

import gzip

import numpy as np
import pytest
from pools import covering, published

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.sources import load
from fedjax_shap.data.stations import HEADER, HOURS, STATIONS

EVERY = 601  # hours: 59 rows a station


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Twelve files of which all lines but those that are used are alike."""
    folder = tmp_path_factory.mktemp("air")
    rng = np.random.default_rng(0)
    common = ["1", "2013", "3", "1", "0", *["4"] * 6, "1", "1000", "2", "0", "N", "1"]
    for number, station in enumerate(STATIONS):
        lines = [",".join(HEADER)] + [",".join([*common, station])] * HOURS
        for hour in range(0, HOURS, EVERY):
            cells = [str(hour + 1), "2014", "7", "15", "6"]
            cells += [f"{value:.1f}" for value in rng.uniform(1, 100, 6)]
            cells += ["20", f"{1000 + number}", "5", "0", "SSW", "3", station]
            lines[1 + hour] = ",".join(cells)
        path = folder / f"PRSA_Data_{station}_20130301-20170228.csv.gz"
        path.write_bytes(gzip.compress("\n".join(lines).encode(), 1))
    return folder


def with_gaps(small, folder, cells):
    """The files of `small` with cells of the first station, (row, column), set to NA."""
    for path in small.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    path = folder / f"PRSA_Data_{STATIONS[0]}_20130301-20170228.csv.gz"
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    for row, column in cells:
        line = lines[1 + row * EVERY].split(",")
        line[HEADER.index(column)] = "NA"
        lines[1 + row * EVERY] = ",".join(line)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), 1))


def test_beijing_air_is_the_published_hours_of_twelve_stations(data_folder):
    pool = covering(load("beijing_air", folder=str(data_folder), every=241, scale="none"))
    assert pool.num_classes is None and pool.x.shape[1] == 16 == len(pool.notes["features"])
    assert set(pool.columns["station"]) == set(STATIONS)
    # one station, read once more
    name = "PRSA_Data_Dongsi_20130301-20170228.csv.gz"
    rows = published(data_folder / "beijing_air" / name)[::241]
    whole = [row for row in rows if "NA" not in row.values()]
    own = pool.columns["station"] == "Dongsi"
    last = pool.test_columns["station"] == "Dongsi"
    pm = np.concatenate([pool.y[own], pool.test[1][last]])
    assert pm.tolist() == [np.float32(row["PM2.5"]) for row in whole]
    assert len(pool.test[1][last]) == round(0.25 * len(whole))
    x = dict(zip(pool.notes["features"], np.concatenate([pool.x[own], pool.test[0][last]]).T))
    for column in ("PM10", "O3", "TEMP", "WSPM"):
        np.testing.assert_array_equal(x[column], [np.float32(row[column]) for row in whole])
    rain = [np.log1p(float(row["RAIN"])) for row in whole]
    np.testing.assert_allclose(x["log(1 + RAIN)"], rain, rtol=1e-6)
    east = np.array([row["wd"] == "E" for row in whole])
    np.testing.assert_allclose(x["sine of wind"][east], 1)
    noon = np.array([row["hour"] == "12" for row in whole])
    np.testing.assert_allclose(x["cosine of hour"][noon], -1)


def test_pollutants_can_be_left_out(small):
    pool = covering(load("beijing_air", folder=str(small), every=EVERY, pollutants=False))
    assert pool.x.shape == (12 * 44, 11) and "PM10" not in pool.notes["features"]


def test_gaps_are_dropped_filled_forward_or_filled_with_the_stations_mean(small, tmp_path):
    with_gaps(small, tmp_path, [(0, "PM2.5"), (1, "TEMP"), (5, "PRES"), (7, "SO2"), (8, "SO2")])
    whole = load("beijing_air", folder=str(small), every=EVERY, scale="none")
    counts = {}
    column = whole.notes["features"].index("PRES")
    for missing in ("drop", "forward", "mean"):
        pool = covering(
            load("beijing_air", folder=str(tmp_path), every=EVERY, missing=missing, scale="none")
        )
        own = pool.columns["station"] == STATIONS[0]
        counts[missing] = pool.num_rows + len(pool.test[1])
        assert set(pool.x[own, column]) == {1000}
        if missing == "forward":  # row 0 has no PM2.5, so row k of the file is row k - 1 here
            sulphur = pool.x[own, pool.notes["features"].index("SO2")]
            assert sulphur[6] == sulphur[7] == sulphur[5]
    assert counts == {"drop": 12 * 59 - 5, "forward": 12 * 59 - 1, "mean": 12 * 59 - 1}


def test_a_gap_at_the_start_cannot_be_filled_forward(small, tmp_path):
    with_gaps(small, tmp_path, [(0, "TEMP")])
    pool = load("beijing_air", folder=str(tmp_path), every=EVERY, missing="forward")
    assert pool.num_rows + len(pool.test[1]) == 12 * 59 - 1


def test_another_table_is_refused(small, tmp_path):
    name = f"PRSA_Data_{STATIONS[0]}_20130301-20170228.csv"
    text = gzip.decompress((small / f"{name}.gz").read_bytes()).decode()
    for damaged, said in (
        (text.replace("PM10", "PM11"), "to have the columns"),
        ("\n".join(text.split("\n")[:-1]), "35063"),
        (text.replace("SSW", "SSSW", 1), "a number, a wind or NA"),
        (text.replace(",SSW", "", 1), "18 cells a row"),
    ):
        (tmp_path / name).write_text(damaged)
        with pytest.raises(InvalidInputError, match=said):
            load("beijing_air", folder=str(tmp_path), every=EVERY)
