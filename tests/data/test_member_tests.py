"""Test rows of the members' own: given, held out of their training rows, or as the data come."""

from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.partition import PARTITIONS
from fedjax_shap.data.pool import Pool


def rows(size, fill):
    return np.full((size, 2), fill, np.float32), np.arange(size) % 2


def pool_of(size, **more):
    """A pool whose features are the rows' numbers; the test rows count on from there."""
    numbers = np.arange(size + 6, dtype=np.float32)[:, None]
    y = np.arange(size + 6, dtype=np.int32) % 2
    return Pool(
        x=numbers[:size], y=y[:size], test=(numbers[size:], y[size:]), num_classes=2, **more
    )


def test_members_own_test_sets_are_together_the_validation_set():
    clients = [rows(3, 1.0), rows(2, 2.0), rows(2, 3.0)]
    tests = [rows(2, 7.0), None, rows(3, 9.0)]
    data = from_arrays(clients, rows(4, 5.0), member_tests=tests, names=["a", "b", "c"])
    assert data.owners.tolist() == [0, 0, 2, 2, 2]
    assert data.validation[0][:, 0].tolist() == [7, 7, 9, 9, 9] and len(data.test[1]) == 4
    by_name = from_arrays(
        clients, member_tests={"c": tests[2], "a": tests[0]}, names=["a", "b", "c"]
    )
    np.testing.assert_array_equal(by_name.owners, data.owners)
    np.testing.assert_array_equal(by_name.test[0], data.validation[0])
    assert data.pooled().owners is None and from_arrays(clients, rows(4, 5.0)).owners is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "test, the server's test set, or member_tests"),
        ({"member_tests": [None, None]}, "got None for every client"),
        ({"member_tests": [rows(2, 1.0)]}, "member_tests to have 2 entries"),
        ({"member_tests": {"z": rows(2, 1.0)}}, r"name clients, got \['z'\]"),
        (
            {"member_tests": [rows(2, 1.0), None], "validation": rows(2, 1.0)},
            "validation to be left out",
        ),
        ({"member_tests": [(np.ones((2, 3)), np.ones(2, int)), None]}, r"member_tests\[client 0\]"),
    ],
)
def test_test_sets_that_are_not_the_members_are_refused(more, said):
    with pytest.raises(InvalidInputError, match=said):
        from_arrays([rows(2, 1.0), rows(2, 2.0)], **more)


@settings(max_examples=15)
@given(st.integers(12, 60), st.integers(1, 4), st.integers(0, 5))
def test_each_member_holds_out_its_own_rows_once_and_keeps_the_others(size, clients, seed):
    pool = pool_of(size)
    partition = PARTITIONS["iid"](num_clients=clients)
    whole = federate(pool, partition, seed=seed)
    data = federate(pool, partition, seed=seed, member_test=0.25)
    owners = np.asarray(data.owners)
    for member in range(clients):
        before = set(whole.client(member)[0][:, 0].tolist())
        kept = set(data.client(member)[0][:, 0].tolist())
        held = set(np.asarray(data.validation[0])[owners == member, 0].tolist())
        assert kept | held == before and not kept & held and kept
        assert abs(len(held) - 0.25 * len(before)) < 1.5
    np.testing.assert_array_equal(data.test[0], pool.test[0])


def test_test_rows_belong_to_the_members_that_the_partition_goes_by():
    columns = {"site": np.array(["a"] * 5 + ["b"] * 5)}
    test_columns = {"site": np.array(["b", "a", "z", "b", "a", "a"])}
    pool = pool_of(10, columns=columns, test_columns=test_columns, natural="site")
    data = federate(pool, PARTITIONS["natural"](), seed=0)
    assert data.owners.tolist() == [1, 0, -1, 1, 0, 0]
    assert federate(pool, PARTITIONS["iid"](num_clients=2), seed=0).owners is None
    split = federate(pool, PARTITIONS["natural"](), seed=0, validation=0.5)
    place = dict(zip(range(10, 16), [1, 0, -1, 1, 0, 0]))
    assert split.owners.tolist() == [place[int(x)] for x in np.asarray(split.validation[0])[:, 0]]


def test_members_rows_and_the_servers_are_not_both_the_validation_set():
    more = MappingProxyType({"seed": 0, "validation": 0.5, "member_test": 0.2})
    with pytest.raises(InvalidInputError, match=r"validation=0\.5 to be left out"):
        federate(pool_of(20), PARTITIONS["iid"](num_clients=2), **more)
    with pytest.raises(InvalidInputError, match=r"member_test=1\.5 to lie in"):
        federate(pool_of(20), PARTITIONS["iid"](num_clients=2), seed=0, member_test=1.5)


def test_patients_of_a_hospital_are_its_own_test_rows(data_folder):
    from fedjax_shap.data.published import HOSPITALS, heart_disease

    data = federate(heart_disease(folder=str(data_folder)), PARTITIONS["natural"](), seed=0)
    counts = np.bincount(np.asarray(data.owners))
    assert data.names == HOSPITALS and counts.tolist() == [104, 89, 16, 45]
