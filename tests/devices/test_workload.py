"""Workload: operations against a count by hand, bytes against the messages of algorithms whose
content is known."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

from fedjax_shap.devices.workload import flops_per_step, messages
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.algorithms.scaffold import scaffold
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import cnn, linear, mlp, num_params

FEATURES, CLASSES = 50, 3


def counted(architecture, settings, sizes, shape=(FEATURES,), classes=CLASSES):
    """The FLOPs of a step, and the shapes of the parameters."""
    model = architecture(shape, classes)
    params = jax.eval_shape(model.init, jax.random.key(0))
    return flops_per_step(model, settings, params, shape, np.array(sizes)), params


def test_a_linear_model_counts_as_by_hand():
    flops, _ = counted(linear(), local(learning_rate=0.1), [10, 40])
    products = (
        4 * np.array([10, 40]) * FEATURES * CLASSES
    )  # x @ W and x' @ d, a multiplication and an addition each
    update = 2 * (FEATURES + 1) * CLASSES  # of each parameter: times the learning rate, and added
    rest = flops - products - update  # biases, softmax and its gradient: a few operations a logit
    assert ((rest > 0) & (rest < 16 * CLASSES * np.array([10, 40]))).all()


def test_a_perceptron_counts_two_products_a_layer_and_a_third_where_it_passes_gradients_on():
    flops, _ = counted(mlp(hidden=(64,)), local(learning_rate=0.1), [1000])
    assert_allclose(flops, 1000 * (4 * FEATURES * 64 + 6 * 64 * CLASSES), rtol=0.03)


def test_a_count_is_linear_in_the_examples_of_a_batch():
    images = {"shape": (14, 14, 1), "classes": 10}
    one, two, four = counted(cnn(), local(), [10, 20, 40], **images)[0]
    assert_allclose(four - two, 2 * (two - one), rtol=1e-12)
    model = cnn()((14, 14, 1), 10)
    params = jax.eval_shape(model.init, jax.random.key(0))
    small = flops_per_step(model, local(), params, (14, 14, 1), np.array([5]))
    assert_allclose(one - small, (two - one) / 2, rtol=1e-12)


def test_how_convolutions_are_computed_changes_no_count():
    images = {"shape": (12, 12, 1), "classes": 10}
    squares, patches = (
        counted(cnn(convolution=form), local(), [10], **images)[0]
        for form in ("squares", "patches")
    )
    assert squares == patches


def test_mini_batches_count_with_their_mean_size():
    full, _ = counted(linear(), local(), [10, 8, 3, 0])
    batches, _ = counted(
        linear(), local(batch_size=4), [30, 8, 3, 0]
    )  # means of 30/8, 4, 3 and, for want of any, 1
    each = (full[0] - full[1]) / 2
    assert_allclose(
        batches, [full[1] - 4.25 * each, full[1] - 4 * each, full[2], full[1] - 7 * each]
    )


def test_a_penalty_and_an_optimiser_with_state_cost_operations():
    plain, params = counted(linear(), local(), [10])
    assert counted(linear(), local(l2=0.1), [10])[0] >= plain + num_params(params)
    assert counted(linear(), local(optimizer="adam"), [10])[0] >= plain + 5 * num_params(params)


@pytest.mark.parametrize("given", ["shapes", "arrays"])
def test_messages_are_the_models_and_what_the_algorithm_adds(given):
    model = linear()((FEATURES,), CLASSES)
    params = model.init(jax.random.key(0))
    params = params if given == "arrays" else jax.eval_shape(lambda: params)
    size = 4 * (FEATURES + 1) * CLASSES
    assert messages(fedavg(), params) == (size, size)
    assert messages(scaffold(), params) == (2 * size, 2 * size)
