"""What models of classes share: rows by class, priors, and classes that a coalition lacks."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.learning.statistics.model import Rows
from fedjax_shap.typing import Array

LEAST = float(np.log(np.finfo(np.float64).eps))  # the least log-probability
# Log-probabilities below it are compressed to a hair's breadth, so that their order is kept.
HAIR = 1e-8


class Seen(NamedTuple):
    """The classes of a coalition.

    Attributes:
        prior: float64[L], the parts of its rows that classes are.
        there: float64[L], 1 for classes that occur, 0 for others; a mean of models has numbers in
            between.
    """

    prior: Array
    there: Array


def none_seen(num_classes: int) -> Seen:
    """The classes of nobody, as host arrays."""
    zeros: Any = np.zeros(num_classes)
    return Seen(zeros, zeros.copy())


def by_class(rows: Rows, num_classes: int) -> Array:
    """float64[N, L]: the weight of each row in the column of its class, 0 in the others."""
    own = rows.y[:, None] == jnp.arange(num_classes)[None]
    return jnp.where(own, rows.weight[:, None], 0.0)


def seen(counts: Array) -> Seen:
    """The classes of counts float64[L]; nothing but zeros of nobody."""
    total = counts.sum()
    prior = counts / jnp.where(total > 0, total, 1.0)
    return Seen(prior, (counts > 0).astype(counts.dtype))


def parts_of(classes: Seen) -> Seen:
    """The parts of a member's classes, see `StatisticsModel.parts`: it has all their numbers."""
    everything = jnp.ones_like(classes.there)
    return Seen(everything, everything)


def log_prior(classes: Seen) -> Array:
    """float64[L]: logarithms of priors; 0 for a class that does not occur."""
    return jnp.log(jnp.where(classes.there > 0, classes.prior, 1.0))


def known_only(logits: Array, classes: Seen) -> Array:
    """Log-probabilities float64[T, L] among the classes that a coalition has seen.

    A class that it has not seen has the probability 2.2e-16, the least that scikit-learn's log loss
    counts with, and so has one that is less probable, up to 1e-6 in the logarithm by which the
    order of improbable rows is kept. Variances of a few rows would else make losses of any size. Of
    nobody all classes tie.

    Args:
        logits: float64[T, L], finite; whatever for classes that do not occur.
        classes: those that occur.
    """
    there = classes.there[None] > 0
    least = jnp.where(there, logits, -jnp.inf)
    total = jax.nn.logsumexp(least, axis=-1, keepdims=True)
    # of nobody there is no total
    total = jnp.where(jnp.isfinite(total), total, 0.0)
    probable = jnp.where(there, logits - total, LEAST)
    short = jnp.maximum(LEAST - probable, 0.0)
    bounded = jnp.where(short > 0, LEAST - HAIR * jnp.log1p(short), probable)
    return jnp.where(there.any(), bounded, 0.0)
