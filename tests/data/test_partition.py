"""Partitions: every row to exactly one client, the same for the same seed, no client left empty."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import PARTITIONS
from fedjax_shap.data.pool import Pool, classes, hold_out, standardise
from fedjax_shap.data.shares import apportion

SETTINGS = {
    "natural": {},
    "iid": {"num_clients": 4},
    "dirichlet": {"num_clients": 4, "alpha": 0.5},
    "quantity": {"num_clients": 4, "alpha": 1.0},
    "shards": {"num_clients": 4, "classes_per_client": 2},
    "label_pairs": {"num_clients": 4},
    "by_column": {},
}


def pool_with(labels, num_classes=None, **keywords):
    y = np.asarray(labels, np.int32)
    x = np.stack([np.arange(len(y)), y], axis=1).astype(np.float32)  # a row tells its own number
    num_classes = int(y.max()) + 1 if num_classes is None else num_classes
    return Pool(x=x, y=y, test=(x[:20], y[:20]), num_classes=num_classes, **keywords)


def split(name, pool, seed=0, **settings):
    return PARTITIONS[name](**settings)(np.random.default_rng(seed), pool)


@pytest.fixture
def balanced():
    """Ten classes of 60 rows, in random order, and a natural federation of four."""
    rng = np.random.default_rng(1)
    owner = np.array(["d", "a", "c", "b"])[rng.integers(0, 4, 600)]
    return pool_with(
        rng.permutation(np.arange(600) % 10), columns={"owner": owner}, natural="owner"
    )


def test_every_partition_is_tested():
    assert SETTINGS.keys() == PARTITIONS.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_row_goes_to_exactly_one_client(name, balanced):
    shares = split(name, balanced, **SETTINGS[name])
    assert sorted(np.concatenate(shares.rows).tolist()) == list(range(600))
    assert len(shares.rows) == len(shares.names) == len(set(shares.names)) == 4
    assert min(map(len, shares.rows)) > 0


@given(
    name=st.sampled_from([name for name in SETTINGS if name not in {"by_column", "natural"}]),
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=80),
    num_clients=st.integers(1, 12),
    strength=st.floats(0.05, 50),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_partition_deals_every_row_once_or_refuses(name, labels, num_clients, strength, seed):
    settings = {**SETTINGS[name], "num_clients": num_clients}
    if "alpha" in settings:
        settings["alpha"] = strength
    if name == "label_pairs":
        assume(num_clients >= 2)
    pool = pool_with(labels, num_classes=7)
    try:
        shares = split(name, pool, seed, **settings)
    except InvalidInputError as refusal:
        assert str(refusal).startswith("Expected ")
        # dealing evenly never fails for want of rows unless there are too few of them
        needed = num_clients * settings.get("classes_per_client", 1)
        assert name not in ("iid", "shards") or needed > len(labels)
        return
    assert sorted(np.concatenate(shares.rows).tolist()) == list(range(len(labels)))
    assert min(map(len, shares.rows)) > 0 and len(shares.rows) == num_clients


@pytest.mark.parametrize(
    "name", [name for name in SETTINGS if name not in {"by_column", "natural"}]
)
def test_the_seed_decides_the_partition(name, balanced):
    first, again, other = (split(name, balanced, seed, **SETTINGS[name]).rows for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other))


def test_iid_sizes_differ_by_one_at_most(balanced):
    sizes = [len(rows) for rows in split("iid", balanced, num_clients=7).rows]
    assert max(sizes) - min(sizes) == 1


def test_dirichlet_is_skewed_for_small_alpha_and_even_for_large(balanced):
    def spread(alpha):
        rows = split("dirichlet", balanced, num_clients=5, alpha=alpha).rows
        shares = np.stack([np.bincount(balanced.y[held], minlength=10) / 60 for held in rows])
        return np.abs(shares - 0.2).mean()

    assert spread(0.1) > 0.15 and spread(1000.0) < 0.02


def test_dirichlet_proportions_have_the_spread_of_their_law():
    pool = pool_with(np.zeros(10_000, int), num_classes=1)
    shares = [
        len(split("dirichlet", pool, s, num_clients=4, alpha=2.0).rows[0]) / 10_000
        for s in range(400)
    ]
    law = 0.25 * 0.75 / (4 * 2.0 + 1)  # variance of a Dirichlet(2, 2, 2, 2) share
    assert abs(np.mean(shares) - 0.25) < 5 * np.sqrt(law / 400)
    assert abs(np.var(shares) / law - 1) < 5 * np.sqrt(2 / 400)


@pytest.mark.parametrize(("name", "least"), [("dirichlet", 30), ("quantity", 10)])
def test_a_client_below_the_least_size_is_redrawn_or_refused_as_asked(name, least, balanced):
    settings = {"num_clients": 6, "alpha": 0.3, "min_size": least}
    seeds = range(20)
    assert all(min(map(len, split(name, balanced, s, **settings).rows)) >= least for s in seeds)
    with pytest.raises(
        InvalidInputError,
        match=f"at least min_size={least} rows, but the last of 1 draws gives client",
    ):
        for seed in seeds:
            split(name, balanced, seed, on_empty="refuse", **settings)


@pytest.mark.parametrize(
    ("name", "alpha"), [("dirichlet", 1e-6), ("dirichlet", 1e-300), ("quantity", 1e-6)]
)
def test_redrawing_ends_in_a_refusal(name, alpha, balanced):
    with pytest.raises(InvalidInputError, match="the last of 1000 draws gives client"):
        split(name, balanced, num_clients=30, alpha=alpha)


def test_stated_ratios_are_met_to_the_row(balanced):
    shares = split("quantity", balanced, ratios=(2, 3, 4, 5, 6))
    assert [len(rows) for rows in shares.rows] == [60, 90, 120, 150, 180]
    gtg = split(
        "quantity", balanced, num_clients=10, ratios=(10, 10, 15, 15, 20, 20, 25, 25, 30, 30)
    )
    assert [len(rows) for rows in gtg.rows] == [30, 30, 45, 45, 60, 60, 75, 75, 90, 90]


def test_rows_are_given_out_at_random_in_stated_ratios():
    pool = pool_with(np.arange(60) % 3)
    seeds = 400
    held = np.zeros(60)
    for seed in range(seeds):
        held[split("quantity", pool, seed, ratios=(1, 2)).rows[0]] += 1
    z = (held - seeds / 3) / np.sqrt(seeds * 1 / 3 * 2 / 3)
    assert (np.abs(z) < 5).all(), "a row goes to the first client in a third of all splits"


def test_shards_of_equal_classes_give_a_client_that_many_classes(balanced):
    rows = split("shards", balanced, num_clients=5, classes_per_client=2).rows
    assert all(len(np.unique(balanced.y[held])) <= 2 and len(held) == 120 for held in rows)


def test_label_pairs_hold_the_major_part_of_two_classes_at_one_size(balanced):
    rows = split("label_pairs", balanced, num_clients=10).rows
    table = np.stack([np.bincount(balanced.y[held], minlength=10) for held in rows])
    assert (table.sum(axis=1) == 60).all() and (table.sum(axis=0) == 60).all()
    own = np.arange(10)[:, None] // 2 == np.arange(10) // 2
    assert (table[own] == 24).all()  # 0.8 * 60 rows of each class, for two clients
    assert np.isin(table[~own], (1, 2)).all()  # 0.2 * 60 rows, for eight
    five = split("label_pairs", balanced, num_clients=5).rows
    table = np.stack([np.bincount(balanced.y[held], minlength=10) for held in five])
    own = np.arange(5)[:, None] == np.arange(10) // 2
    assert (table[own] == 48).all() and (
        table[~own] == 3
    ).all()  # Song 2019: 80 % of two digits, 5 % of the others


def test_by_column_names_clients_by_value_in_natural_order(balanced):
    shares = split("by_column", balanced)
    assert shares.names == ["a", "b", "c", "d"]
    owner = balanced.columns["owner"]
    assert all((owner[rows] == name).all() for rows, name in zip(shares.rows, shares.names))
    held = pool_with([0, 1, 0, 1], columns={"site": np.array(["s10", "s2", "S", "s2"])})
    assert split("by_column", held, column="site").names == ["S", "s2", "s10"]


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("iid", {"num_clients": 0}, "num_clients=0"),
        ("iid", {"num_clients": 601}, "num_clients=601"),
        ("dirichlet", {"num_clients": 2, "alpha": -1}, "alpha=-1 .* > 0"),
        ("dirichlet", {"num_clients": 2, "alpha": 1, "on_empty": "drop"}, "on_empty='drop'"),
        ("dirichlet", {"num_clients": 2, "alpha": 1, "min_size": 301}, "min_size=301"),
        ("quantity", {"num_clients": 2}, "exactly one of alpha=None and ratios=None"),
        ("quantity", {"num_clients": 2, "alpha": 1, "ratios": (1, 1)}, "exactly one"),
        ("quantity", {"num_clients": 3, "ratios": (1, 1)}, "num_clients=3 numbers"),
        ("quantity", {"alpha": 1.0}, "num_clients=None"),
        ("quantity", {"ratios": ()}, "num_clients=0"),
        ("quantity", {"ratios": (1, -1)}, r"ratios\[1\]=-1"),
        ("quantity", {"ratios": (1e9, 1)}, "client 1 only 0"),
        (
            "shards",
            {"num_clients": 300, "classes_per_client": 3},
            "num_clients=300 times classes_per_client=3",
        ),
        ("shards", {"num_clients": 3, "classes_per_client": 0}, "classes_per_client=0"),
        ("label_pairs", {"num_clients": 1}, "num_clients=1"),
        ("label_pairs", {"num_clients": 4, "major": 1.5}, "major=1.5"),
        ("by_column", {"column": "ovner"}, "column='ovner'.*did you mean 'owner'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_sentence(name, settings, said, balanced):
    with pytest.raises(InvalidInputError, match=said) as refusal:
        split(name, balanced, **settings)
    assert str(refusal.value).startswith("Expected ") and "\n" not in str(refusal.value)


def test_pools_that_a_partition_cannot_split_are_refused():
    with pytest.raises(InvalidInputError, match="at least 3 classes, got num_classes=2"):
        split("label_pairs", pool_with([0, 1, 0, 1]), num_clients=2)
    with pytest.raises(InvalidInputError, match="no natural federation"):
        split("by_column", pool_with([0, 1]))


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=30), st.integers(0, 10_000))
def test_apportioned_rows_sum_to_the_total_and_miss_their_quota_by_less_than_one(weights, total):
    counts = apportion(np.array(weights), total)
    quota = np.array(weights) / np.sum(weights) * total
    assert (
        counts.sum() == total and (counts >= 0).all() and (np.abs(counts - quota) < 1 + 1e-6).all()
    )


def test_a_federation_holds_the_rows_its_partition_gave(balanced):
    data = federate(balanced, PARTITIONS["by_column"](), seed=5)
    assert data.names == ("a", "b", "c", "d") and data.num_classes == 10
    for i, name in enumerate(data.names):
        x, y = data.client(i)
        rows = np.flatnonzero(balanced.columns["owner"] == name)
        np.testing.assert_array_equal(x[:, 0], rows)
        np.testing.assert_array_equal(y, balanced.y[rows])


def test_a_validation_share_is_taken_out_of_the_test_set_and_leaves_the_clients_as_they_are(
    balanced,
):
    partition = PARTITIONS["iid"](num_clients=3)
    whole, parted, again = (
        federate(balanced, partition, seed=2, validation=v) for v in (0.0, 0.25, 0.25)
    )
    np.testing.assert_array_equal(whole.x, parted.x)
    np.testing.assert_array_equal(parted.validation[0], again.validation[0])
    valued, tested = (
        np.asarray(part[0])[:, 0].tolist() for part in (parted.validation, parted.test)
    )
    assert len(valued) == 5 and sorted(valued + tested) == list(range(20))
    np.testing.assert_array_equal(whole.validation[0], whole.test[0])


@pytest.mark.parametrize("share", [-0.1, 1.0, 0.01, float("nan")])
def test_a_validation_share_that_cannot_be_is_refused(share, balanced):
    with pytest.raises(InvalidInputError, match="Expected validation="):
        federate(balanced, PARTITIONS["iid"](num_clients=3), seed=2, validation=share)


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=200),
    st.floats(0.01, 0.99),
    st.integers(0, 1000),
)
def test_holding_out_keeps_every_row_once_and_the_classes_in_proportion(labels, fraction, seed):
    y = np.array(labels)
    count = round(fraction * len(y))
    assume(0 < count < len(y))
    kept, held = hold_out(np.random.default_rng(seed), y, fraction, "fraction")
    assert len(held) == count and sorted([*kept, *held]) == list(range(len(y)))
    wanted = np.bincount(y, minlength=5) * count / len(y)
    assert (np.abs(np.bincount(y[held], minlength=5) - wanted) <= 1 + 1e-9).all()


def test_standardised_columns_have_mean_zero_and_deviation_one_and_a_constant_one_is_zero():
    rng = np.random.default_rng(0)
    reference = np.concatenate([rng.normal(3, 5, (100, 2)), np.full((100, 1), 0.1)], axis=1)
    x, other = standardise(reference, reference[:7] + 1)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(x.std(axis=0), [1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(
        other[:, :2], ((reference[:7] + 1 - reference.mean(0)) / reference.std(0))[:, :2], 1e-5
    )


def test_classes_are_sorted_by_number_or_else_by_name():
    assert classes(np.array(["10", "9", "9.0"]), "y")[0].tolist() == [1, 0, 0]
    assert classes(np.array(["10", "9"]), "y")[1] == ("9", "10")
    assert classes(np.array(["b", "a10", "a9"]), "y")[0].tolist() == [2, 0, 1]
    for wrong, said in (
        (["0.5", "1"], "it holds 0.5"),
        (["a", "a"], "at least two classes"),
        (["nan", "1"], "nan"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            classes(np.array(wrong), "y")


def test_the_natural_federation_is_the_column_where_there_is_one_and_iid_where_not(balanced):
    for ours, theirs in zip(split("natural", balanced).rows, split("by_column", balanced).rows):
        assert ours.tolist() == theirs.tolist()
    plain = pool_with(np.arange(60) % 3)
    for ours, theirs in zip(
        split("natural", plain, num_clients=7).rows, split("iid", plain, num_clients=7).rows
    ):
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", ["dirichlet", "shards", "label_pairs"])
def test_bins_of_quantities_take_the_place_of_classes(name, balanced):
    by_class = split(name, balanced, **SETTINGS[name])
    # ten distinct quantities in an order of their own, so that bins and classes are the same
    numbers = replace(balanced, y=np.exp(balanced.y).astype(np.float32), num_classes=None)
    by_bin = split(name, numbers, **SETTINGS[name])
    for rows, others in zip(by_class.rows, by_bin.rows):
        np.testing.assert_array_equal(rows, others)
    coarse = split(name, numbers, **{**SETTINGS[name], "bins": 5})
    assert sorted(np.concatenate(coarse.rows).tolist()) == list(range(600))
    with pytest.raises(InvalidInputError, match="bins=5 to be left out where rows have classes"):
        split(name, balanced, **{**SETTINGS[name], "bins": 5})
    with pytest.raises(InvalidInputError, match="bins=1 to be an integer >= 2"):
        PARTITIONS[name](**{**SETTINGS[name], "bins": 1})


def pool_of_ages(ages, **notes):
    """A pool whose only column is one of numbers."""
    x = np.zeros((len(ages), 1), np.float32)
    y = np.arange(len(ages), dtype=np.int32) % 2
    columns = {"age": np.asarray(ages)}
    return Pool(x=x, y=y, test=(x, y), num_classes=2, columns=columns, notes=notes)


def test_a_column_of_numbers_is_cut_into_ranges_of_equally_many_rows():
    ages = np.random.default_rng(0).normal(40, 10, 200).astype(np.float32)
    split = PARTITIONS["by_column"](column="age", bins=4)
    rows, names, _ = split(np.random.default_rng(0), pool_of_ages(ages))
    assert [len(own) for own in rows] == [50] * 4 and len(set(names)) == 4
    for low, high in pairwise(rows):
        assert ages[low].max() < ages[high].min()
    near = 1.7e9 + np.arange(40) / 8  # the same in six digits
    assert len(set(split(np.random.default_rng(0), pool_of_ages(near)).names)) == 4
    assert names[0] == f"age {ages.min():.6g} to {ages[rows[0]].max():.6g}"


def test_bins_that_a_column_does_not_have_are_said_or_refused():
    rng = np.random.default_rng(0)
    with cautions() as said:
        rows, *_ = PARTITIONS["by_column"](column="age", bins=4)(
            rng, pool_of_ages(["1"] * 30 + ["2"] * 10)
        )
    assert [len(own) for own in rows] == [30, 10] and "2 ranges instead of 4" in said[0]
    for ages, keywords, expected in (
        (["a", "b"] * 9, {"bins": 2}, "bins=2, but it holds 'a'"),
        (["1"] * 9, {"bins": 2}, "one number"),
        (np.linspace(0, 1, 300, dtype=np.float32), {}, "write bins = 4"),
    ):
        with pytest.raises(InvalidInputError, match=expected):
            PARTITIONS["by_column"](column="age", **keywords)(rng, pool_of_ages(ages))
    with pytest.raises(InvalidInputError, match="bins=1"):
        PARTITIONS["by_column"](column="age", bins=1)


def test_a_column_that_says_whose_a_row_is_and_is_a_feature_is_said():
    for features in (["age"], ["age=1", "age=2"]):
        with cautions() as said:
            PARTITIONS["by_column"](column="age")(
                np.random.default_rng(0), pool_of_ages(["1", "2"] * 9, features=features)
            )
        assert len(said) == 1 and "'age' says whose a row is and is a feature as well" in said[0]


def test_a_value_of_a_column_that_has_test_rows_only_is_said():
    pool = replace(pool_of_ages(["1", "2"] * 9), test_columns={"age": np.array(["1", "3"] * 9)})
    with cautions() as said:
        PARTITIONS["by_column"](column="age")(np.random.default_rng(0), pool)
    assert len(said) == 1 and "test rows only are not members and get no value: '3'" in said[0]


def test_a_federation_knows_the_names_of_its_classes(balanced):
    names = tuple(f"kind {label}" for label in range(10))
    named = replace(balanced, notes={"labels": names})
    partition = PARTITIONS["iid"](num_clients=2)
    assert federate(named, partition, seed=0).class_names == names
    assert federate(balanced, partition, seed=0).class_names == ()
