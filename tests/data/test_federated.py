"""A federation's arrays: flat, sized right, and refused where they cannot be right."""

import jax
import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data.federated import from_arrays

TEST = (np.ones((4, 2)), np.array([0, 1, 2, 1]))


def client(size, label=0, fill=1.0):
    return np.full((size, 2), fill), np.full(size, label)


def test_rows_lie_client_by_client_without_padding():
    data = from_arrays([client(3, 1, 5.0), client(1, 2, 7.0), client(2)], TEST)
    assert data.x.shape == (6, 2) and data.y.shape == (6,) and data.num_classes == 3
    assert data.offsets.tolist() == [0, 3, 4] and data.sizes.tolist() == [3, 1, 2]
    assert data.largest == 3 and data.example_shape == (2,)
    assert data.x[:, 0].tolist() == [5, 5, 5, 7, 1, 1] and data.y.tolist() == [1, 1, 1, 2, 0, 0]


@pytest.mark.filterwarnings("ignore:test. no client holds")  # the classes do not matter here
def test_memory_goes_by_the_rows_there_are_and_not_by_the_largest_client():
    clients = [client(3_000), *(client(2) for _ in range(99))]
    data = from_arrays(clients, TEST)
    held = sum(leaf.nbytes for leaf in jax.tree.leaves((data.x, data.y, data.offsets, data.sizes)))
    assert held < 1.2 * sum(4 * (x.size + y.size) for x, y in clients)
    pooled = data.pooled()
    assert pooled.x.nbytes + pooled.y.nbytes == data.x.nbytes + data.y.nbytes


def test_a_client_that_is_given_other_rows_leaves_those_of_the_others_in_place():
    data = from_arrays([client(3, 1, 5.0), client(1, 2, 7.0), client(2)], TEST, idle=[1, 0, 0])
    for index, size in ((0, 1), (1, 4), (2, 2)):
        after = data.with_client(index, (np.full((size, 2), 9, np.float32), np.full(size, 2)))
        assert after.client(index)[0].tolist() == [[9, 9]] * size
        assert after.largest == int(after.sizes.max()) and len(after.y) == int(after.sizes.sum())
        for other in {0, 1, 2} - {index}:
            for before, kept in zip(data.client(other), after.client(other)):
                np.testing.assert_array_equal(before, kept)
        assert after.idle.tolist() == [True, False, False]


def test_a_client_gives_back_the_rows_it_was_given():
    rng = np.random.default_rng(0)
    given = [
        (rng.standard_normal((n, 2)).astype(np.float32), rng.integers(0, 3, n)) for n in (5, 2, 9)
    ]
    data = from_arrays(given, TEST)
    for i, (x, y) in enumerate(given):
        held = data.client(i)
        np.testing.assert_array_equal(held[0], x)
        np.testing.assert_array_equal(held[1], y)


@pytest.mark.filterwarnings("ignore:test. no client holds")  # the classes do not matter here
def test_the_pooled_federation_is_one_client_with_every_row():
    data = from_arrays(
        [client(3, 1, 5.0), client(1, 2, 7.0)], TEST, (TEST[0][:1], TEST[1][:1]), names="ab"
    )
    pooled = data.pooled()
    assert (
        pooled.num_clients == 1
        and pooled.sizes.tolist() == [4]
        and pooled.num_classes == data.num_classes
    )
    x, y = pooled.client(0)
    assert x[:, 0].tolist() == [5, 5, 5, 7] and y.tolist() == [1, 1, 1, 2]
    assert pooled.largest == 4 and not pooled.idle.any()
    assert len(pooled.validation[1]) == 1 and len(pooled.test[1]) == 4


def test_clients_and_test_rows_that_code_classes_otherwise_are_refused():
    named = (np.ones((2, 2)), np.array(["no", "yes"]))
    with pytest.raises(InvalidInputError, match=r"clients hold, \['no', 'yes'\], got \['0', '1'\]"):
        from_arrays([named], (np.ones((2, 2)), np.array([0, 1])))


def test_a_class_that_test_rows_alone_have_is_said():
    x = np.zeros((4, 2))
    clients = [(x, [0, 1, 0, 1]), (x, [1, 1, 0, 0])]
    with cautions() as said:
        from_arrays(clients, (x, [0, 1, 2, 2]), num_classes=3)
        from_arrays(clients, (x, [0, 1, 0, 0]), num_classes=3)
    assert len(said) == 1 and "no client holds a row of class '2', so no model learns it" in said[0]


@pytest.mark.filterwarnings("ignore:test. no client holds")  # the classes do not matter here
def test_the_validation_set_is_the_test_set_where_none_is_given():
    data = from_arrays([client(1)], TEST)
    np.testing.assert_array_equal(data.validation[0], data.test[0])
    np.testing.assert_array_equal(data.validation[1], data.test[1])


@pytest.mark.filterwarnings("ignore:test. no client holds")  # the classes do not matter here
@pytest.mark.parametrize(
    ("clients", "keywords", "said"),
    [
        ([], {}, "at least one client"),
        (
            [(np.zeros((0, 2)), np.zeros(0, int))],
            {},
            r"clients\[client 0\] to hold at least one example",
        ),
        ([client(2)], {"names": ["a", "b"]}, "names to have 1 entries, got 2"),
        ([client(2), client(2)], {"names": ["a", "a"]}, "names to differ"),
        ([(np.zeros((2, 3)), np.zeros(2, int))], {}, r"test\.x to have examples of shape \(3,\)"),
        ([(np.zeros((2, 2)), np.zeros(3, int))], {}, r"x\[N, \.\.\.\], y\[N\]"),
        ([(np.full((2, 2), np.nan), np.zeros(2, int))], {}, r"clients\[client 0\]\.x to be finite"),
        ([(np.full((2, 2), 1e39), np.zeros(2, int))], {}, r"clients\[client 0\]\.x to be finite"),
        ([(np.zeros((2, 2)), np.array([0.0, 0.5]))], {}, "integer labels"),
        ([(np.zeros((2, 2)), np.array([0.0, 1e20]))], {}, "integer labels"),
        (
            [(np.zeros((2, 2)), np.array([0, -1]))],
            {},
            r"0\.\.L-1 .* from -1 to 2; .*\[-1, 0, 1, 2\]",
        ),
        ([client(2, 3)], {"num_classes": 3}, r"in 0\.\.2 \(num_classes=3\), got 3\.\.3"),
        ([client(2)], {"idle": [True, False]}, "idle to have 1 entries"),
    ],
)
def test_arrays_that_cannot_be_a_federation_are_refused_in_one_sentence(clients, keywords, said):
    with pytest.raises(InvalidInputError, match=said) as refusal:
        from_arrays(clients, TEST, **keywords)
    assert str(refusal.value).startswith("Expected ") and "\n" not in str(refusal.value)
