"""The reference: training, metrics, Shapley values and payments as naive loops to check by eye.

Plain NumPy, one coalition at a time, one client at a time. Nothing here may import JAX or the
package under test. A model is a list of (kernel[D, H], bias[H]) pairs: one pair is softmax
regression, more are an MLP with ReLU between. A client is a pair (x[N, ...], y[N]); a coalition is
a tuple of client ids; `local` is a function (params, x, y, client, round) -> (params, losses seen
before each step). Optimisers start afresh every round.
"""

from fractions import Fraction
from itertools import combinations, permutations
from math import comb, factorial

import numpy as np

# ------------------------------------------------------------------ models


def forward(params, x):
    """Logits[B, L] of examples x[B, ...]."""
    h = np.asarray(x, np.float64).reshape(len(x), -1)
    for depth, (kernel, bias) in enumerate(params):
        h = h @ kernel + bias
        if depth < len(params) - 1:
            h = np.maximum(h, 0.0)
    return h


def probabilities(logits):
    """Softmax of logits[B, L], each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def cross_entropy(logits, y):
    """The mean over examples of -log p(y)."""
    total = 0.0
    for row, label in zip(logits, y):
        top = row.max()
        total += top + np.log(np.exp(row - top).sum()) - row[label]
    return total / len(y)


def loss(params, x, y):
    """Mean cross-entropy of a model over the given examples."""
    return cross_entropy(forward(params, x), y)


def gradient(params, x, y):
    """The gradient of `loss`, by hand: a list of (kernel, bias) pairs like `params`."""
    inputs = [np.asarray(x, np.float64).reshape(len(x), -1)]
    for kernel, bias in params[:-1]:
        inputs.append(np.maximum(inputs[-1] @ kernel + bias, 0.0))
    truth = np.zeros((len(y), len(params[-1][1])))
    truth[np.arange(len(y)), y] = 1.0
    error = (probabilities(forward(params, x)) - truth) / len(y)  # d loss / d logits
    gradients = []
    for (kernel, _), h in zip(reversed(params), reversed(inputs)):
        gradients.append((h.T @ error, error.sum(axis=0)))
        error = (error @ kernel.T) * (h > 0)  # unused after the first layer
    return gradients[::-1]


# ------------------------------------------------------------------ one client's local training


def _train(params, x, y, steps, batches, rule):
    """`steps` steps on all rows, or on the rows of one of `batches` each; rule(k, leaf name, p, g)
    -> new p."""
    losses = []
    for k in range(steps):
        rows = slice(None)
        if batches is not None:
            rows = batches[k]
        losses.append(loss(params, x[rows], y[rows]))
        layers = enumerate(zip(params, gradient(params, x[rows], y[rows])))
        params = [
            tuple(rule(k, (i, j), layer[j], g[j]) for j in (0, 1)) for i, (layer, g) in layers
        ]
    return params, losses


def local_sgd(params, x, y, steps, learning_rate, batches=None):
    """Gradient descent on all rows, or on one array of row indices a step: (params, losses)."""
    return _train(params, x, y, steps, batches, lambda k, leaf, p, g: p - learning_rate * g)


def local_momentum(params, x, y, steps, learning_rate, momentum=0.9, batches=None):
    """Heavy ball: m = momentum * m + g, p = p - learning_rate * m, m = 0 at first."""
    memory = {}

    def rule(k, leaf, p, g):
        memory[leaf] = momentum * memory.get(leaf, 0.0) + g
        return p - learning_rate * memory[leaf]

    return _train(params, x, y, steps, batches, rule)


def local_adam(params, x, y, steps, learning_rate, b1=0.9, b2=0.999, eps=1e-8, batches=None):
    """Adam (Kingma and Ba 2015) with bias correction, eps outside the root; optax's defaults."""
    first = {}
    second = {}

    def rule(k, leaf, p, g):
        first[leaf] = b1 * first.get(leaf, 0.0) + (1 - b1) * g
        second[leaf] = b2 * second.get(leaf, 0.0) + (1 - b2) * g**2
        mean = first[leaf] / (1 - b1 ** (k + 1))
        square = second[leaf] / (1 - b2 ** (k + 1))
        return p - learning_rate * mean / (np.sqrt(square) + eps)

    return _train(params, x, y, steps, batches, rule)


# ------------------------------------------------------------------ FedAvg of one coalition


def _weight(client, clients, weights):
    if weights == "examples":
        return float(len(clients[client][1]))
    if weights == "uniform":
        return 1.0
    return float(weights[client])


def fedavg(
    initial,
    clients,
    coalition,
    rounds,
    local,
    weights="examples",
    tol=None,
    patience=1,
    idle=frozenset(),
    first_round=0,
):
    """Trains one coalition from `initial` (McMahan et al. 2017, algorithm 1). Returns (params, the
    training loss of every round run).

    The loss of a round is the weighted mean over members of the mean loss that each saw before its
    local steps; a member without steps, as an idle one, which uploads what it received, counts with
    the received model's loss on all its examples. With `tol`, training ends after `patience` rounds
    in a row with |loss_t - loss_{t-1}| <= tol * |loss_{t-1}|. The empty coalition, or one of total
    weight zero, keeps `initial`.
    """
    total = sum(_weight(i, clients, weights) for i in coalition)
    if total == 0:
        return initial, []
    params = initial
    trace = []
    calm = 0
    for t in range(first_round, first_round + rounds):
        mixed = [(np.zeros_like(kernel), np.zeros_like(bias)) for kernel, bias in params]
        seen = 0.0
        for i in coalition:
            share = _weight(i, clients, weights) / total
            x, y = clients[i]
            upload = params
            losses = []
            if i not in idle:
                upload, losses = local(params, x, y, i, t)
            seen += share * np.mean(losses or [loss(params, x, y)])
            mixed = [(K + share * k, B + share * b) for (K, B), (k, b) in zip(mixed, upload)]
        params = mixed
        trace.append(seen)
        if tol is not None and len(trace) > 1:
            calm += 1
            if abs(trace[-1] - trace[-2]) > tol * abs(trace[-2]):
                calm = 0
            if calm == patience:
                break
    return params, trace


# ------------------------------------------------------------------ metrics of logits[T, L], y[T]


def accuracy(logits, y):
    """The fraction of examples whose largest logit is at the label; 1 / ties where several are."""
    largest = [np.flatnonzero(row == max(row)).tolist() for row in logits]
    return sum((label in ties) / len(ties) for ties, label in zip(largest, y)) / len(y)


def negative_loss(logits, y):
    """Minus the mean cross-entropy."""
    return -cross_entropy(logits, y)


def balanced_accuracy(logits, y):
    """The mean over the classes that occur in y of the accuracy on that class."""
    classes = sorted(set(np.asarray(y).tolist()))
    return sum(accuracy(logits[y == c], y[y == c]) for c in classes) / len(classes)


def roc_auc(logits, y):
    """How often an example of class 1 scores above one of class 0; a tie counts 1/2.

    The score is logit 1 - logit 0.
    """
    scores = logits[:, 1] - logits[:, 0]
    ones = scores[y == 1]
    zeros = scores[y == 0]
    wins = sum((a > b) + 0.5 * (a == b) for a in ones for b in zeros)
    return wins / (len(ones) * len(zeros))


def scored(metric, x, y):
    """A metric of logits as a function of params, on a server's set (x, y)."""
    return lambda params: metric(forward(params, x), np.asarray(y))


# ------------------------------------------------------------------ tables and the Shapley value


def members(row, ids):
    """Row r of a table holds ids[i] where bit i of r is set."""
    return tuple(i for bit, i in enumerate(ids) if row >> bit & 1)


def table_of(value, n):
    """[value(coalition) for every coalition of players 0..n-1], in binary order."""
    return np.array([value(members(row, range(n))) for row in range(2**n)], np.float64)


def silo_table(initial, clients, rounds, local, metric, **options):
    """V(S) of all 2^n coalitions, each trained alone by `fedavg`; `metric` takes params."""

    def worth(S):
        params, _ = fedavg(initial, clients, S, rounds, local, **options)
        return metric(params)

    return table_of(worth, len(clients))


def shapley(table):
    """The Shapley value (Shapley 1953), float64[n], of table[2^n].

    phi_i is the sum over S without i of |S|! (n - |S| - 1)! / n! [V(S + i) - V(S)].
    """
    n = (len(table) - 1).bit_length()
    values = np.zeros(n)
    for i in range(n):
        for row in range(2**n):
            if not row >> i & 1:
                size = row.bit_count()
                weight = factorial(size) * factorial(n - size - 1) / factorial(n)
                values[i] += weight * (table[row | 1 << i] - table[row])
    return values


def shapley_by_permutations(table):
    """The mean, over all n! orders of arrival, of what each player adds on arrival (n <= 7)."""
    n = (len(table) - 1).bit_length()
    values = np.zeros(n)
    for order in permutations(range(n)):
        row = 0
        for i in order:
            values[i] += table[row | 1 << i] - table[row]
            row |= 1 << i
    return values / factorial(n)


def rounds_values(
    initial, clients, participants, local, weights, metric, inner_rounds=1, **options
):
    """The games inside one run (Wang, Rausch, Zhang, Jia, Song 2020).

    participants[t] are the ids of round t. Returns (values[R, n], metrics[R + 1]): row t is the
    Shapley value of round t's game, zero for the absent; metrics are V(x_0), ..., V(x_R). Every S
    trains anew from x_t.
    """
    values = np.zeros((len(participants), len(clients)))
    x_t = initial
    metrics = [metric(initial)]
    for t, present in enumerate(participants):
        options["first_round"] = t * inner_rounds
        models = [
            fedavg(x_t, clients, members(row, present), inner_rounds, local, weights, **options)[0]
            for row in range(2 ** len(present))
        ]
        values[t, list(present)] = shapley([metric(model) for model in models])
        x_t = models[-1]
        metrics.append(metric(x_t))
    return values, metrics


# ------------------------------------------------------------------ money


def exact_payment(values, costs, revenue):
    """r_i = c_i + phi_i / sum(phi) * (R - sum(c)), exactly, as Fractions."""
    phi = [Fraction(v) for v in values]
    c = [Fraction(v) for v in costs]
    R = Fraction(revenue)
    return [c_i + phi_i / sum(phi) * (R - sum(c)) for c_i, phi_i in zip(c, phi)]


# ------------------------------------------------------------------ games with known answers


def additive_answer(weights):
    """V(S) = the sum of its members' weights: each gets its own, as a Fraction."""
    return [Fraction(w) for w in weights]


def airport_answer(costs):
    """V(S) = its largest cost: those who need a stretch of runway divide it equally, in Fractions.

    See Littlechild and Owen 1973.
    """
    answer = [Fraction(0)] * len(costs)
    built = Fraction(0)
    for end in sorted(Fraction(c) for c in costs):
        users = [i for i, c in enumerate(costs) if c >= end]
        for i in users:
            answer[i] += (end - built) / len(users)
        built = end
    return answer


def glove_answer(left, right):
    """V(S) = its pairs of a left and a right glove; left owners come first; in Fractions.

    Of r owners of the scarcer glove against m of the other, each scarce one gets 1/2 + (m - r) / (2
    r) * sum_{k=1..r} m! r! / ((m + k)! (r - k)!); the others divide the rest of the r pairs equally
    (Shapley and Shubik 1969).
    """
    r = min(left, right)
    m = max(left, right)
    if r == 0:
        return [Fraction(0)] * m
    tail = sum(
        Fraction(factorial(m) * factorial(r), factorial(m + k) * factorial(r - k))
        for k in range(1, r + 1)
    )
    scarce = Fraction(1, 2) + Fraction(m - r, 2 * r) * tail
    plenty = (r - r * scarce) / m
    if left <= right:
        return [scarce] * left + [plenty] * right
    return [plenty] * left + [scarce] * right


def voting_answer(weights, quota):
    """V(S) = 1 if its weights reach the quota: how often i's arrival makes a majority; Fractions.

    Enumerates the coalitions S of the others that lose alone and win with i (Shapley and Shubik
    1954).
    """
    n = len(weights)
    answer = []
    for i, weight in enumerate(weights):
        others = [j for j in range(n) if j != i]
        power = Fraction(0)
        for size in range(n):
            swings = [
                S
                for S in combinations(others, size)
                if quota - weight <= sum(weights[j] for j in S) < quota
            ]
            power += Fraction(len(swings), n * comb(n - 1, size))
        answer.append(power)
    return answer
