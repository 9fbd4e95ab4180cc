"""Vertical data: rows are aligned by id whatever their order, split by class, standardised by the
training rows alone, and every column keeps its owner."""

import numpy as np
import pytest

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.data.aligned import aligned, columns, columns_of, common_rows
from fedjax_shap.data.sources import load
from fedjax_shap.data.vertical import VerticalData, from_blocks


def people(seed=0, words=False):
    """A bank with labels, a shop and a phone company, of whose rows 40 are common."""
    rng = np.random.default_rng(seed)
    ids = np.arange(100, 160)
    if words:
        ids = np.array([f"id {one}" for one in ids])
    truth = dict(zip(ids.tolist(), rng.normal(size=(60, 4))))
    held = {"shop": ids[:50], "phone": ids[10:], "bank": ids[5:55]}
    held = {party: rng.permutation(own) for party, own in held.items()}
    block = {
        party: np.array([truth[one][place] for one in own.tolist()])
        for place, (party, own) in enumerate(held.items())
    }
    y = np.array([int(truth[one][3] > 0) for one in held["bank"].tolist()])
    return held, truth, block, y


def federation(**keywords):
    held, truth, block, y = people(**keywords)
    data = from_blocks(
        {party: block[party][:, None] for party in ("shop", "phone")},
        y,
        label_holder="bank",
        own=block["bank"][:, None],
        ids=held,
    )
    return data, truth


@pytest.mark.parametrize("words", [False, True])
def test_rows_of_one_id_stand_in_one_row_and_no_others_do(words):
    data, truth = federation(words=words)
    whole = aligned(data)
    assert len(whole.y) == 40
    for row, one in enumerate(whole.ids[0].tolist()):
        assert all(ids[row] == whole.ids[0][row] for ids in whole.ids)
        own = [block[row, 0] for block in whole.blocks]
        np.testing.assert_allclose(own, truth[one][:3], rtol=1e-6)
        assert whole.y[row] == (truth[one][3] > 0)


def test_what_is_drawn_does_not_depend_on_the_order_in_which_rows_were_aligned():
    data, _ = federation()
    rows = common_rows(data.ids)
    order = np.random.default_rng(1).permutation(len(rows[0]))
    one = columns(data, seed=3)
    other = columns(data, [own[order] for own in rows], seed=3)
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.validation[1], other.validation[1])
    with pytest.raises(InvalidInputError, match="to be of the same ids"):
        columns(data, [rows[0], rows[1][order], rows[2]])


def test_columns_are_standardised_by_training_rows_and_keep_their_owners():
    data, truth = federation()
    found = columns(data, test_fraction=0.5, validation=0.5, seed=1)
    assert found.owners.tolist() == [0, 1, -1] and found.names == ("shop", "phone")
    assert (found.x.shape, found.validation[0].shape, found.test[0].shape) == (
        (20, 3),
        (10, 3),
        (10, 3),
    )
    np.testing.assert_allclose(found.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.x.std(axis=0), 1, rtol=1e-5)
    # all rows are those of the truth, on one scale: each column is a line through its own numbers
    rows = np.concatenate([found.x, found.validation[0], found.test[0]])
    labels = np.concatenate([found.y, found.validation[1], found.test[1]])
    common = set.intersection(*(set(ids.tolist()) for ids in data.ids))
    raw = np.array([truth[one] for one in common])
    for place in range(3):
        by_size = np.argsort(raw[:, place])
        line = np.polyfit(raw[by_size, place], np.sort(rows[:, place]), 1)
        np.testing.assert_allclose(
            np.polyval(line, raw[:, place][by_size]), np.sort(rows[:, place]), atol=1e-5
        )
    assert labels.sum() == (raw[:, 3] > 0).sum()


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 1e9), (1e-13, 0.0), (1e6, -1e12)])
def test_standardised_columns_do_not_depend_on_the_unit_or_the_origin(scale, offset):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = (x[:, 0] > 0).astype(int)
    plain = columns(from_blocks({"a": x}, y))
    other = columns(from_blocks({"a": x * scale + offset}, y))
    np.testing.assert_allclose(other.x, plain.x, atol=2e-4)


def test_classes_lost_by_the_alignment_are_said_and_one_class_is_refused():
    x = np.arange(60.0)[:, None]
    y = np.arange(60) % 3
    without = np.flatnonzero(y != 2)
    some = from_blocks({"a": x[without]}, y, ids={"a": without, "label holder": np.arange(60)})
    with pytest.warns(InputWarning, match="common is of .2."):
        columns(some)
    alone = np.flatnonzero(y == 1)
    one = from_blocks({"a": x[alone]}, y, ids={"a": alone, "label holder": np.arange(60)})
    with pytest.raises(InvalidInputError, match="all of class 1 of 3"):
        columns(one)


def test_rows_that_test_what_they_taught_are_said():
    data, _ = federation()
    with pytest.warns(InputWarning, match="trained on"):
        found = columns(data, test_fraction=0)
    assert len(found.y) == len(found.test[1]) == 40


def test_a_pool_is_the_label_holders_until_its_columns_are_given_away():
    pool = load("breast_cancer")
    found = columns_of(pool, validation=0.5, seed=0)
    assert set(found.owners.tolist()) == {-1} and not found.names
    assert found.features[0][0] == "mean radius" and len(found.features[0]) == 30
    assert len(found.validation[1]) + len(found.test[1]) == len(pool.test[1])
    with pytest.raises(InvalidInputError, match="rows are columns"):
        columns_of(load("digits", image=True))


X = np.ones((3, 1))
Y = np.array([0, 1, 1])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"parties": {}}, "blocks of columns by name"),
        ({"parties": {"a": np.ones(3)}}, r"\[rows, columns\]"),
        ({"parties": {"a": np.array([["x"]])}}, "to be numbers"),
        ({"parties": {"a": np.ones((2, 1))}}, "to hold the same rows where ids=None"),
        ({"parties": {"a": np.full((3, 1), np.nan)}}, "party 'a' to be finite"),
        ({"parties": {"a": np.full((3, 1), 1e300)}}, "party 'a' to be finite"),
        ({"parties": {"label holder": X}}, "to be none of parties"),
        ({"ids": {"a": [1, 2, 2], "label holder": [1, 2, 3]}}, "holds 2 2 times"),
        ({"ids": {"a": [1, 2], "label holder": [1, 2, 3]}}, "an id a row"),
        ({"ids": {"a": [1.5, 2, 3], "label holder": [1, 2, 3]}}, "whole numbers or texts"),
        ({"ids": {"a": [1, 2, 3]}}, "ids to be given of"),
        ({"features": {"b": ["x"]}}, "features to be those of"),
        ({"features": {"a": ["x", "y"]}}, "a name a column"),
        ({"y": [0.5, 1.5, 2.5]}, "quantities"),
        ({"y": [0, 1]}, "to hold the same rows"),
        ({"y": [0, 0, 0]}, "two classes or more"),
        ({"parties": {"": X}}, "not to be empty"),
        ({"ids": {"a": ["1", "2", "3"], "label holder": [1, 2, 3]}}, "of one kind"),
        ({"ids": {"a": [1, "2", 3], "label holder": [1, 2, 3]}}, r"ids\[1\]='2'"),
        (
            {"ids": {"a": np.array([None, "2", "3"]), "label holder": [1, 2, 3]}},
            r"ids\[0\] is None",
        ),
        ({"ids": {"a": ["", "2", "3"], "label holder": [1, 2, 3]}}, r"ids\[0\] is ''"),
        ({"ids": {"a": [True, 2, 3], "label holder": [1, 2, 3]}}, "is True"),
    ],
)
def test_what_no_federation_can_hold_is_refused(given, sentence):
    given = {"parties": {"a": X}, "y": Y, **given}
    with pytest.raises(InvalidInputError, match=sentence):
        from_blocks(given.pop("parties"), given.pop("y"), **given)


def test_ids_of_two_kinds_or_without_a_common_one_are_refused():
    with pytest.raises(InvalidInputError, match="of one kind"):
        common_rows([np.array([1, 2]), np.array(["1", "2"])])
    with pytest.raises(InvalidInputError, match="an id in common"):
        common_rows([np.array([1, 2]), np.array([3, 4])])
    data, _ = federation()
    for keywords, sentence in (
        ({"test_fraction": 1.0}, r"in \[0, 1\)"),
        ({"test_fraction": 0, "validation": 0.5}, "validation=0.5 to be left out"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(InvalidInputError, match=sentence):
            columns(data, **keywords)
    with pytest.raises(InvalidInputError, match="3, one a party"):
        columns(VerticalData(*data[:2], data.blocks[:2], *data[3:]))
