"""Arrays of one's own: what people save is read, and what is hardly meant is refused or said."""

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data.sources import load

ROWS = 40
RNG = np.random.default_rng(0)
X = RNG.random((ROWS, 3)).astype(np.float32)
Y = np.arange(ROWS) % 3
SITE = np.array(["a", "b"])[np.arange(ROWS) // 2 % 2]
IMAGES = RNG.integers(0, 256, (ROWS, 12, 12), dtype=np.uint8)


@pytest.fixture
def read(tmp_path):
    """Saves arrays and reads them: the pool, and what was said about it."""

    def of(arrays, **keywords):
        np.savez(tmp_path / "own.npz", **arrays)
        with cautions() as said:
            pool = load("npz", path=str(tmp_path / "own.npz"), **keywords)
        return pool, said

    return of


@pytest.fixture
def refused(read):
    """The sentence with which arrays are refused."""

    def of(arrays, **keywords):
        with pytest.raises(InvalidInputError) as raised:
            read(arrays, **keywords)
        return str(raised.value)

    return of


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array(["cat", "dog", "emu"])[Y], ("cat", "dog", "emu")),
        (np.array([b"cat", b"dog", b"emu"])[Y], ("cat", "dog", "emu")),
        (np.eye(3)[Y], ("0", "1", "2")),
        (np.eye(3, dtype=bool)[Y], ("0", "1", "2")),
        (Y[:, None], ("0", "1", "2")),
        (Y + 1.0, ("1", "2", "3")),
    ],
)
def test_classes_are_taken_as_people_save_them(y, labels, read):
    pool, said = read({"x": X, "y": y})
    assert pool.notes["labels"] == labels and not said
    np.testing.assert_array_equal(pool.y, read({"x": X, "y": Y})[0].y)


def test_a_class_that_no_training_row_has_is_said(read):
    arrays = {"x": X, "y": Y, "test_x": X[:3] + 1, "test_y": np.array([0, 1, 7])}
    pool, said = read(arrays)
    assert pool.num_classes == 4
    assert len(said) == 1 and "no training row is of class '7'" in said[0]


def test_truth_values_are_two_classes(read):
    assert read({"x": X, "y": Y == 0})[0].notes["labels"] == ("False", "True")


def test_quantities_are_kept_as_they_are(read, refused):
    pay = RNG.normal(size=ROWS)
    pool, _ = read({"x": X, "y": pay, "client": SITE}, targets="quantities")
    assert pool.num_classes is None and pool.y.dtype == np.float32
    assert sorted([*pool.y, *pool.test[1]]) == sorted(pay.astype(np.float32))
    both, _ = read({"x": X, "y": np.stack([pay, pay], 1)}, targets="quantities")
    assert both.y.shape[1:] == (2,) and both.test[1].shape[1:] == (2,)
    for y in (pay, np.arange(ROWS) * 10):
        assert "regression" in refused({"x": X, "y": y})
    assert "to be numbers" in refused({"x": X, "y": SITE}, targets="quantities")
    assert "finite" in refused({"x": X, "y": np.full(ROWS, np.inf)}, targets="quantities")


def test_class_ids_beyond_what_floats_tell_apart_are_refused(refused):
    assert "too large" in refused({"x": X, "y": 2**53 + Y})


def test_missing_arrays_are_named_with_those_that_are_there(refused):
    assert "it holds ['X', 'Y'], where 'X' may be x, where 'Y' may be y." in refused(
        {"X": X, "Y": Y}
    )
    assert "'x_train' may be x" in refused({"x_train": X, "y_train": Y})
    assert "names.astype(str)" in refused({"x": X, "y": SITE.astype(object)})


@pytest.mark.parametrize(
    ("client", "names"),
    [
        (SITE, {"a", "b"}),
        (np.array([b"a", b"b"])[Y % 2], {"a", "b"}),
        ((Y % 2).astype(float), {"0", "1"}),
        (Y[:, None] % 2, {"0", "1"}),
        (np.array(["[x]", "$1", "two\nlines", "🏦", "x" * 200])[np.arange(ROWS) % 5], None),
    ],
)
def test_members_are_called_as_they_are_saved(client, names, read):
    pool, said = read({"x": X, "y": Y, "client": client})
    found = {*pool.columns["client"], *pool.test_columns["client"]}
    assert found == (names or set(client)) and not said


def test_members_that_look_alike_are_one_and_rows_of_nobody_are_refused(read, refused):
    names = np.array(["site a ", "site a", "Zu\u0308rich", "Z\u00fcrich"])[np.arange(ROWS) % 4]
    pool, said = read({"x": X, "y": Y, "client": names})
    assert set(pool.columns["client"]) == {"site a", "Z\u00fcrich"}
    assert len(said) == 1 and "are one member" in said[0]
    for client in (np.where(Y == 0, " ", "a"), np.full(ROWS, np.nan), np.zeros((ROWS, 2))):
        assert "client of" in refused({"x": X, "y": Y, "client": client})


def test_test_rows_have_members_where_the_file_says_so(read, refused):
    own = {"x": X, "y": Y, "client": SITE, "test_x": X[:4] + 1, "test_y": Y[:4]}
    assert not read(own)[0].test_columns
    pool, _ = read({**own, "test_client": SITE[:4]})
    assert pool.test_columns["client"].tolist() == SITE[:4].tolist()
    assert "beside test_client" in refused({"x": X, "y": Y, "test_client": SITE})
    assert "same type" in refused({**own, "test_y": SITE[:4]})


def test_bytes_are_divided_by_255_and_get_a_channel_and_it_is_said(read):
    pool, said = read({"x": IMAGES, "y": Y})
    assert pool.x.shape[1:] == (12, 12, 1) and pool.x.max() <= 1 and pool.x.dtype == np.float32
    assert len(said) == 1 and "divided by 255" in said[0] and 'scale = "none"' in said[0]
    raw, said = read({"x": IMAGES, "y": Y}, scale="none")
    assert raw.x.max() > 200 and not said
    np.testing.assert_allclose(pool.x, raw.x / 255, rtol=1e-6)
    _, said = read({"x": IMAGES.astype(np.float64), "y": Y})
    assert len(said) == 1 and "used as they are" in said[0]
    _, said = read({"x": (IMAGES > 99).astype(np.uint8), "y": Y})
    assert not said


def test_channels_stand_where_they_are_said_to(read, refused):
    first = np.repeat(IMAGES[:, None], 3, 1) / 255
    _, said = read({"x": first, "y": Y})
    assert len(said) == 1 and 'channels = "first"' in said[0]
    pool, said = read({"x": first, "y": Y}, channels="first")
    assert pool.x.shape[1:] == (12, 12, 3) and not said
    assert read({"x": IMAGES / 255, "y": Y}, channels="none")[0].x.shape[1:] == (12, 12, 1)
    assert "4 axes where channels='first'" in refused({"x": IMAGES, "y": Y}, channels="first")


def test_scales_are_by_all_rows_by_member_or_to_one(read, refused):
    arrays = {"x": 5 * X, "y": Y, "client": SITE}
    raw, _ = read(arrays)
    np.testing.assert_allclose(read(arrays, scale="pooled")[0].x.mean(axis=0), 0, atol=1e-5)
    unit, _ = read(arrays, scale="unit")
    assert unit.x.min() == 0 and unit.x.max() == 1
    own, _ = read(arrays, scale="per_client")
    for member in "ab":
        rows = own.columns["client"] == member
        np.testing.assert_allclose(own.x[rows].mean(axis=0), 0, atol=1e-5)
    assert raw.x.max() > 4
    assert "to come with members" in refused({"x": X, "y": Y}, scale="per_client")
    assert "scale='unti'" in refused(arrays, scale="unti")


def test_test_rows_that_are_training_rows_are_said(read):
    _, said = read({"x": X, "y": Y, "test_x": X[:4], "test_y": Y[:4]})
    assert len(said) == 1 and "4 of 4 test rows are training rows as well" in said[0]
