"""Stopping rules: each says why, they compose, and the estimate returned is the one they saw."""

import numpy as np
import pytest
from played import saturating

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.closed_form import table
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.stopping import (
    EstimateProgress,
    budget,
    never,
    parse_rule,
    rank_stability,
    settled,
    settled_within,
    standard_error,
    wall_clock,
)
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

GAME = table(saturating(9).table).game


def progress(*values, errors=0.1, coalitions=10, seconds=1.0):
    history = [
        Attribution(
            np.asarray(v, float),
            np.broadcast_to(np.asarray(errors, float), np.shape(v)),
            np.float64(0),
            np.float64(4),
            coalitions,
            "",
        )
        for v in values
    ]
    return EstimateProgress(history, seconds)


def test_a_standard_error_stops_in_units_of_the_utility_or_of_what_there_is_to_share():
    twice = progress([1, 2], [1, 2], errors=0.1)
    assert standard_error(0.1)(twice) and not standard_error(0.09)(twice)
    assert standard_error(0.025, relative=True)(twice) and not standard_error(0.024, relative=True)(
        twice
    )


@pytest.mark.parametrize(
    "rule",
    [
        standard_error(1.0),
        standard_error(1.0, relative=True),
        rank_stability(last=1),
        settled(last=1),
        never(),
    ],
)
def test_a_first_batch_alone_stops_nothing_that_compares_or_needs_a_spread(rule):
    """Errors of 0 after one batch may mean that its few draws agreed by chance."""
    assert rule(progress([0, 0], errors=0.0)) is None


def test_a_first_batch_alone_may_use_up_the_coalitions_or_the_time():
    once = progress([1.0, 2.0], coalitions=10, seconds=3.0)
    assert budget(10)(once) == "10 coalitions asked for" and budget(11)(once) is None
    assert wall_clock(3.0)(once) == "3.0 s have passed" and wall_clock(3.1)(once) is None
    assert (standard_error(1.0) | budget(10))(once) == "10 coalitions asked for"
    assert (standard_error(1.0) & budget(10))(once) is None


@pytest.mark.parametrize("last", [1, 3])
def test_rules_that_look_back_need_one_batch_more_than_they_look_back(last):
    for rule in (rank_stability(last=last), settled(last=last)):
        assert rule(progress(*[[1.0, 2.0]] * last)) is None
        assert rule(progress(*[[1.0, 2.0]] * (last + 1))) is not None


@pytest.mark.parametrize("relative", [False, True])
def test_a_value_of_exactly_zero_counts_with_its_standard_error(relative):
    """A player who added nothing so far may still do: the error decides, not the value."""
    errors = np.array([0.01, 0.3])
    twice = progress([1, 0], [1, 0], errors=errors)
    scale = 4 if relative else 1
    assert standard_error(0.29 / scale, relative=relative)(twice) is None
    assert standard_error(0.31 / scale, relative=relative)(twice) is not None


def test_a_value_that_becomes_exactly_zero_has_not_settled_and_one_that_stays_zero_has():
    assert settled(last=1)(progress([1.0, 0.1], [1.0, 0.0])) is None
    assert settled(last=1)(progress([1.0, 0.0], [1.0, 0.0])) is not None


def test_ranks_are_stable_once_they_agree_with_each_of_the_last_turns():
    rule = rank_stability(least=0.9, last=2)
    assert rule(progress([1, 2, 3], [1, 2, 3])) is None
    assert rule(progress([3, 2, 1], [1, 2, 3], [1, 2, 3])) is None
    assert "1.000" in rule(progress([3, 2, 1], [1, 2, 3], [1, 5, 9], [1, 2, 4]))


def test_values_settle_by_the_five_percent_rule():
    """Against the formula written out: the mean over the last turns and players of |change| /
    |value|."""
    rng = np.random.default_rng(0)
    for scale in (0.01, 0.04, 0.08, 0.3):
        history = 1 + scale * rng.normal(size=(11, 5))
        now = history[-1]
        mean = np.mean(
            [abs(now[i] - history[-1 - m, i]) / abs(now[i]) for m in range(1, 11) for i in range(5)]
        )
        assert settled_within(history) == (mean < 0.05)
    assert not settled_within(np.ones((10, 3)))
    assert settled_within(np.zeros((11, 3))), "values that stay at zero have settled"
    assert not settled_within(np.concatenate([np.ones((10, 2)), np.zeros((1, 2))]))
    assert not settled_within(np.stack([np.ones((11, 2)), history[:, :2]], axis=2)), (
        "every slice has to settle"
    )
    assert settled()(progress(*np.ones((11, 4)))) and settled()(progress(*np.ones((10, 4)))) is None


def test_rules_compose():
    now = progress([1.0], [1.0], coalitions=50, seconds=3)
    yes = budget(50)
    no = wall_clock(4)
    assert yes(now) == "50 coalitions asked for" and no(now) is None and never()(now) is None
    assert (yes | no)(now) == (no | yes)(now) == "50 coalitions asked for"
    assert (yes & no)(now) is None
    assert (yes & wall_clock(2))(now) == "50 coalitions asked for and 3.0 s have passed"
    assert (no | yes & wall_clock(2))(now) is not None


def test_a_rule_can_be_written_as_text():
    now = progress([1.0], [1.0], coalitions=50, seconds=3)
    assert (
        parse_rule("budget(60) | standard_error(0.05) | wall_clock(seconds=3)")(now)
        == "3.0 s have passed"
    )
    assert parse_rule("budget(50) & (wall_clock(9) | standard_error(0.2))")(now) is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("bugdet(5)", "did you mean 'budget'"),
        ("budget(5) + wall_clock(3)", "until='budget.5. . wall_clock.3.' to join rules by & and |"),
        ("budget(", "to join rules by & and |"),
        ("budget(size=5)", "to join rules by & and |"),
        ("budget(0)", "coalitions=0 to be an integer >= 1"),
        ("__import__('os')", "a rule in until"),
        ("wall_clock(open('x'))", "to join rules by & and |"),
    ],
)
def test_text_that_is_no_rule_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        parse_rule(text)


def test_an_estimate_stops_once_its_errors_are_small_and_says_so(key):
    found = estimate(GAME, permutation(), Options(until=standard_error(0.03)), key=key)
    assert found.stopped == "every standard error at most 0.03"
    assert found.std_errors.max() <= 0.03
    assert 32 <= found.num_coalitions < 512
    longer = estimate(GAME, permutation(), Options(until=standard_error(0.02)), key=key)
    assert longer.num_coalitions > found.num_coalitions


def test_a_budget_holds_whatever_the_rule_says(key):
    found = estimate(GAME, permutation(), Options(budget=70, until=never(), turn=10), key=key)
    assert found.num_coalitions <= 70 and "draws" in found.stopped


def test_turns_of_any_length_draw_alike_many_coalitions_and_what_was_stored_is_free(key):
    store = UtilityStore()
    one = estimate(GAME, permutation(), Options(budget=90, stores=store), key=key)
    again = estimate(GAME, permutation(), Options(budget=90, stores=store), key=key)
    assert again.stopped.endswith(f", {one.num_coalitions} of them known from the store")
    assert np.array_equal(one.values, again.values)
    turned = estimate(GAME, permutation(), Options(budget=90, turn=30), key=key)
    assert 90 - 2 * 8 <= turned.num_coalitions <= 90


@pytest.mark.parametrize(
    "refused", [lambda: standard_error(0), lambda: wall_clock(-1), lambda: settled(last=0)]
)
def test_bad_settings_of_a_rule_are_refused(refused):
    with pytest.raises(InvalidInputError, match=r"Expected (below|seconds|last)="):
        refused()


def test_a_turn_below_one_is_refused(key):
    with pytest.raises(InvalidInputError, match="turn=0 to be an integer >= 1"):
        estimate(GAME, permutation(), Options(budget=70, turn=0), key=key)


@pytest.mark.parametrize("rule", [standard_error(1e-6), rank_stability(), settled(), budget(60)])
@pytest.mark.parametrize("name", ["permutation", "kernelshap", "tmc", "svarm"])
def test_a_game_in_which_nothing_changes_is_stopped_and_its_cost_reported(rule, name, key):
    found = estimate(
        table(np.full(512, 0.5)).game,
        ESTIMATORS[name](),
        Options(budget=400, until=rule, turn=20),
        key=key,
    )
    assert found.num_coalitions < 380 and "draws" not in found.stopped
    store = UtilityStore()
    again = estimate(
        table(np.full(512, 0.5)).game,
        ESTIMATORS[name](),
        Options(stores=store, until=rule, turn=20),
        key=key,
    )
    assert again.num_coalitions == len(store)
