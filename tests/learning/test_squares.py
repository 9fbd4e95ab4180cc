"""Convolutions in squares: the library's values and slopes at every size and in every precision."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import drawn
from flax import linen as nn
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.learning.architectures.squares import largest, square_outputs
from fedjax_shap.learning.class_scores import cross_entropy
from fedjax_shap.learning.model import cnn, cnn_mcmahan

# images in the batch, height, width, channels, output channels, kernel's width
SIZES = [(2, 6, 9, 3, 2, 5), (3, 7, 8, 1, 5, 3), (1, 5, 4, 2, 1, 1)]
MORE = [(4, 12, 11, 2, 3, 7), (2, 10, 10, 6, 16, 5), (1, 13, 6, 1, 4, 5), (5, 4, 4, 4, 2, 3)]
RUNS_LONG = [pytest.param(size, marks=pytest.mark.slow) for size in MORE]


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("size", [*SIZES, *RUNS_LONG])
def test_the_largest_of_a_square_is_the_librarys_convolution_and_pooling(size, kind):
    batch, height, width, channels, features, side = size
    draw = np.random.default_rng(batch)

    def ours(x, kernel):
        pooled = largest(square_outputs(jnp.transpose(x, (3, 1, 2, 0)), kernel))
        return jnp.transpose(pooled, (3, 1, 2, 0))

    def library(x, kernel):
        layer = nn.Conv(features, (side, side), padding="VALID", use_bias=False)
        outputs = layer.apply({"params": {"kernel": kernel}}, x)
        return nn.max_pool(outputs, (2, 2), strides=(2, 2))

    def values(pool, x, kernel, weights):
        # the weights make every output's slope another one
        pooled, slopes_of = jax.vjp(pool, x, kernel)
        return pooled, slopes_of(weights)

    with jax.enable_x64(kind == "float64"):
        x = jnp.asarray(draw.normal(size=(batch, height, width, channels)), kind)
        kernel = jnp.asarray(draw.normal(size=(side, side, channels, features)), kind)
        squares = tuple((length - side + 1) // 2 for length in (height, width))
        weights = jnp.asarray(draw.normal(size=(batch, *squares, features)), kind)
        found, expected = (
            jax.jit(values, static_argnums=0)(pool, x, kernel, weights) for pool in (ours, library)
        )
    error = {"float32": 2e-5, "float64": 1e-12}[kind]
    for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        assert leaf.dtype == kind
        assert_allclose(leaf, wanted, rtol=error, atol=error)


def test_the_slope_goes_to_the_first_of_equal_outputs_alone():
    outputs = jnp.array(
        [[1.0, 0.0, 2.0, 1.0], [1.0, 3.0, 2.0, 0.0], [0.0, 3.0, 2.0, 1.0], [0.0] * 4]
    )
    slopes = jax.grad(lambda outputs: (largest(outputs) * jnp.arange(1.0, 5.0)).sum())(outputs)
    assert_array_equal(slopes, [[1, 0, 3, 4], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.slow
@pytest.mark.parametrize("build", [cnn, cnn_mcmahan])
def test_a_few_steps_train_the_models_that_patches_train(build):
    x = np.random.default_rng(1).normal(size=(16, 14, 15, 2)).astype(np.float32)
    y = jnp.arange(16) % 3

    models = {form: build(convolution=form)((14, 15, 2), 3) for form in ("squares", "patches")}
    start = drawn(models["patches"])

    def trained(model):

        def loss(params):
            return cross_entropy(model.apply(params, x), y).mean()

        def step(_, params):
            return jax.tree.map(lambda a, b: a - 0.05 * b, params, jax.grad(loss)(params))

        params = jax.lax.fori_loop(0, 5, step, start)
        return params, loss(params)

    squares, patches = (jax.jit(partial(trained, model))() for model in models.values())
    assert_allclose(squares[1], patches[1], rtol=2e-6)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-4, atol=1e-6), squares, patches)


def test_products_have_the_precision_asked_for_forwards_and_backwards(key):
    def program(precision):
        model = cnn(precision=precision)((12, 12, 1), 3)
        params = jax.eval_shape(model.init, key)
        x = jnp.ones((2, 12, 12, 1))
        slopes = jax.grad(lambda params, x: model.apply(params, x).sum())
        assert {leaf.dtype for leaf in jax.tree.leaves(jax.eval_shape(slopes, params, x))} == {
            jnp.dtype("float32")
        }
        return str(jax.make_jaxpr(slopes)(params, x))

    def precisions(text):
        return set(re.findall(r"Precision\.(\w+)", text))

    assert precisions(program("float32")) == {"HIGHEST"}
    assert precisions(program("tf32")) == {"HIGH"}
    products = re.findall(r":(\w+)\[[\d,]*\] = dot_general", program("bfloat16"))
    assert len(products) >= 14 and set(products) == {"bf16"}
