"""Frames of pandas, polars and Arrow are pools by the rules of tables in files."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data.sources import from_frame, load

pandas = pytest.importorskip("pandas")
RNG = np.random.default_rng(0)
ROWS = 40
COLUMNS = {
    "site": np.array(["north", "south"])[np.arange(ROWS) % 2].tolist(),
    "age": np.round(RNG.normal(40, 10, ROWS), 2).tolist(),
    "visits": RNG.integers(0, 5, ROWS).tolist(),
    "kind": np.array(["web", "shop", "phone"])[np.arange(ROWS) % 3].tolist(),
    "sick": (np.arange(ROWS) // 2 % 2).tolist(),
}
ROLES = {"label": "sick", "client": "site"}


class Polars:
    """A frame as polars has it, as far as it is asked."""

    def __init__(self, columns):
        self.columns = list(columns)
        self._columns = columns

    def __getitem__(self, name):
        return pandas.Series(self._columns[name], dtype=object)


class Arrow:
    """A table as Arrow has it, as far as it is asked."""

    class Column:
        def __init__(self, cells):
            self._cells = cells

        def to_pylist(self):
            return self._cells

    def __init__(self, columns):
        self.column_names = list(columns)
        self.columns = [self.Column(cells) for cells in columns.values()]


KINDS = {"pandas": pandas.DataFrame, "polars": Polars, "arrow": Arrow, "dict": dict}


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_the_pool_of_the_same_table_in_a_file(kind, tmp_path):
    path = tmp_path / "table.csv"
    rows = [",".join(map(str, row)) for row in zip(*COLUMNS.values())]
    path.write_text("\n".join([",".join(COLUMNS), *rows]))
    expected = load("csv", path=str(path), **ROLES)
    pool = from_frame(KINDS[kind](COLUMNS), **ROLES)
    assert_array_equal(pool.x, expected.x)
    assert_array_equal(pool.y, expected.y)
    assert_array_equal(pool.test[0], expected.test[0])
    assert pool.notes == expected.notes and pool.natural == "site"
    assert_array_equal(pool.columns["site"], expected.columns["site"])
    assert_array_equal(pool.test_columns["kind"], expected.test_columns["kind"])


def test_pandas_own_types_are_read():
    frame = pandas.DataFrame(COLUMNS)
    frame["visits"] = frame["visits"].astype("Int64")
    frame["kind"] = frame["kind"].astype("category")
    frame["code"] = pandas.Categorical(frame["visits"].astype(int))
    frame["open"] = frame["age"] > 40
    frame["sick"] = frame["sick"].astype(bool)
    pool = from_frame(frame, **ROLES)
    kinds = [f"kind={kind}" for kind in ("phone", "shop", "web")]
    codes = [f"code={code}" for code in range(5)]
    assert pool.notes["features"] == ["age", "visits", *kinds, *codes, "open"]
    assert pool.notes["labels"] == ("False", "True")


@pytest.mark.parametrize("gap", [None, float("nan"), pandas.NA, pandas.NaT])
def test_missing_cells_are_refused_filled_or_left_out(gap):
    columns = {**COLUMNS, "age": [gap, *COLUMNS["age"][1:]]}
    frame = pandas.DataFrame(columns, dtype=object)
    with pytest.raises(InvalidInputError, match=r"column 'age' of row 0 is ''; write missing"):
        from_frame(frame, **ROLES)
    with cautions() as said:
        dropped = from_frame(frame, **ROLES, missing="drop")
        kept = from_frame(frame, **ROLES, missing="mean")
    assert dropped.num_rows + len(dropped.test[1]) == ROWS - 1 and len(said) == 2
    assert kept.num_rows + len(kept.test[1]) == ROWS


def test_a_frame_a_member_and_frames_of_test_rows():
    frame = pandas.DataFrame(COLUMNS)
    by_site = {site: rows.drop(columns="site") for site, rows in frame[:30].groupby("site")}
    pool = from_frame(by_site, label="sick", test=frame[30:].drop(columns="site"))
    (natural,) = {pool.natural}
    assert sorted(set(pool.columns[natural])) == ["north", "south"] and pool.num_rows == 30
    assert natural not in pool.test_columns and len(pool.test[1]) == 10
    tests = {site: rows.drop(columns="site") for site, rows in frame[30:].groupby("site")}
    own = from_frame(by_site, label="sick", test=tests)
    assert sorted(set(own.test_columns[own.natural])) == ["north", "south"]
    assert_allclose(np.sort(own.test[0], axis=0), np.sort(pool.test[0], axis=0), rtol=1e-6)


def test_quantities_are_taken_where_they_are_said():
    pool = from_frame(COLUMNS, label="age", client="site", targets="quantities")
    assert pool.num_classes is None and pool.y.dtype == np.float32


TWICE = pandas.DataFrame([[1, 2, 0]] * 4, columns=["a", "a", "y"])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: from_frame([1, 2], label="y"),
            "frame=<list> to be a data frame of pandas",
        ),
        (lambda: from_frame(np.zeros((3, 2)), label="y"), "frame=<ndarray> to be a data frame"),
        (lambda: from_frame(TWICE, label="y"), r"to name each column once, got \['a', 'a', 'y'\]"),
        (lambda: from_frame({}, label="y"), "to name each column once"),
        (lambda: from_frame({"a": [1], "y": [1, 2]}, label="y"), r"got \[1, 2\] rows"),
        (lambda: from_frame(COLUMNS, label="sik"), "label='sik' .* did you mean 'sick'"),
        (
            lambda: from_frame({"a": COLUMNS, "b": {"age": [1]}}, label="sick"),
            r"same columns, but \['kind', 'sick', 'site', 'visits'\] stand in some only",
        ),
        (lambda: from_frame(COLUMNS, label="sick", scale="all"), "scale='all'"),
    ],
)
def test_what_is_no_frame_of_examples_is_refused_in_one_sentence(call, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        call()
