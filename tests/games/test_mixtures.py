"""Mixtures of uploads: first layers applied once and mixed give what each mixture's own forward
pass gives."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import examples, federation, widened
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games import mixtures
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import Model, cnn, linear, mlp
from fedjax_shap.learning.participation import trace
from fedjax_shap.learning.training import Training

SIZES = (7, 12, 4, 9, 20)
EVERY = all_subsets(5)
KEY = jax.random.key(0)


def images(held_out):
    """Five clients with images of 13 x 12 pixels and two channels."""
    *clients, server = (
        examples(size, seed, features=312) for seed, size in enumerate((*SIZES, held_out))
    )
    return from_arrays(
        *(
            ([(x.reshape(-1, 13, 12, 2), y) for x, y in clients]),
            (server[0].reshape(-1, 13, 12, 2), server[1]),
        )
    )


MODELS = {
    "softmax": (lambda held_out: federation(SIZES, held_out=held_out), linear()),
    "sigmoid": (
        lambda held_out: federation(SIZES, classes=2, held_out=held_out),
        linear(output="sigmoid"),
    ),
    "mlp": (lambda held_out: federation(SIZES, held_out=held_out), mlp(hidden=(6,))),
    "deep_mlp": (
        lambda held_out: federation(SIZES, classes=2, held_out=held_out),
        mlp(hidden=(6, 5, 4), output="sigmoid"),
    ),
    "cnn": (images, cnn()),
}


def round_of(
    data,
    model,
    *,
    metric="negative_loss",
    weights="examples",
    participation=None,
    learning_rate=0.3,
    length=1,
):
    """A run of the clients' full-batch uploads."""
    training, rule = (
        local(learning_rate=learning_rate, steps=2),
        fedavg(max_rounds=length, weights=weights),
    )
    return rounds(data, Training(model, training, rule, participation=participation), metric=metric)


def game_of(data, model, **options):
    return next(round_of(data, model, **options).play(KEY)).game


def together(game, masks=EVERY):
    """`Game.values`, for which nothing but the masks counts."""
    return np.asarray(
        jax.jit(lambda world, masks: game.values(world, KEY, SimpleNamespace(mask=masks)))(
            game.world, masks
        )
    )


def one_by_one(game, masks=EVERY):
    """`Game.value` of each coalition."""
    return np.asarray(
        jax.jit(jax.vmap(lambda mask: game.value(game.world, KEY, SimpleNamespace(mask=mask))))(
            masks
        )
    )


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of at most 16 examples and of few coalitions."""
    monkeypatch.setattr(mixtures, "EXAMPLES_AT_ONCE", 16)
    monkeypatch.setattr(mixtures, "MIXED_AT_ONCE", {"cpu": 600})


@pytest.mark.parametrize("name", ["softmax", "mlp", "cnn"])
def test_values_are_those_of_each_mixture_s_own_forward_pass(name):
    data, model = MODELS[name]
    game = game_of(data(40), model)
    assert_allclose(together(game), one_by_one(game), rtol=1e-5)


CNN = pytest.param("cnn", 17, marks=pytest.mark.slow)
SETS = [
    ("softmax", 40),
    ("sigmoid", 17),
    ("mlp", 3),
    ("mlp", 16),
    ("mlp", 17),
    ("mlp", 40),
    ("deep_mlp", 17),
    CNN,
]


@pytest.mark.parametrize(("name", "held_out"), SETS)
def test_in_float64_blocks_of_examples_and_coalitions_change_nothing_beyond_rounding(
    name, held_out, small_blocks
):
    data, model = MODELS[name]
    with jax.enable_x64(True):
        game = widened(game_of(data(held_out), model))
        found, expected = together(game), one_by_one(game)
    assert found.dtype == np.float64 and len(np.unique(expected)) > 16
    assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc"])
def test_metrics_that_need_all_examples_get_them(metric, small_blocks):
    with jax.enable_x64(True):
        game = widened(game_of(federation(SIZES, classes=2), mlp(hidden=(6,)), metric=metric))
        found, expected = together(game), one_by_one(game)
    assert len(np.unique(expected)) > 1
    assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_the_engine_s_layouts_agree(layout):
    game = game_of(federation(SIZES), mlp(hidden=(6,)))
    assert_allclose(
        evaluate(game, KEY, EVERY, Plan(chunk=11, layout=layout)), one_by_one(game), rtol=1e-5
    )


def test_a_coalition_without_weight_keeps_the_model_of_the_round(small_blocks):
    data, model = federation(SIZES, idle=[False, True, False, False, False]), mlp(hidden=(6,))
    game = game_of(data, model, weights=(7.0, 0.0, 4.0, 9.0, 20.0))
    found = together(game)
    built = model((4,), 3)
    x, y = data.validation
    kept = -np.mean(
        jax.nn.logsumexp(logits := built.apply(game.world.world.initial, x), axis=1)
        - logits[np.arange(len(y)), y]
    )
    assert_allclose(found[[0, 2]], kept, rtol=1e-5)
    assert_allclose(found[2:4] - found[:2], 0, atol=1e-6)
    assert_allclose(found, one_by_one(game), rtol=1e-5)


@pytest.mark.parametrize("model", [linear(), mlp(hidden=(6,)), mlp(hidden=(6, 5))])
def test_an_upload_that_diverged_spoils_only_the_mixtures_that_hold_it(model, small_blocks):
    clients = [
        (x * (1e30 if i == 2 else 1), y)
        for i, (x, y) in enumerate(examples(9, i) for i in range(5))
    ]
    game = game_of(
        from_arrays(clients, examples(40, 99)),
        model,
        learning_rate=1e9 if model is linear() else 0.1,
    )
    for found in (together(game), one_by_one(game)):
        assert_array_equal(np.isnan(found), EVERY[:, 2])


def test_an_upload_whose_first_layer_overflows_spoils_only_the_mixtures_that_hold_it(small_blocks):
    game = game_of(federation(SIZES), mlp(hidden=(6,)))
    expected = together(game)
    kernel = game.world.params["Dense_0"]["kernel"].at[3].set(3e38)
    params = game.world.params | {"Dense_0": game.world.params["Dense_0"] | {"kernel": kernel}}
    found = together(game.replace(world=game.world.replace(params=params)))
    assert np.isnan(found[EVERY[:, 3]]).all()
    assert_array_equal(found[~EVERY[:, 3]], expected[~EVERY[:, 3]])


def test_a_model_that_does_not_tell_its_first_layer_is_applied_mixture_by_mixture():
    def plain(shape, num_classes):
        return Model(*mlp(hidden=(6,))(shape, num_classes)[:2])

    data = federation(SIZES)
    assert_allclose(
        together(game_of(data, plain)), together(game_of(data, mlp(hidden=(6,)))), rtol=1e-5
    )


def multiplications(function, *arguments):
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]


def values_of(game):
    return lambda world, masks: game.values(world, KEY, SimpleNamespace(mask=masks))


def test_first_layers_are_applied_once_to_each_upload_or_to_each_mixture_if_these_are_fewer():
    features, width, held_out = 400, 8, 50
    game = game_of(federation(SIZES, features=features, held_out=held_out), mlp(hidden=(width,)))
    first_layer = 2 * held_out * features * width
    for count, models in ((2, 2), (5, 5), (16, 6), (32, 6)):
        found = multiplications(values_of(game), game.world, jnp.asarray(EVERY[:count]))
        assert (
            models * first_layer < found < (models + 1.5) * first_layer + count * first_layer / 8
        ), count


def test_memory_does_not_grow_with_the_examples_or_the_coalitions_beyond_their_logits():
    width, (few, many), (short, long) = 256, (32, 2048), (1024, 8192)
    temporary = {}
    for count, held_out in ((few, short), (few, long), (many, short)):
        game = game_of(federation(SIZES, held_out=held_out), mlp(hidden=(width,)))
        masks = jnp.asarray(np.tile(EVERY, (count // 32, 1)))
        compiled = jax.jit(values_of(game)).lower(game.world, masks).compile()
        temporary[count, held_out] = compiled.memory_analysis().temp_size_in_bytes
    given = 4 * width * len(SIZES) * long  # what kept pre-activations would take
    mixed = 4 * width * many * mixtures.EXAMPLES_AT_ONCE
    for (count, held_out), bound in (((few, long), given), ((many, short), mixed)):
        logits = 4 * 3 * count * held_out
        assert temporary[count, held_out] - temporary[few, short] < 4 * logits < bound / 2


def test_rounds_of_any_number_of_participants_share_one_program():
    present = ((1, 0, 0, 1, 0), (1, 1, 1, 1, 1), (0, 0, 1, 0, 0), (1, 0, 1, 1, 0))
    run = round_of(
        federation(SIZES), mlp(hidden=(6,)), participation=trace(available=present), length=4
    )
    valued = jax.jit(lambda game, masks: game.values(game.world, KEY, SimpleNamespace(mask=masks)))
    count = 0
    for game, participants, _ in run.play(KEY):
        there = EVERY & np.isin(np.arange(5), participants)
        found = valued(game, EVERY)
        assert_allclose(found, one_by_one(game, there), rtol=1e-5)
        count += 1
    assert (count, valued._cache_size()) == (4, 1)
