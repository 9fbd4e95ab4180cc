"""The multilinear extension: one S for all players, over all probabilities of joining."""

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import airport, play, saturating

from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.shapley.estimators.owen import differences, neighbours, owen

TABLE = np.random.default_rng(1).normal(size=32)


def squared_error(game, budget, runs=150, **options):
    found = [
        play(owen(**options), game.utility, game.num_players, budget=budget, seed=seed)[0]
        for seed in range(runs)
    ]
    return np.mean([(one.values - game.values) ** 2 for one in found])


def extension(q):
    """float64[P]: the sum over S of q^|S| (1 - q)^(P - |S|) [V(S + i) - V(S - i)]; a polynomial of
    degree P - 1."""
    masks = all_subsets(5)
    chance = np.where(masks, q, 1 - q).prod(axis=1)
    around = neighbours(masks)[:, None]
    gains = differences(around, TABLE[ranks(around.reshape(-1, 5))].reshape(around.shape[:-1]))
    return chance @ gains[:, 0]


def test_the_gradient_of_the_extension_along_the_diagonal_integrates_to_the_shapley_value():
    level, weight = np.polynomial.legendre.leggauss(5)
    integral = sum(w / 2 * extension((x + 1) / 2) for x, w in zip(level, weight, strict=True))
    assert_allclose(integral, oracle.shapley(TABLE), atol=1e-12)


def test_neighbours_differ_by_one_player_and_tell_what_each_adds():
    mask = np.array([True, False, True, True, False])
    around = neighbours(mask)
    assert_array_equal(around[0], mask)
    assert_array_equal(around[1:] ^ mask, np.eye(5, dtype=bool))
    weights = np.array([0.5, -1.0, 2.0, 0.0, 4.0])
    assert_allclose(
        differences(around[None, None], (around @ weights)[None, None])[0, 0], weights, atol=1e-14
    )


def test_an_antithetic_draw_is_a_coalition_and_its_complement_with_all_neighbours():
    _, state = owen().ask(jax.random.key(0), owen().init(8, 120, None))
    masks = state.evaluations.masks[np.concatenate(state.rows)].reshape(-1, 2, 9, 8)
    assert_array_equal(masks[:, 1, 0], ~masks[:, 0, 0])
    assert_array_equal(masks, neighbours(masks[:, :, 0]))
    assert masks[:, 0, 0].mean() < 0.5, "q below a half, 1 - q above"


def test_every_probability_is_as_likely_as_any_other_so_sizes_are_uniform():
    """With q uniform in [0, 1), every size of S is as likely as any other."""
    sizes = []
    for seed in range(300):
        _, state = owen(antithetic=False).ask(
            jax.random.key(seed), owen(antithetic=False).init(20, 500, None)
        )
        sizes.extend(state.evaluations.masks[np.concatenate(state.rows)[:, 0]].sum(axis=1))
    times = np.bincount(sizes, minlength=21)
    share = times / len(sizes)
    assert np.abs(share - 1 / 21).max() < 5 * np.sqrt(1 / 21 / len(sizes))


def test_cells_get_two_draws_each():
    _, state = owen().ask(jax.random.key(0), owen().init(30, 1000, None))
    cells = np.concatenate([turn.own for turn in state.units])
    assert len(cells) == 16 and (np.bincount(cells) == 2).all()


@pytest.mark.parametrize("game", [airport(10), saturating(10)], ids=["airport", "saturating"])
def test_an_even_spread_of_q_and_complements_each_lower_the_error(game):
    plain = squared_error(game, 300, antithetic=False, stratified=False)
    even = squared_error(game, 300, antithetic=False, stratified=True)
    both = squared_error(game, 300)
    assert even < 0.8 * plain
    assert both < 0.8 * even


def test_values_can_be_read_after_every_turn():
    game = saturating(9)
    estimator = owen()
    state = estimator.init(9, 400, 12)
    for turn in range(8):
        masks, state = estimator.ask(jax.random.fold_in(jax.random.key(1), turn), state)
        state = estimator.tell(state, masks, game.utility(masks))
        found = estimator.read(state)
        assert np.isfinite(found.values).all() and (found.std_errors > 0).all()
    assert (np.abs(found.values - game.values) < 5 * found.std_errors).all()


def test_the_least_budget_holds_two_draws():
    assert len(owen(antithetic=False).init(8, 20, None).fixed) == 2
    with pytest.raises(ValueError, match="budget=19 to be at least 20 distinct coalitions"):
        owen(antithetic=False).init(8, 19, None)
    with pytest.raises(ValueError, match="budget=37 to be at least 38 distinct coalitions"):
        owen().init(8, 37, None)
