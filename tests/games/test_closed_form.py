"""Games with known answers: utilities and values against the oracle and published values."""

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.closed_form import additive, airport, glove, table, weighted_voting

WEIGHTS = (0.5, -1.25, 3.0, 0.1)
COSTS = (4.0, 1.0, 0.5, 4.0, 2.3)
VOTES = (4, 3, 2, 1, 0, 9)
TABLE = np.random.default_rng(0).normal(size=32)

CASES = {
    "additive": (
        additive(WEIGHTS),
        lambda S: sum(WEIGHTS[i] for i in S),
        oracle.additive_answer(WEIGHTS),
    ),
    "airport": (
        airport(COSTS),
        lambda S: max((COSTS[i] for i in S), default=0),
        oracle.airport_answer(COSTS),
    ),
    "glove 3:2": (
        glove(left=3, right=2),
        lambda S: min(sum(i < 3 for i in S), sum(i >= 3 for i in S)),
        oracle.glove_answer(3, 2),
    ),
    "glove 0:3": (glove(left=0, right=3), lambda S: 0, oracle.glove_answer(0, 3)),
    "voting": (
        weighted_voting(VOTES, 7),
        lambda S: sum(VOTES[i] for i in S) >= 7,
        oracle.voting_answer(VOTES, 7),
    ),
    "voting unanimously": (
        weighted_voting(VOTES, sum(VOTES)),
        lambda S: sum(VOTES[i] for i in S) == sum(VOTES),
        oracle.voting_answer(VOTES, sum(VOTES)),
    ),
    "table": (table(TABLE), lambda S: TABLE[sum(2**i for i in S)], oracle.shapley(TABLE)),
}
each_case = pytest.mark.parametrize(("solved", "worth", "answer"), CASES.values(), ids=CASES)


@each_case
def test_values_are_the_oracles(solved, worth, answer):
    assert solved.values.dtype == np.float64
    assert_allclose(solved.values, [float(a) for a in answer], rtol=1e-13, atol=1e-15)
    expected = oracle.shapley_by_permutations(oracle.table_of(worth, solved.game.num_players))
    assert_allclose(solved.values, expected, rtol=1e-12, atol=1e-14)


@each_case
def test_utilities_are_those_of_the_definition(solved, worth, answer, key):
    masks = all_subsets(solved.game.num_players)
    expected = oracle.table_of(worth, solved.game.num_players)
    assert_allclose(evaluate(solved.game, key, masks), expected, rtol=1e-6, atol=1e-6)
    with jax.enable_x64(True):
        assert_allclose(evaluate(solved.game, key, masks), expected, rtol=1e-14, atol=1e-15)


def test_shapley_shubik_indices_are_the_published_ones():
    # The Council of the European Economic Community of 1958: Luxembourg could never be decisive.
    assert_allclose(
        weighted_voting((4, 4, 4, 2, 2, 1), 12).values * 60, [14, 14, 14, 9, 9, 0], rtol=1e-14
    )


@pytest.mark.parametrize("quota", [31, 60, 100])
def test_a_hundred_voters_are_solved_exactly(quota):
    # One voter of weight k among P - 1 of weight 1 decides at k of the P places of arrival.
    solved = weighted_voting([30, *[1] * 99], quota)
    assert_allclose(solved.values, [30 / 100, *[70 / 100 / 99] * 99], rtol=1e-14)


def test_a_voter_who_reaches_the_quota_alone_dictates_where_the_others_cannot():
    assert_array_equal(weighted_voting((1, 10, 2), 10).values, [0, 1, 0])


def test_a_hundred_runway_users_pay_what_the_oracle_says():
    costs = np.random.default_rng(1).integers(0, 40, 100) / 7
    assert_allclose(
        airport(costs).values, [float(a) for a in oracle.airport_answer(costs.tolist())], rtol=1e-12
    )


def test_a_hundred_gloves_are_valued_as_published():
    expected = [float(a) for a in oracle.glove_answer(40, 60)]
    assert_allclose(glove(left=40, right=60).values, expected, rtol=1e-12)


def test_a_table_keeps_its_trailing_axes(key):
    utilities = np.random.default_rng(2).normal(size=(8, 2))
    solved = table(utilities)
    assert_allclose(
        solved.values,
        np.stack([oracle.shapley(column) for column in utilities.T], axis=1),
        atol=1e-14,
    )
    assert_allclose(evaluate(solved.game, key, all_subsets(3)), utilities, rtol=1e-6)


def test_answers_do_not_change_with_the_callers_arrays():
    weights = np.array([1.0, 2.0])
    solved = additive(weights)
    weights[:] = 0
    assert_array_equal(solved.values, [1, 2])
    assert_array_equal(solved.game.world, [1, 2])


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: additive([]), r"weights to be a list of at least one number, got shape \(0,\)"),
        (
            lambda: additive([[1.0]]),
            r"weights to be a list of at least one number, got shape \(1, 1\)",
        ),
        (lambda: additive(["a"]), "weights to be numbers, got <U1"),
        (lambda: additive([1.0, np.nan]), r"weights\[\(1,\)\]=nan"),
        (lambda: airport([1, -2]), r"costs to be >= 0, but costs\[1\]=-2"),
        (lambda: glove(left=-1, right=2), "left=-1 to be an integer >= 0"),
        (lambda: glove(left=0, right=0), "left=0 and right=0 to make at least one player"),
        (
            lambda: weighted_voting([1, 1.5], 2),
            r"weights to be integers >= 0, but weights\[1\]=1.5",
        ),
        (lambda: weighted_voting([1, -1], 1), r"weights to be integers >= 0, but weights\[1\]=-1"),
        (lambda: weighted_voting([1, 2], 4), "quota=4 to be an integer >= 1 and <= 3"),
        (lambda: weighted_voting([1, 2], 1.5), "quota=1.5 to be an integer"),
        (lambda: weighted_voting([2**31, 2], 5), r"weights to sum to less than 2\*\*31"),
        (lambda: weighted_voting([10**7, 2], 10**7), "players [*] quota=20000000 to be <= 2000000"),
        (
            lambda: table([1.0, 2.0, 3.0]),
            "utilities of 2\\^P coalitions with P in 1..24, got 3 of them",
        ),
        (lambda: table([1.0]), "utilities of 2\\^P coalitions with P in 1..24, got 1 of them"),
        (lambda: table([0.0, np.inf]), r"utilities\[\(1,\)\]=inf"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
