"""Partitions of columns: every column has the owner that was asked for, and shares of importance
and correlation are what they should be."""

import numpy as np
import pandas
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.aligned import columns, columns_of
from fedjax_shap.data.column_correlation import between_parties, rank_correlations
from fedjax_shap.data.column_partition import (
    COLUMN_PARTITIONS,
    correlation,
    importance,
    random_columns,
    stated,
)
from fedjax_shap.data.sources import load
from fedjax_shap.data.vertical import from_blocks


@pytest.fixture(scope="module")
def table():
    return columns_of(load("breast_cancer"), seed=0)


def same_columns(found, table):
    """Every column that is kept stands in all sets under its name."""
    known = list(table.features[0])
    named = [name for party in found.features for name in party]
    for place, name in enumerate(named):
        before = known.index(name)
        np.testing.assert_array_equal(found.x[:, place], table.x[:, before])
        np.testing.assert_array_equal(found.test[0][:, place], table.test[0][:, before])
        np.testing.assert_array_equal(found.validation[0][:, place], table.validation[0][:, before])
    held = [len(party) for party in found.features]
    np.testing.assert_array_equal(found.owners, np.repeat([*range(len(found.names)), -1], held))
    return named


def test_stated_columns_go_to_whom_they_were_given(table):
    split = stated(
        parties={"bank": ["mean radius"], "shop": ["mean texture", "worst *"], "lab": ["* error"]},
        label_holder="bank",
        left_out=("mean perimeter", "mean [ascf]*"),
    )
    found = split(np.random.default_rng(0), table)
    assert found.names == ("shop", "lab") and found.label_holder == "bank"
    named = same_columns(found, table)
    assert named[0] == "mean texture" and named[-1] == "mean radius" and len(named) == 22


def test_categories_go_with_their_column():
    data = from_blocks(
        {"all": np.eye(4)[:, :3]}, [0, 1, 0, 1], features={"all": ["age", "sex=f", "sex=m"]}
    )
    found = stated(parties={"a": ["sex"], "b": ["age"]})(
        np.random.default_rng(0), columns(data, test_fraction=0.5)
    )
    assert found.features == (("sex=f", "sex=m"), ("age",), ())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"parties": {"a": ["mean radius"]}}, "nobody has 'mean texture'"),
        ({"parties": {"a": ["*"], "b": ["mean radius"]}}, "'a' and 'b' name it"),
        ({"parties": {"a": ["*"], "b": ["radius"]}}, "'radius', named for 'b'"),
        ({"parties": {"a": ["*"]}, "label_holder": "c"}, "one of the parties"),
        ({"parties": {"a": ["*"]}, "label_holder": "a"}, "besides the label holder"),
        ({"parties": {"a": 3}}, "names of columns"),
    ],
)
def test_columns_of_two_or_no_owners_are_refused(given, sentence, table):
    with pytest.raises(InvalidInputError, match=sentence):
        stated(**given)(np.random.default_rng(0), table)


def test_columns_that_two_parties_call_the_same_get_their_partys_name():
    data = from_blocks({"a": np.ones((4, 2)), "b": np.ones((4, 1))}, [0, 1, 0, 1])
    found = random_columns(num_parties=3)(
        np.random.default_rng(0), columns(data, test_fraction=0.5)
    )
    named = sorted(name for party in found.features for name in party)
    assert named == ["a.x0", "a.x1", "b.x0"]


def test_random_parties_are_equal_and_the_label_holder_keeps_its_own(table):
    found = random_columns(num_parties=4, own=("mean radius", "worst *"))(
        np.random.default_rng(0), table
    )
    assert [len(party) for party in found.features] == [5, 5, 5, 4, 11]
    same_columns(found, table)
    assert "mean radius" in found.features[-1]


def test_importance_is_dealt_in_the_drawn_shares(table):
    """Over many draws a party of weight alpha_i gets alpha_i / sum of the columns."""
    shares = []
    for seed in range(200):
        found = importance(num_parties=3, alpha=(6.0, 3.0, 3.0))(np.random.default_rng(seed), table)
        shares.append(np.bincount(found.owners, minlength=3) / 30)
    np.testing.assert_allclose(np.mean(shares, axis=0), [0.5, 0.25, 0.25], atol=0.03)
    few = importance(num_parties=3, alpha=0.1)
    even = importance(num_parties=3, alpha=100.0)
    largest = [
        np.mean(
            [np.bincount(split(np.random.default_rng(s), table).owners).max() for s in range(50)]
        )
        for split in (few, even)
    ]
    assert largest[0] > largest[1] + 5


def test_correlation_between_parties_rises_with_beta(table):
    """By the measure of VertiBench, written out with pandas' correlations."""
    reached = []
    for beta in (0.0, 0.5, 1.0):
        found = correlation(num_parties=2, beta=beta)(np.random.default_rng(0), table)
        same_columns(found, table)
        corr = pandas.DataFrame(found.x.astype(float)).corr(method="spearman").to_numpy()
        spread = {}
        for one in range(2):
            for other in range(2):
                block = corr[np.ix_(found.owners == one, found.owners == other)]
                values = np.linalg.svd(block)[1]
                spread[one, other] = np.std(values, ddof=1) / np.sqrt(15)
        by_hand = sum(spread[one, other] - spread[one, one] for one, other in ((0, 1), (1, 0))) / 2
        reached.append(between_parties(rank_correlations(found.x), found.owners))
        assert reached[-1] == pytest.approx(by_hand, abs=1e-9)
    assert reached[0] < reached[1] < reached[2]
    assert reached[1] == pytest.approx((reached[0] + reached[2]) / 2, abs=0.01)


@pytest.mark.parametrize("name", ["random_columns", "importance", "correlation"])
def test_more_parties_than_columns_are_refused_and_draws_follow_the_generator(name, table):
    more = {"beta": 0.5, "trials": 20} if name == "correlation" else {}
    split = COLUMN_PARTITIONS[name](num_parties=3, **more)
    one, other = (split(np.random.default_rng(5), table) for _ in range(2))
    assert one.features == other.features
    with pytest.raises(InvalidInputError, match="num_parties=31 to be at most"):
        COLUMN_PARTITIONS[name](num_parties=31, **more)(np.random.default_rng(0), table)
    with pytest.raises(InvalidInputError, match="num_parties"):
        COLUMN_PARTITIONS[name](num_parties=0, **more)


@pytest.mark.parametrize("name", COLUMN_PARTITIONS)
def test_the_order_of_those_who_hold_columns_so_far_has_no_effect(name):
    rng = np.random.default_rng(3)
    blocks = {party: rng.normal(size=(40, 3)) for party in ("shop", "bank", "lab")}
    settings = {"num_parties": 2}
    if name == "correlation":
        settings = {"num_parties": 2, "beta": 0.5, "trials": 20}
    if name == "columns":
        settings = {"parties": {"one": ["*.x0", "*.x1"], "other": ["*.x2"]}}
    split = COLUMN_PARTITIONS[name](**settings)
    given, other = (
        split(
            np.random.default_rng(5),
            columns(from_blocks({party: blocks[party] for party in order}, [0, 1] * 20)),
        )
        for order in (("shop", "bank", "lab"), ("lab", "shop", "bank"))
    )
    assert given.features == other.features
    np.testing.assert_array_equal(given.x, other.x)
