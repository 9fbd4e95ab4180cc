"""Coordinated trainings for tests: small federations, and centralised training as a naive loop."""

from fractions import Fraction

import numpy as np

from fedjax_shap.protocols.coordinated import coordinated

SHORT = {"key_bits": 512, "allow_short_keys": True}


def federation(seed=0, rows=12, columns=(2, 3, 1), model="logistic"):
    """Blocks of some hosts and, last, of the label holder, and targets."""
    random = np.random.default_rng(seed)
    blocks = [random.normal(0, 1, (rows, count)) for count in columns]
    outputs = sum(block.sum(1) for block in blocks) + random.normal(0, 1, rows)
    if model == "linear":
        return blocks, outputs
    return blocks, (outputs > 0).astype(int)


def train(blocks, y, **how):
    """A training under short keys, all contents kept."""
    settings = {"epochs": 3, "learning_rate": 0.1, "keep": True, **SHORT, **how}
    return coordinated(blocks, y, **settings)


def joined(trained):
    """All weights, party by party, the intercept last."""
    parts = [trained.weights[name] for name in trained.session.parties]
    return np.concatenate([*parts, [trained.intercept]])


def centralised(
    blocks,
    y,
    *,
    model="logistic",
    epochs=3,
    batch_size=None,
    learning_rate=0.1,
    optimizer="rmsprop",
    decay=True,
    l2=0.01,
    intercept=True,
    seed=0,
    bits=None,
):
    """All columns in one place, row by row and weight by weight; (weights, losses).

    With `bits`, features and parts of the residual are rounded as the encoding rounds them, and
    sums are exact.
    """
    widths = [block.shape[1] for block in blocks]
    owners = [*np.repeat(range(len(blocks)), widths).tolist(), len(blocks) - 1]
    x = np.hstack([*blocks, np.full((len(y), 1), float(intercept))])
    y = np.asarray(y, float)
    if model == "logistic":
        y = np.where(y > 0, 1.0, -1.0)
    slope, target = {"logistic": (0.25, 0.5), "linear": (1.0, 1.0)}[model]
    count = x.shape[1]
    w, first, second = np.zeros((3, count))
    losses, step = [], 0
    batch_size = batch_size or len(y)
    for epoch in range(epochs):
        order = np.arange(len(y))
        if batch_size < len(y):
            order = np.random.default_rng([seed, epoch]).permutation(len(y))
        for start in range(0, len(y), batch_size):
            rows = order[start : start + batch_size]
            s = x[rows] @ w
            mean = {
                "logistic": np.log(2) - y[rows] * s / 2 + s**2 / 8,
                "linear": (s - y[rows]) ** 2 / 2,
            }
            losses.append(mean[model].mean())
            if bits is None:
                sums = [sum((slope * s - target * y[rows]) * x[rows, j]) for j in range(count)]
            else:
                sums = rounded_sums(x[rows], y[rows], w, owners, (slope, target), bits)
            g = np.array(sums) / len(rows)
            g = g + l2 * w * (np.arange(count) < count - 1)
            g[-1] *= intercept
            step += 1
            if optimizer == "rmsprop":
                second = 0.99 * second + 0.01 * g**2
                g = g / np.sqrt(second + 1e-6)
            if optimizer == "adam":
                first = 0.9 * first + 0.1 * g
                second = 0.999 * second + 0.001 * g**2
                g = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
            w = w - learning_rate / np.sqrt(1 + epoch * decay) * g
    return w, np.array(losses)


def rounded_sums(x, y, w, owners, loss, bits):
    """X'd by fractions, of rounded features and of the parties' rounded parts of d."""
    slope, target = loss
    parts = []
    for party in sorted(set(owners)):
        mine = [j for j, owner in enumerate(owners) if owner == party]
        part = slope * (x[:, mine] @ w[mine])
        if party == max(owners):
            part = part - target * y
        parts.append([round(one * 2.0 ** (bits + 16)) for one in part])
    d = [sum(column) for column in zip(*parts, strict=True)]
    sums = []
    for j in range(x.shape[1]):
        whole = sum(d[i] * round(x[i, j] * 2.0**bits) for i in range(len(x)))
        sums.append(float(Fraction(whole, 2 ** (2 * bits + 16))))
    return sums
