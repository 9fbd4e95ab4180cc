"""The loss of a federated transfer and its training, row by row in float64, for linear networks."""

import numpy as np

from fedjax_shap.learning.transfer import Networks


def linear(params, x):
    return x @ params["w"] + params["b"][None]


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
    width = world.initial.head.shape[1]
    u = [np.array([squash(row @ p["w"] + p["b"]) for row in x]) for x, p in zip(world.x, parties)]
    scores = world.target_signs.shape[1]
    count = sum(len(u[s]) for s in members)
    anchors = np.zeros((scores, width))
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


def descended(world, objective, mask, rate, steps):
    """The parameters after steps of gradient descent."""
    for _ in range(steps):
        _, slopes = by_loops(world, objective, mask)
        parties = tuple(
            {name: params[name] - rate * slope[name] for name in params}
            for params, slope in zip(world.initial.parties, slopes.parties)
        )
        head = world.initial.head - rate * slopes.head
        bias = world.initial.bias - rate * slopes.bias
        world = world.replace(initial=Networks(parties, head, bias))
    return world.initial
