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
        ({"target": (TARGET[0][:4], TARGET[1])}, "an id for each of 4 rows, got 5"),
        ({"target": (np.full((5, 3), np.nan), TARGET[1])}, "finite"),
        ({"labels": (["b"], ["no"]), "target": (TARGET[0], list("abcdq"))}, "'shop' shares none"),
        ({"test": (TEST[0][:, :2], TEST[1])}, r"features of shape \[3\]"),
    ],
)
def test_data_from_which_nothing_can_be_learned_are_refused(changed, said):
    given = {"sources": SOURCES, "target": TARGET, "labels": LABELS, "test": TEST} | changed
    with pytest.raises(InvalidInputError, match=said):
        transfer_data(**given)


def refused(said, build, *args, **keywords):
    with pytest.raises(InvalidInputError, match=said):
        build(*args, **keywords)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": (["e", "b"], ["yes"])}, "a label for each of 2 rows, got 1"),
        ({"labels": ([], ["yes", "no"])}, "id of each of 2 labelled users"),
        ({"labels": (["e"], ["yes", "no"])}, "a label for each of 1 rows, got 2"),
        ({"labels": None}, r"labels to be \(ids, y\), got None"),
        ({"labels": (["e"], [1])}, "y of labels numbers"),
        ({"labels": (["e"], [None])}, "row 0 holds None"),
        ({"labels": (["e", "b"], ["yes", 1])}, "one kind, got 'yes' and 1"),
        ({"labels": ([3], ["yes"])}, "7 and '7' are two ids"),
        ({"test": None}, r"test to be \(x, y\), got None"),
        ({"test": (TEST[0][:0], [])}, r"rows of features.* got shape \[0, 3\]"),
        ({"test": (TEST[0], [0, 1])}, "y of test numbers"),
        ({"test": (TEST[0], [True, False])}, "y of test truth values"),
        ({"target": (TARGET[0], [1, 2, 3, 4, 5])}, "'target' has whole numbers"),
        ({"target": (TARGET[0], ["a", "b", "c", "d", None])}, r"ids\[4\] is None"),
        ({"target": (TARGET[0], [1.0, 2, 3, 4, 5])}, "decimal point"),
        ({"target": (TARGET[0], [True, 2, 3, 4, 5])}, r"ids\[0\] is True"),
        ({"target": (TARGET[0], ["15", 16, "x", "d", "e"])}, r"ids\[1\]=16"),
        ({"target": (TARGET[0][:, :0], TARGET[1])}, r"target.x .* shape \[5, 0\]"),
        ({"target": (np.full((5, 3), "a"), TARGET[1])}, "target.x to be numbers"),
        ({"name": ""}, "a name, got ''"),
        ({"name": None}, "target=None to be a text"),
        ({"name": "bank"}, "to differ"),
        ({"sources": {1: SOURCES["bank"], "1": SOURCES["shop"]}}, "to hold texts, got 1"),
        ({"sources": {"bank": SOURCES["bank"][:2]}}, r"sources\['bank'\] .* got 2 parts"),
        ({"sources": [SOURCES["bank"]]}, "to map names"),
    ],
)
def test_odd_input_is_refused_in_one_sentence(changed, said):
    given = {"sources": SOURCES, "target": TARGET, "labels": LABELS, "test": TEST} | changed
    refused(said, transfer_data, **given)


def test_a_source_has_an_id_a_row_a_column_and_classes_that_differ():
    x, y, ids = SOURCES["bank"]
    refused("an id for each of 4", transfer_data, {"a": (x, y, ids[:3])}, TARGET, LABELS, TEST)
    refused("shape", transfer_data, {"a": (x[:, :0], y, ids)}, TARGET, LABELS, TEST)
    refused("shape", transfer_data, {"a": (x[:0], [], [])}, TARGET, LABELS, TEST)
    refused("for each of 4 rows", transfer_data, {"a": (x, y[:1], ids)}, TARGET, LABELS, TEST)
    same = (["e"], ["no"])
    test = (TEST[0], ["no", "no"])
    refused("two classes", transfer_data, {"a": (x, ["no"] * 4, ids)}, TARGET, same, test)
    gaps = {"a": (x, [1, 3, 1, 3], ids)}
    refused("0..L-1 and each", transfer_data, gaps, TARGET, (["e"], [1]), (TEST[0], [1, 3]))


def test_whole_numbers_of_any_width_and_class_names_of_any_array_are_taken():
    ids = np.array([4, 2, 1, 9], np.int32)
    bank = (SOURCES["bank"][0].tolist(), np.array([0, 1, 0, 1], np.int8), ids)
    target = (TARGET[0], [1, 2, 3, 4, 5])
    data = transfer_data({"bank": bank}, target, ([], []), (TEST[0], [[0.0], [1.0]]))
    assert data.pairs[0].tolist() == [[2, 0], [1, 1], [0, 3]]
    assert data.labelled.size == 0
    words = (SOURCES["bank"][0], np.array(["a", "b", "a", "b"], object), ids)
    named = transfer_data({"bank": words}, target, ([], []), (TEST[0], ["b", "a"]))
    assert named.test[1].tolist() == [1, 0]


X = np.arange(40, dtype=float).reshape(20, 2)
Y = np.arange(20) % 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"y": 2 * Y - 1}, "0..L-1 and each to occur, got -1, 0, 1"),
        ({"y": Y + 0.7}, "integer labels"),
        ({"y": Y[:19]}, "a label for each of 20 rows, got 19"),
        ({"y": Y.astype(str)}, "y texts, y of test numbers"),
        ({"x": np.where(X == 3, np.nan, X)}, "finite"),
        ({"x": X[:, 0]}, "shape"),
        ({"x": "a"}, "numbers"),
        ({"test": (X[:, :1], Y)}, "the same columns"),
        ({"test": (X, Y[:3])}, "y of test to hold a label for each of 20"),
        ({"test": X}, "test to be"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": "a"}, "seed='a'"),
        ({"target": 3}, "target=3"),
        ({"columns": 3}, "columns=3"),
        *(
            ({"columns": {"bank": own, "shop": [1]}}, "column numbers")
            for own in ([-1], [0.5], [True, False], [0, 0], [], [9], ["a"], np.array([True, False]))
        ),
        ({"columns": {"bank": 0, "shop": [1]}}, "list or an array"),
        ({"columns": {"": [0], "shop": [1]}}, "a name, got ''"),
    ],
)
def test_a_table_that_cannot_be_divided_is_refused(changed, said):
    given = {"x": X, "y": Y, "test": (X, Y), "columns": {"bank": [0], "shop": [1]}}
    given |= {"target": "shop", "overlap": 3, "labels": 3}
    refused(said, by_columns, **given | changed)


def test_a_table_may_name_its_classes():
    words = np.where(Y == 1, "yes", "no")
    settings = {"target": "shop", "overlap": 3, "labels": 3}
    columns = {"bank": [0], "shop": np.array([1])}
    named, numbered = (
        by_columns(X.tolist(), y, (X, y), columns, **settings) for y in (words.tolist(), Y)
    )
    np.testing.assert_array_equal(named.y[0], numbered.y[0])
    np.testing.assert_array_equal(named.test[1], Y)


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


def test_test_rows_of_a_member_are_like_its_own_and_of_the_federations_classes():
    x = np.arange(16, dtype=np.float32).reshape(8, 2)
    y = np.arange(8) % 2
    data = from_arrays({"north": (x[:4], y[:4]), "east": (x[4:], y[4:])}, (x, y))
    settings = {"target": "east", "labels": 2}
    refused(r"labels of y of test in 0..1", between, data, test=(x, y + 5), **settings)
    holes = np.where(x == 3, np.nan, x)
    refused("finite", between, data, test=(holes, y), **settings)
    refused(r"features of shape \[2\]", between, data, test=(x[:, :1], y), **settings)
    refused("got shape", between, data, test=(x[:0], y[:0]), **settings)
    refused("class ids 0..1", between, data, test=(x, ["a", "b"] * 4), **settings)
    refused("seed=-1", between, data, seed=-1, **settings)
    refused("data=None", between, None, **settings)
    refused("a source, but it has none", between, from_arrays({"east": (x, y)}, (x, y)), **settings)
    words = ["yes", "no"] * 2
    clients = {"north": (x[:4], words), "east": (x[4:], words)}
    named = from_arrays(clients, member_tests=[(x, words * 2), None])
    # names become the federation's codes; without rows of its own it takes those without labels
    assert between(named, test=(x, words * 2), **settings).test[1].tolist() == [1, 0] * 4
    assert "no test rows of its own" in between(named, **settings).said[1]
    refused("the same features", matched, x, x[:, :1])


def test_all_labels_are_a_bound_only_where_somebody_knows_them():
    data = transfer_data(SOURCES, TARGET, LABELS, TEST)
    with pytest.raises(InvalidInputError, match="those of 3 are not"):
        data.with_all_labels()
