"""Models: their shapes, their initial parameters, their outputs, and what they refuse."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from federations import drawn, initial, layers
from flax import linen as nn
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.model import MODELS, cnn, linear, mlp, num_params
from fedjax_shap.learning.precision import computing

IMAGE = (28, 28, 1)


def shapes(params):
    return jax.tree.map(lambda leaf: leaf.shape, params)


SHAPES = {"lstm": (5,), "embedding_bag": (5,)}  # of an example; images for all others


@pytest.mark.every_name
@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_one_logit_a_class(name, key):
    shape = SHAPES.get(name, (12, 14, 2))
    model = MODELS[name]()(shape, 5)
    logits = jax.eval_shape(
        lambda key, x: model.apply(model.init(key), x), key, jnp.ones((3, *shape))
    )
    assert logits.shape == (3, 5)
    assert logits.dtype == jnp.float32


def test_layers_have_the_widths_asked_for(key):
    params = jax.eval_shape(mlp(hidden=(7, 5))((2, 3), 4).init, key)
    assert shapes(params) == {
        "Dense_0": {"kernel": (6, 7), "bias": (7,)},
        "Dense_1": {"kernel": (7, 5), "bias": (5,)},
        "Dense_2": {"kernel": (5, 4), "bias": (4,)},
    }
    assert num_params(params) == 6 * 7 + 7 + 7 * 5 + 5 + 5 * 4 + 4


def test_lenet5_is_the_published_one(key):
    params = jax.eval_shape(cnn()(IMAGE, 10).init, key)
    kernels = {name: layer["kernel"].shape for name, layer in params.items()}
    assert kernels == {
        "Conv_0": (5, 5, 1, 6),
        "Conv_1": (5, 5, 6, 16),
        "Dense_0": (400, 120),
        "Dense_1": (120, 84),
        "Dense_2": (84, 10),
    }
    assert num_params(params) == 61_706


@pytest.mark.parametrize("hidden", [(), (5,), (6, 5)])
def test_logits_are_the_oracles(hidden):
    model = mlp(hidden=hidden)((4,), 3)
    params = initial(4, *hidden, 3)
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    assert_allclose(model.apply(params, x), oracle.forward(layers(params), x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "architecture", [linear(), linear(output="sigmoid"), mlp(hidden=(6, 5)), cnn()]
)
def test_a_model_is_a_first_layer_that_is_linear_in_its_parameters_and_the_rest(architecture, key):
    model = architecture((12, 13, 2), 2)
    with jax.enable_x64(True):
        one, other = (
            jax.tree.map(
                lambda leaf, s=seed: np.random.default_rng(s).normal(size=leaf.shape),
                jax.eval_shape(model.init, key),
            )
            for seed in (0, 1)
        )
        x = np.random.default_rng(2).normal(size=(3, 12, 13, 2))
        first = jax.jit(model.first)
        given = [first(params, x) for params in (one, other)]
        mixed = first(jax.tree.map(lambda a, b: 0.3 * a + 0.7 * b, one, other), x)
        assert_allclose(mixed, 0.3 * given[0] + 0.7 * given[1], rtol=1e-12, atol=1e-12)
        whole = jax.jit(model.apply)(one, x)
        assert_allclose(jax.jit(model.rest)(one, given[0]), whole, rtol=1e-12)
    assert np.abs(given[0] - given[1]).max() > 0.1


@pytest.mark.parametrize(
    ("architecture", "shape"), [(mlp(hidden=(64,), initializer="torch"), (25,)), (None, IMAGE)]
)
def test_torch_initial_parameters_are_uniform_within_pytorchs_bounds(architecture, shape, key):
    params = jax.jit((architecture or cnn(initializer="torch"))(shape, 10).init)(key)
    scaled = []
    for layer in params.values():
        bound = float(np.prod(layer["kernel"].shape[:-1])) ** -0.5
        scaled += [np.ravel(leaf) / bound for leaf in layer.values()]
        assert max(np.abs(part).max() for part in scaled[-2:]) <= 1.0
    drawn = np.sort(np.concatenate(scaled))
    steps = np.abs((drawn + 1) / 2 - (np.arange(len(drawn)) + 0.5) / len(drawn)).max()
    assert steps * np.sqrt(len(drawn)) < 2.0, (
        "Kolmogorov-Smirnov distance from the uniform distribution"
    )


def test_lecun_kernels_have_variance_one_over_fan_in_and_zero_biases(key):
    layer = jax.jit(mlp(hidden=(200,))((50,), 2).init)(key)["Dense_0"]
    assert_array_equal(layer["bias"], 0)
    variance, count = float(jnp.var(layer["kernel"])) * 50, layer["kernel"].size
    assert abs(variance - 1) < 5 * np.sqrt(2 / count)


def test_zero_parameters_and_the_default_of_linear_are_zeros(key):
    for model in (linear()((4,), 3), mlp(initializer="zeros")((4,), 3)):
        params = jax.jit(model.init)(key)
        assert all(not np.any(leaf) for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(
    "architecture", [linear(initializer="torch", output="sigmoid"), mlp(output="sigmoid")]
)
def test_one_sigmoid_output_is_trained_on_binary_cross_entropy(architecture, key):
    model = architecture((4,), 2)
    params, y = jax.jit(model.init)(key), np.arange(9) % 2
    assert params[max(params)]["kernel"].shape[1] == 1
    logits = model.apply(params, np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32))
    chance = 1 / (1 + np.exp(-np.asarray(logits, np.float64)[:, 1]))
    binary = -(y * np.log(chance) + (1 - y) * np.log(1 - chance))
    assert_allclose(cross_entropy(logits, jnp.asarray(y)), binary, rtol=1e-5)
    assert_array_equal(logits[:, 0], 0)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: mlp(hidden=(4, 0)), "hidden=0 to be an integer >= 1"),
        (lambda: mlp(output="tanh"), "output='tanh' to be a known name"),
        (lambda: mlp(initializer="glorot")((4,), 2), "initializer='glorot' to be a known name"),
        (
            lambda: linear(output="sigmoid")((4,), 3),
            "output='sigmoid' to be used with 2 classes, got 3",
        ),
        (
            lambda: cnn()((4,), 3),
            r"images \[H, W, channels\] of at least 12 x 12, got shape \(4,\)",
        ),
        (lambda: cnn()((8, 28, 1), 3), r"at least 12 x 12, got shape \(8, 28, 1\)"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(build, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        build()


@pytest.mark.parametrize("convolution", ["squares", "patches", "grouped"])
def test_convolutions_are_the_ones_of_the_library(convolution, key):
    images = jax.random.normal(key, (3, 29, 28, 2))
    model = cnn(convolution=convolution)((29, 28, 2), 10)
    params = drawn(model)

    def ours(params):
        return model.apply(params, images)

    def library(params):
        x = images
        for name, padding in (("Conv_0", "SAME"), ("Conv_1", "VALID")):
            layer = nn.Conv(params[name]["kernel"].shape[-1], (5, 5), padding=padding)
            x = nn.max_pool(
                nn.relu(layer.apply({"params": params[name]}, x)), (2, 2), strides=(2, 2)
            )
        x = x.reshape(3, -1)
        for name in ("Dense_0", "Dense_1", "Dense_2"):
            x = x @ params[name]["kernel"] + params[name]["bias"][None]
            x = x if name == "Dense_2" else nn.relu(x)
        return x

    def close(one, other):
        assert_allclose(one, other, rtol=1e-4, atol=1e-5)

    def and_gradient(logits):
        return jax.jit(lambda p: (logits(p), jax.grad(lambda p: (logits(p) ** 2).sum())(p)))

    jax.tree.map(close, *(and_gradient(logits)(params) for logits in (ours, library)))


def test_fewer_bits_change_little_and_the_parameters_keep_their_type(key):
    x = jax.random.normal(key, (64, 12, 12, 1))
    for build in (linear, mlp):
        exact = build(initializer="lecun")(x.shape[1:], 3)
        params = jax.jit(exact.init)(key)
        wanted = jax.jit(exact.apply)(params, x)
        for precision, gap in (("tf32x3", 1e-6), ("tf32", 1e-2), ("bfloat16", 0.1)):
            model = build(initializer="lecun", precision=precision)(x.shape[1:], 3)
            slope = jax.eval_shape(jax.grad(lambda p, m=model: m.apply(p, x).sum()), params)
            found = jax.jit(model.apply)(params, x)
            assert_allclose(found, wanted, atol=gap * np.abs(wanted).max())
            types = {leaf.dtype for leaf in jax.tree.leaves((found, slope))}
            assert types == {jnp.dtype(jnp.float32)}
        assert np.abs(np.asarray(found) - wanted).max() > 1e-4, "bfloat16 rounds"


def test_products_are_full_unless_asked_for_less(key):
    def precisions(**options):
        model = mlp(hidden=(5,), **options)((4,), 3)
        program = jax.make_jaxpr(jax.grad(lambda p, x: model.apply(p, x).sum()))(
            model.init(key), jnp.ones((2, 4))
        )
        return set(re.findall(r"Precision\.(\w+)", str(program)))

    assert precisions() == {"HIGHEST"}
    assert precisions(precision="tf32") == {"HIGH"}
    assert precisions(precision="tf32x3") == {"HIGHEST"}, "there are no tensor cores here"


def test_split_factors_are_for_tensor_cores_and_for_products_alone(key):
    def lowered(apply, weights):
        computed = computing(apply, "tf32x3", tensor_cores=True)
        slope = jax.jit(jax.grad(lambda w, x: computed(w, x).sum()))
        traced = slope.trace(weights, jnp.ones((2, 8, 8, 3)))
        return traced.lower(lowering_platforms=("cuda",)).as_text()

    def product(weights, x):
        return jnp.tanh(x.reshape(2, -1) @ weights)

    def convolution(weights, x):
        kinds = ("NHWC", "HWIO", "NHWC")
        return jnp.tanh(
            jax.lax.conv_general_dilated(x, weights, (1, 1), "SAME", dimension_numbers=kinds)
        )

    split = lowered(product, jnp.ones((192, 4)))
    dots = split.count("stablehlo.dot_general")
    assert dots > 1
    assert split.count("num_primitive_operations = 3") == dots, "forwards and backwards"
    whole = lowered(convolution, jnp.ones((3, 3, 3, 4)))
    assert "HIGHEST" in whole and "DEFAULT" not in whole


def test_unknown_computations_are_refused_in_one_sentence():
    with pytest.raises(InvalidInputError, match="precision='float16' to be a known name"):
        mlp(precision="float16")((4,), 3)
    with pytest.raises(
        InvalidInputError, match="convolution='patch' to be a known name; did you mean 'patches'"
    ):
        cnn(convolution="patch")
