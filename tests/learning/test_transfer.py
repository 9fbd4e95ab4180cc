"""Losses of federated transfer: held to loops over rows in float64, and to their own slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from transfer_loops import by_loops, descended, linear

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.transfer import (
    Fit,
    Networks,
    Objective,
    Parties,
    Transfer,
    checked,
)

WIDTH = 3
SOURCES = ((7, 4), (5, 2))  # rows, features
TARGET = (6, 3)
EVERYONE = (True, True)


def drawn(scores=1, seed=0):
    """A transfer of two sources, all arrays float64."""
    rng = np.random.default_rng(seed)

    def params(features):
        return {"w": rng.normal(size=(features, WIDTH)), "b": rng.normal(size=WIDTH)}

    def signs(rows):
        return rng.choice([-1.0, 1.0], size=(rows, scores))

    shapes = (*SOURCES, TARGET)
    return Parties(
        x=tuple(rng.normal(size=shape) for shape in shapes),
        signs=tuple(signs(rows) for rows, _ in SOURCES),
        of_source=(np.array([0, 3, 6]), np.array([1, 4])),
        of_target=(np.array([2, 0, 5]), np.array([5, 1])),
        told=(np.array([1.0, 0.0, 1.0]), np.array([1.0, 1.0])),
        labelled=np.array([0, 4]),
        target_signs=signs(2),
        initial=Networks(
            tuple(params(features) for _, features in shapes),
            rng.normal(size=(scores, WIDTH)),
            rng.normal(size=scores),
        ),
        held_out=(rng.normal(size=(4, TARGET[1])), np.array([0, 1, 1, 0])),
    )


@pytest.mark.parametrize(
    ("objective", "scores"),
    [
        (Objective(gamma=0.3, penalty=0.07), 3),
        (Objective("taylor", "distance", 0.3, 0.07, "none"), 1),
        (Objective("taylor", "product", 0.3, 0.07, "sigmoid"), 1),
    ],
)
def test_loss_and_gradient_are_those_of_loops_over_rows(objective, scores):
    with jax.enable_x64(True):
        world = drawn(scores)
        learning = Transfer((linear,) * 3, objective, Fit(optax.sgd(0.1), 1))
        both = jax.jit(jax.value_and_grad(learning.loss))
        on_device = jax.tree.map(jnp.asarray, world)
        for mask in ((False, False), (True, False), (False, True), EVERYONE):
            found, gradient = both(on_device.initial, on_device, jnp.asarray(mask))
            expected, slopes = by_loops(world, objective, mask)
            assert float(found) == pytest.approx(expected, rel=1e-12)
            for ours, theirs in zip(jax.tree.leaves(gradient), jax.tree.leaves(slopes)):
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_training_takes_the_steps_of_gradient_descent():
    with jax.enable_x64(True):
        world = drawn()
        objective = Objective("taylor", gamma=0.2, penalty=0.1)
        learning = Transfer((linear,) * 3, objective, Fit(optax.sgd(0.05), 4))
        train = jax.jit(learning.trained)
        for mask in ((False, False), (False, True), EVERYONE):
            found = train(jax.tree.map(jnp.asarray, world), jnp.asarray(mask))
            expected = descended(world, objective, mask, 0.05, 4)
            for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_sources_that_are_not_there_neither_move_nor_count():
    with jax.enable_x64(True):
        world = jax.tree.map(jnp.asarray, drawn())
        learning = Transfer((linear,) * 3, Objective(), Fit(optax.adam(0.1), 3))
        train = jax.jit(learning.trained)
        only_first = jnp.array([True, False])
        moved = train(world, only_first)
        for ours, theirs in zip(
            jax.tree.leaves(moved.parties[1]), jax.tree.leaves(world.initial.parties[1])
        ):
            np.testing.assert_array_equal(ours, theirs)
        others = world.replace(x=(world.x[0], world.x[1] * 100, world.x[2]))
        again = train(others, only_first)
        for ours, theirs in zip(jax.tree.leaves(again), jax.tree.leaves(moved)):
            np.testing.assert_array_equal(ours, theirs)


def test_taylor_loss_is_the_logistic_one_to_second_order_at_zero():
    with jax.enable_x64(True):
        world = jax.tree.map(jnp.asarray, drawn())
        # the target's outputs near zero: 1e-3 of its network
        small = jax.tree.map(lambda leaf: 1e-3 * leaf, world.initial.parties[-1])
        networks = world.initial.replace(parties=(*world.initial.parties[:-1], small))
        fit = Fit(optax.sgd(1.0), 1)
        exact, second = (
            jax.jit(Transfer((linear,) * 3, Objective(loss, penalty=0.0), fit).loss)(
                networks, world, jnp.asarray(EVERYONE)
            )
            for loss in ("logistic", "taylor")
        )
        assert abs(float(exact - second)) < 1e-9


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"loss": "hinge"}, "loss='hinge'"),
        ({"gamma": -1.0}, "gamma=-1.0"),
        ({"penalty": float("nan")}, "penalty=nan"),
        ({"alignment": "product", "activation": "none"}, "no lower bound"),
    ],
)
def test_settings_out_of_range_are_refused(changed, named):
    with pytest.raises(InvalidInputError, match=named):
        checked(Objective()._replace(**changed))
