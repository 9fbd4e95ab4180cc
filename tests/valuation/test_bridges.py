"""A game of ours in shapiq's hands, and one of shapiq's in ours: the same utilities, the same
values."""

import sys
from itertools import permutations

import jax
import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import from_callable
from fedjax_shap.games.closed_form import additive, table
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.exact import exact
from fedjax_shap.shapley.interactions import interactions
from fedjax_shap.shapley.least_core import least_core
from fedjax_shap.valuation.bridges import as_shapiq_game
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

TABLE = np.random.default_rng(0).normal(size=64) + 2.0
PAIRED = from_callable(lambda masks: TABLE[masks @ (1 << np.arange(6))], 6)


@pytest.fixture(scope="module")
def shapiq():
    return pytest.importorskip("shapiq", reason="shapiq is not installed")


def trained():
    """Softmax regressions of five clients on mini-batches."""
    rule, training = fedavg(max_rounds=3), local(learning_rate=0.3, batch_size=5)
    data, start = federation((7, 12, 4, 9, 6)), initial(FEATURES, CLASSES)
    return silo(data, Training(linear(), training, rule, initial=start), metric="negative_loss")


def joining():
    """float64[720, 6]: what each player of the table adds in each joining order."""
    orders = list(permutations(range(6)))
    gains = np.zeros((len(orders), 6))
    for row, order in enumerate(orders):
        there = 0
        for player in order:
            gains[row, player] = TABLE[there | 1 << player] - TABLE[there]
            there |= 1 << player
    return gains


def test_their_exact_values_of_a_trained_game_are_ours(shapiq, key):
    game, store = trained(), UtilityStore()
    ours = estimate(game, exact(), Options(stores=store), key=key)
    theirs = shapiq.ExactComputer(as_shapiq_game(game, key=key, store=store))("SV", order=1)
    assert store.trained == 32, "both met the same utilities"
    assert np.ptp(ours.values) > 0.01
    assert_allclose([theirs[(i,)] for i in range(5)], ours.values, atol=1e-12)


def test_their_kernel_and_permutation_estimates_run_on_our_engine(shapiq):
    store = UtilityStore()
    with jax.enable_x64(True):
        solved = table(TABLE)
        bridged = as_shapiq_game(solved.game, store=store)
        drawn = shapiq.PermutationSamplingSV(n=6, random_state=0).approximate(3000, bridged)
        whole = shapiq.KernelSHAP(n=6, random_state=0).approximate(64, bridged)
    assert_allclose([whole[(i,)] for i in range(6)], solved.values, atol=1e-8)
    error = joining().std(axis=0) / np.sqrt(
        (3000 - 2) // 5
    )  # each of their orders takes five coalitions
    assert (np.abs([drawn[(i,)] for i in range(6)] - solved.values) < 5 * error).all()
    assert sum(drawn[(i,)] for i in range(6)) == pytest.approx(TABLE[-1] - TABLE[0], abs=1e-9)
    assert store.trained == 64, "each distinct coalition was valued once"


def test_the_game_is_centred_and_its_value_function_is_not(shapiq):
    bridged, masks = as_shapiq_game(PAIRED), all_subsets(6)
    assert bridged.n_players == 6 and bridged.is_normalized
    assert bridged.normalization_value == TABLE[0]
    assert_array_equal(bridged.value_function(masks), TABLE)
    assert_allclose(bridged(masks), TABLE - TABLE[0], atol=1e-15)
    assert bridged((0, 2))[0] == TABLE[5] - TABLE[0]


def test_the_plan_cuts_what_they_ask_for_and_changes_no_number(shapiq):
    lengths = []
    game = from_callable(
        lambda masks: lengths.append(len(masks)) or TABLE[masks @ (1 << np.arange(6))], 6
    )
    bridged = as_shapiq_game(game, plan=Plan(chunk=20))
    assert_array_equal(bridged.value_function(all_subsets(6)), TABLE)
    assert lengths == [1, 20, 20, 20, 3]


def test_the_key_is_that_of_estimate_so_that_another_one_is_refused_by_its_store(shapiq):
    game, store = additive([1.0, 2.0]).game, UtilityStore()
    estimate(game, exact(), Options(stores=store), key=jax.random.key(3))
    assert as_shapiq_game(game, key=jax.random.key(3), store=store)(np.array([[True, True]])) == [
        3.0
    ]
    assert store.trained == 4
    with pytest.raises(InvalidInputError, match="utilities of another"):
        as_shapiq_game(game, key=jax.random.key(4), store=store)


def test_their_interactions_of_our_game_are_ours_and_their_least_core_is_no_more_stable(shapiq):
    computer = shapiq.ExactComputer(as_shapiq_game(PAIRED))
    pairs, ours = computer("k-SII", order=2), interactions(TABLE, index="k-SII")
    assert_allclose(
        [pairs[(i, j)] for i in range(6) for j in range(i + 1, 6)],
        ours[np.triu_indices(6, 1)],
        atol=1e-12,
    )
    found = estimate(PAIRED, least_core(), Options(budget=64))
    theirs = computer(
        "ELC", order=1
    )  # minimises e + ||phi|| in one, so that its e can only be above the least
    gains, masks = TABLE - TABLE[0], all_subsets(6)[1:-1]
    excess = (gains[1:-1] - masks @ np.array([theirs[(i,)] for i in range(6)])).max()
    assert 0 < found.notes["instability"] < excess + 1e-6
    assert np.linalg.norm(found.values) > np.linalg.norm([theirs[(i,)] for i in range(6)]) - 1e-6


def test_a_game_of_theirs_comes_back_through_from_callable(shapiq):
    game = from_callable(as_shapiq_game(PAIRED), 6, name="there and back")
    assert_allclose(estimate(game, exact()).values, estimate(PAIRED, exact()).values, atol=1e-12)


def test_utilities_with_trailing_axes_are_refused_in_one_sentence(shapiq):
    with pytest.raises(InvalidInputError, match="one utility a coalition"):
        as_shapiq_game(table(np.ones((8, 2))).game)


def test_without_shapiq_the_extra_is_named_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "shapiq.game", None)
    with pytest.raises(InvalidInputError, match=r"install fedjax-shap\[shapiq\]"):
        as_shapiq_game(PAIRED)
