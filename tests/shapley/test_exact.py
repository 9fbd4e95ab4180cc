"""The exact Shapley value: the definition's numbers, the axioms to rounding, and what is too large
refused."""

import jax
import numpy as np
import oracle
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.exact import exact, shapley_values

MASKS = all_subsets(5)
CLOSED_FORMS = {
    "additive": (
        MASKS @ np.array([0.5, -1.25, 3.0, 0.1, 0.0]),
        oracle.additive_answer([0.5, -1.25, 3.0, 0.1, 0.0]),
    ),
    "airport": (
        (MASKS * [4.0, 1.0, 0.5, 4.0, 2.25]).max(axis=1),
        oracle.airport_answer([4.0, 1.0, 0.5, 4.0, 2.25]),
    ),
    "glove": (
        np.minimum(MASKS[:, :2].sum(axis=1), MASKS[:, 2:].sum(axis=1)),
        oracle.glove_answer(2, 3),
    ),
    "voting": (MASKS @ np.array([4, 3, 2, 1, 0]) >= 6, oracle.voting_answer((4, 3, 2, 1, 0), 6)),
}


@pytest.mark.parametrize("players", range(1, 9))
def test_values_of_random_tables_are_the_oracles(players):
    table = np.random.default_rng(players).normal(size=2**players)
    assert_allclose(shapley_values(table), oracle.shapley(table), atol=1e-12)


def test_trailing_axes_are_valued_one_by_one():
    tables = np.random.default_rng(0).normal(size=(32, 2, 3))
    expected = np.array([[oracle.shapley(tables[:, i, j]) for j in range(3)] for i in range(2)])
    assert_allclose(shapley_values(tables), np.moveaxis(expected, -1, 0), atol=1e-12)


@pytest.mark.parametrize(("table", "answer"), CLOSED_FORMS.values(), ids=CLOSED_FORMS)
def test_games_with_known_answers_get_them(table, answer):
    assert_allclose(shapley_values(table), [float(a) for a in answer], rtol=0, atol=1e-14)


def test_shapiqs_exact_computer_agrees():
    shapiq = pytest.importorskip("shapiq")
    table = np.random.default_rng(3).normal(size=2**6)
    table -= table[0]
    found = shapiq.ExactComputer(
        lambda masks: table[masks.astype(int) @ (1 << np.arange(6))], n_players=6
    )("SV", 1)
    assert_allclose(shapley_values(table), found.get_n_order_values(1), atol=1e-10)


def test_twenty_players_share_all_there_is_and_one_who_adds_nothing_gets_exactly_nothing():
    rows = np.arange(2**20)
    table = np.random.default_rng(0).normal(size=2**20)[rows & ~(1 << 7)]
    values = shapley_values(table)
    assert_allclose(values.sum(), table[-1] - table[0], atol=1e-9, rtol=0)
    assert values[7] == 0.0


def test_values_add_up_over_games():
    one, other = np.random.default_rng(0).normal(size=(2, 64))
    assert_allclose(
        shapley_values(2 * one - other), 2 * shapley_values(one) - shapley_values(other), atol=1e-13
    )


def test_interchangeable_players_get_the_same():
    table = np.random.default_rng(0).normal(size=32)
    swapped = all_subsets(5)[:, [1, 0, 2, 3, 4]] @ (1 << np.arange(5))
    values = shapley_values((table + table[swapped]) / 2)
    assert_allclose(values[0], values[1], atol=1e-14)


def test_the_estimator_asks_for_all_coalitions_in_one_turn(key):
    estimator = exact()
    table = np.random.default_rng(0).normal(size=16)
    masks, state = estimator.ask(key, estimator.init(4, None))
    assert_array_equal(masks, all_subsets(4))
    state = estimator.tell(state, masks, table)
    assert len(estimator.ask(key, state)[0]) == 0
    found = estimator.read(state)
    assert_array_equal(found.values, shapley_values(table))
    assert_array_equal(found.std_errors, 0)
    assert (found.empty, found.grand, found.num_coalitions) == (table[0], table[-1], 16)
    assert abs(found.efficiency_gap) < 1e-12


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            lambda: exact().init(25, None),
            r"at most 24 players .*, got 25, whose 2\^25 coalitions .*; use "
            r"estimator='gaussian_process' with a budget",
        ),
        (
            lambda: exact().init(4, 15),
            "budget=15 to cover the 16 coalitions that estimator='exact' needs for 4 players",
        ),
        (lambda: exact().init(0, None), "num_players=0 to be an integer >= 1"),
        (
            lambda: exact().read(exact().init(3, None)),
            "utilities to be given to tell before values are read",
        ),
        (
            lambda: shapley_values(np.zeros(6)),
            r"table to have 2\^P rows for some P >= 1, got shape \(6,\)",
        ),
        (
            lambda: shapley_values(np.zeros(1)),
            r"table to have 2\^P rows for some P >= 1, got shape \(1,\)",
        ),
        (
            lambda: shapley_values(np.zeros(0)),
            r"table to have 2\^P rows for some P >= 1, got shape \(0,\)",
        ),
        (
            lambda: shapley_values(np.float64(1)),
            r"table to have 2\^P rows for some P >= 1, got shape \(\)",
        ),
        (lambda: shapley_values([0, 1, np.nan, 2]), "table to be finite"),
    ],
)
def test_what_cannot_be_valued_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()


def test_twenty_four_players_are_accepted_and_a_budget_of_all_coalitions_too():
    assert exact().init(24, None).num_players == 24
    masks, _ = exact().ask(jax.random.key(0), exact().init(4, 16))
    assert len(masks) == 16
