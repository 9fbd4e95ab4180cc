"""Small federations, with the same arrays for the package and for the oracle."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import oracle

from fedjax_shap.data.federated import from_arrays
from fedjax_shap.learning.local import shuffle

CLASSES = 3
FEATURES = 4
SIZES = (7, 12, 4)


def examples(count, seed, classes=CLASSES, features=FEATURES):
    """`count` examples around `classes` centres that are the same for every seed."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, features))
    # every class occurs where there are enough examples
    others = rng.integers(0, classes, max(count - classes, 0))
    y = np.concatenate([np.arange(classes), others])[:count]
    x = centres[y] + rng.normal(size=(count, features))
    return x.astype(np.float32), y.astype(np.int32)


def federation(sizes=SIZES, *, classes=CLASSES, features=FEATURES, idle=None, held_out=40):
    """Clients with `sizes` examples; a client's data depend on its id and size alone."""
    clients = [examples(size, 10 + i, classes, features) for i, size in enumerate(sizes)]
    server = examples(held_out, 1000, classes, features)
    return from_arrays(clients, server, num_classes=classes, idle=idle)


def initial(*widths, seed=0):
    """Parameters of the package's `mlp` (or `linear`) of these widths, float32 on the host."""
    rng = np.random.default_rng(seed)
    return {
        f"Dense_{depth}": {
            "kernel": rng.normal(size=(d, h)).astype(np.float32) / np.float32(np.sqrt(d)),
            "bias": 0.1 * rng.normal(size=h).astype(np.float32),
        }
        for depth, (d, h) in enumerate(pairwise(widths))
    }


def drawn(model, seed=0):
    """Parameters of any model, float32: drawn on the host, since XLA takes half a second for the
    program of each layer's draws."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(
        lambda leaf: (rng.normal(size=leaf.shape) * leaf_scale(leaf.shape)).astype(np.float32),
        shapes,
    )


def leaf_scale(shape):
    """One over the root of a kernel's inputs; a tenth of a bias."""
    return 0.1 if len(shape) == 1 else np.prod(shape[:-1]) ** -0.5


def layers(params):
    """The package's parameters as the oracle's, in float64."""
    return [
        (
            np.asarray(params[name]["kernel"], np.float64),
            np.asarray(params[name]["bias"], np.float64),
        )
        for name in sorted(params)
    ]


def clients_of(data):
    """The clients as the oracle's, without padding, in float64."""
    return [(x.astype(np.float64), y) for x, y in map(data.client, range(data.num_clients))]


def metric_of(data, metric=oracle.negative_loss):
    """The oracle's metric on the server's validation set."""
    x, y = data.validation
    return oracle.scored(metric, np.asarray(x, np.float64), np.asarray(y))


def in_float64(world):
    """A world, or any pytree, with its floating-point leaves in float64; needs `jax.enable_x64`."""

    def widen(leaf):
        if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating):
            return jnp.asarray(leaf, jnp.float64)
        return leaf

    return jax.tree.map(widen, world)


def widened(game):
    """A game whose arrays are in float64."""
    return game.replace(world=in_float64(game.world))


def sgd(learning_rate, steps=1):
    """The oracle's full-batch gradient descent of every client."""
    return lambda params, x, y, client, round_: oracle.local_sgd(params, x, y, steps, learning_rate)


def drawn_batches(key, round_, client, *, num_rows, size, batch_size, steps):
    """The rows of each of `steps` mini-batches, as the package's own `shuffle` draws them."""
    per_epoch = -(-size // batch_size)
    seed = jax.random.fold_in(jax.random.fold_in(key, round_), client)
    epochs = range(-(-steps // per_epoch))
    orders = [
        np.asarray(shuffle(jax.random.fold_in(seed, e), num_rows, jnp.int32(size))) for e in epochs
    ]
    starts = [(k // per_epoch, k % per_epoch * batch_size) for k in range(steps)]
    return [orders[e][start : min(start + batch_size, size)] for e, start in starts]
