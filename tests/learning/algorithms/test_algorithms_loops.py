"""Every algorithm's parameters against the naive loops: inside coalitions, for whoever takes part,
for any steps."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
from federations import (
    CLASSES,
    FEATURES,
    clients_of,
    federation,
    in_float64,
    initial,
    layers,
    metric_of,
    widened,
)
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training

SIZES, LENGTH, RATE, L2 = (7, 12, 4, 9), 10, 0.3, 0.01
EVERY = all_subsets(4)
WEIGHTS = (2.0, 0.5, 1.0, 3.0)
UNEQUAL = np.tile((1, 2, 7, 4), (LENGTH, 1))
REDRAWN = np.random.default_rng(5).integers(1, 7, (LENGTH, 4))
IDLING = np.where(np.random.default_rng(7).random((LENGTH, 4)) < 0.3, 0, REDRAWN)
SOMETIMES = np.random.default_rng(6).random((LENGTH, 4)) < 0.6
ALWAYS = np.ones((LENGTH, 4), bool)
# Rounds of three members, one and none: few numbers of members, each of which is compiled.
ROUNDS = np.array([[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]], bool)

OPT = {"server_learning_rate": 0.05, "b1": 0.9, "eps": 1e-3}


class Case(NamedTuple):
    """One algorithm: its name in the registry and its keywords, and the loop with its own."""

    name: str
    settings: dict[str, Any]
    loop: Any
    momentum: float = 0.0


CASES = {
    "fedavg": Case("fedavg", {}, loops.fedavg),
    "fedprox": Case("fedprox", {"mu": 0.5}, partial(loops.fedprox, mu=0.5)),
    "fednova": Case("fednova", {}, loops.fednova),
    "fednova, momentum": Case("fednova", {"momentum": 0.8}, loops.fednova, momentum=0.8),
    "scaffold": Case(
        "scaffold", {"server_learning_rate": 0.7}, partial(loops.scaffold, server_learning_rate=0.7)
    ),
    "calibrated": Case("calibrated", {"lam": 0.1}, partial(loops.calibrated, lam=0.1)),
    "fedagrac": Case("fedagrac", {"lam": 1.0}, partial(loops.fedagrac, lam=1.0, send="mixed")),
    "fedagrac, fixed mean": Case(
        "fedagrac",
        {"lam": 0.5, "mean_steps": 3.0},
        partial(loops.fedagrac, lam=0.5, send="mixed", mean_steps=3.0),
    ),
    "fedadam": Case(
        "fedadam", OPT | {"b2": 0.99}, partial(loops.fedopt, kind="adam", b2=0.99, **OPT)
    ),
    "fedyogi": Case(
        "fedyogi", OPT | {"b2": 0.99}, partial(loops.fedopt, kind="yogi", b2=0.99, **OPT)
    ),
    "fedadagrad": Case(
        "fedadagrad",
        OPT | {"initial_accumulator": 0.0},
        partial(loops.fedopt, kind="adagrad", initial=0.0, **OPT),
    ),
    "fedopt, adam": Case(
        "fedopt",
        {"optimizer": "adam", "server_learning_rate": 0.05, "options": {"b2": 0.9, "eps": 1e-3}},
        partial(loops.fedopt, kind="adam", b2=0.9, initial=0.0, debias=True, **OPT),
    ),
    "fedsgd": Case(
        "fedsgd",
        {"learning_rate": 0.2, "momentum": 0.9},
        partial(loops.fedsgd, learning_rate=0.2, momentum=0.9),
    ),
}
KIN = {
    "fedavg",
    "fedprox",
    "fednova, momentum",
    "fedagrac, fixed mean",
    "fedyogi",
    "fedadagrad",
    "fedopt, adam",
}


def cases(*also, slow=frozenset()):
    """Every case by its name, with further parameters; those in `slow` are not in the fast suite,
    but their kin are."""
    marks = {name: [pytest.mark.slow] if name in slow else [] for name in CASES}
    return [
        pytest.param(case, *also, id=", ".join((name, *also)), marks=marks[name])
        for name, case in CASES.items()
    ]


@pytest.fixture
def double():
    """64-bit JAX: the loops are float64."""
    with jax.enable_x64(True):
        yield


def test_every_algorithm_of_the_registry_has_a_loop():
    assert {case.name for case in CASES.values()} == set(ALGORITHMS)


def training_of(case, batch_size):
    options = {"momentum": case.momentum} if case.momentum else None
    return local(
        learning_rate=RATE,
        options=options,
        batch_size=batch_size,
        steps=1,
        reshuffle=batch_size is None,
        l2=L2,
    )


def process(array):
    """Steps or participation that are given as an array."""
    return lambda *_: np.array(array)


def run_of(case, steps, present, *, widths=(FEATURES, CLASSES), batch_size=None):
    """The same federation for the loops."""
    return loops.Run(
        clients=clients_of(federation(SIZES)),
        start=layers(initial(*widths)),
        weights=np.array(WEIGHTS),
        steps=steps,
        present=present,
        rate=RATE,
        l2=L2,
        momentum=case.momentum,
        batch_size=batch_size,
    )


def game_of(case, steps, present, *, widths=(FEATURES, CLASSES), batch_size=None):
    """The game whose utility is the vector of all parameters with which a coalition ends."""
    rule = ALGORITHMS[case.name](weights=WEIGHTS, max_rounds=len(steps), **case.settings)
    model = linear() if len(widths) == 2 else mlp(hidden=widths[1:-1])
    learning = learner(
        federation(SIZES),
        Training(
            model,
            training_of(case, batch_size),
            rule,
            key=jax.random.key(0),
            initial=initial(*widths),
            steps=process(steps),
            participation=process(present),
        ),
    )
    return trained(learning, lambda world, params, trace, mask: vector(params))


def vector(params):
    """The parameters in the order of `loops.flat`."""
    return jnp.concatenate(
        [params[name][part].ravel() for name in sorted(params) for part in ("kernel", "bias")]
    )


def expected(case, masks, steps, present, **options):
    run = run_of(case, steps, present, **options)
    return np.stack(
        [loops.train(run, case.loop, tuple(np.flatnonzero(mask).tolist())) for mask in masks]
    )


@pytest.mark.every_name
@pytest.mark.parametrize("case", cases())
def test_after_ten_rounds_in_every_coalition_the_parameters_are_the_loops_to_1e_6_in_float32(
    case, key
):
    found, wanted = (
        evaluate(game_of(case, UNEQUAL, SOMETIMES), key, EVERY),
        expected(case, EVERY, UNEQUAL, SOMETIMES),
    )
    assert np.abs(wanted[1:] - wanted[0]).max(axis=1).min() > 0.03, (
        "Expected every coalition to learn."
    )
    assert_allclose(found, wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("case", "layout"), [*cases("coalition", slow=KIN), *cases("client", slow=CASES)]
)
def test_with_steps_redrawn_for_whoever_takes_part_the_parameters_are_the_loops(
    case, layout, key, double
):
    """On the same compiled program: some absent; everyone there; and members without steps, who
    send what they kept."""
    game = widened(game_of(case, REDRAWN, SOMETIMES))
    for steps, present in ((REDRAWN, SOMETIMES), (REDRAWN, ALWAYS), (IDLING, SOMETIMES)):
        world = game.world.replace(num_steps=jnp.asarray(steps), present=jnp.asarray(present))
        found = evaluate(
            game.replace(world=world), key, EVERY, Plan(chunk=8, layout=layout, buckets=1)
        )
        assert_allclose(found, expected(case, EVERY, steps, present), atol=1e-10, rtol=0)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("fedsgd", "client"),
        ("calibrated", "coalition"),
        pytest.param("fednova, momentum", "client", marks=pytest.mark.slow),
        pytest.param("scaffold", "client", marks=pytest.mark.slow),
    ],
)
def test_on_mini_batches_as_they_stand_the_parameters_are_the_loops(name, layout, key, double):
    game = widened(game_of(CASES[name], REDRAWN, SOMETIMES, batch_size=3))
    found = evaluate(game, key, EVERY[9:], Plan(chunk=8, layout=layout, buckets=1))
    assert_allclose(
        found,
        expected(CASES[name], EVERY[9:], REDRAWN, SOMETIMES, batch_size=3),
        atol=1e-10,
        rtol=0,
    )


@pytest.mark.parametrize("name", ["fedagrac", pytest.param("calibrated", marks=pytest.mark.slow)])
def test_where_the_loss_is_not_convex_the_parameters_are_the_loops_too(name, key, double):
    case, widths = CASES[name], (FEATURES, 5, CLASSES)
    found = evaluate(widened(game_of(case, REDRAWN, SOMETIMES, widths=widths)), key, EVERY[9:])
    assert_allclose(
        found, expected(case, EVERY[9:], REDRAWN, SOMETIMES, widths=widths), atol=1e-9, rtol=0
    )


def assert_round_games_are_the_loops(case, inner_rounds, key):
    """In every round that somebody takes part in, every coalition is worth what the loop's model is
    worth."""
    steps, present = REDRAWN[: len(ROUNDS) * inner_rounds], ROUNDS
    wanted = loops.round_models(run_of(case, steps, present), case.loop, inner_rounds)
    found = rounds(
        federation(SIZES),
        Training(
            linear(),
            training_of(case, None),
            ALGORITHMS[case.name](weights=WEIGHTS, max_rounds=len(ROUNDS), **case.settings),
            participation=process(present),
            steps=process(steps),
            initial=initial(FEATURES, CLASSES),
        ),
        inner_rounds=inner_rounds,
        metric="negative_loss",
    )
    assert_array_equal(found.present, present)
    worth, like, seen = metric_of(federation(SIZES)), layers(initial(FEATURES, CLASSES)), []
    for game, participants, t in found.play(key):
        masks = np.zeros((2 ** len(participants), 4), bool)
        masks[:, participants] = all_subsets(len(participants))
        models = [wanted[t][tuple(np.flatnonzero(mask).tolist())] for mask in masks]
        utilities = evaluate(game.replace(world=in_float64(game.world)), key, masks)
        assert_allclose(
            utilities, [worth(loops.shaped(model, like)) for model in models], atol=1e-6, rtol=0
        )
        seen.append(t)  # between rounds the run is float32, hence 1e-6
    assert seen == np.flatnonzero(present.any(axis=1)).tolist()


@pytest.mark.parametrize("case", cases(slow=KIN))
def test_the_round_game_is_what_each_coalition_makes_of_the_run_as_it_stands(case, key, double):
    assert_round_games_are_the_loops(case, 1, key)


@pytest.mark.parametrize("case", cases(slow=set(CASES) - {"scaffold"}))
def test_with_several_aggregations_a_round_it_is_that_too(case, key, double):
    assert_round_games_are_the_loops(case, 2, key)
