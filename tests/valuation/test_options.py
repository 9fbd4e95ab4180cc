"""One record says how coalitions are valued, to every way of valuing them."""

import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.callable import from_callable
from fedjax_shap.games.closed_form import table
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.shapley.stopping import budget, standard_error
from fedjax_shap.valuation.estimate import estimate, game_key
from fedjax_shap.valuation.options import Options
from fedjax_shap.valuation.repeats import estimate_repeated

GAME = table(np.random.default_rng(0).normal(size=64)).game


def silo_game():
    training = Training(
        linear(),
        local(learning_rate=0.3, batch_size=3),
        fedavg(max_rounds=2),
        initial=initial(FEATURES, CLASSES),
    )
    return silo(federation(), training, metric="negative_loss")


def opened(asked):
    """Stores in memory, of which `asked` keeps (part, fingerprint) and the store."""

    def stores(part, name):
        return asked.setdefault((part, name), UtilityStore())

    return stores


def test_a_rule_may_be_given_as_text_or_as_itself(key):
    text = Options(until="standard_error(0.3) | budget(40)", turn=8)
    rule = Options(until=standard_error(0.3) | budget(40), turn=8)
    one, other = (estimate(GAME, permutation(), options, key=key) for options in (text, rule))
    assert one.stopped == other.stopped and one.num_coalitions == other.num_coalitions < 64
    assert_array_equal(one.values, other.values)


def test_a_store_is_opened_by_the_name_of_the_game_and_its_key(key):
    asked = {}
    first = estimate(GAME, exact(), Options(stores=opened(asked)), key=key)
    assert list(asked) == [("", fingerprint(GAME, game_key(key)))]
    again = estimate(GAME, exact(), Options(stores=opened(asked)), key=key)
    assert (first.num_stored, again.num_stored) == (0, 64)


def test_repeats_have_a_store_of_their_own_in_which_all_seeds_are_one_utility(key):
    """A run with other repeats, or with none, never reads the utilities of this one."""
    asked, game = {}, silo_game()
    options = Options(stores=opened(asked), budget=8)
    estimate(game, permutation(), options, key=key)
    found = estimate_repeated(game, permutation(), options, key=key, repeats=2)
    estimate_repeated(game, permutation(), options, key=key, repeats=3)
    assert [part for part, _ in asked] == ["", "repeats", "repeats"] and len(asked) == 3
    assert found.num_coalitions == len(asked[list(asked)[1]]) <= 8
    again = estimate_repeated(game, permutation(), options, key=key, repeats=2)
    assert again.num_stored == found.num_coalitions
    assert_array_equal(again.values, found.values)


def test_players_of_repeats_that_are_left_out_get_exactly_nothing(key):
    found = estimate_repeated(silo_game(), exact(), key=key, players=[0, 2], repeats=2)
    assert found.values[1] == found.std_errors[1] == 0
    assert found.num_coalitions == 4 and (found.values[[0, 2]] != 0).all()
    assert found.efficiency_gap == pytest.approx(0, abs=1e-6)


def test_a_game_without_a_name_has_no_store_that_is_opened_by_name():
    game = from_callable(lambda masks: masks.sum(axis=1), 3)
    with pytest.raises(InvalidInputError, match="name"):
        estimate(game, exact(), Options(stores=opened({})))
    assert_array_equal(estimate(game, exact(), Options(stores=UtilityStore())).values, [1, 1, 1])


def test_a_rule_is_refused_where_all_coalitions_are_asked_for_at_once(key):
    options = Options(until="wall_clock(1)")
    with pytest.raises(InvalidInputError, match=r"until='wall_clock\(1\)' to be left out"):
        estimate(GAME, exact(), options, key=key)
