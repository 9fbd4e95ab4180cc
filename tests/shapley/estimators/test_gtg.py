"""GTG-Shapley: it walks as algorithm 1 says, stops as equation 10 says, and pays nobody for
nothing."""

import numpy as np
import oracle
import pytest
from federations import federation
from numpy.testing import assert_allclose, assert_array_equal
from played import airport, is_unbiased, play, truncated, walk

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimators.gtg import gtg, stratified
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options

RANDOM = np.random.default_rng(1).normal(size=64)
SATURATED = np.minimum(all_subsets(6) @ np.array([1.0, 2, 3, 1, 2, 3]), 5) + 0.5
FOREVER = {"settled": 0.0}


def guided(table, seed=0, *, budget, turn=None, **options):
    """What `walk` tells of GTG-Shapley."""
    return walk(gtg(**options), table, seed, budget=budget, turn=turn)


def naive_end(each, least, share, last):
    """The first whole sweep at which equation 10 holds; all orders where it never does."""
    num_players = each.shape[1]
    for end in range(num_players, len(each) + 1, num_players):
        if end >= max(least, num_players, last + 1):
            now = each[:end].mean(axis=0)
            before = [each[: end - m].mean(axis=0) for m in range(1, last + 1)]
            if np.mean([np.mean(np.abs(now - then) / np.abs(now)) for then in before]) < share:
                return end
    return len(each)


@pytest.mark.parametrize(
    "table", [RANDOM, SATURATED, -SATURATED], ids=["random", "saturated", "falling"]
)
@pytest.mark.parametrize("within", [0.0, 0.001, 0.7])
def test_values_are_those_of_the_algorithm_walked_player_by_player(table, within):
    found, state, _ = guided(table, budget=48, within=within, **FOREVER)
    each = truncated(table, state.orders, within)
    assert len(each) == found.notes["permutations"] >= 6
    assert_allclose(found.values, each.mean(axis=0), atol=1e-12)


def test_in_every_sweep_each_player_is_first_once_and_the_others_follow_at_random():
    _, state, _ = guided(RANDOM, budget=63, **FOREVER)
    orders = state.orders[: len(state.orders) // 6 * 6]
    assert len(orders) >= 24
    assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(6), (len(orders), 1)))
    assert_array_equal(
        np.sort(orders[:, 0].reshape(-1, 6), axis=1), np.tile(np.arange(6), (len(orders) // 6, 1))
    )
    assert len(np.unique(orders[:, 1:], axis=0)) > 0.9 * len(orders)


def test_a_round_that_changed_little_costs_two_coalitions_and_gives_everybody_nothing():
    table = RANDOM.copy()
    table[-1] = table[0] + 0.0009
    found, _, asked = guided(table, budget=48)
    assert len(asked) == found.num_coalitions == 2
    assert_array_equal([found.values, found.std_errors], 0)
    assert found.stopped.startswith("round truncated")
    table[-1] = table[0] + 0.0011
    found, _, asked = guided(table, budget=48)
    assert len(asked) > 40 and np.abs(found.values).min() > 0


def test_a_free_rider_is_not_paid():
    """The last two upload nothing: the one is left out of the average, the other dilutes it."""
    uploads = np.array([1.0, 0.9, -0.4, 1.2, 0.0])
    target = 1.0

    def utility(masks):
        counted = masks[:, :5]
        average = counted @ uploads / np.maximum(counted.sum(axis=1), 1)
        return -((target - average) ** 2)

    table = utility(all_subsets(6))
    found, state, _ = guided(table, budget=63, between=0.0, within=0.0, **FOREVER)
    each = truncated(table, state.orders, 0.0)
    assert found.values[5] == found.std_errors[5] == 0
    assert (found.values > 0).any() and (found.values < 0).sum() >= 2, (
        "scaling to one sign would show"
    )
    assert_allclose(found.values[4], each[:, 4].mean(), atol=1e-12)
    assert abs(found.values[4] - oracle.shapley(table)[4]) < 5 * found.std_errors[4]
    assert_allclose(found.efficiency_gap, 0, atol=1e-12)


@pytest.mark.parametrize(
    ("share", "least", "last"), [(0.05, 30, 10), (0.3, 2, 3), (0.2, 13, 7), (0.002, 30, 10)]
)
def test_it_stops_after_the_first_whole_sweep_at_which_the_values_have_settled(share, least, last):
    table = all_subsets(6) @ np.array([1.0, 2, 3, 1, 2, 3]) + 0.5 * RANDOM
    whole, longest, _ = guided(table, budget=64, **FOREVER)
    each = truncated(table, longest.orders, 0.001)
    end = naive_end(each, least, share, last)
    found, state, _ = guided(table, budget=64, settled=share, least=least, last=last)
    assert_array_equal(state.orders, longest.orders[:end])
    assert found.notes["permutations"] == end
    assert found.stopped.endswith("values settled") == (end < len(each))
    assert_allclose(found.values, each[:end].mean(axis=0), atol=1e-12)
    assert (end < len(each)) == (share > 0.01), "the rule should be met in some and not in others"
    assert whole.notes["permutations"] == len(each) > 36


@pytest.mark.parametrize("turn", [2, 5, 40])
def test_the_turn_changes_neither_what_is_asked_for_nor_what_is_found(turn):
    usual, state, asked = guided(RANDOM, 3, budget=55)
    found, other, same = guided(RANDOM, 3, budget=55, turn=turn)
    assert set(ranks(same)) == set(ranks(asked))
    assert_array_equal(other.orders, state.orders)
    assert_array_equal(found.values, usual.values)


def test_without_truncation_estimates_are_unbiased():
    options = {"between": 0.0, "within": 0.0, **FOREVER}
    values = np.array([guided(RANDOM, seed, budget=40, **options)[0].values for seed in range(100)])
    assert is_unbiased(values, oracle.shapley(RANDOM))


@pytest.mark.parametrize("count", [12, 15, 18, 22, 30])
def test_standard_errors_are_those_of_a_sample_stratified_by_who_is_first(count):
    rng = np.random.default_rng(0)
    runs = 2000
    strata = np.random.default_rng(5).normal(0, 3, (6, 6))
    found = []
    for _ in range(runs):
        first = np.concatenate([rng.permutation(6) for _ in range(5)])[:count]
        found.append(stratified(strata[first] + rng.normal(size=(count, 6)), first))
    values, errors = np.array(found).swapaxes(0, 1)
    assert np.abs(values.mean(axis=0) - strata.mean(axis=0)).max() < 5 * values.std() / np.sqrt(
        runs
    )
    spread = np.sqrt(values.var(axis=0) / (errors**2).mean(axis=0))
    assert spread.min() > 0.9 and spread.max() < 1.1


def test_standard_errors_of_less_than_two_sweeps_are_not_too_small():
    runs = [
        play(gtg(**FOREVER), airport(10).utility, 10, budget=60, seed=seed)[0]
        for seed in range(100)
    ]
    assert all(2 <= run.notes["permutations"] < 20 for run in runs)
    errors = np.mean([run.std_errors**2 for run in runs])
    assert np.var([run.values for run in runs], axis=0).mean() < 1.25**2 * errors


def test_each_slice_is_truncated_and_stops_by_its_own_utilities():
    little = RANDOM.copy()
    little[-1] = little[0]
    weights = np.array([1.0, 2, 3, 1, 2, 3])
    calm = all_subsets(6) @ weights + 0.02 * RANDOM
    rough = all_subsets(6) @ weights + 4 * RANDOM
    tables = np.stack([little, calm, rough, SATURATED], axis=-1).reshape(64, 2, 2)
    found, state, _ = guided(tables, budget=64, within=0.1)
    assert_array_equal([found.values[:, 0, 0], found.std_errors[:, 0, 0]], 0)
    ends = []
    for place in [(0, 1), (1, 0), (1, 1)]:
        each = truncated(tables[(slice(None), *place)], state.orders, 0.1)
        ends.append(naive_end(each, 30, 0.05, 10))
        assert_allclose(
            found.values[(slice(None), *place)], each[: ends[-1]].mean(axis=0), atol=1e-12
        )
    assert ends[0] < ends[1], "the slices should stop apart"


def test_until_two_orders_are_walked_the_values_are_equal_shares_of_which_nothing_is_known(key):
    estimator = gtg()
    masks, state = estimator.ask(key, estimator.init(6, 48))
    found = estimator.read(estimator.tell(state, masks, RANDOM[ranks(masks)]))
    assert_allclose(found.values, np.full(6, (RANDOM[-1] - RANDOM[0]) / 6))
    assert np.isinf(found.std_errors).all()


def test_rounds_are_truncated_one_by_one_and_the_others_shared_out_whole(key):
    training = Training(linear(), local(learning_rate=0.3, steps=2), fedavg(max_rounds=4))
    run = rounds(federation((7, 12, 4, 9)), training, metric="negative_loss")
    utilities = [
        estimate_rounds(run, gtg(between=share, within=0.0), Options(budget=12), key=key)
        for share in (0.0, 1e9)
    ]
    whole, nothing = utilities
    assert_allclose(whole.efficiency_gap, 0, atol=1e-6)
    assert whole.num_coalitions > 4 * 8 and np.isfinite(whole.std_errors).all()
    assert nothing.num_coalitions == 4 * 2
    assert_array_equal([nothing.values, nothing.std_errors], 0)
    truth = estimate_rounds(run, exact(), key=key)
    assert (np.abs(whole.values - truth.values) < 5 * whole.std_errors).all()


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: gtg(between=-0.1), "between=-0.1 to be a finite number >= 0"),
        (lambda: gtg(within=float("nan")), "within=nan to be a finite number >= 0"),
        (lambda: gtg(settled=-1.0), "settled=-1.0 to be a finite number >= 0"),
        (lambda: gtg(last=0), "last=0 to be an integer >= 1"),
        (lambda: gtg(least=1), "least=1 to be an integer >= 2"),
        (
            lambda: gtg().init(4, None),
            "a budget of distinct coalitions for estimator='gtg', got none",
        ),
        (lambda: gtg().init(4, 7), "budget=7 to be at least 8 distinct coalitions"),
        (
            lambda: gtg().read(gtg().init(3, 8)),
            "utilities to be given to tell before values are read",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
