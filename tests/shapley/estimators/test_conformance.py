"""What every registered estimator promises, tested on games whose answers are known."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from played import (
    additive,
    airport,
    error_ratio,
    is_unbiased,
    play,
    repeated,
    saturating,
    voting,
    with_null_and_twins,
)

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games import closed_form
from fedjax_shap.shapley.estimators.registry import ESTIMATORS
from fedjax_shap.shapley.semivalue import coefficients_of, semivalues
from fedjax_shap.valuation.estimate import estimate, game_key
from fedjax_shap.valuation.options import Options

RUNS = 200
# These ask for the same coalitions whatever the budget, or estimate no semivalue: they have their
# own tests.
ANY_BUDGET = ("exact", "individual", "least_core", "leave_one_out")
HUNDRED_RUNS = 40  # each of which has the errors of a hundred players
# These choose their coalitions, which takes time: fewer runs of them, among a hundred players too.
CHOSEN_RUNS = {"gaussian_process": 20}
HUNDRED_CHOSEN_RUNS = {"gaussian_process": 6}
# In rough games and among a hundred players their standard errors may be too wide, as they say: the
# least that errors are, in standard errors.
ROUGH = {"gaussian_process": 0.25}
# Budgets between which errors are compared, and runs, where those of all others take long.
FALLING = {"gaussian_process": (60, 240)}
FALLING_RUNS = {"gaussian_process": 8}
# Standard errors of these measure the whole error, and not only how their values spread.
WHOLE_ERROR = ("gaussian_process",)
# name -> keywords of the factory in these tests, where its defaults will not do
SETTINGS: dict[str, dict] = {}
# name of a variant -> (estimator, keywords): further kinds that are tested
VARIANTS: dict[str, tuple[str, dict]] = {
    "permutation-random": ("permutation", {"orders": "random"}),
    "permutation-orthogonal": ("permutation", {"orders": "orthogonal"}),
    "permutation-low-discrepancy": ("permutation", {"orders": "low_discrepancy"}),
    "permutation-banzhaf": ("permutation", {"semivalue": "banzhaf"}),
    "owen-plain": ("owen", {"antithetic": False, "stratified": False}),
    "kernelshap-unbiased": ("kernelshap", {"unbiased": True}),
    "leverage-modified": ("leverage", {"scores": "modified"}),
    "stratified-neyman": ("stratified", {"allocation": "neyman"}),
    "stratified-bernstein": ("stratified", {"allocation": "bernstein"}),
    "complementary-neyman": ("complementary", {"allocation": "neyman"}),
    "complementary-bernstein": ("complementary", {"allocation": "bernstein"}),
    "svarm-plain": ("svarm", {"stratified": False}),
    "ipss-last": ("ipss", {"beyond": "last"}),
}
EVERY = [name for name in [*ESTIMATORS, *VARIANTS] if name not in ANY_BUDGET]
each = pytest.mark.parametrize("name", EVERY)


def made(name):
    factory, keywords = VARIANTS.get(name, (name, SETTINGS.get(name, {})))
    return ESTIMATORS[factory](**keywords)


def answer(promised, game):
    """The values of the estimator's own target."""
    if promised.target == "shapley":
        return game.values
    return semivalues(game.table, coefficients_of(promised.target))


def spread(name, game, budget, runs=None):
    """Actual errors over standard errors, both as root mean squares over runs and players.

    The errors of a biased estimator are those about its own mean, where its standard errors measure
    those of its draws alone. So are those of another semivalue where there are too many players to
    know the answer.
    """
    values, errors = repeated(made(name), game, budget, runs or CHOSEN_RUNS.get(name, RUNS))
    promised = made(name).guarantees
    centre = values.mean(axis=0)
    if promised.unbiased and (promised.target == "shapley" or game.table is not None):
        centre = answer(promised, game)
    if name in WHOLE_ERROR:
        centre = game.values
    if not errors.any() and (values == centre).all():
        return 1.0  # the same in every run, as it says of itself
    return error_ratio(values, errors, centre)


@each
def test_additive_games_are_valued_without_error_where_that_is_promised(name):
    game = additive(7)
    promised = made(name).guarantees
    if not promised.additive:
        pytest.skip(f"{name} does not promise it")
    found, _ = play(made(name), game.utility, 7, budget=60)
    assert_allclose(found.values, game.values, atol=1e-9)
    assert_allclose(found.std_errors, 0, atol=1e-7)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_says_whether_it_asks_for_all_its_coalitions_at_once(name):
    game = with_null_and_twins()
    estimator = made(name)
    state = estimator.init(8, None, 16)
    batches = 0
    for batch in range(2):
        masks, state = estimator.ask(jax.random.key(batch), state)
        batches += len(masks) > 0
        if len(masks):
            state = estimator.tell(state, masks, game.utility(masks))
    assert estimator.guarantees.at_once == (batches == 1)


@each
@pytest.mark.parametrize("budget", [60, 90])
def test_values_sum_to_what_there_is_where_that_is_promised(name, budget):
    game = with_null_and_twins()
    found, _ = play(made(name), game.utility, 8, budget=budget)
    assert (found.empty, found.grand) == (game.table[0], game.table[-1])
    gap = found.values.sum() - (found.grand - found.empty)
    assert_allclose(found.efficiency_gap, gap, atol=1e-12)
    if made(name).guarantees.efficient:
        assert_allclose(found.efficiency_gap, 0, atol=1e-9)


@each
@pytest.mark.parametrize("seed", range(3))
def test_a_null_player_and_twins_are_valued_as_such_within_five_standard_errors(name, seed):
    game = with_null_and_twins(seed)
    found, _ = play(made(name), game.utility, 8, budget=128, seed=seed)
    error = found.std_errors
    assert abs(found.values[7]) <= 5 * error[7] + 1e-9
    assert abs(found.values[0] - found.values[1]) <= 5 * np.hypot(error[0], error[1]) + 1e-9


@each
@pytest.mark.parametrize("turn", [None, 16], ids=["at-once", "in-turns"])
def test_the_budget_is_respected_to_the_coalition(name, turn):
    game = saturating(9)
    for budget in (64, 65, 101, 300):
        found, asked = play(made(name), game.utility, 9, budget=budget, turn=turn)
        assert asked == found.num_coalitions <= budget
        assert np.isfinite(found.values).all() and np.isfinite(found.std_errors).all()
        assert (found.std_errors >= 0).all()


@pytest.mark.slow
@each
def test_the_error_falls_like_one_over_the_root_of_the_budget(name):
    game = saturating(12)
    promised = made(name).guarantees
    error = []
    for budget in FALLING.get(name, (150, 600)):
        values, _ = repeated(made(name), game, budget, runs=FALLING_RUNS.get(name, 40))
        centre = values.mean(axis=0)
        if promised.unbiased:
            centre = answer(promised, game)
        error.append(np.sqrt(((values - centre) ** 2).mean()))
    assert error[1] < 0.65 * error[0]


@pytest.mark.slow
@each
def test_standard_errors_are_honest(name):
    assert 0.8 < spread(name, saturating(10), 250) < 1.25


@pytest.mark.slow
@each
@pytest.mark.parametrize("game", [airport(10), voting(10)], ids=["airport", "voting"])
def test_standard_errors_are_honest_in_rough_games(name, game):
    assert ROUGH.get(name, 0.8) < spread(name, game, 250) < 1.25


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EVERY if name in ESTIMATORS])
@pytest.mark.parametrize("game", [airport(100), voting(100)], ids=["airport", "voting"])
def test_standard_errors_are_honest_among_a_hundred_players(name, game):
    runs = HUNDRED_CHOSEN_RUNS.get(name, HUNDRED_RUNS)
    assert ROUGH.get(name, 0.8) < spread(name, game, 1200, runs) < 1.25


@pytest.mark.slow
@each
def test_estimates_are_unbiased_where_that_is_promised_and_the_bias_is_named_where_not(name):
    game = voting(8)
    promised = made(name).guarantees
    assert promised.unbiased != bool(promised.bias)
    if promised.unbiased:
        values, _ = repeated(made(name), game, 100, RUNS)
        assert is_unbiased(values, answer(promised, game))


@each
def test_trailing_axes_are_valued_one_by_one(name):
    if not made(name).guarantees.slicewise:
        pytest.skip(f"{name} does not promise it")
    games = [with_null_and_twins(0), with_null_and_twins(1)]
    both = lambda masks: np.stack([g.utility(masks) for g in games], axis=-1)  # noqa: E731
    together, _ = play(made(name), both, 8, budget=90)
    assert together.values.shape == together.std_errors.shape == (8, 2)
    for column, game in enumerate(games):
        alone, _ = play(made(name), game.utility, 8, budget=90)
        assert_allclose(together.values[:, column], alone.values, atol=1e-9)
        assert_allclose(together.std_errors[:, column], alone.std_errors, atol=1e-9)


@each
def test_the_answer_is_the_same_when_the_store_knows_half_of_the_coalitions(name, key):
    game = closed_form.table(with_null_and_twins().table[:64]).game
    fresh = estimate(game, made(name), Options(budget=48), key=key)
    store = UtilityStore()
    evaluate(game, game_key(key), all_subsets(6)[::2], store=store)
    resumed = estimate(game, made(name), Options(budget=48, stores=store), key=key)
    assert_array_equal(resumed.values, fresh.values)
    assert_array_equal(resumed.std_errors, fresh.std_errors)
    assert resumed.num_coalitions == fresh.num_coalitions
    assert fresh.num_stored == 0 < resumed.num_stored


@each
@pytest.mark.parametrize("turn", [None, 20], ids=["at-once", "in-turns"])
def test_a_budget_for_all_coalitions_gives_the_exact_values(name, turn):
    game = with_null_and_twins()
    promised = made(name).guarantees
    if not promised.enumerates:
        pytest.skip(f"{name} does not promise it")
    found, asked = play(made(name), game.utility, 8, budget=256, turn=turn)
    assert asked == 256
    assert_allclose(found.values, answer(promised, game), atol=1e-9)
    assert_allclose(found.std_errors, 0, atol=1e-9)


@pytest.mark.every_name
@each
def test_few_players_and_one_alone_are_valued(name):
    for players in (1, 2, 3):
        game = additive(players)
        found, _ = play(made(name), game.utility, players, budget=2**players)
        assert_allclose(found.values, game.values, atol=1e-9)


@each
def test_the_key_decides_the_draws(name):
    game = with_null_and_twins()
    one, same, other = (
        play(made(name), game.utility, 8, budget=90, seed=seed)[0].values for seed in (0, 0, 1)
    )
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-9


@each
def test_a_budget_that_is_missing_or_far_too_small_is_refused_in_one_sentence(name):
    for budget in (None, 1):
        with pytest.raises(ValueError, match=r"Expected .*budget"):
            made(name).init(8, budget, None)


def test_exact_values_draw_nothing():
    assert made("exact").guarantees.errors == "none"
    game = with_null_and_twins()
    found, asked = play(made("exact"), game.utility, 8, budget=None)
    assert asked == 256
    assert_allclose(found.values, game.values, atol=1e-12)
    assert jax.tree.leaves(found.notes) == []
