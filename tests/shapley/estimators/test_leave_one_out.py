"""One marginal contribution each: what leave-one-out and values on one's own ask for and say."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import play, saturating, with_null_and_twins

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.games import closed_form
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

NAMES = ("leave_one_out", "individual")
each = pytest.mark.parametrize("name", NAMES)


def naive(name, table, num_players):
    """The definition, by bits."""
    everybody = 2**num_players - 1
    if name == "leave_one_out":
        return np.array(
            [table[everybody] - table[everybody ^ (1 << i)] for i in range(num_players)]
        )
    return np.array([table[1 << i] - table[0] for i in range(num_players)])


@each
@pytest.mark.parametrize("players", [1, 2, 3, 7])
def test_values_are_one_marginal_each_by_the_definition(name, players):
    game = saturating(players)
    found, asked = play(ESTIMATORS[name](), game.utility, players, budget=None)
    assert_array_equal(found.values, naive(name, game.table, players))
    assert_array_equal(found.std_errors, np.zeros(players))
    assert (found.empty, found.grand) == (game.table[0], game.table[-1])
    assert asked == found.num_coalitions == (2 if players == 1 else min(players + 2, 2**players))
    assert "one coalition" in found.stopped


def test_leave_one_out_leaves_one_out_and_individual_asks_for_one():
    sizes = {}
    for name in NAMES:
        estimator = ESTIMATORS[name]()
        masks, _ = estimator.ask(jax.random.key(0), estimator.init(6, None, None))
        sizes[name] = sorted(masks.sum(axis=1).tolist())
        assert len(set(ranks(masks).tolist())) == len(masks) == 8
    assert sizes == {
        "leave_one_out": [0, 5, 5, 5, 5, 5, 5, 6],
        "individual": [0, 1, 1, 1, 1, 1, 1, 6],
    }


@each
def test_one_who_adds_nothing_gets_exactly_nothing_and_twins_get_the_same(name):
    game = with_null_and_twins()
    found, _ = play(ESTIMATORS[name](), game.utility, 8, budget=10)
    assert found.values[7] == 0.0
    assert found.values[0] == found.values[1] != 0.0


@each
def test_additive_games_are_valued_without_error(name):
    weights = np.linspace(-1, 2, 50)
    found, _ = play(ESTIMATORS[name](), lambda masks: masks @ weights + 0.25, 50, budget=52)
    assert_allclose(found.values, weights, atol=1e-12)


def test_of_two_who_hold_the_same_each_gets_nothing_from_one_and_all_from_the_other():
    either = lambda masks: 1.0 * masks[:, :2].any(axis=1)  # noqa: E731
    left, alone = (play(ESTIMATORS[name](), either, 3, budget=5)[0] for name in NAMES)
    assert_array_equal(left.values, [0, 0, 0])
    assert_array_equal(alone.values, [1, 1, 0])
    assert left.efficiency_gap == -1 and alone.efficiency_gap == 1


@each
def test_trailing_axes_are_valued_one_by_one(name):
    games = [with_null_and_twins(0), with_null_and_twins(1)]
    both = lambda masks: np.stack([g.utility(masks) for g in games], axis=-1)  # noqa: E731
    together, _ = play(ESTIMATORS[name](), both, 8, budget=10)
    assert together.values.shape == together.std_errors.shape == (8, 2)
    for column, game in enumerate(games):
        assert_array_equal(together.values[:, column], naive(name, game.table, 8))


@each
def test_values_come_through_the_engine(name):
    table = np.random.default_rng(3).normal(size=32)
    with jax.enable_x64(True):
        found = estimate(closed_form.table(table).game, ESTIMATORS[name](), Options(budget=7))
    assert_allclose(found.values, naive(name, table[ranks(all_subsets(5))], 5), atol=1e-12)


@each
def test_what_is_promised_is_said(name):
    promised = ESTIMATORS[name]().guarantees
    assert (promised.target, promised.errors) == (name, "none")
    assert promised.additive and not promised.enumerates and not promised.efficient


@each
@pytest.mark.parametrize(
    ("players", "budget", "sentence"),
    [
        (
            6,
            7,
            r"Expected budget=7 to cover the 8 coalitions that estimator='{name}' needs for 6 "
            r"players",
        ),
        (1, 1, r"Expected budget=1 to cover the 2 coalitions"),
        (6, 8.0, r"Expected budget=8.0 to be an integer"),
        (0, 8, r"Expected num_players=0 to be an integer >= 1"),
    ],
)
def test_a_budget_that_does_not_cover_what_is_asked_for_is_refused_in_one_sentence(
    name, players, budget, sentence
):
    with pytest.raises(InvalidInputError, match=sentence.format(name=name)):
        ESTIMATORS[name]().init(players, budget, None)


@each
def test_values_are_not_read_before_anything_is_told(name):
    estimator = ESTIMATORS[name]()
    with pytest.raises(
        InvalidInputError, match="utilities to be given to tell before values are read"
    ):
        estimator.read(estimator.init(4, None, None))
