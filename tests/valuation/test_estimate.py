"""The one loop: what is asked is valued and told, for one game and round by round."""

import jax
import numpy as np
import oracle
import pytest
from federations import CLASSES, FEATURES, federation, initial
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.closed_form import additive, airport, glove, table, weighted_voting
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.participation import trace
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options
from fedjax_shap.valuation.repeats import estimate_repeated

TABLE = np.random.default_rng(0).normal(size=32).astype(np.float32).astype(np.float64)
SOLVED = {
    "additive": additive([0.5, -1.25, 3.0, 0.1]),
    "airport": airport([4.0, 1.0, 0.5, 4.0, 2.3]),
    "glove": glove(left=3, right=2),
    "voting": weighted_voting((4, 3, 2, 1, 0), 6),
    "table": table(TABLE),
}
TRACE = ((1, 0, 0, 1), (0, 0, 0, 0), (0, 0, 1, 1))


@pytest.fixture(scope="module")
def run():
    rule, training = fedavg(max_rounds=3), local(learning_rate=0.3, batch_size=5)
    data, start = federation((7, 12, 4, 9)), initial(FEATURES, CLASSES)
    return rounds(
        data,
        Training(linear(), training, rule, participation=trace(available=TRACE), initial=start),
        metric="negative_loss",
    )


@pytest.mark.parametrize("solved", SOLVED.values(), ids=SOLVED)
def test_exact_values_of_games_with_known_answers(solved):
    with jax.enable_x64(True):
        found = estimate(solved.game, exact())
    assert_allclose(found.values, solved.values, rtol=0, atol=1e-10)
    assert_allclose(found.efficiency_gap, 0, atol=1e-12)
    assert found.num_coalitions == 2**solved.game.num_players


def test_values_say_who_is_in_every_coalition():
    game = SOLVED["additive"].game
    assert estimate(game, exact()).permanent == ""
    beside = game.replace(permanent="bank")
    assert estimate(beside, exact()).permanent == "bank"
    assert estimate_repeated(beside, exact(), repeats=2).permanent == "bank"


@pytest.mark.parametrize("orders", ["antithetic", "random"])
def test_sampled_values_of_a_game_with_a_known_answer(orders, key):
    solved = SOLVED["airport"]
    found = estimate(solved.game, permutation(orders=orders), Options(budget=30), key=key)
    assert (np.abs(found.values - solved.values) < 5 * found.std_errors).all()
    assert_allclose(found.efficiency_gap, 0, atol=1e-6)
    assert found.num_coalitions <= 30


def test_players_left_out_get_exactly_nothing_and_the_others_their_value_without_them():
    chosen = [4, 1, 2]
    found = estimate(table(TABLE).game, exact(), players=chosen)
    rows = (all_subsets(3) * (1 << np.array(chosen))).sum(axis=1)
    assert_allclose(found.values[chosen], oracle.shapley(TABLE[rows]), atol=1e-6)
    assert_array_equal(found.values[[0, 3]], 0)
    assert_array_equal(found.std_errors, 0)
    assert (found.empty, found.grand, found.num_coalitions) == (TABLE[0], TABLE[rows[-1]], 8)


@pytest.mark.parametrize("players", [[], [0, 5], [-1], [1, 1], [0.5], [True, False], [[0, 1]]])
def test_players_that_are_no_distinct_ids_are_refused(players):
    with pytest.raises(InvalidInputError, match=r"players=.* to be some of 0\.\.4, each once"):
        estimate(table(TABLE).game, exact(), players=players)


def test_trailing_axes_of_utilities_stay_on_the_values(key):
    columns = np.stack([TABLE, TABLE[::-1]], axis=1)
    for found in (
        estimate(table(columns).game, exact()),
        estimate(table(columns).game, permutation(), Options(budget=20), key=key),
    ):
        assert found.values.shape == found.std_errors.shape == (5, 2)
        assert_allclose(found.efficiency_gap, [0, 0], atol=1e-6)
    assert_allclose(estimate(table(columns).game, exact(), players=[2]).values[[0, 1, 3, 4]], 0)


def test_an_estimator_is_asked_turn_by_turn_and_told_what_it_asked_for():
    """Leave-one-out in two turns: the grand coalition, then it without each player."""

    def ask(key, told):
        return [np.ones((1, 5), bool), ~np.eye(5, dtype=bool), np.zeros((0, 5), bool)][
            len(told)
        ], told

    def read(told):
        (grand,), others = told
        return Attribution(grand - others, np.zeros(5), np.float64(0), grand, 6, "told twice")

    loo = Estimator(
        lambda num_players, budget, turn: [],
        ask,
        lambda told, masks, utilities: [*told, utilities],
        read,
    )
    found = estimate(table(TABLE).game, loo)
    assert_allclose(found.values, [TABLE[31] - TABLE[31 - 2**i] for i in range(5)], rtol=1e-6)
    assert found.stopped == "told twice"


def test_every_estimator_meets_the_same_utilities(key):
    training, start = local(learning_rate=0.3, batch_size=3), initial(FEATURES, CLASSES)
    game = silo(
        federation(),
        Training(linear(), training, fedavg(max_rounds=2), initial=start),
        metric="negative_loss",
    )
    store = UtilityStore()
    estimate(game, exact(), Options(stores=store), key=key)
    told = estimate(game, permutation(), Options(budget=8, stores=store), key=key)
    fresh = estimate(game, permutation(), Options(budget=8), key=key)
    assert store.trained == 8
    assert_allclose(told.values, fresh.values, rtol=1e-4, atol=1e-6)


def test_the_key_seeds_the_estimators_draws(key):
    first, same, other = (
        estimate(
            table(TABLE).game, permutation(), Options(budget=20), key=jax.random.key(seed)
        ).values
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, same)
    assert_array_equal(first, estimate(table(TABLE).game, permutation(), Options(budget=20)).values)
    assert np.abs(first - other).max() > 1e-3


def test_what_an_estimator_refuses_is_refused_before_anything_is_valued():
    store = UtilityStore()
    for estimator, budget in ((exact(), 31), (permutation(), 17), (permutation(), None)):
        with pytest.raises(InvalidInputError, match="budget"):
            estimate(table(TABLE).game, estimator, Options(budget=budget, stores=store))
    assert store.asked == 0


def test_rounds_are_summed_and_their_stores_resumed(run, tmp_path, key):
    stores = []

    def opened(part, fingerprint):
        stores.append(UtilityStore(tmp_path / part, fingerprint=fingerprint))
        return stores[-1]

    found = estimate_rounds(run, exact(), Options(stores=opened), key=key)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["round-0000", "round-0002"]
    assert found.num_coalitions == sum(s.trained for s in stores) == 8
    again = estimate_rounds(run, exact(), Options(stores=opened, plan=Plan(chunk=1)), key=key)
    assert_array_equal(again.values, found.values)
    assert sum(s.trained for s in stores[2:]) == 0
    assert found.values[1] == 0.0
    assert_allclose(found.efficiency_gap, 0, atol=1e-6)


def test_standard_errors_add_up_over_independent_rounds(run, key):
    """With two participants a round, plain permutations have errors that are known from the orders
    drawn."""
    per_round = []

    def recorded(state):
        per_round.append(plain.read(state))
        return per_round[-1]

    plain = permutation(orders="random", max_permutations=3)
    found = estimate_rounds(run, plain._replace(read=recorded), Options(budget=4), key=key)
    spread = np.zeros((2, 4))
    for row, members, one in zip(spread, ([0, 3], [2, 3]), per_round, strict=True):
        row[members] = one.std_errors
    assert spread.max() > 0
    assert_allclose(found.std_errors, np.sqrt((spread**2).sum(axis=0)))
    assert found.num_coalitions == sum(one.num_coalitions for one in per_round)
    assert (found.empty, found.grand) == (per_round[0].empty, per_round[-1].grand)
