"""Federated algorithms as naive float64 loops, client by client, to check by eye against papers.

Plain NumPy over `oracle.gradient`; nothing here may import JAX or the package under test. A model
is one vector float64[D]. A round is a function `(run, t, members, present, state, **settings)` that
changes `state`, a dict whose "x" is the server's model: `members` are the ids of the coalition,
`present` those of them who take part in round t. w_i are the run's weights over those present, and
sum to 1. Nothing happens in a round in which their total is zero. A client without steps (K_i = 0)
sends the model that it received, and what it last kept.

Read for this: the papers named below; HarliWu/FedaGrac
(federated_learning/FedaGrac, scaffold and FedNova: learner.py, param_server.py); JYWa/FedNova
(distoptim/FedNova.py: the normalising vector under momentum, tau_eff); owkin/FLamby
(flamby/strategies/fed_opt.py, fed_prox.py, scaffold.py) and adap/flower
(server/strategy/fedadam.py): m and v without bias correction, v = 0 at first, tau outside the root.
"""

from typing import Any, NamedTuple

import numpy as np
import oracle


class Run(NamedTuple):
    """A federated run: who has which data, and what each does in which round.

    Attributes:
        clients: the (x, y) of each of C clients.
        start: the initial model as the oracle's layers, which also tell the shapes.
        weights: float[C], in every mean.
        steps: int[R, C], K_i of each round.
        present: bool[R, C], who takes part in which round.
        rate: eta of local SGD.
        l2: weight of the penalty l2 / 2 |x|^2 that every client's loss has.
        momentum: of local SGD, heavy ball, zero at the start of each round.
        batch_size: B, rows as they stand and from the top in every epoch and round; None: all rows.
        rows: (round, client) -> the rows of each of its steps, where they are not these.
    """

    clients: list[tuple[np.ndarray, np.ndarray]]
    start: list[tuple[np.ndarray, np.ndarray]]
    weights: np.ndarray
    steps: np.ndarray
    present: np.ndarray
    rate: float
    l2: float = 0.0
    momentum: float = 0.0
    batch_size: int | None = None
    rows: Any = None


def flat(layers):
    """A model's layers as one vector: each layer's kernel, row by row, then its bias."""
    return np.concatenate([part.ravel() for layer in layers for part in layer])


def shaped(vector, like):
    """A vector as layers with the shapes of `like`."""
    layers = []
    at = 0
    for kernel, bias in like:
        middle = at + kernel.size
        end = middle + bias.size
        layers.append((vector[at:middle].reshape(kernel.shape), vector[middle:end]))
        at = end
    return layers


def gradient(run, i, x, rows=slice(None)):
    """Client i's gradient at x, on the given rows of its data, with its penalty."""
    data, labels = run.clients[i]
    return flat(oracle.gradient(shaped(x, run.start), data[rows], labels[rows])) + run.l2 * x


def batch(run, t, i, k):
    """The rows of client i's k-th step in round t."""
    if run.rows is not None:
        return run.rows(t, i)[k]
    if run.batch_size is None:
        return slice(None)
    size = len(run.clients[i][1])
    first = k % -(-size // run.batch_size) * run.batch_size
    return slice(first, min(first + run.batch_size, size))


def descend(run, t, i, x, correction=0.0, mu=0.0):
    """Client i's local SGD of round t from x along g + correction + mu (y - x).

    Returns (x_{K_i}, the gradients g_0, g_1, ... themselves).
    """
    y = x.copy()
    gradients = []
    ball = np.zeros_like(x)
    for k in range(run.steps[t, i]):
        g = gradient(run, i, y, batch(run, t, i, k))
        gradients.append(g)
        ball = run.momentum * ball + g + correction + mu * (y - x)
        y = y - run.rate * ball
    return y, gradients


def mean(run, values):
    """The weighted mean of {client: vector or number}, by the weights of those who are in it."""
    total = sum(run.weights[i] for i in values)
    return sum(run.weights[i] / total * value for i, value in values.items())


def kept(state, name):
    """What each client keeps under a name, {client: ...}, empty at first."""
    return state.setdefault(name, {})


# ------------------------------------------------------------------ plain averaging, penalties


def fedavg(run, t, members, present, state):
    """McMahan, Moore, Ramage, Hampson, Aguera y Arcas 2017, Algorithm 1."""
    state["x"] = mean(run, {i: descend(run, t, i, state["x"])[0] for i in present})


def fedprox(run, t, members, present, state, mu):
    """Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith 2020: steps also descend mu / 2 |y - x_t|^2."""
    x = state["x"]
    state["x"] = mean(run, {i: descend(run, t, i, x, mu=mu)[0] for i in present})


def fedsgd(run, t, members, present, state, learning_rate, momentum):
    """McMahan et al. 2017: one gradient of everyone at x_t, one step of the server.

    The server's step has a heavy ball here.
    """
    x = state["x"]
    zero = np.zeros_like(x)
    sent = {}
    for i in present:
        sent[i] = zero
        if run.steps[t, i] > 0:
            sent[i] = gradient(run, i, x, batch(run, t, i, 0))
    state["ball"] = momentum * state.get("ball", zero) + mean(run, sent)
    state["x"] = x - learning_rate * state["ball"]


# ------------------------------------------------------------------ unequal numbers of steps


def fednova(run, t, members, present, state):
    """Wang, Liu, Liang, Joshi, Poor 2020, eq. 8: x - tau_eff sum w_i eta d_i, with tau_eff = sum
    w_i |a_i|_1.

    a_i says how often each gradient counts in x_t - x_{K_i} = eta sum_k a_ik g_k; d_i = sum_k a_ik
    g_k / |a_i|_1. Under a heavy ball rho the k-th of K gradients counts 1 + rho + ... + rho^(K - 1
    - k) times.
    """
    x = state["x"]
    normalised = {}
    lengths = {}
    for i in present:
        K = run.steps[t, i]
        counts = [sum(run.momentum**later for later in range(K - k)) for k in range(K)]
        _, gradients = descend(run, t, i, x)
        lengths[i] = sum(counts)
        normalised[i] = sum((a * g for a, g in zip(counts, gradients)), np.zeros_like(x))
        if K > 0:
            normalised[i] = normalised[i] / lengths[i]
    state["x"] = x - mean(run, lengths) * run.rate * mean(run, normalised)


def scaffold(run, t, members, present, state, server_learning_rate):
    """Karimireddy, Kale, Mohri, Reddi, Stich, Suresh 2020, Algorithm 1 with option II; weighted.

    There c moves by |S| / N times the mean of c_i+ - c_i over the |S| present of N; here by the
    fraction of the members' weight that is present, times the weighted mean: the same where weights
    are equal.
    """
    x = state["x"]
    variates = kept(state, "variates")
    zero = np.zeros_like(x)
    c = state.setdefault("c", zero)
    ends = {}
    moved = {}
    for i in present:
        c_i = variates.get(i, zero)
        K = run.steps[t, i]
        ends[i], _ = descend(run, t, i, x, c - c_i)
        variates[i] = c_i
        if K > 0:
            variates[i] = c_i - c + (x - ends[i]) / (K * run.rate)
        moved[i] = variates[i] - c_i
    share = sum(run.weights[i] for i in present) / sum(run.weights[i] for i in members)
    state["x"] = x + server_learning_rate * mean(run, {i: y - x for i, y in ends.items()})
    state["c"] = c + share * mean(run, moved)


def calibrated(run, t, members, present, state, lam):
    """The patented form of calibration, taken literally.

    A client's correction is v - g_i + lam / (eta K_i) (x_t - y_i): v is the mean of the clients'
    first gradients; g_i is its own first gradient and y_i its own last model, both of the round in
    which it last took steps. In its own first round the correction is zero.
    """
    x = state["x"]
    first = kept(state, "first gradients")
    last = kept(state, "last models")
    zero = np.zeros_like(x)
    v = state.setdefault("v", zero)
    ends = {}
    for i in present:
        K = run.steps[t, i]
        c_i = zero
        if i in first and K > 0:
            c_i = v - first[i] + lam / (run.rate * K) * (x - last[i])
        ends[i], gradients = descend(run, t, i, x, c_i)
        if K > 0:
            first[i] = gradients[0]
            last[i] = ends[i]
    state["v"] = mean(run, {i: first.get(i, zero) for i in present})
    state["x"] = mean(run, ends)


def fedagrac(run, t, members, present, state, lam, send, mean_steps=None):
    """Wu, Guo, Wang, Zhang, Qu, Zhang, Liu 2023; with send="mixed" a client with more steps than
    the mean sends its first gradient.
    """
    x = state["x"]
    averages = kept(state, "averages")
    zero = np.zeros_like(x)
    nu = state.setdefault("nu", zero)
    if mean_steps is None:
        mean_steps = mean(run, {i: run.steps[t, i] for i in present})
    ends = {}
    sent = {}
    for i in present:
        nu_i = averages.get(i, zero)
        K = run.steps[t, i]
        ends[i], gradients = descend(run, t, i, x, lam * (nu - nu_i))
        averages[i] = nu_i
        if K > 0:
            averages[i] = sum(gradients) / K
        sent[i] = averages[i]
        if send == "mixed" and mean_steps + 1e-9 < K:
            sent[i] = gradients[0]
    state["x"] = mean(run, ends)
    state["nu"] = mean(run, sent)


# ------------------------------------------------------------------ optimisers at the server


def fedopt(
    run,
    t,
    members,
    present,
    state,
    kind,
    server_learning_rate,
    b1,
    eps,
    b2=0.999,
    initial=None,
    debias=False,
):
    """Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan 2021, Algorithm 2.

    There v starts at `initial` >= eps^2 (here eps^2 if None; FLamby's is 0), and m and v are used
    as they are; `debias` divides them by 1 - b^t as Kingma and Ba 2015 do, with t counting the
    rounds that took place.
    """
    x = state["x"]
    step = mean(run, {i: descend(run, t, i, x)[0] - x for i in present})
    if initial is None:
        initial = eps**2
    m = state.get("m", np.zeros_like(x))
    v = state.get("v", np.full_like(x, initial))
    m = b1 * m + (1 - b1) * step
    if kind == "adagrad":
        v = v + step**2
    elif kind == "yogi":
        v = v - (1 - b2) * step**2 * np.sign(v - step**2)
    else:
        v = b2 * v + (1 - b2) * step**2
    state["m"] = m
    state["v"] = v
    state["count"] = state.get("count", 0) + 1
    if debias:
        m = m / (1 - b1 ** state["count"])
        v = v / (1 - b2 ** state["count"])
    state["x"] = x + server_learning_rate * m / (np.sqrt(v) + eps)


# ------------------------------------------------------------------ a whole run


def play(run, algorithm, t, members, present, state, settings):
    """The state after round t, in which those of `members` who are `present` take part.

    `state` itself is not changed: arrays are replaced and never written to, dicts are copied.
    """
    after = dict(state)
    for name, entry in state.items():
        if isinstance(entry, dict):
            after[name] = dict(entry)
    if sum(run.weights[i] for i in present) > 0:
        algorithm(run, t, members, present, after, **settings)
    return after


def train(run, algorithm, coalition, **settings: Any):
    """The model float64[D] that a coalition, a tuple of ids, ends with when it trains alone."""
    state = {"x": flat(run.start)}
    for t in range(len(run.steps)):
        present = [i for i in coalition if run.present[t, i]]
        state = play(run, algorithm, t, coalition, present, state, settings)
    return state["x"]


def round_models(run, algorithm, inner_rounds=1, **settings: Any):
    """The games inside one run: for each round t {S: the model that S, of those present, makes of
    x_t} (Wang, Rausch, Zhang, Jia, Song 2020).

    S meets the run as it stands: the server's state, and what each member keeps. The run moves on
    with all present. A round is `inner_rounds` aggregations by the same clients, which take a row
    of `run.steps` each.
    """
    state = {"x": flat(run.start)}
    everyone = tuple(range(len(run.clients)))
    games = []

    def after_round(t, S):
        after = state
        for row in range(t * inner_rounds, (t + 1) * inner_rounds):
            after = play(run, algorithm, row, everyone, S, after, settings)
        return after

    for t in range(len(run.present)):
        present = tuple(np.flatnonzero(run.present[t]).tolist())
        coalitions = [oracle.members(row, present) for row in range(2 ** len(present))]
        games.append({S: after_round(t, S)["x"] for S in coalitions})
        state = after_round(t, present)
    return games
