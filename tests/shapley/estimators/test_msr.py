"""Sample reuse: Banzhaf values and any other semivalue from one sample, unbiased, honest about
their error."""

from itertools import combinations, product
from math import comb

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import error_ratio, is_unbiased, play, read_from, repeated, saturating, tabled, voting

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack, ranks
from fedjax_shap.shapley.estimators.msr import banzhaf, msr
from fedjax_shap.shapley.semivalue import coefficients_of, weighted_banzhaf

TABLE = np.random.default_rng(1).normal(size=64)
SEMIVALUES = ("shapley", "banzhaf", "banzhaf(0.2)", "beta(4, 1)")
each_semivalue = pytest.mark.parametrize("semivalue", SEMIVALUES)


def played(estimator, table, budget, seed=0):
    """(what it says, the masks of its draws with repetitions) for a table."""
    masks, state = estimator.ask(
        jax.random.key(seed), estimator.init(len(table).bit_length() - 1, budget, None)
    )
    drawn = state.evaluations.masks[np.concatenate(state.rows)][:, 0]
    return estimator.read(estimator.tell(state, masks, table[ranks(masks)])), drawn


def asked_for(estimator, num_players, budget, seed=0):
    return estimator.ask(jax.random.key(seed), estimator.init(num_players, budget, None))[0]


def mean_difference(table, p):
    """The weighted Banzhaf value as the mean difference that a player makes, where others join with
    probability p."""
    players = len(table).bit_length() - 1
    values = np.zeros(players)
    for row in range(len(table)):
        for player in range(players):
            if not row >> player & 1:
                others = [row >> other & 1 for other in range(players) if other != player]
                chance = np.prod([p if joined else 1 - p for joined in others])
                values[player] += chance * (table[row | 1 << player] - table[row])
    return values


def by_marginals(table, semivalue):
    """A semivalue as the sum over coalitions of its coefficient times the marginal contribution."""
    players = len(table).bit_length() - 1
    coefficients = coefficients_of(semivalue)
    weight = coefficients(players)
    values = np.zeros(players)
    for row in range(len(table)):
        for player in range(players):
            if not row >> player & 1:
                values[player] += weight[bin(row).count("1")] * (
                    table[row | 1 << player] - table[row]
                )
    return values


@pytest.mark.parametrize("p", [0.5, 0.2, 0.7])
def test_banzhaf_values_are_unbiased_from_small_budgets_on_and_their_errors_honest(p):
    answer = mean_difference(TABLE, p)
    for budget in (6, 12, 40):
        values, errors = repeated(banzhaf(p=p), tabled(TABLE), budget)
        assert is_unbiased(values, answer)
        assert 0.75 < error_ratio(values, errors, answer) < 1.3


@pytest.mark.parametrize(
    ("p", "players", "budget"), [(0.5, 3, 6), (0.5, 3, 7), (0.5, 4, 6), (0.3, 3, 6)]
)
def test_the_mean_over_all_draws_is_the_banzhaf_value(p, players, budget):
    """Every sample that there may be, with its chance: p = 1/2 draws sets, others sequences."""
    table = np.random.default_rng(4).normal(size=2**players)
    inner = all_subsets(players)[1:-1]
    chances = np.where(inner, p, 1 - p).prod(axis=1)
    count = budget - 2
    if p == 0.5:
        samples = list(combinations(range(len(inner)), count))
        weights = np.ones(len(samples))
    else:
        samples = list(product(range(len(inner)), repeat=count))
        weights = chances[np.array(samples)].prod(axis=1)
    values = [read_from(banzhaf(p=p), table, budget, inner[list(sample)]) for sample in samples]
    expected = weights @ np.array(values) / weights.sum()
    assert_allclose(expected, mean_difference(table, p), atol=1e-12)


@pytest.mark.parametrize("p", [0.5, 0.3])
def test_a_banzhaf_value_is_the_mean_with_less_the_mean_without_and_the_ends_by_their_chance(p):
    found, drawn = played(banzhaf(p=p), TABLE, 50)
    utilities = TABLE[ranks(drawn)]
    for player in range(6):
        inside = drawn[:, player]
        having = p**5 * TABLE[63] + (1 - p**5) * utilities[inside].mean()
        lacking = (1 - p) ** 5 * TABLE[0] + (1 - (1 - p) ** 5) * utilities[~inside].mean()
        assert_allclose(
            found.values[player], having - lacking, rtol=1e-4
        )  # the chance to see one side only is < 1e-4


def test_fair_coalitions_are_drawn_once_and_others_as_often_as_they_come():
    _, fair = played(banzhaf(), TABLE, 60)
    assert len(fair) == len(set(pack(fair))) == 58
    found, unfair = played(banzhaf(p=0.2), TABLE, 60)
    assert len(unfair) == 58 > found.num_coalitions - 2 == len(set(pack(unfair)))
    assert not ({0, 63} & set(ranks(np.concatenate([fair, unfair])).tolist()))


def test_players_join_with_the_probability_asked_for():
    p = 0.3
    joined = [
        banzhaf(p=p).ask(jax.random.key(seed), banzhaf(p=p).init(10, 500, None))[1]
        for seed in range(20)
    ]
    drawn = np.concatenate(
        [state.evaluations.masks[np.concatenate(state.rows)][:, 0] for state in joined]
    )
    chance = (p - p**10) / (1 - p**10 - (1 - p) ** 10)
    assert (
        np.abs(drawn.mean(axis=0) - chance) < 5 * np.sqrt(chance * (1 - chance) / len(drawn))
    ).all()


@pytest.mark.parametrize("p", [0.5, 0.1])
def test_a_budget_for_all_coalitions_gives_the_exact_banzhaf_values(p):
    found, asked = play(banzhaf(p=p), tabled(TABLE).utility, 6, budget=64)
    assert asked == 64
    assert_allclose(found.values, mean_difference(TABLE, p), atol=1e-12)
    assert_array_equal(found.std_errors, 0)


def test_the_last_coalition_but_one_leaves_next_to_no_error():
    errors = [played(banzhaf(), TABLE, budget)[0].std_errors.max() for budget in (32, 60, 63)]
    assert errors[2] < errors[1] / 1.5 < errors[0] / 3


def test_the_votes_of_a_hundred_players_are_valued_and_the_errors_are_honest():
    weights = 1 + np.arange(100) % 4
    found, _ = play(banzhaf(), voting(100).utility, 100, budget=1200)
    answer = np.array([swings(np.delete(weights, player), weights[player]) for player in range(4)])
    assert 0.8 < error_ratio(found.values, found.std_errors, np.tile(answer, 25)) < 1.25
    assert found.values @ weights > 0


def swings(others, weight):
    """The chance that `weight` turns the random coalition of the others into a majority."""
    chance = np.ones(1)  # of each sum of weights
    for other in others:
        chance = np.convolve(chance, np.r_[0.5, np.zeros(other - 1), 0.5])
    quota = (others.sum() + weight) // 2 + 1
    return chance[quota - weight : quota].sum()


@each_semivalue
def test_every_semivalue_is_unbiased_from_the_smallest_budget_on_and_its_errors_honest(semivalue):
    answer = by_marginals(TABLE, semivalue)
    for budget in (20, 44):
        values, errors = repeated(msr(semivalue=semivalue), tabled(TABLE), budget)
        assert is_unbiased(values, answer)
        assert 0.8 < error_ratio(values, errors, answer) < 1.25


@each_semivalue
def test_a_budget_for_all_coalitions_gives_the_exact_semivalues(semivalue):
    found, _ = play(msr(semivalue=semivalue), tabled(TABLE).utility, 6, budget=64)
    assert_allclose(found.values, by_marginals(TABLE, semivalue), atol=1e-12)


def test_every_semivalue_is_read_off_the_same_coalitions():
    asked = [asked_for(msr(semivalue=semivalue), 8, 40) for semivalue in SEMIVALUES]
    for other in asked[1:]:
        assert_array_equal(other, asked[0])


def test_a_semivalue_is_its_mixture_of_the_differences_of_means_by_size():
    found = {semivalue: played(msr(semivalue=semivalue), TABLE, 62)[0] for semivalue in SEMIVALUES}
    masks = asked_for(msr(), 6, 62)
    table = {tuple(mask): TABLE[rank] for mask, rank in zip(masks, ranks(masks), strict=True)}
    for semivalue in SEMIVALUES:
        weight = coefficients_of(semivalue)(6)
        expected = np.zeros(6)
        for player in range(6):
            for size in range(7):
                for side, factor in (
                    (True, weight[size - 1] if size else 0),
                    (False, -weight[min(size, 5)]),
                ):
                    some = [
                        v for mask, v in table.items() if sum(mask) == size and mask[player] == side
                    ]
                    there = comb(5, size - side) if 0 <= size - side <= 5 else 0
                    expected[player] += factor * there * np.mean(some) if some else 0
        assert_allclose(found[semivalue].values, expected, atol=1e-12)


def test_a_function_of_the_number_of_players_names_a_semivalue_of_its_own():
    own = msr(semivalue=weighted_banzhaf(0.2))
    found, _ = play(own, tabled(TABLE).utility, 6, budget=40)
    named, _ = play(msr(semivalue="banzhaf(0.2)"), tabled(TABLE).utility, 6, budget=40)
    assert_array_equal(found.values, named.values)


@pytest.mark.parametrize("p", [0.5, 0.3, 0.9])
def test_weighted_banzhaf_coefficients_are_chances_and_known_by_name(p):
    table = np.random.default_rng(2).normal(size=32)
    assert_allclose(by_marginals(table, weighted_banzhaf(p)), mean_difference(table, p), atol=1e-12)
    assert_array_equal(coefficients_of(banzhaf(p=p).guarantees.target)(7), weighted_banzhaf(p)(7))
    assert_allclose(by_marginals(table, "banzhaf"), mean_difference(table, 0.5), atol=1e-12)


def test_beta_values_of_small_coalitions_agree_with_shapley_values_where_they_must():
    game = saturating(6)
    found, _ = play(msr(semivalue="beta(1, 1)"), game.utility, 6, budget=64)
    assert_allclose(found.values, oracle.shapley(game.table), atol=1e-12)


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: banzhaf(p=0), "p=0 to be a finite number > 0"),
        (lambda: banzhaf(p=1.0), r"p=1.0 to be < 1"),
        (lambda: banzhaf().init(8, 5, None), "budget=5 to be at least 6 distinct coalitions"),
        (lambda: msr().init(8, 27, None), "budget=27 to be at least 28 distinct coalitions"),
        (lambda: msr(semivalue="banzaf"), "semivalue='banzaf' to be 'shapley', 'banzhaf', "),
        (lambda: msr(semivalue="banzhaf(1.5)"), r"p=1.5 to be < 1"),
        (
            lambda: msr().init(8, None, None),
            "a budget of distinct coalitions for estimator='msr', got none",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
