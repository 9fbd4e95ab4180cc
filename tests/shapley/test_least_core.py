"""The least core: games with known answers, a brute force over vertices and faces, and what
sampling keeps."""

from itertools import combinations

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import additive, airport, play, saturating, voting
from scipy.optimize import linprog

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games import closed_form
from fedjax_shap.shapley.least_core import least_core, least_core_values
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options


def majority(weights, quota):
    """V(S) = 1 where the members' weights reach the quota."""
    return len(weights), lambda masks: 1.0 * (masks @ np.array(weights) >= quota)


def gloves(left, right):
    """V(S) is the number of pairs."""
    return left + right, lambda masks: np.minimum(
        masks[:, :left].sum(1), masks[:, left:].sum(1)
    ).astype(float)


KNOWN = {  # game, values, instability
    "three by majority": (majority((1, 1, 1), 2), [1 / 3] * 3, 1 / 3),
    "seven by majority": (majority((1,) * 7, 4), [1 / 7] * 7, 3 / 7),
    "all or nothing": (majority((1,) * 4, 4), [1 / 4] * 4, -1 / 4),
    "one who decides": (majority((1, 0, 0), 1), [1, 0, 0], 0),
    "one against three": (majority((2, 1, 1, 1), 3), [2 / 5, 1 / 5, 1 / 5, 1 / 5], 2 / 5),
    "one left glove": (gloves(1, 2), [1, 0, 0], 0),
    "two left gloves, three right": (gloves(2, 3), [1, 1, 0, 0, 0], 0),
    "as many left as right": (gloves(2, 2), [1 / 2] * 4, 0),
    "one alone": ((1, lambda masks: 3.0 * masks[:, 0] + 1), [3], 0),
    "nothing to share": ((3, lambda masks: np.full(len(masks), 2.0)), [0, 0, 0], 0),
}


def brute_force(table):
    """(values, e*) of four players: the least over all vertices, then the least norm over all
    faces."""
    masks = all_subsets(4)[1:-1].astype(float)
    gains = table[1:-1] - table[0]
    total = table[-1] - table[0]
    least = np.inf
    for rows in map(list, combinations(range(14), 4)):
        tight = np.vstack([np.c_[masks[rows], np.ones(4)], [1, 1, 1, 1, 0]])
        if abs(np.linalg.det(tight)) > 1e-9:
            vertex = np.linalg.solve(tight, np.r_[gains[rows], total])
            if (masks @ vertex[:4] + vertex[4] >= gains - 1e-9).all():
                least = min(least, vertex[4])
    best = None
    for size in range(4):
        for rows in map(list, combinations(range(14), size)):
            tight = np.vstack([np.ones(4), masks[rows]])
            level = np.r_[total, gains[rows] - least]
            point = np.linalg.pinv(tight) @ level
            feasible = (masks @ point >= gains - least - 1e-9).all() and np.abs(
                tight @ point - level
            ).max() < 1e-9
            if feasible and (best is None or point @ point < best @ best):
                best = point
    return best, least


@pytest.mark.parametrize(("game", "values", "instability"), KNOWN.values(), ids=KNOWN)
def test_games_with_known_least_cores(game, values, instability):
    players, utility = game
    found, asked = play(least_core(), utility, players, budget=2**players)
    assert asked == 2**players
    assert_allclose(found.values, values, atol=1e-9)
    assert_allclose(found.notes["instability"], instability, atol=1e-9)
    assert_array_equal(found.std_errors, np.zeros(players))


@pytest.mark.parametrize("seed", range(6))
def test_values_are_those_of_a_brute_force_over_vertices_and_faces(seed):
    table = np.random.default_rng(seed).normal(size=16)
    table = np.round(2 * table) if seed % 2 else table  # many ties
    values, instability = brute_force(table)
    found, _ = play(least_core(), lambda masks: table[masks @ (1 << np.arange(4))], 4, budget=16)
    assert_allclose(found.values, values, atol=1e-8)
    assert_allclose(found.notes["instability"], instability, atol=1e-8)


@pytest.mark.parametrize(
    "game", [saturating(9), airport(9), voting(9)], ids=["saturating", "airport", "voting"]
)
@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_the_instability_is_the_optimum_of_the_whole_linear_program_in_any_unit(game, scale):
    masks = all_subsets(9)[1:-1]
    gains = scale * (game.table[1:-1] - game.table[0])
    total = scale * (game.table[-1] - game.table[0])
    bounds = np.c_[-masks.astype(float), -np.ones(510)], -gains / scale
    whole = linprog(
        np.eye(10)[9], *bounds, np.c_[np.ones((1, 9)), 0], [total / scale], bounds=(None, None)
    )
    found, _ = play(least_core(), lambda masks: scale * game.utility(masks), 9, budget=512)
    assert_allclose(
        found.notes["instability"],
        scale * whole.fun,
        rtol=0,
        atol=1e-8 * scale * abs(game.table).max(),
    )
    assert (gains - masks @ found.values).max() == pytest.approx(
        found.notes["instability"], abs=1e-12 * scale
    )
    assert np.linalg.norm(found.values) <= scale * np.linalg.norm(whole.x[:9]) * (1 + 1e-7)
    assert found.efficiency_gap == pytest.approx(0, abs=1e-12 * scale)


def test_a_cost_that_two_share_leaves_the_core_empty_and_savings_do_not():
    costs, _ = play(least_core(), airport(6).utility, 6, budget=64)
    savings, _ = play(least_core(), lambda masks: masks.sum(axis=1) ** 2.0, 6, budget=64)
    assert costs.notes["instability"] > 0.1
    assert savings.notes["instability"] < -0.1
    assert_allclose(savings.values, 6, atol=1e-8)


def test_additive_games_are_valued_without_error_at_any_budget():
    for players, budget in ((7, 11), (7, 60), (12, 80)):
        game = additive(players)
        found, _ = play(least_core(), game.utility, players, budget=budget)
        assert_allclose(found.values, game.values, atol=1e-9)
        assert_allclose(found.std_errors, 0, atol=1e-9)
        assert_allclose(found.notes["instability"], 0, atol=1e-9)


@pytest.mark.parametrize("turn", [None, 16], ids=["at-once", "in-turns"])
def test_the_budget_is_respected_and_values_sum_to_what_there_is(turn):
    game = saturating(9)
    for budget in (64, 65, 101, 300):
        found, asked = play(least_core(), game.utility, 9, budget=budget, turn=turn)
        assert asked == found.num_coalitions <= budget
        assert asked > budget - 2, "another draw should have been made"
        assert np.isfinite(found.std_errors).all() and (found.std_errors >= 0).all()
        assert found.efficiency_gap == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("budget", [None, 128, 90])
def test_values_may_be_read_after_each_turn_and_end_where_they_would_at_once(budget, key):
    game = saturating(7)
    estimator = least_core()
    state = estimator.init(7, budget, 20)
    read = []
    while len((turn := estimator.ask(jax.random.fold_in(key, len(read)), state))[0]):
        state = estimator.tell(turn[1], turn[0], game.utility(turn[0]))
        read.append(estimator.read(state))
        assert read[-1].efficiency_gap == pytest.approx(0, abs=1e-12)
    told = [one.notes["instability"] for one in read]
    assert len(read) >= 4 and (np.diff(told) >= -1e-8).all()
    if budget != 90:
        exact, _ = play(least_core(), game.utility, 7, budget=128)
        assert_allclose(read[-1].values, exact.values, atol=1e-9)
        assert read[-1].num_coalitions == 128


@pytest.mark.parametrize("players", [1, 2, 3])
def test_few_players_and_one_alone_are_valued(players):
    game = additive(players)
    for budget, turn in ((2**players, None), (2**players, 1)):
        found, _ = play(least_core(), game.utility, players, budget=budget, turn=turn)
        assert_allclose(found.values, game.values, atol=1e-9)


@pytest.mark.parametrize("game", [saturating(10), voting(10)], ids=["saturating", "voting"])
def test_who_hears_more_coalitions_finds_more_objections(game):
    exact, _ = play(least_core(), game.utility, 10, budget=1024)
    objections = []
    misses = []
    for budget in (40, 600):
        runs = [
            play(least_core(), game.utility, 10, budget=budget, seed=seed)[0] for seed in range(3)
        ]
        objections.append([run.notes["instability"] for run in runs])
        gains = game.table[1:-1] - game.table[0]
        excess = [gains - all_subsets(10)[1:-1] @ run.values for run in runs]
        misses.append(np.mean([each > exact.notes["instability"] + 1e-6 for each in excess]))
    assert np.max(objections) <= exact.notes["instability"] + 1e-7
    assert np.mean(objections[0]) < np.mean(objections[1])
    assert misses[1] < misses[0], "objections that were not drawn grow rarer"


@pytest.mark.parametrize(("players", "budget"), [(6, 30), (10, 120)])
def test_standard_errors_tell_the_order_of_magnitude(players, budget):
    game = saturating(players)
    exact, _ = play(least_core(), game.utility, players, budget=2**players)
    runs = [
        play(least_core(), game.utility, players, budget=budget, seed=seed)[0] for seed in range(16)
    ]
    wrong = np.array([run.values - exact.values for run in runs])
    told = np.sqrt(np.mean([run.std_errors**2 for run in runs]))
    assert 1 / 3 < told / np.sqrt((wrong**2).mean()) < 3


def test_no_run_that_is_wrong_says_that_it_is_not():
    game = voting(
        8
    )  # many coalitions object alike, so that to leave out a few often changes nothing
    exact, _ = play(least_core(), game.utility, 8, budget=256)
    runs = [play(least_core(), game.utility, 8, budget=200, seed=seed)[0] for seed in range(16)]
    wrong = np.array([np.abs(run.values - exact.values).max() for run in runs])
    assert (wrong > 1e-3).sum() > 2
    assert all(run.std_errors.max() > off / 10 for run, off in zip(runs, wrong, strict=True))


def test_what_is_drawn_is_as_many_coalitions_as_are_valued_besides_those_always_valued():
    found, asked = play(least_core(), saturating(6).utility, 6, budget=60)
    assert (asked, found.stopped) == (60, "52 draws of estimator='least_core'")


def test_without_a_budget_all_are_valued():
    game = saturating(7)
    found, asked = play(least_core(), game.utility, 7, budget=None)
    exact, _ = play(least_core(), game.utility, 7, budget=128)
    assert (asked, found.stopped) == (128, "all coalitions valued")
    assert_array_equal(found.values, exact.values)


def test_coalitions_are_drawn_uniformly_with_everyone_alone_nobody_and_everybody_among_them(key):
    estimator = least_core()
    masks, _ = estimator.ask(key, estimator.init(60, 1062, None))
    assert len(set(pack(masks))) == len(masks) == 1062
    sizes = np.sort(masks.sum(axis=1))
    assert_array_equal(sizes[:61], [0, *[1] * 60])
    assert sizes[-1] == 60
    drawn = sizes[61:-1]
    assert abs(drawn.mean() - 30) < 5 * np.sqrt(15 / len(drawn))
    assert abs(drawn.var() - 15) < 5 * 15 * np.sqrt(2 / len(drawn))


def test_trailing_axes_are_valued_one_by_one():
    games = [saturating(6), voting(6)]
    both = lambda masks: np.stack([g.utility(masks) for g in games], axis=-1)  # noqa: E731
    for budget in (30, 64):
        together, _ = play(least_core(), both, 6, budget=budget)
        assert together.values.shape == together.std_errors.shape == (6, 2)
        assert together.notes["instability"].shape == (2,)
        for column, game in enumerate(games):
            alone, _ = play(least_core(), game.utility, 6, budget=budget)
            assert_array_equal(together.values[:, column], alone.values)
            assert_array_equal(together.std_errors[:, column], alone.std_errors)
            assert together.notes["instability"][column] == alone.notes["instability"]


def test_the_key_decides_the_draws_and_the_store_does_not(key):
    game = saturating(8)
    one, same, other = (
        play(least_core(), game.utility, 8, budget=50, seed=seed)[0].values for seed in (0, 0, 1)
    )
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-6
    store = UtilityStore()
    solved = closed_form.table(game.table[:64])
    fresh = estimate(solved.game, least_core(), Options(budget=40, stores=store), key=key)
    again = estimate(solved.game, least_core(), Options(budget=40, stores=store), key=key)
    assert_array_equal(fresh.values, again.values)
    assert (fresh.num_stored, again.num_stored) == (0, 40)


def test_repeated_coalitions_change_nothing():
    game = saturating(5)
    masks = all_subsets(5)
    once = least_core_values(masks, game.table)
    twice = least_core_values(
        np.concatenate([masks, masks[::-1]]), np.concatenate([game.table, game.table[::-1]])
    )
    assert_allclose(once, twice, atol=1e-9)


def test_a_budget_that_is_missing_or_too_small_is_refused_in_one_sentence():
    refused = (
        (17, None, "a budget .* 17 players"),
        (8, 11, "budget=11 to be at least 12"),
        (101, 2000, "at most 100 players for estimator='least_core', got 101"),
    )
    for players, budget, sentence in refused:
        with pytest.raises(InvalidInputError, match=sentence):
            least_core().init(players, budget, None)
