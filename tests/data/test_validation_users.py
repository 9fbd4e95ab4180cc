"""Users kept apart for validation: they never train, and coalitions are valued on their rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedjax_shap._validate import InputWarning, InvalidInputError, cautions
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import PARTITIONS
from fedjax_shap.data.pool import Pool


def pool_of(size):
    """A pool whose features are the rows' numbers; the test rows count on from there."""
    numbers = np.arange(size + 6, dtype=np.float32)[:, None]
    y = np.arange(size + 6, dtype=np.int32) % 2
    return Pool(x=numbers[:size], y=y[:size], test=(numbers[size:], y[size:]), num_classes=2)


def split(size, members, seed, fraction):
    """(the federation without users apart, the one with, its cautions)"""
    partition = PARTITIONS["iid"](num_clients=members)
    whole = federate(pool_of(size), partition, seed=seed)
    with cautions() as notes:
        data = federate(pool_of(size), partition, seed=seed, validation_users=fraction)
    return whole, data, notes


@settings(max_examples=8)
@given(st.integers(20, 60), st.integers(2, 8), st.integers(0, 5), st.sampled_from([0.1, 0.3, 0.4]))
def test_users_apart_never_train_and_the_others_keep_their_rows(size, members, seed, fraction):
    whole, data, notes = split(size, members, seed, fraction)
    apart = max(1, round(fraction * members))
    assert data.num_clients == members - apart
    # who trains has the rows, and the name, that it has without users apart
    for place, name in enumerate(data.names):
        before, _ = whole.client(whole.names.index(name))
        np.testing.assert_array_equal(data.client(place)[0], before)
    # the rows of all others are the validation set, in the order of the users
    others = [name for name in whole.names if name not in data.names]
    held = [whole.client(whole.names.index(name))[0] for name in others]
    np.testing.assert_array_equal(data.validation[0], np.concatenate(held))
    assert np.bincount(np.asarray(data.users)).tolist() == [len(own) for own in held]
    np.testing.assert_array_equal(data.test[0], pool_of(size).test[0])
    assert data.owners is None
    assert notes[0].startswith(
        f"Kept apart for validation: {apart} of {members} members, who never"
    )
    assert ("variance" in notes[-1]) == (apart == 1)


def test_who_is_apart_is_decided_by_the_seed_alone():
    names = [split(40, 8, seed, 0.25)[1].names for seed in (0, 0, 1, 2, 3)]
    assert names[0] == names[1]
    assert len(set(names)) > 2


@pytest.mark.parametrize(
    ("fraction", "more", "sentence"),
    [
        (1.5, {}, r"validation_users=1\.5 to lie in \[0, 1\)"),
        (float("nan"), {}, "validation_users=nan to be a finite number"),
        (0.9, {}, r"validation_users=0\.9 to leave a member who trains, but it takes 3 of 3"),
        (0.3, {"validation": 0.5}, r"validation=0\.5 to be left out with validation_users=0\.3"),
        (0.3, {"member_test": 0.5}, r"member_test=0\.5 to be left out with validation_users=0\.3"),
    ],
)
def test_users_that_cannot_be_kept_apart_are_refused(fraction, more, sentence):
    partition = PARTITIONS["iid"](num_clients=3)
    with pytest.raises(InvalidInputError, match=sentence):
        federate(pool_of(20), partition, seed=0, validation_users=fraction, **more)


def test_that_members_are_taken_out_is_said():
    partition = PARTITIONS["iid"](num_clients=5)
    with pytest.warns(InputWarning, match="Kept apart for validation: 2 of 5 members"):
        federate(pool_of(20), partition, seed=0, validation_users=0.4)
