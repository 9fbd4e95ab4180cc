"""Data for transfer: who is whose user, and what is refused."""

import numpy as np
import pytest

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.transfer import UNKNOWN, transfer_data
from fedjax_shap.data.transfer_splits import between, by_columns, matched

RNG = np.random.default_rng(0)
SOURCES = {
    "bank": (RNG.normal(size=(4, 2)), ["no", "yes", "no", "yes"], ["d", "b", "a", "z"]),
    "shop": (RNG.normal(size=(3, 5)), ["yes", "no", "yes"], ["e", "x", "y"]),
}
TARGET = (RNG.normal(size=(5, 3)), ["a", "b", "c", "d", "e"])
LABELS = (["e", "b"], ["yes", "no"])
TEST = (RNG.normal(size=(2, 3)), ["no", "yes"])


def test_common_users_are_those_whose_ids_both_have():
    data = transfer_data(SOURCES, TARGET, LABELS, TEST, name="clinic")
    assert data.names == ("bank", "shop")
    assert [pairs.tolist() for pairs in data.pairs] == [[[2, 0], [1, 1], [0, 3]], [[0, 4]]]
    assert data.labelled.tolist() == [4, 1]
    assert data.y[-1].tolist() == [UNKNOWN, 0, UNKNOWN, UNKNOWN, 1]
    assert data.y[0].tolist() == [0, 1, 0, 1]
    assert data.sizes.tolist() == [4, 3]
    assert data.validation is data.test


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sources": {}}, "Expected sources"),
        ({"target": (TARGET[0], ["a", "b", "c", "d", "a"])}, "'a' do not"),
        ({"target": (TARGET[0], ["a", "b", "c", "d", "q"])}, "not of 'e'"),
        ({"target": (TARGET[0][:4], TARGET[1])}, "5 rows of features"),
        ({"target": (np.full((5, 3), np.nan), TARGET[1])}, "finite"),
        ({"labels": (["b"], ["no"]), "target": (TARGET[0], list("abcdq"))}, "'shop' shares none"),
        ({"test": (TEST[0][:, :2], TEST[1])}, r"features of shape \[3\]"),
    ],
)
def test_data_from_which_nothing_can_be_learned_are_refused(changed, said):
    given = {"sources": SOURCES, "target": TARGET, "labels": LABELS, "test": TEST} | changed
    with pytest.raises(InvalidInputError, match=said):
        transfer_data(**given)


def test_a_source_of_one_class_is_said():
    bank = (SOURCES["bank"][0], ["no"] * 4, list("dbaz"))
    with pytest.warns(InputWarning, match="'bank' holds 4 rows of one class"):
        transfer_data({"bank": bank}, TARGET, LABELS, TEST)


def test_more_overlap_leaves_the_targets_own_labels_as_they_are():
    x = np.arange(40, dtype=float).reshape(20, 2)
    y = np.arange(20) % 2
    settings = {"target": "shop", "labels": 3, "rows": 12, "seed": 1}
    columns = {"bank": [0], "shop": [1]}
    few, many = (
        by_columns(x, y, (x, y), columns, overlap=overlap, **settings) for overlap in (2, 9)
    )
    for data in (few, many):
        # a row of the source and one of the target are of one user: columns 2 n and 2 n + 1
        for own, other in data.pairs[0]:
            assert data.x[0][own, 0] + 1 == data.x[1][other, 0]
        assert not set(data.x[1][:3, 0] - 1) & set(data.x[0][:, 0])
    np.testing.assert_array_equal(few.x[1][:3], many.x[1][:3])
    np.testing.assert_array_equal(few.x[0], many.x[0])
    assert few.validation[0].tolist() == x[:, 1:].tolist()
    with pytest.raises(InvalidInputError, match="labels=30 and overlap=2 to be at most 20"):
        by_columns(x, y, (x, y), columns, overlap=2, **{**settings, "labels": 30, "rows": None})
    with pytest.raises(InvalidInputError, match="labels=9 and rows=12"):
        by_columns(x, y, (x, y), columns, overlap=2, **{**settings, "labels": 9})


def test_matched_rows_are_the_nearest():
    source = np.array([[0.0], [1.0], [5.0]])
    target = np.array([[0.9], [4.0], [9.0]])
    assert matched(source, target).tolist() == [[1, 0], [2, 1], [2, 2]]


def test_a_member_learns_from_the_others_with_few_of_its_labels():
    x = RNG.normal(size=(12, 2)).astype(np.float32)
    y = np.arange(12) % 2
    clients = {"north": (x[:4], y[:4]), "east": (x[4:10], y[4:10]), "west": (x[10:], y[10:])}
    data = between(from_arrays(clients, (x, y)), "east", labels=2)
    assert data.names == ("north", "west")
    assert data.target == "east"
    assert sorted(y[4:10][data.labelled]) == [0, 1]
    # its rows without labels are its test rows
    assert len(data.validation[1]) == 4
    assert "test rows" in data.said[1]
    np.testing.assert_array_equal(data.x[-1], x[4:10])
    assert [len(pairs) for pairs in data.pairs] == [6, 6]
    with pytest.raises(InvalidInputError, match="'eats' to be a member; did you mean 'east'"):
        between(from_arrays(clients, (x, y)), "eats", labels=2)
    with pytest.raises(InvalidInputError, match="labels=6"):
        between(from_arrays(clients, (x, y)), "east", labels=6)


def test_all_labels_are_a_bound_only_where_somebody_knows_them():
    data = transfer_data(SOURCES, TARGET, LABELS, TEST)
    with pytest.raises(InvalidInputError, match="those of 3 are not"):
        data.with_all_labels()
