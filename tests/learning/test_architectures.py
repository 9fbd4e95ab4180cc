"""Published architectures: their sizes, that they learn, and what they refuse."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.model import cnn_mcmahan, embedding_bag, lstm, mlp, num_params, resnet
from fedjax_shap.learning.training import Training, model_of


def count(architecture, shape, num_outputs, key):
    return num_params(jax.eval_shape(architecture(shape, num_outputs).init, key))


def test_the_cnn_of_the_first_fedavg_paper_has_its_number_of_parameters(key):
    assert count(cnn_mcmahan(), (28, 28, 1), 10, key) == 1_663_370


def test_the_residual_network_of_20_layers_has_the_papers_kernels(key):
    def kernels(depth):
        params = jax.eval_shape(resnet(depth=depth)((32, 32, 3), 10).init, key)
        return [leaf for leaf in jax.tree.leaves(params) if leaf.ndim > 1]

    assert [len(kernels(depth)) for depth in (8, 14, 20)] == [8, 14, 20]
    assert sum(int(np.prod(leaf.shape)) for leaf in kernels(20)) == 268_336


def test_the_character_lstm_has_the_papers_layers(key):
    # an embedding of 8, two layers of 4 gates with 256 units, and a linear layer
    layers = 4 * (8 * 256 + 256 * 256 + 256) + 4 * (256 * 256 + 256 * 256 + 256)
    assert count(lstm(vocabulary=90), (80,), 90, key) == 90 * 8 + layers + 256 * 90 + 90


IMAGES = np.random.default_rng(0).normal(size=(8, 4, 4, 2)).astype(np.float32)
TOKENS = np.random.default_rng(0).integers(0, 9, size=(8, 5)).astype(np.float32)
SMALL = {
    "cnn_mcmahan": (cnn_mcmahan(), IMAGES),
    "resnet": (resnet(depth=8, width=2), IMAGES),
    "lstm": (lstm(vocabulary=9, hidden=6, layers=1), TOKENS),
    "lstm of a series": (lstm(hidden=6, layers=1), IMAGES[..., 0]),
    "embedding_bag": (embedding_bag(vocabulary=9, width=6, padding=0), TOKENS),
}


SLOW = {"cnn_mcmahan", "resnet"}


@pytest.mark.every_name
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SMALL],
)
def test_a_few_steps_lower_the_loss(name, key):
    architecture, x = SMALL[name]
    y = jnp.arange(len(x)) % 3
    model = architecture(x.shape[1:], 3)
    assert {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(model.init, key))} == {
        jnp.dtype("float32")
    }

    def loss(params):
        return cross_entropy(model.apply(params, x), y).mean()

    @jax.jit
    def losses(params):
        adam = optax.adam(0.01)

        def step(state, _):
            value, gradient = jax.value_and_grad(loss)(state[0])
            change, memory = adam.update(gradient, state[1])
            return (optax.apply_updates(state[0], change), memory), value

        return jax.lax.scan(step, (params, adam.init(params)), length=12)[1]

    followed = np.asarray(losses(jax.jit(model.init)(key)))
    assert np.isfinite(followed).all() and followed[-1] < 0.97 * followed[0]


@pytest.mark.slow
def test_both_computations_of_the_residual_networks_convolutions_agree(key):
    patches, grouped = (
        resnet(depth=8, width=2, convolution=convolution)((4, 4, 2), 3)
        for convolution in ("patches", "grouped")
    )
    params = jax.jit(patches.init)(key)
    chex.assert_trees_all_close(params, jax.jit(grouped.init)(key), rtol=1e-6)
    expected = jax.jit(grouped.apply)(params, IMAGES)
    assert_allclose(jax.jit(patches.apply)(params, IMAGES), expected, atol=1e-5)


def test_tokens_of_padding_do_not_count(key):
    model = embedding_bag(vocabulary=9, width=4, padding=0)((5,), 3)
    params = model.init(key)
    short = np.array([[4.0, 7.0, 2.0]])
    padded = np.array([[4.0, 7.0, 0.0, 2.0, 0.0]])
    nothing = np.zeros((1, 5))
    assert_allclose(model.apply(params, padded), model.apply(params, short), rtol=1e-6)
    assert_allclose(model.apply(params, nothing)[0], params["Dense_0"]["bias"], atol=1e-7)


@pytest.mark.parametrize("architecture", [lstm(vocabulary=9), embedding_bag(vocabulary=9)])
@pytest.mark.parametrize("odd", [9, -1, 0.5])
def test_ids_that_are_not_in_the_vocabulary_are_refused(architecture, odd):
    test = np.zeros((2, 5))
    test[1, 3] = odd
    data = from_arrays([(np.zeros((2, 5)), [0, 1])], (test, [0, 1]))
    with pytest.raises(InvalidInputError, match=rf"token ids 0\.\.8 \(vocabulary=9\), got {odd}"):
        model_of(Training(architecture), data)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: resnet(depth=9), r"depth=9 to be 6n \+ 2"),
        (lambda: resnet(width=3), "width=3 to be a multiple of groups=2"),
        (lambda: resnet()((4,), 2), r"'resnet' to get images \[H, W, channels\]"),
        (lambda: cnn_mcmahan()((3, 4, 1), 2), "of at least 4 x 4"),
        (
            lambda: embedding_bag(vocabulary=4, padding=4),
            "padding=4 to be an integer >= 0 and <= 3",
        ),
        (lambda: embedding_bag()((3, 2), 2), r"token ids of shape \[T\], got shape \(3, 2\)"),
        (lambda: lstm(hidden=0), "hidden=0 to be an integer >= 1"),
        (lambda: lstm()((2, 3, 4), 2), r"vectors of shape \[T, F\], got shape \(2, 3, 4\)"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        build()


@pytest.mark.parametrize("initializer", ["lecun", "torch"])
def test_initial_parameters_by_one_program_are_those_of_one_operation_after_another(
    initializer, key
):
    init = mlp(hidden=(8,), initializer=initializer)((5,), 3).init
    by_one = init(key)
    with jax.disable_jit():
        one_by_one = init(key)
    # as operations are fused, the last bit may differ by processor
    chex.assert_trees_all_close(by_one, one_by_one, rtol=3e-6, atol=1e-7)


def test_initial_parameters_have_the_same_bits_within_another_program(key):
    model = mlp(hidden=[5])((7,), 3)
    chex.assert_trees_all_equal(model.init(key), jax.jit(model.init)(key))
