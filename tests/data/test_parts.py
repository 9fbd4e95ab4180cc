"""Parts: every member keeps training rows, and test rows are drawn within it or are its last."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.parts import drawn_within, last_of_each

SIZES = st.lists(st.integers(4, 30), min_size=1, max_size=5)


@hypothesis.given(SIZES, st.integers(0, 9))
@hypothesis.settings(max_examples=20)
def test_each_class_of_each_member_is_held_out_in_nearly_its_own_proportion(sizes, seed):
    owner = np.repeat(np.arange(len(sizes)), sizes)
    kinds = np.random.default_rng(seed).integers(0, 2, len(owner))
    train = drawn_within(owner, kinds, fraction=0.25, seed=seed)
    count = round(0.25 * len(owner))
    assert (~train).sum() == count
    overall = count / len(owner)
    for member in np.unique(owner):
        assert train[owner == member].any()
        for kind in (0, 1):
            rows = (owner == member) & (kinds == kind)
            assert abs((~train[rows]).sum() - overall * rows.sum()) < 1 + 1e-9


@hypothesis.given(SIZES, st.integers(0, 9))
@hypothesis.settings(max_examples=20)
def test_no_test_row_of_a_member_comes_before_one_of_its_training_rows(sizes, seed):
    owner = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(len(owner))
    order = rng.integers(0, 20, len(owner))
    train = last_of_each(owner[mixed], order, fraction=0.25)
    for member, size in enumerate(sizes):
        own = owner[mixed] == member
        assert (~train[own]).sum() == round(0.25 * size)
        assert order[own & train].max() <= order[own & ~train].min(initial=99)


def test_a_member_without_a_training_row_is_refused_by_name():
    owner = np.array(["a", "a", "a", "a", "b"])
    with pytest.raises(InvalidInputError, match="every member a training row, but 'b' has none"):
        last_of_each(owner, np.arange(5), fraction=0.75)
    with pytest.raises(InvalidInputError, match=r"test_fraction=1\.5"):
        last_of_each(owner, np.arange(5), fraction=1.5)
