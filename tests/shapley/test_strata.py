"""New coalitions: distinct, of the size asked for, never a known one, each as likely as any."""

from math import comb

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap.coalitions import all_subsets, of_size, pack, ranks
from fedjax_shap.shapley.strata import (
    draw_independent,
    draw_of_size,
    random_of_sizes,
    redraw_until_new,
    shuffle_of_size,
    size_counts,
)

KNOWN = set(pack(of_size(6, 3)[:5]))


def is_uniform(masks, possible):
    """Whether each of `possible` was drawn as often as any other, within five standard errors."""
    counts = np.array([(ranks(masks) == rank).sum() for rank in ranks(possible)])
    expected = len(masks) / len(possible)
    assert counts.sum() == len(masks), "another coalition was drawn"
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = len(possible) - 1
    return chi_square < freedom + 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("draw", ["until new", "shuffled"])
def test_new_coalitions_of_a_size_are_distinct_and_not_known(draw):
    rng = np.random.default_rng(0)
    if draw == "shuffled":
        masks = shuffle_of_size(rng, 6, 3, known=KNOWN)
    else:
        masks = draw_of_size(rng, 6, 3, 15, known=KNOWN)
    names = pack(masks)
    assert len(set(names)) == len(names) == 15
    assert not KNOWN & set(names)
    assert (masks.sum(axis=1) == 3).all()


@pytest.mark.parametrize("draw", ["until new", "shuffled"])
def test_the_first_is_any_new_one_alike(draw):
    rng = np.random.default_rng(1)
    firsts = []
    for _ in range(600):
        if draw == "shuffled":
            firsts.append(shuffle_of_size(rng, 6, 3, known=KNOWN)[0])
        else:
            firsts.append(draw_of_size(rng, 6, 3, 2, known=KNOWN)[0])
    possible = of_size(6, 3)[[name not in KNOWN for name in pack(of_size(6, 3))]]
    assert is_uniform(np.array(firsts), possible)


@pytest.mark.parametrize("at_once", [1, 7, 40])
def test_how_many_are_drawn_at_a_time_does_not_show(at_once):
    rng = np.random.default_rng(2)
    masks = draw_of_size(rng, 6, 2, 15, known=(), at_once=lambda missing: at_once)
    assert set(pack(masks)) == set(pack(of_size(6, 2)))


def test_of_a_coalition_and_its_complement_one_half_is_drawn():
    rng = np.random.default_rng(3)
    drawn = draw_of_size(rng, 6, 3, 10, known=(), halves=True)
    shuffled = shuffle_of_size(rng, 6, 3, halves=True)
    for masks in (drawn, shuffled):
        assert masks[:, 0].all()
        assert len(set(pack(masks))) == len(masks) == comb(6, 3) // 2


def test_none_is_drawn_where_none_is_wanted():
    assert draw_of_size(np.random.default_rng(0), 6, 3, 0, known=()).shape == (0, 6)


def test_random_coalitions_have_their_sizes():
    sizes = np.array([0, 1, 4, 4, 6])
    assert_array_equal(random_of_sizes(np.random.default_rng(0), sizes, 6).sum(axis=1), sizes)


def test_what_is_not_new_is_drawn_again_in_its_place():
    answers = iter([[1, 2, 1, 3], [2, 4], [5]])
    asked = []

    def draw(rows):
        asked.append(rows.tolist())
        return all_subsets(3)[next(answers)]

    masks = redraw_until_new(draw, 4, {pack(all_subsets(3))[3]})
    assert asked == [[0, 1, 2, 3], [2, 3], [2]]
    assert_array_equal(ranks(masks), [1, 2, 5, 4])


def test_players_join_independently_and_repeats_are_allowed_if_not_distinct():
    rng = np.random.default_rng(4)
    ends = set(pack(all_subsets(3)[[0, 7]]))
    masks = draw_independent(rng, 3, 4000, 0.3, known=ends, distinct=False)
    assert not ends & set(pack(masks))
    chance = (0.3 - 0.3**3) / (1 - 0.3**3 - 0.7**3)  # given that not all and not none joined
    error = np.sqrt(chance * (1 - chance) / 4000)
    assert (np.abs(masks.mean(axis=0) - chance) < 5 * error).all()
    distinct = draw_independent(rng, 3, 6, 0.3, known=ends, distinct=True)
    assert len(set(pack(distinct))) == 6


def test_sizes_are_counted_and_one_at_least():
    drawn, available = size_counts(all_subsets(4)[[0, 1, 2, 15]])
    assert_array_equal(drawn, [1, 2, 1, 1, 1])
    assert_array_equal(available, [1, 4, 6, 4, 1])
