"""Mixtures of uploads: mixed first layers give what each mixture's own forward pass gives."""

from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import drawn, examples, federation, widened
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
        (x.reshape(-1, 13, 12, 2), y)
        for x, y in (
            examples(size, seed, features=312) for seed, size in enumerate((*SIZES, held_out))
        )
    )
    return from_arrays(clients, server)


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
    built = model(data.test[0].shape[1:], data.num_classes)
    training = Training(
        model,
        local(learning_rate=learning_rate, steps=2),
        fedavg(max_rounds=length, weights=weights),
        participation=participation,
        initial=drawn(built),
    )
    return rounds(data, training, metric=metric)


def game_of(data, model, **options):
    return next(round_of(data, model, **options).play(KEY)).game


def together(game, masks=EVERY):
    """`Game.values`, for which nothing but the masks counts."""
    return np.asarray(jax.jit(values_of(game))(game.world, masks))


def one_by_one(game, masks=EVERY):
    """`Game.value` of each coalition."""

    def value(mask):
        return game.value(game.world, KEY, SimpleNamespace(mask=mask))

    return np.asarray(jax.jit(jax.vmap(value))(masks))


def values_of(game):
    """(world, masks) -> `Game.values` of a chunk of these masks."""
    return lambda world, masks: game.values(world, KEY, SimpleNamespace(mask=masks))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of at most 16 examples and of few coalitions."""
    monkeypatch.setattr(mixtures, "EXAMPLES_AT_ONCE", 16)
    monkeypatch.setattr(mixtures, "MIXED_AT_ONCE", {jax.default_backend(): 600})


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
        utilities = together(game)
        expected = one_by_one(game)
    assert utilities.dtype == np.float64 and len(np.unique(expected)) > 16
    assert_allclose(utilities, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "roc_auc"])
def test_metrics_that_need_all_examples_get_them(metric, small_blocks):
    with jax.enable_x64(True):
        game = widened(game_of(federation(SIZES, classes=2), mlp(hidden=(6,)), metric=metric))
        utilities = together(game)
        expected = one_by_one(game)
    assert len(np.unique(expected)) > 1
    assert_allclose(utilities, expected, rtol=1e-12)


@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_the_engine_s_layouts_agree(layout):
    game = game_of(federation(SIZES), mlp(hidden=(6,)))
    assert_allclose(
        evaluate(game, KEY, EVERY, Plan(chunk=11, layout=layout, buckets=1)),
        one_by_one(game),
        rtol=1e-5,
    )


def test_a_coalition_without_weight_keeps_the_model_of_the_round(small_blocks):
    data = federation(SIZES, idle=[False, True, False, False, False])
    model = mlp(hidden=(6,))
    game = game_of(data, model, weights=(7.0, 0.0, 4.0, 9.0, 20.0))
    utilities = together(game)
    x, y = data.validation
    logits = model((4,), 3).apply(game.world.world.initial, x)
    kept = -np.mean(jax.nn.logsumexp(logits, axis=1) - logits[np.arange(len(y)), y])
    assert_allclose(utilities[[0, 2]], kept, rtol=1e-5)
    assert_allclose(utilities[2:4] - utilities[:2], 0, atol=1e-6)
    assert_allclose(utilities, one_by_one(game), rtol=1e-5)


@pytest.mark.parametrize("model", [linear(), mlp(hidden=(6,)), mlp(hidden=(6, 5))])
def test_only_mixtures_that_hold_an_upload_that_diverged_are_nan(model, small_blocks):
    clients = [examples(9, client) for client in range(5)]
    x, y = clients[2]
    clients[2] = (x * 1e30, y)
    game = game_of(from_arrays(clients, examples(40, 99)), model, learning_rate=0.1)
    for utilities in (together(game), one_by_one(game)):
        assert_array_equal(np.isnan(utilities), EVERY[:, 2])


def test_only_mixtures_that_hold_an_upload_whose_first_layer_overflows_are_nan(small_blocks):
    game = game_of(federation(SIZES), mlp(hidden=(6,)))
    expected = together(game)
    kernel = game.world.params["Dense_0"]["kernel"].at[3].set(3e38)
    layer = game.world.params["Dense_0"] | {"kernel": kernel}
    uploads = game.world.replace(params=game.world.params | {"Dense_0": layer})
    utilities = together(game.replace(world=uploads))
    assert np.isnan(utilities[EVERY[:, 3]]).all()
    assert_array_equal(utilities[~EVERY[:, 3]], expected[~EVERY[:, 3]])


def test_a_model_without_a_known_first_layer_is_applied_mixture_by_mixture():
    def plain(shape, num_classes):
        return Model(*mlp(hidden=(6,))(shape, num_classes)[:2])

    data = federation(SIZES)
    expected = together(game_of(data, mlp(hidden=(6,))))
    assert_allclose(together(game_of(data, plain)), expected, rtol=1e-5)


def test_uploads_and_masks_of_other_shapes_are_refused_and_never_broadcast():
    """An index beyond a mask's end would be clamped, and a single weight be that of everyone."""
    game = game_of(federation(SIZES), mlp(hidden=(6,)))
    uploads = game.world
    for masks in (EVERY[:, :4], EVERY[None]):
        with pytest.raises(AssertionError):
            together(game, masks)
        with pytest.raises(AssertionError):
            one_by_one(game, masks)
    for changed in (
        uploads.replace(weights=uploads.weights[:1]),
        uploads.replace(finite=uploads.finite[:1]),
        uploads.replace(params=jax.tree.map(lambda leaf: leaf[:1], uploads.params)),
    ):
        with pytest.raises(AssertionError):
            together(game.replace(world=changed))
        with pytest.raises(AssertionError):
            one_by_one(game.replace(world=changed))


def multiplications(function, *arguments):
    return jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"]


def test_first_layers_are_applied_once_to_each_upload_or_to_each_mixture_if_these_are_fewer():
    features = 400
    width = 8
    held_out = 50
    game = game_of(federation(SIZES, features=features, held_out=held_out), mlp(hidden=(width,)))
    first_layer = 2 * held_out * features * width
    for count, models in ((2, 2), (5, 5), (16, 6), (32, 6)):
        flops = multiplications(values_of(game), game.world, jnp.asarray(EVERY[:count]))
        most = (models + 1.5) * first_layer + count * first_layer / 8
        assert models * first_layer < flops < most, count


def test_memory_does_not_grow_with_the_examples_or_the_coalitions_beyond_their_logits():
    width = 256
    few = 32
    many = 2048
    short = 1024
    long = 8192
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

    @jax.jit
    @chex.assert_max_traces(1)
    def valued(game, masks):
        return game.values(game.world, KEY, SimpleNamespace(mask=masks))

    games = list(run.play(KEY))
    assert len(games) == 4
    for game, participants, _ in games:
        inside = EVERY & np.isin(np.arange(5), participants)
        assert_allclose(valued(game, EVERY), one_by_one(game, inside), rtol=1e-5)
