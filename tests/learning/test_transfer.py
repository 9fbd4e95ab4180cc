"""Losses of federated transfer: held to loops over rows in float64, and to their own slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

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


def linear(params, x):
    return x @ params["w"] + params["b"][None]


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


def by_loops(world, objective, mask):
    """The loss and its gradient, row by row, in float64; of linear networks."""
    squash, slope = {
        "tanh": (np.tanh, lambda u: 1 - u**2),
        "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda u: u * (1 - u)),
        "none": (lambda z: z, lambda u: np.ones_like(u)),
    }[objective.activation]
    parties = world.initial.parties
    members = [s for s, there in enumerate(mask) if there]
    last = len(parties) - 1
    u = [
        np.array([squash(row @ p["w"] + p["b"]) for row in x]) for x, p in zip(world.x, parties)
    ]
    scores = world.target_signs.shape[1]
    count = sum(len(u[s]) for s in members)
    anchors = np.zeros((scores, WIDTH))
    for s in members:
        for row in range(len(u[s])):
            for k in range(scores):
                anchors[k] += world.signs[s][row, k] * u[s][row] / count
    kind = objective.loss
    if not members:
        anchors = world.initial.head
        kind = "logistic"
    bias = np.zeros(scores) if members else world.initial.bias

    def of_margin(m):
        if kind == "taylor":
            return np.log(2) - m / 2 + m * m / 8, -0.5 + m / 4
        return np.log(1 + np.exp(-m)), -1 / (1 + np.exp(m))

    total = 0.0
    slopes = [np.zeros_like(one) for one in u]
    of_anchors = np.zeros_like(anchors)
    of_bias = np.zeros(scores)
    # the labelled rows, and what members tell: (row of the target, its signs, weight)
    judged = [(row, y, 1.0) for row, y in zip(world.labelled, world.target_signs)]
    for s in members:
        for a, b, told in zip(world.of_source[s], world.of_target[s], world.told[s]):
            judged.append((b, world.signs[s][a], told))
            if objective.alignment == "distance":
                total += objective.gamma * np.sum((u[s][a] - u[last][b]) ** 2)
                slopes[s][a] += 2 * objective.gamma * (u[s][a] - u[last][b])
                slopes[last][b] -= 2 * objective.gamma * (u[s][a] - u[last][b])
            else:
                total -= objective.gamma * np.sum(u[s][a] * u[last][b])
                slopes[s][a] -= objective.gamma * u[last][b]
                slopes[last][b] -= objective.gamma * u[s][a]
    for row, y, weight in judged:
        for k in range(scores):
            value, change = of_margin(y[k] * (anchors[k] @ u[last][row] + bias[k]))
            total += weight * value
            slopes[last][row] += weight * change * y[k] * anchors[k]
            of_anchors[k] += weight * change * y[k] * u[last][row]
            of_bias[k] += weight * change * y[k]
    for s in members:
        for row in range(len(u[s])):
            for k in range(scores):
                slopes[s][row] += world.signs[s][row, k] * of_anchors[k] / count
    gradient = []
    for p, (x, params) in enumerate(zip(world.x, parties)):
        there = 1.0 if p in (*members, last) else 0.0
        z = slopes[p] * slope(u[p])
        weight = there * objective.penalty
        gradient.append(
            {"w": x.T @ z + weight * params["w"], "b": z.sum(axis=0) + weight * params["b"]}
        )
        total += weight / 2 * sum(float(np.sum(leaf**2)) for leaf in params.values())
    head = np.zeros_like(world.initial.head)
    own = np.zeros(scores)
    if not members:
        for leaf in (world.initial.head, world.initial.bias):
            total += objective.penalty / 2 * float(np.sum(leaf**2))
        head = of_anchors + objective.penalty * world.initial.head
        own = of_bias + objective.penalty * world.initial.bias
    return total, Networks(tuple(gradient), head, own)


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
