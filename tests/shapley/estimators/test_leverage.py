"""Leverage SHAP: every size alike, each pair once, and errors no larger than a peer's."""

import numpy as np
import pytest
import shapiq
from numpy.testing import assert_allclose
from played import Played, play, saturating
from test_kernelshap import asked_for

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.estimators.leverage import leverage


def strata(masks):
    sizes = masks[::2].sum(axis=1)
    return np.bincount(
        np.minimum(sizes, masks.shape[1] - sizes), minlength=masks.shape[1] // 2 + 1
    )[1:]


def test_leverage_scores_are_one_over_the_number_of_coalitions_of_a_size():
    """The sampling law rests on this: x'(X'WX)^+ x w, over all coalitions of 7 players, is 1 / C(7,
    s) for each."""
    masks = all_subsets(7)[1:-1]
    sizes = masks.sum(axis=1)
    count = np.bincount(sizes, minlength=8)
    weights = 1 / (count[sizes] * sizes * (7 - sizes))
    centred = (masks - sizes[:, None] / 7) * np.sqrt(weights)[:, None]
    scores = np.einsum("up,pq,uq->u", centred, np.linalg.pinv(centred.T @ centred), centred)
    assert_allclose(scores, 1 / count[sizes], rtol=1e-9)


def test_every_size_is_drawn_as_often_as_any_other_without_a_coalition_twice():
    _, masks = asked_for(leverage(), saturating(11), 202)
    assert len(np.unique(masks, axis=0)) == 200 and (masks[::2] == ~masks[1::2]).all()
    assert strata(masks)[0] == 11, "all there are"
    assert sorted(strata(masks)[1:].tolist()) == [22, 22, 22, 23]


def test_modified_scores_lie_between_leverage_and_kernel():
    _, masks = asked_for(leverage(scores="modified"), saturating(12), 602)
    shares = 1 / np.sqrt([s * (12 - s) for s in range(1, 7)]) * [1, 1, 1, 1, 1, 0.5]
    drawn = strata(masks)
    assert drawn[:2].tolist() == [12, 66], "all there are"
    rest = shares[2:] / shares[2:].sum() * (300 - 78)
    assert np.abs(drawn[2:] - rest).max() <= 1


def test_within_a_size_every_coalition_is_as_likely_as_any_other():
    counts = np.zeros(64)
    runs = 300
    for seed in range(runs):
        _, masks = asked_for(leverage(paired=False), saturating(6), 16, seed)
        counts[masks @ (1 << np.arange(6))] += 1
    every = all_subsets(6).sum(axis=1)
    for size in range(1, 6):
        mine = counts[every == size]
        share = mine.mean() / runs
        assert np.abs(mine - mine.mean()).max() < 5 * np.sqrt(runs * share * (1 - share))


@pytest.mark.parametrize("budget", [32, 64, 128])
def test_errors_are_no_larger_than_those_of_another_library_at_equal_numbers_of_coalitions(budget):
    game = saturating(8)

    def ours(seed):
        return play(leverage(), game.utility, 8, budget=budget, seed=seed)[0].values

    def theirs(seed):
        peer = shapiq.KernelSHAP(n=8, pairing_trick=True, random_state=seed)
        return peer.approximate(
            budget, lambda masks: game.utility(np.asarray(masks, bool))
        ).get_n_order_values(1)

    error = [
        np.mean([((way(s) - game.values) ** 2).mean() for s in range(40)]) for way in (ours, theirs)
    ]
    assert error[0] < error[1]


def test_a_hundred_players_are_valued_exactly_where_the_game_is_additive():
    weights = np.random.default_rng(0).normal(size=100)
    game = Played(100, lambda masks: masks @ weights, weights)
    found, asked = play(leverage(), game.utility, 100, budget=204)
    assert asked == 204
    assert_allclose(found.values, weights, atol=1e-8)


def test_scores_of_another_name_are_refused_in_one_sentence():
    with pytest.raises(
        InvalidInputError,
        match="Expected scores='levrage' to be a known name; did you mean 'leverage'",
    ):
        leverage(scores="levrage")
