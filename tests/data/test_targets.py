"""What y may be: classes by any name give one federation, quantities stay what they are."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.targets import bins, classes

IDS = np.array([0, 2, 1, 2, 0, 1])


def federation(y, **keywords):
    x = np.arange(12.0).reshape(6, 2)
    return from_arrays([(x[:3], y[:3]), (x[3:], y[3:])], (x, y), **keywords)


def labels(data):
    return np.concatenate([data.client(index)[1] for index in range(data.num_clients)])


@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.text(min_size=1, max_size=8), min_size=3, max_size=3, unique=True))
def test_names_of_any_kind_become_labels_in_sorted_order(names):
    # text that reads as a number is sorted as one; a letter in front keeps it a word
    words = np.array(sorted("c" + name.rstrip("\0") + "c" for name in names))
    data = federation(words[IDS])
    np.testing.assert_array_equal(labels(data), IDS)
    assert data.num_classes == 3 and data.class_names == tuple(words)
    assert data.pooled().class_names == tuple(words)


@pytest.mark.parametrize(
    ("y", "keywords", "expected"),
    [
        (np.eye(3)[IDS], {}, IDS),
        (np.eye(3, dtype=bool)[IDS], {}, IDS),
        (IDS[:, None], {}, IDS),
        (IDS.astype(float), {}, IDS),
        (IDS + 1, {"classes": [1, 2, 3]}, IDS),
        (2 * IDS, {"num_classes": 5}, 2 * IDS),
        (np.array(["b", "c", "a"])[IDS], {"classes": ["b", "c", "a"]}, IDS),
        (np.array(["b", "c", "a"], dtype=object)[IDS], {}, np.array([1, 2, 0])[IDS]),
        (IDS == 1, {}, IDS == 1),
        (2 * (IDS == 1) - 1, {"classes": [-1, 1]}, IDS == 1),
        (list(map(int, IDS)), {}, IDS),
    ],
)
def test_labels_are_taken_as_people_have_them(y, keywords, expected):
    data = federation(y, **keywords)
    np.testing.assert_array_equal(labels(data), expected)
    assert data.y.dtype == np.int32


@pytest.mark.parametrize(
    ("y", "keywords", "said"),
    [
        (IDS + 1, {}, "from 1 to 3; write classes=[1, 2, 3], or num_classes=4"),
        (2 * IDS, {}, "from 0 to 4; write classes=[0, 2, 4], or num_classes=5"),
        (2 * IDS - 1, {}, "from -1 to 3; write classes=[-1, 1, 3]."),
        (IDS + 0.5, {}, "quantities=True"),
        (IDS, {"classes": [0, 1]}, "to hold only classes=['0', '1'], got ['2']"),
        (IDS, {"classes": [0, 1, 1, 2]}, "to differ"),
        (IDS, {"classes": [0, 1, 2], "num_classes": 2}, "the length of classes, 3"),
        (np.array(["a", None, "b"] * 2, dtype=object), {}, "row [1] holds none"),
        (np.ones((6, 3)), {}, "several labels a row cannot be learned"),
        (np.eye(3)[IDS] / 2, {}, "one-hot rows of a single 1 each"),
        (np.array(["a", "b", "c"])[IDS], {"num_classes": 4}, "the number of names in y, 3"),
        (IDS, {"quantities": True, "num_classes": 3}, "to be left out with quantities=True"),
        (np.array(["a"] * 6), {"quantities": True}, "to be numbers"),
        (
            np.array([1, 2, 3, 4, 5, np.inf]),
            {"quantities": True},
            "clients[client 1].y to be finite",
        ),
        (np.zeros((6, 2, 2)), {"quantities": True}, "or several, y[N, D], got (3, 2, 2)"),
    ],
)
def test_targets_that_are_no_classes_are_refused_with_what_to_write(y, keywords, said):
    with pytest.raises(InvalidInputError, match=re.escape(said)):
        federation(y, **keywords)


def test_whole_numbers_with_nearly_as_many_values_as_rows_are_quantities():
    spend = np.random.default_rng(0).permutation(90) // 2  # 45 values in 90 rows
    x = np.zeros((90, 1))
    with pytest.raises(
        InvalidInputError, match=r"45 different values; .*quantities=True.*regression"
    ):
        from_arrays([(x, spend)], (x, spend))
    with pytest.raises(InvalidInputError, match="45 different values"):
        classes(spend.astype(str), "column 'spend'")
    said = from_arrays([(x, spend)], (x, spend), num_classes=45)
    assert said.num_classes == 45
    meant = from_arrays([(x, spend)], (x, spend), quantities=True)
    assert meant.num_classes is None and meant.y.dtype == np.float32
    np.testing.assert_array_equal(labels(meant), spend)


def test_quantities_of_several_columns_are_padded_like_rows():
    y = np.arange(12.0).reshape(6, 2)
    x = np.zeros((6, 1))
    data = from_arrays([(x[:4], y[:4]), (x[4:], y[4:])], (x, y), quantities=True)
    assert data.pooled().num_classes is None
    np.testing.assert_array_equal(labels(data), y)
    with pytest.raises(InvalidInputError, match=r"test\.y to have targets of shape \(2,\)"):
        from_arrays([(x, y)], (x, y[:, 0]), quantities=True)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.integers(-5, 5), min_size=1, max_size=60), count=st.integers(2, 12))
def test_bins_keep_the_order_of_quantities_and_hold_rows(values, count):
    values = np.array(values, np.float32)
    of_row = bins(values, count)
    assert set(of_row) == set(range(of_row.max() + 1)) and of_row.max() < count
    order = np.argsort(values, kind="stable")
    assert (np.diff(of_row[order]) >= 0).all()
    for value in np.unique(values):
        assert len(set(of_row[values == value])) == 1


def test_bins_of_distinct_quantities_are_of_one_size():
    of_row = bins(np.random.default_rng(1).standard_normal(100), 10)
    assert np.bincount(of_row).tolist() == [10] * 10
