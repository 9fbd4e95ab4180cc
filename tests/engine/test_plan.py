"""Plans: each coalition once, in shapes that are compiled once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.plan import Plan


@st.composite
def work(draw):
    players, chunk = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    rows = draw(st.lists(st.integers(0, 2**players - 1), min_size=1, unique=True))
    return all_subsets(players)[rows], chunk


@given(work())
def test_client_by_client_each_coalition_is_valued_once_in_chunks_of_one_shape(given_work):
    masks, size = given_work
    seen, shapes = [], set()
    for rows, chunk in Plan(chunk=size).by_client(masks):
        seen += rows.tolist()
        shapes.add((chunk.mask.shape, chunk.rows.shape))
        assert_array_equal(chunk.mask[: len(rows)], masks[rows])
        assert not chunk.mask[len(rows) :].any()
        for player, (held, present) in enumerate(zip(chunk.rows, chunk.present)):
            assert_array_equal(held[present], np.flatnonzero(chunk.mask[:, player]))
    assert sorted(seen) == list(range(len(masks)))
    assert len(shapes) == 1


@given(work(), st.integers(1, 4))
def test_coalition_by_coalition_each_is_valued_once_in_as_many_widths_as_allowed(given_work, buckets):
    masks, size = given_work
    seen, shapes = [], set()
    for rows, coalitions in Plan(chunk=size, buckets=buckets).by_coalition(masks):
        seen += rows.tolist()
        shapes.add(coalitions.members.shape)
        assert_array_equal(coalitions.mask[: len(rows)], masks[rows])
        for mask, members, present in zip(coalitions.mask, coalitions.members, coalitions.present):
            assert_array_equal(members[present], np.flatnonzero(mask))
    assert sorted(seen) == list(range(len(masks)))
    assert len(shapes) <= buckets


@pytest.mark.parametrize("chunk", [2, 8, 64])
def test_in_full_enumeration_every_client_is_in_half_of_each_chunk(chunk):
    for _, coalitions in Plan(chunk=chunk).by_client(all_subsets(6)):
        assert_array_equal(coalitions.mask.sum(axis=0), chunk // 2)
        assert coalitions.rows.shape == (6, chunk // 2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"chunk": 0}, "chunk=0 to be an integer >= 1"),
        ({"chunk": 2.0}, "chunk=2.0 to be an integer >= 1"),
        ({"layout": "clients"}, "layout='clients' to be a known name; did you mean 'client'"),
        ({"buckets": 0}, "buckets=0 to be an integer >= 1"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        Plan(**options)
