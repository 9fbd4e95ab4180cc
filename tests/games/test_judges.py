"""From whose point of view: each judge's values are those of a federation whose validation set is
that judge's rows, and together they are the values on all rows."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from federations import examples
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.in_run_methods import comfedsv
from fedjax_shap.valuation.options import Options
from fedjax_shap.valuation.repeats import estimate_repeated

TRAINING = Training(linear(), local(learning_rate=0.5), fedavg(max_rounds=2))
TESTS = (14, 0, 9)  # the middle member has no test rows of its own
ROWS = Plan(chunk=8)


def own_tests():
    return [examples(size, 50 + at) if size else None for at, size in enumerate(TESTS)]


def federation(**more):
    clients = [examples(size, 10 + at) for at, size in enumerate((7, 12, 4))]
    return from_arrays(clients, member_tests=own_tests(), names=["a", "b", "c"], **more)


def of_judge(data, judge):
    """The federation whose whole validation set are the rows of one member."""
    rows = np.flatnonzero(np.asarray(data.owners) == judge)
    x, y = data.validation
    return replace(data, validation=(x[rows], y[rows]), owners=None)


@pytest.fixture(scope="module")
def data():
    return federation()


@pytest.fixture(scope="module")
def game(data):
    with pytest.warns(InputWarning, match="without test rows of their own judge nothing: 'b'"):
        return silo(data, TRAINING, metric="accuracy", judges="members")


@pytest.fixture(scope="module")
def judged(game):
    return estimate(game, exact(), Options(plan=ROWS))


def test_values_of_a_judge_are_those_of_a_federation_with_its_rows_alone(data, judged):
    assert judged.slices.names == ("a", "c") and judged.slices.kind == "judges"
    for at, judge in enumerate((0, 2)):
        alone = silo(of_judge(data, judge), TRAINING, metric="accuracy")
        expected = estimate(alone, exact(), Options(plan=ROWS))
        assert_allclose(judged.slices.values[:, at], expected.values, atol=1e-6)
        assert_allclose(judged.slices.grand[at], expected.grand, atol=1e-6)
        assert_allclose(judged.slices.empty[at], expected.empty, atol=1e-6)


def test_the_pooled_values_are_those_without_judges_and_the_weighted_sum_of_the_judges(
    data, judged
):
    server = estimate(silo(data, TRAINING, metric="accuracy"), exact(), Options(plan=ROWS))
    assert_allclose(judged.values, server.values, rtol=1e-12)
    assert (judged.empty, judged.grand) == (server.empty, server.grand)
    assert_allclose(judged.slices.weights, np.array([14, 9]) / 23)
    assert_allclose(judged.slices.values @ judged.slices.weights, judged.values, atol=1e-6)


def test_a_round_is_judged_as_the_whole_game_is(data):
    run = rounds(data, TRAINING, metric="negative_loss", judges="classes")
    found = estimate_rounds(run, exact(), Options(plan=ROWS))
    server = estimate_rounds(
        rounds(data, TRAINING, metric="negative_loss"), exact(), Options(plan=ROWS)
    )
    assert_allclose(found.values, server.values, atol=1e-7)
    assert found.slices.names == ("class 0", "class 1", "class 2")
    assert_allclose(found.slices.values @ found.slices.weights, found.values, atol=1e-6)
    y = np.asarray(data.validation[1])
    assert_allclose(found.slices.weights, np.bincount(y) / len(y))


def test_rows_of_nobody_are_judged_by_the_server(data):
    owners = np.asarray(data.owners).copy()
    owners[:4] = -1
    some = replace(data, owners=jax.numpy.asarray(owners))
    with pytest.warns(InputWarning):
        game = silo(some, TRAINING, judges="members")
    assert game.trailing.names == ("a", "c", "the server")
    assert_allclose(game.trailing.weights, np.array([10, 9, 4]) / 23)


def test_sampled_and_repeated_values_have_their_slices(game, judged):
    sampled = estimate(game, permutation(), Options(plan=ROWS, budget=8))
    assert_allclose(sampled.slices.values @ sampled.slices.weights, sampled.values, atol=1e-6)
    twice = estimate_repeated(game, exact(), Options(plan=ROWS), repeats=2)
    assert twice.values.shape == (3,) and twice.slices.std_errors.shape == (3, 2)
    assert_allclose(twice.slices.values @ twice.slices.weights, twice.values, atol=1e-6)
    assert twice.notes["training_noise"].shape == (3,)


def test_values_by_round_end_with_those_of_the_game(data):
    by_round = estimate(silo(data, TRAINING, by_round=True), exact(), Options(plan=ROWS))
    assert by_round.slices.names == ("round 1", "round 2")
    shorter = TRAINING._replace(algorithm=fedavg(max_rounds=1))
    expected = estimate(silo(data, shorter), exact(), Options(plan=ROWS))
    assert_allclose(by_round.slices.values[:, 0], expected.values, atol=1e-6)
    assert_array_equal(by_round.values, by_round.slices.values[:, -1])


def test_values_by_round_of_one_run_are_summed_so_far(data):
    whole = estimate_rounds(rounds(data, TRAINING, by_round=True), exact(), Options(plan=ROWS))
    shorter = TRAINING._replace(algorithm=fedavg(max_rounds=1))
    first = estimate_rounds(rounds(data, shorter), exact(), Options(plan=ROWS))
    assert_allclose(whole.slices.values[:, 0], first.values, atol=1e-7)
    assert_allclose(whole.slices.values[:, 1], whole.values, atol=1e-12)
    assert whole.slices.names == ("round 1", "round 2")
    assert_allclose(whole.slices.grand[1], whole.grand)


@pytest.mark.parametrize(
    ("game_of", "settings", "said"),
    [
        (silo, {"judges": "everyone"}, "judges='everyone'"),
        (silo, {"judges": "classes", "metric": "roc_auc"}, "for 'class 0', 'class 1'"),
        (silo, {"judges": "classes", "resamples": 3}, "resamples=3 to be 0 with judges='classes'"),
        (silo, {"judges": "classes", "report": "best"}, "report='best' to be 'final'"),
        (silo, {"judges": "classes", "by_round": True}, "by_round=True to be left out"),
        (rounds, {"judges": "classes", "by_round": True}, "by_round=True to be left out"),
        (silo, {"by_round": True, "resamples": 2}, "resamples=2 to be 0 with by_round=True"),
    ],
)
@pytest.mark.filterwarnings("ignore::fedjax_shap._validate.InputWarning")
def test_what_cannot_be_judged_is_refused_in_one_sentence(game_of, settings, said):
    with pytest.raises(InvalidInputError, match=said):
        game_of(federation(), TRAINING, **settings)


def test_rows_without_owners_are_not_judged_by_members(data):
    with pytest.raises(InvalidInputError, match="member_test = 0"):
        silo(replace(data, owners=None), TRAINING, judges="members")


@pytest.mark.filterwarnings("ignore::fedjax_shap._validate.InputWarning")
def test_what_values_a_run_by_slices_is_refused_where_it_cannot(data):
    run = rounds(data, TRAINING, judges="members")
    with pytest.raises(InvalidInputError, match="judges and by_round to be left out"):
        estimate_rounds(run, comfedsv(), Options(plan=ROWS))
    with pytest.raises(InvalidInputError, match="normalise to be left out with judges"):
        estimate_rounds(run, exact(), Options(plan=ROWS), normalise=True)


def test_a_judge_diverges_with_its_model(data):
    game = silo(data, TRAINING, judges="classes")
    wild = replace(
        game,
        world=replace(
            game.world, initial=jax.tree.map(lambda leaf: leaf * np.nan, game.world.initial)
        ),
    )
    utilities = evaluate(wild, jax.random.key(0), all_subsets(3), ROWS, on_nonfinite="keep")
    assert utilities.shape == (8, 4) and np.isnan(utilities).all()
