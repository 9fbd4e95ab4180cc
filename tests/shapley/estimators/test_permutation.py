"""Permutation sampling: unbiased, honest about its error, within its budget, efficient."""

import jax
import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from played import is_unbiased

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack, ranks
from fedjax_shap.shapley.estimators.permutation import blockwise, permutation
from fedjax_shap.shapley.orders import ORDERS, low_discrepancy, orthogonal
from fedjax_shap.shapley.sampling import mean_and_error

MASKS = all_subsets(6)
RUNS = 200
COSTS = (4.0, 1.0, 0.5, 4.0, 2.25, 3.0)
VOTES = (4, 3, 2, 1, 5, 2)
TABLE = np.random.default_rng(1).normal(size=64)
GAMES = {
    "airport": ((MASKS * COSTS).max(axis=1), [float(a) for a in oracle.airport_answer(COSTS)]),
    "random": (TABLE, oracle.shapley(TABLE)),
    "voting": (
        1.0 * (MASKS @ np.array(VOTES) >= 9),
        [float(a) for a in oracle.voting_answer(VOTES, 9)],
    ),
}
each_game = pytest.mark.parametrize(("table", "answer"), GAMES.values(), ids=GAMES)
each_way = pytest.mark.parametrize("orders", ORDERS)


def estimated(table, seed, *, budget, **options):
    estimator = permutation(**options)
    key = jax.random.key(seed)
    masks, state = estimator.ask(key, estimator.init(len(table).bit_length() - 1, budget))
    state = estimator.tell(state, masks, table[ranks(masks)])
    assert len(estimator.ask(key, state)[0]) == 0
    return estimator.read(state)


@each_way
@pytest.mark.parametrize("game", ["airport", "random"])
def test_estimates_are_unbiased_and_their_standard_errors_honest(game, orders):
    table, answer = GAMES[game]
    runs = [
        estimated(table, seed, budget=64, orders=orders, max_permutations=120)
        for seed in range(RUNS)
    ]
    freedom = len(np.unique(ORDERS[orders].block_of(np.arange(120 // ORDERS[orders].group), 6))) - 1
    z = np.array([(run.values - answer) / run.std_errors for run in runs])
    assert np.abs(z.mean(axis=0)).max() < 5 / np.sqrt(RUNS)
    spread = z.std(axis=0) / np.sqrt(
        freedom / (freedom - 2)
    )  # Student's, of as many independent draws
    assert spread.min() > 0.8 and spread.max() < 1.25


@each_way
@each_game
def test_stopping_at_a_tight_budget_does_not_bias_the_estimates(table, answer, orders):
    runs = np.array(
        [estimated(table, seed, budget=23, orders=orders).values for seed in range(2 * RUNS)]
    )
    assert is_unbiased(runs, answer)


def test_reversed_orders_lower_the_error_of_airport_fees_at_the_same_number_of_orders():
    table, answer = GAMES["airport"]
    squared = {
        orders: np.mean(
            [
                (
                    (
                        estimated(table, s, budget=64, orders=orders, max_permutations=20).values
                        - answer
                    )
                    ** 2
                ).mean()
                for s in range(RUNS)
            ]
        )
        for orders in ("antithetic", "random")
    }
    assert squared["antithetic"] < 0.7 * squared["random"]


@given(
    st.integers(1, 7),
    st.integers(0, 140),
    st.sampled_from(sorted(ORDERS)),
    st.integers(0, 2**32 - 1),
)
def test_the_budget_is_never_exceeded_and_efficiency_holds(players, slack, orders, seed):
    least = min(2**players, 2 + 2 * ORDERS[orders].group * (players - 1))
    table = np.random.default_rng(seed).normal(size=2**players)
    found = estimated(table, seed, budget=least + slack, orders=orders)
    assert found.num_coalitions <= min(least + slack, 2**players)
    assert_allclose(found.efficiency_gap, 0, atol=1e-12)
    assert np.isfinite(found.std_errors).all()
    assert (found.empty, found.grand) == (table[0], table[-1])


@each_way
def test_what_is_asked_for_are_distinct_coalitions_as_many_as_reported(orders, key):
    estimator = permutation(orders=orders)
    masks, state = estimator.ask(key, estimator.init(6, 40))
    assert len(set(pack(masks))) == len(masks) == len(state.evaluations) <= 40
    assert {0, 63} <= set(ranks(masks).tolist())
    assert len(masks) > 40 - 2 * 5, "another draw should not have fitted"


def test_antithetic_orders_come_with_their_reverse(key):
    estimator = permutation()
    _, state = estimator.ask(key, estimator.init(6, 40))
    orders = np.concatenate([turn.orders for turn in state.units])
    assert_array_equal(orders[:, 1], orders[:, 0, ::-1])


def drawn(kind, units, players, seed=7):
    return ORDERS[kind].draw(np.random.default_rng(0), seed, np.asarray(units), players)


@each_way
def test_every_order_is_as_likely_as_any_other_wherever_in_its_block(orders):
    place, runs = [0, 3, 9, 17], 1500  # of three players: six orders
    found = np.array([drawn(orders, place, 3, seed)[:, 0] for seed in range(runs)])
    if orders in ("random", "antithetic"):  # these come from the generator, not from the seed
        rng = np.random.default_rng(0)
        found = np.array(
            [ORDERS[orders].draw(rng, 0, np.array(place), 3)[:, 0] for _ in range(runs)]
        )
    for unit in range(len(place)):
        _, times = np.unique(found[:, unit], axis=0, return_counts=True)
        assert len(times) == 6
        assert np.abs(times - runs / 6).max() < 5 * np.sqrt(runs * 5 / 36)


def test_a_full_block_of_orthogonal_orders_has_directions_at_right_angles():
    for count in (3, 5):
        basis = orthogonal(np.random.default_rng(count), count, 6)
        assert_allclose(basis @ basis.T, np.eye(count), atol=1e-12)
        assert_allclose(basis.sum(axis=1), 0, atol=1e-12)


def test_low_discrepancy_puts_a_player_once_into_each_sixteenth_of_the_time():
    times = low_discrepancy(np.random.default_rng(0), 16, 40)
    assert_array_equal(
        np.sort((times * 16).astype(int), axis=0), np.tile(np.arange(16)[:, None], 40)
    )


@pytest.mark.parametrize("orders", ["orthogonal", "low_discrepancy"])
def test_blocks_are_the_same_however_few_orders_are_asked_for_at_a_time(orders):
    together = drawn(orders, range(100), 6)
    assert_array_equal(np.concatenate([drawn(orders, [unit], 6) for unit in range(100)]), together)
    block = ORDERS[orders].block_of(np.arange(400), 6)
    assert np.bincount(block).max() == ORDERS[orders].block_size(6)
    assert len(set(block[:8])) == 8, (
        "several blocks from the first units on, or there would be no standard error"
    )


@pytest.mark.parametrize(
    ("orders", "plain"), [("orthogonal", "antithetic"), ("low_discrepancy", "random")]
)
def test_spreading_orders_lowers_the_error_of_airport_fees_at_the_same_number_of_orders(
    orders, plain
):
    table, answer = GAMES["airport"]
    squared = {
        kind: np.mean(
            [
                (
                    (
                        estimated(table, s, budget=64, orders=kind, max_permutations=64).values
                        - answer
                    )
                    ** 2
                ).mean()
                for s in range(RUNS // 4)
            ]
        )
        for kind in (orders, plain)
    }
    assert squared[orders] < 0.75 * squared[plain]


def test_draws_of_a_block_count_as_one_in_the_standard_error():
    draws = np.random.default_rng(0).normal(size=(7, 2))
    block = np.array([0, 1, 0, 2, 1, 0, 2])
    mean, error = blockwise(draws, block)
    for column in range(2):
        x = draws[:, column]
        totals = [sum(x[k] - x.mean() for k in range(7) if block[k] == b) for b in range(3)]
        variance = sum(total**2 for total in totals) / (7**2 - (3**2 + 2**2 + 2**2))
        assert_allclose((mean[column], error[column]), (x.mean(), variance**0.5), atol=1e-14)
    alone = blockwise(draws, np.arange(7))
    assert_allclose(alone, mean_and_error(draws), atol=1e-14)


@each_way
@pytest.mark.parametrize("semivalue", ["banzhaf", "beta(4, 1)", "beta(1, 4)"])
def test_other_semivalues_are_unbiased_from_the_same_orders(orders, semivalue):
    table = TABLE
    answer = oracle_semivalue(TABLE, semivalue)
    runs = np.array(
        [
            estimated(table, s, budget=50, orders=orders, semivalue=semivalue).values
            for s in range(RUNS)
        ]
    )
    assert is_unbiased(runs, answer)
    whole = estimated(table, 0, budget=64, orders=orders, semivalue=semivalue)
    assert_allclose(whole.values, answer, atol=1e-12)


def oracle_semivalue(table, semivalue):
    """Over all coalitions of the others, one by one: coefficients from the integral of q^s (1 -
    q)^(P - 1 - s)."""
    alpha, beta = {"beta(4, 1)": (4, 1), "beta(1, 4)": (1, 4)}.get(semivalue, (0, 0))
    level, gauss = np.polynomial.legendre.leggauss(20)
    level = (level + 1) / 2
    density = level ** (beta - 1) * (1 - level) ** (alpha - 1)
    density = gauss * density / (gauss * density).sum()
    values = np.zeros(6)
    for player in range(6):
        for row in range(64):
            if not row >> player & 1:
                size = row.bit_count()
                weight = (
                    1 / 32
                    if semivalue == "banzhaf"
                    else (density * level**size * (1 - level) ** (5 - size)).sum()
                )
                values[player] += weight * (table[row | 1 << player] - table[row])
    return values


def test_an_additive_game_is_valued_without_error():
    weights = np.array([0.5, -1.25, 3.0, 0.125, 0.0, 7.0])
    found = estimated(MASKS @ weights, 0, budget=23)
    assert_allclose(found.values, weights, atol=1e-12)
    assert_allclose(found.std_errors, 0, atol=1e-12)


def test_one_who_adds_nothing_gets_exactly_nothing_with_certainty():
    table = np.random.default_rng(0).normal(size=64)[np.arange(64) & ~4]
    found = estimated(table, 0, budget=23)
    assert found.values[2] == found.std_errors[2] == 0.0


def test_trailing_axes_are_valued_one_by_one():
    tables = np.random.default_rng(0).normal(size=(64, 2))
    found = estimated(tables, 5, budget=30)
    for column in range(2):
        alone = estimated(tables[:, column], 5, budget=30)
        assert_allclose(found.values[:, column], alone.values, atol=1e-14)
        assert_allclose(found.std_errors[:, column], alone.std_errors, atol=1e-14)


def test_the_key_decides_the_draws():
    table = np.random.default_rng(0).normal(size=64)
    one, same, other = (estimated(table, seed, budget=30).values for seed in (0, 0, 1))
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_hundreds_of_players_are_valued(key):
    weights = np.linspace(-1, 2, 300)
    estimator = permutation()
    masks, state = estimator.ask(key, estimator.init(300, 5000))
    found = estimator.read(estimator.tell(state, masks, masks @ weights))
    assert_allclose(found.values, weights, atol=1e-10)


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            lambda: permutation().init(4, None),
            "a budget of distinct coalitions for estimator='permutation', got none",
        ),
        (lambda: permutation().init(4, 13), "budget=13 to be at least 14 distinct coalitions"),
        (
            lambda: permutation(orders="random").init(4, 7),
            "budget=7 to be at least 8 distinct coalitions",
        ),
        (lambda: permutation().init(2, 3), "budget=3 to be at least 4 distinct coalitions"),
        (lambda: permutation().init(4, 20.0), "budget=20.0 to be an integer"),
        (lambda: permutation().init(0, 20), "num_players=0 to be an integer >= 1"),
        (
            lambda: permutation(orders="sobol"),
            "orders='sobol' to be a known name; known: antithetic, low_discrepancy",
        ),
        (lambda: permutation(semivalue="nash"), "semivalue='nash' to be 'shapley', 'banzhaf'"),
        (lambda: permutation(max_permutations=3), "max_permutations=3 to be an integer >= 4"),
        (
            lambda: permutation().read(permutation().init(3, 8)),
            "utilities to be given to tell before values are read",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
