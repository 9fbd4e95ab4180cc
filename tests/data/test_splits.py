"""The split knows the members, and does not know what classes and members are called."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data import label_skew
from fedjax_shap.data.corrupt import corrupt, free_rider, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.partition import PARTITIONS, by_column
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.sources import load
from fedjax_shap.data.splits import appearance, hold_out_within, strata_of
from fedjax_shap.data.targets import class_order

NAMES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters='"'), max_size=200
).map(lambda text: f"c{text.strip()}c".replace(",", ";"))
ODD = ["a [/b] x", "$10-$20", "two\nlines", "🏦", "x" * 200, "[north]", "Zürich", "c\\d"]


def written(path, members, labels, numbers):
    """A CSV file of members' rows, every cell quoted."""
    lines = ["site,age,sick"]
    for member, number, label in zip(members, numbers, labels):
        cells = [str(cell).replace('"', '""') for cell in (member, number, label)]
        lines.append(",".join(f'"{cell}"' for cell in cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


@settings(max_examples=12, deadline=None)
@given(
    names=st.lists(NAMES, min_size=3, max_size=3, unique=True),
    rows=st.lists(st.integers(0, 2), min_size=12, max_size=60),
    client=st.booleans(),
    seed=st.integers(0, 99),
)
def test_what_classes_are_called_does_not_decide_which_rows_are_held_out(
    tmp_path_factory, names, rows, client, seed
):
    codes = np.array([0, 1, 2, *rows])
    site = np.arange(len(codes)) % 2
    path = tmp_path_factory.mktemp("names") / "own.csv"
    held = []
    for called in (["a", "b", "c"], ["c", "a", "b"], ["7", "3", "5"], names):
        file = written(path, site, np.array(called)[codes], np.arange(len(codes)))
        keywords = {"path": file, "label": "sick", "seed": seed, "scale": "none"}
        if client:
            keywords["client"] = "site"
        with cautions():
            pool = load("csv", **keywords, drop=() if client else ("site",))
            data = federate(pool, PARTITIONS["natural"](num_clients=2), seed=seed, validation=0.4)
        held.append([pool.x[:, 0], pool.test[0][:, 0], data.validation[0], data.test[0]])
    for other in held[1:]:
        for first, again in zip(held[0], other):
            np.testing.assert_array_equal(first, again)


def test_what_classes_are_called_does_not_decide_which_arrays_rows_are_held_out(tmp_path):
    y = np.random.default_rng(3).integers(0, 3, 60)
    x = np.arange(60.0)[:, None]
    held = []
    for called in ([0, 1, 2], [9, -1, 4], ["b", "c", "a"]):
        np.savez(tmp_path / "own.npz", x=x, y=np.array(called)[y])
        held.append(load("npz", path=str(tmp_path / "own.npz")).test[0].tolist())
    assert held[0] == held[1] == held[2]


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=8),
    fraction=st.floats(0.1, 0.8),
    seed=st.integers(0, 1000),
)
def test_every_member_gives_its_proportion_and_keeps_a_row(sizes, fraction, seed):
    rng = np.random.default_rng(seed)
    members = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    strata = rng.integers(0, 3, len(members))
    count = round(fraction * len(members))
    if not 0 < count < len(members):
        return
    try:
        kept, held = hold_out_within(rng, members, strata, fraction, "fraction")
    except InvalidInputError as error:
        assert "every member has one row" in str(error) and count <= sum(n == 1 for n in sizes)
        return
    assert sorted([*kept, *held]) == list(range(len(members)))
    drawn = np.bincount(members[held], minlength=len(sizes))
    wanted = np.array(sizes) * count / len(members)
    assert (drawn < np.array(sizes)).all()
    assert (drawn <= np.ceil(wanted) + 1e-9).all()
    assert (drawn >= np.minimum(np.floor(wanted - 1e-9), np.array(sizes) - 1)).all()
    # and each class of a member its own
    for member in range(len(sizes)):
        for label in range(3):
            own = (members == member) & (strata == label)
            assert own[held].sum() <= np.ceil(own.sum() * count / len(members)) + 1e-9


def test_small_members_of_one_make_do_not_hold_out_one_class_only():
    members = np.repeat(np.arange(400), 4)
    strata = np.tile([0, 0, 1, 1], 400)
    _, held = hold_out_within(np.random.default_rng(0), members, strata, 0.25, "fraction")
    share = strata[held].mean()
    assert len(held) == 400 and abs(share - 0.5) < 5 * 0.5 / np.sqrt(400)


BY_CLASS = [
    by_column(column="site"),
    label_skew.dirichlet(num_clients=3, alpha=0.5),
    label_skew.shards(num_clients=3),
    label_skew.label_pairs(num_clients=3),
]
CORRUPTIONS = [label_noise(client=0, rate=0.5), free_rider(client=1, how="random_labels")]


@pytest.mark.parametrize("split", BY_CLASS)
def test_what_classes_are_called_decides_neither_partitions_nor_corruptions(split, tmp_path):
    rng = np.random.default_rng(3)
    kinds = rng.integers(0, 4, 90)
    site = np.array(["north", "south", "west"])[rng.integers(0, 3, 90)]
    found = []
    for place, names in enumerate(["abcd", "zbya"]):
        path = written(
            tmp_path / f"{place}.csv", site, np.array(list(names))[kinds], np.arange(90) / 2
        )
        data = federate(load("csv", path=path, label="sick", client="site"), split, seed=0)
        data = corrupt(data, CORRUPTIONS, seed=0)
        called = np.array(data.class_names)[np.asarray(data.y)]
        found.append(
            (np.asarray(data.x), data.sizes.tolist(), [names.index(one) for one in called])
        )
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_class_ids_of_arrays_do_not_decide_which_labels_are_wrong(corruption):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(60, 2))
    y = rng.permutation(np.arange(60) % 3)
    ids = np.array([2, 0, 1])
    both = []
    for labels in (y, ids[y]):
        rows = [(x[:30], labels[:30]), (x[30:], labels[30:])]
        data = from_arrays(rows, (x, labels), num_classes=3)
        both.append(np.asarray(corrupt(data, [corruption], seed=0).y))
    np.testing.assert_array_equal(ids[both[0]], both[1])


def test_a_member_of_one_row_keeps_it_in_training(tmp_path):
    site = np.array(["north"] * 30 + ["south"] * 29 + ["tiny clinic"])
    path = written(tmp_path / "own.csv", site, np.arange(60) % 2, np.arange(60))
    for seed in range(8):
        with cautions() as said:
            pool = load("csv", path=path, label="sick", client="site", seed=seed)
        assert set(pool.columns["site"]) == set(site) and len(pool.test[1]) >= 14
        assert set(pool.test_columns["site"]) == {"north", "south"}
        assert [one for one in said if "tiny" in one] == [
            f"{path}: one row alone is of member 'tiny clinic'; leave it out, if that is no member."
        ]


@pytest.mark.parametrize("name", ODD)
def test_a_member_whose_rows_are_all_stated_as_test_rows_is_named(name, tmp_path):
    site = np.array(["north"] * 20 + [name] * 4)
    y = np.arange(24) % 2
    np.savez(tmp_path / "own.npz", x=np.zeros((20, 1)), y=y[:20], client=site[:20])
    arrays = dict(np.load(tmp_path / "own.npz"))
    arrays.update(test_x=np.zeros((4, 1)), test_y=y[20:], test_client=site[20:])
    np.savez(tmp_path / "own.npz", **arrays)
    with cautions() as said:
        pool = load("npz", path=str(tmp_path / "own.npz"))
    (sentence,) = [one for one in said if "test rows only" in one]
    assert repr(name) in sentence and set(pool.test_columns["client"]) == {name}
    table = tmp_path / "own.csv"
    splits = ["train"] * 20 + ["test"] * 4
    rows = enumerate(zip(site, y, splits))
    lines = [f'"{member}",{number},{label},{split}' for number, (member, label, split) in rows]
    table.write_text("\n".join(["site,age,sick,split", *lines]))
    with cautions() as said:
        load("csv", path=str(table), label="sick", client="site", test_column="split")
    assert any(repr(name) in sentence and "test rows only" in sentence for sentence in said)


def test_a_validation_set_is_drawn_within_members_and_by_class():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200).astype(np.int32)
    site = np.array(["a", "b", "c", "d"])[rng.integers(0, 4, 200)]
    x = np.arange(200.0, dtype=np.float32)[:, None]
    pool = Pool(
        x=x,
        y=y,
        test=(x, y),
        num_classes=2,
        columns={"site": site},
        test_columns={"site": site},
        natural="site",
    )
    data = federate(pool, PARTITIONS["natural"](), seed=0, validation=0.5)
    rows = np.asarray(data.validation[0])[:, 0].astype(int)
    for member in "abcd":
        for label in (0, 1):
            own = (site == member) & (y == label)
            assert abs(own[rows].sum() - own.sum() / 2) <= 1


def test_quantities_are_held_out_over_their_whole_range():
    y = np.random.default_rng(0).standard_normal(200).astype(np.float32)
    strata = strata_of(y, None)
    assert np.bincount(strata).tolist() == [20] * 10
    _, held = hold_out_within(np.random.default_rng(1), np.zeros(200, int), strata, 0.2, "fraction")
    assert np.bincount(strata[held]).tolist() == [4] * 10


def test_codes_follow_the_first_appearance():
    assert appearance(np.array(["z", "a", "z", "m"])).tolist() == [0, 1, 0, 2]
    assert class_order(np.array([2, 0, 2, 1]), 3).tolist() == [1, 2, 0]
