"""Intervals: what they cover and where they are cut; which pairs of values differ."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.intervals import indistinguishable, payment_intervals, resampled
from fedjax_shap.economics.rules import NEGATIVE, cost_aware, costs_ignored, equal
from fedjax_shap.economics.settle import settle

VALUES = np.array([3.0, 1.0, 2.0])
ERRORS = np.array([0.03, 0.02, 0.01])
COSTS = [5, 9, 1]


def paid(values, costs, revenue):
    """`cost_aware` under "clip" in floats, for values float[..., P]."""
    weights = np.maximum(values, 0)
    return np.asarray(costs) + weights / weights.sum(axis=-1, keepdims=True) * (
        revenue - np.sum(costs)
    )


def test_the_interval_is_the_payment_and_so_many_standard_errors_rounded_outward():
    found = payment_intervals(VALUES, COSTS, 100, std_errors=ERRORS)
    settled = settle(VALUES, COSTS, 100, std_errors=ERRORS)
    exact = paid(VALUES, COSTS, 100)
    margin = stats.norm.ppf(0.975) * np.array(settled.std_errors)
    np.testing.assert_allclose(found.low, np.floor(100 * (exact - margin)) / 100)
    np.testing.assert_allclose(found.high, np.ceil(100 * (exact + margin)) / 100)
    np.testing.assert_allclose(found.std_errors, settled.std_errors)
    assert (found.level, found.method, found.simultaneous, found.notes) == (
        0.95,
        "delta",
        False,
        (),
    )


@pytest.mark.parametrize(
    ("settings", "reach"),
    [
        ({"level": 0.9}, stats.norm.ppf(0.95)),
        ({"draws": 5}, stats.t.ppf(0.975, df=4)),
        ({"simultaneous": True}, stats.norm.ppf(1 - 0.025 / 3)),
        ({"level": 0.8, "draws": 10, "simultaneous": True}, stats.t.ppf(1 - 0.1 / 3, df=9)),
    ],
    ids=["a level", "few draws", "all at once", "all of these"],
)
def test_level_draws_and_number_of_players_decide_how_many_standard_errors(settings, reach):
    found = payment_intervals(VALUES, COSTS, 1000, std_errors=ERRORS, minor_unit="1e-9", **settings)
    np.testing.assert_allclose((found.high - found.low) / 2, reach * found.std_errors, rtol=1e-6)


def test_replicates_give_the_percentiles_of_what_the_rule_makes_of_them():
    rows = np.random.default_rng(0).normal([3.0, 1.0, 0.05], 0.1, (999, 3))
    found = payment_intervals([3.0, 1.0, 0.05], COSTS, 100, replicates=rows, minor_unit="1e-9")
    ranked = np.sort(paid(rows, COSTS, 100), axis=0)  # of 999, the 25th and the 975th
    np.testing.assert_allclose([found.low, found.high], ranked[[24, 974]], atol=2e-9)
    np.testing.assert_allclose(found.std_errors, paid(rows, COSTS, 100).std(axis=0, ddof=1))
    assert found.method == "replicates" and found.low[2] == COSTS[2]


def test_both_methods_agree_where_errors_are_small():
    rows = np.random.default_rng(1).normal(VALUES, ERRORS, (4000, 3))
    delta = payment_intervals(VALUES, COSTS, 1000, std_errors=ERRORS)
    drawn = payment_intervals(VALUES, COSTS, 1000, replicates=rows)
    for side in ("low", "high"):
        np.testing.assert_array_less(
            abs(getattr(delta, side) - getattr(drawn, side)), 0.2 * delta.std_errors
        )


def test_replicates_of_few_draws_are_cut_further_out_as_student_s_t_is_wider():
    # Hesterberg's rule at 8 draws: the normal quantile becomes sqrt(8 / 7) times that of t with 7
    # degrees of freedom.
    rows = np.stack([np.random.default_rng(2).normal(2, 0.01, 4000), np.full(4000, 2.0)], axis=1)
    found = payment_intervals([2, 2], [0, 0], 100, replicates=rows, draws=8, minor_unit="1e-9")
    tail = stats.norm.cdf(-np.sqrt(8 / 7) * stats.t.ppf(0.975, df=7))
    assert tail < 0.01 < stats.norm.cdf(-1.96)
    ranked = np.sort(paid(rows, [0, 0], 100)[:, 0])
    below = (ranked <= found.low[0] + 2e-9).mean()
    above = (ranked >= found.high[0] - 2e-9).mean()
    np.testing.assert_allclose([below, above], tail, atol=2 / 4000)


@pytest.mark.parametrize("value", [0.1, 0.0, -0.1])
def test_near_zero_the_interval_is_cut_at_the_cost_and_says_so(value):
    found = payment_intervals([3, value], [10, 20], 100, std_errors=[0.1, 0.2], players=["A", "B"])
    assert found.low[1] == 20 and found.high[1] > 20 + 0.1 / 3 * 70
    assert found.high[0] == 80 and found.low[0] < 80 - 0.1 / 3 * 70
    (note,) = found.notes
    assert "within 1.96 standard errors of zero" in note and note.endswith(
        "cut at what the policy pays: B."
    )


def test_the_error_of_a_value_of_exactly_zero_counts_for_all_payments():
    found = payment_intervals([3, 1, 0], [0, 0, 0], 100, std_errors=[0, 0, 0.2], minor_unit="1e-9")
    # d r_i / d phi_3 = -100 w_i / 4, and 100 / 4 for the third itself.
    np.testing.assert_allclose(found.std_errors, [25 * 0.75 * 0.2, 25 * 0.25 * 0.2, 25 * 0.2])
    assert found.low[2] == 0 and found.high[2] > 0.2 * 25


def test_a_value_of_exactly_zero_is_compared_with_its_own_error():
    assert indistinguishable([0, 2.9], std_errors=[1, 0]) == ()
    assert indistinguishable([0, 2.9], std_errors=[1.5, 0]) == ((0, 1),)


def test_a_value_surely_below_zero_is_surely_paid_its_cost_and_no_more():
    found = payment_intervals([3, 1, -2], [10, 20, 5], 100, std_errors=[0.1, 0.2, 0.3])
    assert found.low[2] == found.high[2] == 5 and found.notes == ()


def test_under_formula_nothing_is_cut():
    found = payment_intervals(
        [3, 0.1], [10, 20], 100, std_errors=[0.1, 0.2], rule=cost_aware(negative="formula")
    )
    assert found.low[1] < 20 and found.high[0] > 80 and found.notes == ()


def test_who_may_be_excluded_without_its_cost_may_be_paid_nothing():
    rule = cost_aware(negative="exclude", reimburse=False)
    for value in (0.1, -0.1):
        found = payment_intervals([3, value], [10, 20], 100, std_errors=[0.1, 0.2], rule=rule)
        assert found.low[1] == 0 and found.high[1] > 20


def test_in_a_loss_the_interval_is_cut_at_the_cost_from_above():
    found = payment_intervals([3, 0.1], [10, 20], 24, std_errors=[0.1, 0.2])
    assert found.high[1] == 20 and found.low[1] < 20 - 0.1 / 3.1 * 6


def test_errors_that_sum_to_zero_differ_from_independent_ones():
    settings = {"std_errors": [0.1] * 4, "minor_unit": "1e-9"}
    alone = payment_intervals([1, 1, 1, 1], [0] * 4, 100, efficient=True, **settings)
    np.testing.assert_allclose(alone.std_errors, 100 / 4 * 0.1)
    independent = payment_intervals([1, 1, 1, 1], [0] * 4, 100, **settings)
    np.testing.assert_allclose(independent.std_errors, 100 / 4 * 0.1 * np.sqrt(3 / 4))


def test_who_may_or_may_not_count_leaves_the_sum_of_efficient_values_unsure():
    # What the first two sum to is V(N) less what of the third's value counts: all of its error, or
    # nothing.
    settings = {"std_errors": [0.3, 0.1, 0.2], "efficient": True, "minor_unit": "1e-9"}
    scale = 100 / 4.05
    shares = np.array([3, 1]) / 4.05
    found = payment_intervals([3, 1, 0.05], [0, 0, 0], 100, **settings)
    np.testing.assert_allclose(found.std_errors[:2], scale * np.hypot([0.3, 0.1], shares * 0.2))
    np.testing.assert_allclose(found.std_errors[2], scale * 0.2)
    surely = payment_intervals([3, 1, 0.5], [0, 0, 0], 100, **settings)
    np.testing.assert_allclose(surely.std_errors, 100 / 4.5 * np.array([0.3, 0.1, 0.2]))


def test_a_sum_of_values_that_is_itself_unsure_is_said_to_be():
    (note,) = payment_intervals([1, 1], [0, 0], 100, std_errors=[0.3, 0.3]).notes
    assert note.startswith("The sum of the values has a standard error of 21% of itself")


@given(
    st.lists(st.floats(-1, 3), min_size=1, max_size=6).filter(lambda values: max(values) > 0.01),
    st.integers(0, 20),
    st.sampled_from(
        [cost_aware(negative=n) for n in ("clip", "exclude")] + [costs_ignored(), equal()]
    ),
    st.sampled_from(["0.01", "5"]),
)
def test_intervals_of_errors_hold_the_payment_and_stay_where_payments_can_lie(
    values, error, rule, unit
):
    costs = list(range(5, 5 + 5 * len(values), 5))
    errors = [error / 10] * len(values)
    settings = {"rule": rule, "std_errors": errors, "minor_unit": unit}
    found = payment_intervals(values, costs, 1000, **settings)
    settled = settle(values, costs, 1000, **settings)
    assert all(
        low <= float(r) <= high for low, r, high in zip(found.low, settled.payments, found.high)
    )
    floor, ceiling = (
        (np.array(costs), 1000 - sum(costs))
        if rule.name == "cost_aware"
        else (np.zeros(len(costs)), 1000)
    )
    assert (found.low >= floor).all() and (found.high <= floor + ceiling + float(unit)).all()


def test_where_values_play_no_part_the_interval_is_the_payment():
    found = payment_intervals([1, 2], [1, 1], 5, std_errors=[0.1, 0.2], rule=equal())
    assert found.low.tolist() == found.high.tolist() == [2.5, 2.5]


def test_an_attribution_brings_its_errors():
    record = SimpleNamespace(values=VALUES, std_errors=ERRORS)
    np.testing.assert_array_equal(
        payment_intervals(record, COSTS, 100).low,
        payment_intervals(VALUES, COSTS, 100, std_errors=ERRORS).low,
    )
    assert indistinguishable(record) == ()


def test_replicates_that_lie_elsewhere_are_said_to():
    rows = np.random.default_rng(0).normal(VALUES + np.array([1, 0, 0]), ERRORS, (100, 3))
    (note,) = payment_intervals(VALUES, COSTS, 1000, replicates=rows).notes
    assert "lie outside of their intervals" in note and "player 0" in note


def test_resampled_means_spread_as_the_mean_does():
    rows = np.random.default_rng(3).normal(0, [1.0, 2.0], (50, 2))
    drawn = resampled(rows, count=20_000, seed=1)
    np.testing.assert_allclose(
        drawn.mean(axis=0), rows.mean(axis=0), atol=5 * 2 / np.sqrt(50 * 20_000)
    )
    np.testing.assert_allclose(
        drawn.std(axis=0), rows.std(axis=0) / np.sqrt(50), rtol=5 / np.sqrt(2 * 20_000)
    )
    np.testing.assert_array_equal(
        resampled(rows, count=5, seed=1), resampled(rows, count=5, seed=1)
    )
    assert not np.array_equal(resampled(rows, count=5, seed=1), resampled(rows, count=5, seed=2))


def holm(values, errors, level=0.95):
    """The pairs that Holm's step-down method does not refute, one after the other."""
    pairs = [(i, j) for i in range(len(values)) for j in range(i + 1, len(values))]
    chance = {
        (i, j): 2 * stats.norm.sf(abs(values[i] - values[j]) / np.hypot(errors[i], errors[j]))
        for i, j in pairs
    }
    left = sorted(pairs, key=chance.get)
    while left and chance[left[0]] <= (1 - level) / len(left):
        left = left[1:]
    return tuple(sorted(left))


def test_indistinguishable_pairs_are_those_that_holm_does_not_refute():
    rng = np.random.default_rng(7)
    sizes = set()
    for level in (0.5, 0.95, 0.999):
        for _ in range(50):
            values = rng.normal(0, 3, 5)
            errors = rng.uniform(0.2, 1.5, 5)
            expected = holm(values, errors, level)
            assert indistinguishable(values, std_errors=errors, level=level) == expected
            sizes.add(len(expected))
    assert len(sizes) > 5  # none, all, and much between
    # The second smallest p would be refuted alone, but not after the smallest was: 2.9 has p =
    # 0.040, above 5 % / 2.
    assert indistinguishable([0, 2.9], std_errors=[1, 1]) == ()
    assert indistinguishable([0, 2.9, 5.8], std_errors=[1, 1, 1]) == ((0, 1), (1, 2))


def test_what_two_players_have_in_common_does_not_hide_their_difference():
    rng = np.random.default_rng(4)
    common = rng.normal(0, 1.0, (500, 1))
    rows = np.array([1.0, 1.2]) + common + rng.normal(0, 0.02, (500, 2))
    assert indistinguishable([1.0, 1.2], std_errors=rows.std(axis=0)) == ((0, 1),)
    assert indistinguishable([1.0, 1.2], replicates=rows) == ()


def test_errors_that_sum_to_zero_make_two_players_harder_to_distinguish():
    assert indistinguishable([0, 2.9], std_errors=[1, 1], efficient=True) == ((0, 1),)
    # Of two, one's error is the other's: the difference has the error 2.
    assert indistinguishable([0, 3.93], std_errors=[1, 1], efficient=True) == ()
    assert indistinguishable([0, 3.91], std_errors=[1, 1], efficient=True) == ((0, 1),)


def test_with_few_draws_fewer_pairs_are_different():
    assert indistinguishable([0, 3], std_errors=[1, 1]) == ()
    assert indistinguishable([0, 3], std_errors=[1, 1], draws=4) == ((0, 1),)


def test_equals_are_called_different_in_at_most_one_run_of_twenty():
    rng = np.random.default_rng(5)
    runs = 1000
    wrong = sum(
        len(indistinguishable(row, std_errors=[1.0] * 5)) < 10 for row in rng.normal(size=(runs, 5))
    )
    assert wrong / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert wrong > 0


def test_without_any_error_values_are_different_where_they_differ_at_all():
    assert indistinguishable([1, 1, 2], std_errors=[0, 0, 0]) == ((0, 1),)
    assert (
        indistinguishable([1], std_errors=[1])
        == ()
        == indistinguishable([1], std_errors=[1], efficient=True)
    )


ROWS = np.random.default_rng(6).normal(VALUES, ERRORS, (100, 3))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "std_errors or replicates of the values, got neither"),
        (
            {"std_errors": [0.1, np.nan, 0.1]},
            "got neither. Payments have no standard errors, .* unknown: player 1",
        ),
        ({"std_errors": ERRORS, "level": 1}, "level=1 to lie between 0 and 1"),
        ({"std_errors": ERRORS, "level": 0}, "level=0 to be a finite number > 0"),
        ({"std_errors": ERRORS, "draws": 1}, "draws=1 to be an integer >= 2"),
        ({"std_errors": ERRORS, "simultaneous": 1}, "simultaneous=1 to be True or False"),
        (
            {"replicates": ROWS[:, :2]},
            r"replicates to be numbers of shape \[B >= 2, 3\], got \[100, 2\]",
        ),
        ({"replicates": ROWS[:38]}, "at least 39 replicates for intervals of this level, got 38"),
        (
            {"replicates": np.where(np.arange(100)[:, None] == 7, np.nan, ROWS)},
            "replicates to be finite",
        ),
        (
            {"replicates": np.where(np.arange(100)[:, None] == 7, -1, ROWS)},
            r"it refuses replicates\[7\]: Expected a sum",
        ),
        ({"replicates": [["a"]]}, "replicates to be numbers"),
    ],
)
def test_what_gives_no_interval_is_refused(change, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        payment_intervals(VALUES, COSTS, 100, **change)


def test_every_policy_gives_intervals_from_replicates():
    for negative in NEGATIVE:
        found = payment_intervals(
            VALUES, COSTS, 100, rule=cost_aware(negative=negative), replicates=ROWS
        )
        assert (found.low < found.high).all()
