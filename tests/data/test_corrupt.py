"""Corruptions: they do what they say to one client, and nothing to anyone else."""

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data.corrupt import (
    CORRUPTIONS,
    corrupt,
    duplicate,
    feature_noise,
    free_rider,
    label_noise,
)
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.streams import MEMBER_TESTS, PARTITION, VALIDATION, stream

SETTINGS = {
    "label_noise": {"rate": 0.5},
    "feature_noise": {"variance": 1.0},
    "duplicate": {"of": 2},
    "free_rider": {"how": "random_labels"},
}


@pytest.fixture(scope="module")
def data():
    """Four clients of 40, 301, 7 and 150 rows, five classes."""
    rng = np.random.default_rng(0)
    sizes = (40, 301, 7, 150)
    clients = [(rng.random((n, 3)), rng.integers(0, 5, n)) for n in sizes]
    return from_arrays(
        clients, (rng.random((9, 3)), rng.integers(0, 5, 9)), names=["a", "b", "c", "d"]
    )


def test_every_corruption_is_tested():
    assert SETTINGS.keys() == CORRUPTIONS.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_only_the_named_client_changes(name, data):
    noisy = corrupt(data, [CORRUPTIONS[name](client=1, **SETTINGS[name])], seed=0)
    for i in (0, 2, 3):
        for before, after in zip(data.client(i), noisy.client(i)):
            np.testing.assert_array_equal(before, after)
    same = [np.array_equal(before, after) for before, after in zip(data.client(1), noisy.client(1))]
    assert not all(same)
    assert len(noisy.x) == len(noisy.y) == np.asarray(noisy.sizes).sum()
    assert noisy.largest == np.asarray(noisy.sizes).max()
    assert np.asarray(noisy.y).min() >= 0 and np.asarray(noisy.y).max() < 5
    assert (noisy.x.dtype, noisy.y.dtype) == (data.x.dtype, data.y.dtype)
    np.testing.assert_array_equal(noisy.test[0], data.test[0])
    np.testing.assert_array_equal(noisy.validation[1], data.validation[1])


@pytest.mark.parametrize("rate", [0.0, 0.05, 1 / 3, 1.0])
def test_label_noise_changes_exactly_the_stated_number_of_labels(rate, data):
    noisy = corrupt(data, [label_noise(client=1, rate=rate)], seed=3)
    assert (noisy.client(1)[1] != data.client(1)[1]).sum() == round(rate * 301)
    np.testing.assert_array_equal(noisy.x, data.x)


@pytest.mark.filterwarnings("ignore:test. no client holds")  # the classes do not matter here
def test_a_wrong_label_is_uniform_over_the_other_classes():
    size = 4000
    data = from_arrays([(np.zeros((size, 1)), np.full(size, 2))], (np.zeros((5, 1)), np.arange(5)))
    counts = np.bincount(
        corrupt(data, [label_noise(client=0, rate=1.0)], seed=0).client(0)[1], minlength=5
    )
    assert counts[2] == 0
    z = (counts[[0, 1, 3, 4]] - size / 4) / np.sqrt(size * 0.25 * 0.75)
    assert (np.abs(z) < 5).all()


@pytest.mark.filterwarnings("ignore:test. no client holds")  # the classes do not matter here
def test_feature_noise_has_the_stated_variance_and_keeps_its_bounds(data):
    size = 20_000
    flat = from_arrays(
        [(np.full((size, 2), 0.5), np.zeros(size, int))], (np.zeros((2, 2)), np.arange(2))
    )
    noise = corrupt(flat, [feature_noise(client=0, variance=0.09)], seed=1).client(0)[0] - 0.5
    assert abs(noise.mean()) < 5 * 0.3 / np.sqrt(2 * size)
    assert abs(noise.var() / 0.09 - 1) < 5 * np.sqrt(2 / (2 * size))
    kept = corrupt(data, [feature_noise(client=1, variance=4.0, low=0, high=1)], seed=1).client(1)[
        0
    ]
    assert kept.min() == 0 and kept.max() == 1
    unchanged = corrupt(data, [feature_noise(client=1, variance=0)], seed=1)
    np.testing.assert_array_equal(unchanged.x, data.x)


def test_a_duplicate_holds_the_same_rows_whether_it_grows_or_shrinks(data):
    for client, of in ((2, 1), (1, 2)):
        twin = corrupt(data, [free_rider(client=of), duplicate(client=client, of=of)], seed=0)
        for copy, original in zip(twin.client(client), data.client(of)):
            np.testing.assert_array_equal(copy, original)
        assert twin.sizes[client] == data.sizes[of] and bool(twin.idle[client])


def test_a_zero_update_marks_the_client_idle_and_leaves_its_data(data):
    lazy = corrupt(data, [free_rider(client=3, how="zero_update")], seed=0)
    assert lazy.idle.tolist() == [False, False, False, True]
    np.testing.assert_array_equal(lazy.x, data.x)
    np.testing.assert_array_equal(lazy.y, data.y)


@pytest.mark.filterwarnings("ignore:test. no client holds")  # the classes do not matter here
def test_random_labels_are_uniform_and_owe_nothing_to_the_true_ones():
    size = 5000
    data = from_arrays(
        [(np.zeros((size, 1)), np.zeros(size, int))], (np.zeros((5, 1)), np.arange(5))
    )
    counts = np.bincount(
        corrupt(data, [free_rider(client=0, how="random_labels")], seed=0).client(0)[1], minlength=5
    )
    assert (np.abs(counts - size / 5) < 5 * np.sqrt(size * 0.2 * 0.8)).all()


def test_the_seed_decides_and_one_more_corruption_changes_no_earlier_one(data):
    first = label_noise(client=0, rate=0.5)
    one, again, other = (corrupt(data, [first], seed=s) for s in (7, 7, 8))
    both = corrupt(data, [first, label_noise(client=3, rate=0.5)], seed=7)
    np.testing.assert_array_equal(one.y, again.y)
    np.testing.assert_array_equal(one.client(0)[1], both.client(0)[1])
    assert not np.array_equal(one.y, other.y)


def twins(size=4000, classes=5):
    """Two clients with the same rows."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((size, 1)), rng.integers(0, classes, size)
    return from_arrays([rows, rows], (np.zeros((classes, 1)), np.arange(classes)))


def test_corruptions_at_different_positions_draw_independently():
    data = twins()
    size = data.largest
    both = [feature_noise(client=client, variance=1.0) for client in (0, 1)]
    first, second = np.asarray(corrupt(data, both, seed=0).x - data.x).reshape(2, size)
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(size)

    both = [label_noise(client=client, rate=0.5) for client in (0, 1)]
    wrong = np.asarray(corrupt(data, both, seed=0).y != data.y).reshape(2, size)
    assert abs(wrong.all(axis=0).sum() - size / 4) < 5 * np.sqrt(size) / 4

    both = [free_rider(client=client, how="random_labels") for client in (0, 1)]
    first, second = corrupt(data, both, seed=0).y.reshape(2, size)
    assert abs((first == second).sum() - size / 5) < 5 * np.sqrt(size * 0.2 * 0.8)


def test_a_corruption_of_one_client_twice_draws_twice():
    data = twins()
    size = data.largest
    twice = corrupt(data, [feature_noise(client=0, variance=1.0)] * 2, seed=0)
    noise = np.asarray(twice.x - data.x)[:size]
    assert abs(noise.var() / 2 - 1) < 5 * np.sqrt(2 / size), "the same draws twice: variance 4"

    twice = corrupt(data, [label_noise(client=0, rate=0.5)] * 2, seed=0)
    right = np.asarray(twice.y == data.y)[:size].sum()  # never drawn, or drawn twice and put right
    law = 1 / 4 + 1 / 4 * 1 / 4
    assert abs(right - size * law) < 5 * np.sqrt(size * law * (1 - law))


def test_a_number_that_is_a_name_too_is_said():
    rows = (np.ones((4, 2)), np.array([0, 1, 0, 1]))
    data = from_arrays([rows] * 3, rows, names=["1", "2", "3"])
    with cautions() as said:
        corrupted = corrupt(data, [free_rider(client=1)], seed=0)
        named = corrupt(data, [free_rider(client="1")], seed=0)
    assert corrupted.idle.tolist() == [False, True, False]
    assert named.idle.tolist() == [True, False, False]
    assert len(said) == 1 and "client called '2'; write client = '1'" in said[0]


def test_the_federation_given_is_not_changed(data):
    before = np.array(data.x), np.array(data.y)
    corrupt(data, [feature_noise(client=0, variance=1), label_noise(client=0, rate=1)], seed=0)
    np.testing.assert_array_equal(before[0], data.x)
    np.testing.assert_array_equal(before[1], data.y)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("label_noise", {"client": 4, "rate": 0.1}, r"client=4 to be one of 0\.\.3 \(a to d\)"),
        ("label_noise", {"client": -1, "rate": 0.1}, "client=-1"),
        ("label_noise", {"client": 0, "rate": 1.1}, "rate=1.1"),
        ("feature_noise", {"client": 0, "variance": -1}, "variance=-1"),
        ("feature_noise", {"client": 0, "variance": 1e300}, "variance=1e.300"),
        (
            "feature_noise",
            {"client": 0, "variance": 1, "low": 2, "high": 1},
            "low=2 to be at most high=1",
        ),
        ("duplicate", {"client": 0, "of": 0}, "client=0 to be a copy of another"),
        ("duplicate", {"client": 0, "of": 9}, r"of=9 to be one of 0\.\.3"),
        ("duplicate", {"client": 9, "of": 0}, r"client=9 to be one of 0\.\.3"),
        ("free_rider", {"client": 0, "how": "zero"}, "how='zero'"),
        ("free_rider", {"client": 1.0}, "client=1.0"),
    ],
)
def test_a_corruption_that_cannot_be_is_refused_in_one_sentence(name, settings, said, data):
    with pytest.raises(InvalidInputError, match=said) as refusal:
        corrupt(data, [CORRUPTIONS[name](**settings)], seed=0)
    assert str(refusal.value).startswith("Expected ") and "\n" not in str(refusal.value)


def quantities(size=4000):
    rng = np.random.default_rng(3)
    x = np.zeros((size, 1))
    return from_arrays(
        [(x, 5 + 2 * rng.standard_normal(size)), (x[:10], rng.standard_normal(10))],
        (x, np.zeros(size)),
        quantities=True,
    )


def test_noise_on_quantities_is_in_units_of_their_own_deviation():
    data = quantities()
    wrong = corrupt(data, [label_noise(client=0, rate=0.5, deviation=3.0)], seed=0)
    noise = wrong.client(0)[1] - data.client(0)[1]
    assert (noise != 0).sum() == 2000
    rows = np.concatenate([data.client(0)[1], data.client(1)[1]])
    assert noise[noise != 0].std() / rows.std() == pytest.approx(3.0, rel=0.1)
    np.testing.assert_array_equal(wrong.client(1)[1], data.client(1)[1])


def test_random_quantities_are_those_of_other_rows():
    data = quantities()
    wrong = corrupt(data, [free_rider(client=0, how="random_labels")], seed=0)
    before = data.client(0)[1]
    after = wrong.client(0)[1]
    assert set(after) <= set(before) | set(data.client(1)[1])
    assert abs(np.corrcoef(before, after)[0, 1]) < 5 / np.sqrt(len(before))


def test_a_deviation_of_classes_is_refused(data):
    with pytest.raises(InvalidInputError, match=r"deviation=2\.0 to be left out"):
        corrupt(data, [label_noise(client=0, rate=0.5, deviation=2.0)], seed=0)


def test_no_corruption_draws_what_the_partition_or_a_held_out_set_drew(data):
    drawn = {}

    def watching(name):
        def corruption(rng, data):
            drawn[name] = rng.integers(2**62)
            return data

        return corruption

    corrupt(data, [watching("first"), watching("second")], seed=7)
    others = (PARTITION, VALIDATION, MEMBER_TESTS)
    drawn |= {str(number): stream(7, number).integers(2**62) for number in others}
    assert len(set(drawn.values())) == 5
