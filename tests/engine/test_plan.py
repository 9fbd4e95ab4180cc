"""Plans: each coalition once, in shapes that are compiled once."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.plan import Plan, useful_fraction


@st.composite
def work(draw):
    players = draw(st.integers(1, 6))
    chunk = draw(st.integers(1, 9))
    rows = draw(st.lists(st.integers(0, 2**players - 1), min_size=1, unique=True))
    return all_subsets(players)[rows], chunk


def contents(chunk):
    return [leaf.tobytes() for leaf in jax.tree.leaves(chunk)]


@given(work())
def test_client_by_client_each_coalition_is_valued_once_in_chunks_of_one_shape(given_work):
    masks, size = given_work
    seen = []
    shapes = set()
    for rows, chunk in Plan(chunk=size).by_client(masks):
        seen += rows.tolist()
        shapes.add((chunk.mask.shape, chunk.rows.shape))
        assert_array_equal(chunk.mask[: len(rows)], masks[rows])
        assert not chunk.mask[len(rows) :].any()
        assert not chunk.present[chunk.num_turns :].any()
        for player in range(masks.shape[1]):
            visits = np.flatnonzero(chunk.player[: chunk.num_turns] == player)
            assert_array_equal(
                chunk.rows[visits][chunk.present[visits]], np.flatnonzero(chunk.mask[:, player])
            )
    assert sorted(seen) == list(range(len(masks)))
    assert len(shapes) == 1


@given(work(), st.integers(1, 4))
def test_coalition_by_coalition_each_is_valued_once_in_as_many_widths_as_allowed(
    given_work, buckets
):
    masks, size = given_work
    seen = []
    shapes = set()
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
        assert coalitions.num_turns == 6
        assert coalitions.rows.shape[1] == chunk // 2


@pytest.mark.parametrize("layout", ["client", "coalition"])
@given(given_work=work(), seed=st.integers(0, 9))
def test_what_is_left_of_a_request_is_cut_into_the_same_chunks(layout, given_work, seed):
    masks, size = given_work
    plan = Plan(chunk=size, layout=layout)
    parts = [rows for rows, _ in plan.cut(masks, masks)]
    whole = [rows for rows in parts if len(rows) == len(parts[0])]
    done = [rows for rows in whole if np.random.default_rng(seed).random() < 0.5]
    left = np.setdiff1d(np.arange(len(masks)), np.concatenate([np.empty(0, int), *done]))
    before = {rows.tobytes(): contents(chunk) for rows, chunk in plan.cut(masks, masks)}
    if len(left):
        for rows, chunk in plan.cut(masks[left], masks):
            assert contents(chunk) == before[left[rows].tobytes()]


def test_a_small_request_takes_a_small_chunk():
    sizes = [
        next(iter(Plan(chunk=64).by_client(all_subsets(n))))[1].mask.shape[0]
        for n in (1, 2, 4, 5, 8)
    ]
    assert sizes == [4, 4, 16, 64, 64]


def test_the_useful_fraction_counts_members_steps_against_computed_ones():
    masks = all_subsets(3)
    steps = np.array([1, 10, 100])
    assert useful_fraction(Plan(chunk=8), masks, steps) == 1
    assert (
        useful_fraction(Plan(chunk=1, layout="coalition", buckets=3), masks[[1, 2, 4]], steps) == 1
    )
    alone = useful_fraction(Plan(chunk=4, layout="coalition"), masks[[1, 2, 4]], steps)
    assert alone == pytest.approx(111 / 400), "all wait for the slowest, and one slot is a repeat"
    assert useful_fraction(Plan(chunk=4), masks[[1, 2, 4]], steps) == 1 / 2, (
        "a client trains for one coalition, in slots for two"
    )
    together = masks[[7, 7, 7]]
    assert useful_fraction(Plan(chunk=4), together, steps) == pytest.approx(3 / 4), (
        "a client trains for three coalitions, in slots for two, twice"
    )


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
