"""Scores of classifiers, from a logit a class and the rows' labels.

No score depends on how classes are numbered: where the largest logits of a row tie, its answer is
each of the tied classes in equal parts, and ranks that tie count half.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from fedjax_shap.typing import Array


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Softmax cross-entropy, float[B], of logits[B, L] and integer labels[B]."""
    chex.assert_rank([logits, labels], [2, 1])
    chex.assert_equal_shape_prefix([logits, labels], 1)
    picked = jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]
    return jax.nn.logsumexp(logits, axis=-1) - picked


def accuracy(logits: Array, labels: Array) -> Array:
    """Share of examples whose largest logit is the label's; 1/(number tied) where it ties."""
    return jnp.mean((_recognised(logits) * _belongs(logits, labels)).sum(-1))


def negative_loss(logits: Array, labels: Array) -> Array:
    """Minus the mean cross-entropy, in nats."""
    return -log_loss(logits, labels)


def log_loss(logits: Array, labels: Array) -> Array:
    """The mean cross-entropy, in nats."""
    return jnp.mean(cross_entropy(logits, labels))


def balanced_accuracy(logits: Array, labels: Array) -> Array:
    """Mean over the classes that occur of the share of their examples that are recognised.

    Ties of the largest logit count 1/(number tied).
    """
    belongs = _belongs(logits, labels)
    hits = (_recognised(logits) * belongs).sum(0)
    counts = belongs.sum(0)
    return (hits / jnp.maximum(counts, 1)).sum() / (counts > 0).sum()


def f1_macro(logits: Array, labels: Array) -> Array:
    """Mean F1 over the classes that occur among the labels or the answers.

    The F1 of a class is 2 hits / (rows of it + answers of it). Where logits tie, each of the tied
    classes is an equal part of the answer.
    """
    belongs = _belongs(logits, labels)
    answers = _recognised(logits)
    hits = (answers * belongs).sum(0)
    both = answers.sum(0) + belongs.sum(0)
    return (2 * hits / jnp.where(both > 0, both, 1)).sum() / (both > 0).sum()


def f1_micro(logits: Array, labels: Array) -> Array:
    """F1 of all answers together, which is the accuracy where each row has one label."""
    return accuracy(logits, labels)


def roc_auc(logits: Array, labels: Array) -> Array:
    """Area under the ROC curve: P(score of a row of the class > of another row).

    Of two classes it is that of the second; of more it is the mean over classes, each against the
    rest by its log-odds. Ties count half.
    """
    return _one_against_rest(_roc_auc, logits, labels)


def average_precision(logits: Array, labels: Array) -> Array:
    """Average precision: the mean precision at the scores of a class's rows.

    Of two classes it is that of the second; of more it is the mean over classes, each against the
    rest by its log-odds. Rows of one score count together.
    """
    return _one_against_rest(_average_precision, logits, labels)


def shortfalls(margin: Array, labels: Array) -> Array:
    """max(0, 1 - s z), float[B], of margins z float[B, 1], with s = 1 for class 1 and -1 for 0."""
    chex.assert_shape(margin, (len(labels), 1))
    side = 2.0 * labels - 1
    return jnp.maximum(0.0, 1 - side * margin[:, 0])


def hinge_loss(margin: Array, labels: Array) -> Array:
    """The mean of max(0, 1 - s z) over margins z, with s = 1 for the second class and -1 else."""
    return jnp.mean(shortfalls(margin, labels))


def two_columns(logit: Array) -> Array:
    """Logits float[B, 2] of two classes whose second has `logit` float[B, 1]."""
    chex.assert_shape(logit, (None, 1))
    return jnp.concatenate([jnp.zeros_like(logit), logit], axis=-1)


def _belongs(logits: Array, labels: Array) -> Array:
    """bool[T, L]: whether a row is of a class."""
    chex.assert_rank([logits, labels], [2, 1])
    chex.assert_equal_shape_prefix([logits, labels], 1)
    return labels[:, None] == jnp.arange(logits.shape[-1])[None]


def _recognised(logits: Array) -> Array:
    """float[T, L]: what part of a row's answer a class is: all of it, or one of those that tie."""
    largest = logits == logits.max(-1, keepdims=True)
    return largest / largest.sum(-1, keepdims=True)


def _one_against_rest(
    score: Callable[[Array, Array], Array], logits: Array, labels: Array
) -> Array:
    """`score(scores[T], positive bool[T])` of the second of two classes, or the mean over more."""
    num_classes = logits.shape[-1]
    if num_classes == 2:
        return score(logits[:, 1] - logits[:, 0], labels == 1)

    def of_class(label: Array) -> Array:
        # the log-odds of the class; sorted, so that no rounding goes by the classes' numbers
        own = jnp.arange(num_classes) == label
        others = jnp.sort(jnp.where(own, -jnp.inf, logits), axis=-1)
        rest = jax.nn.logsumexp(others, axis=-1)
        return score(logits[:, label] - rest, labels == label)

    each: Array = jax.lax.map(of_class, jnp.arange(num_classes))
    return each.mean()


def _roc_auc(scores: Array, positive: Array) -> Array:
    """The area under the ROC curve of scores float[T]; ties count half."""
    # mean ranks
    ordered = jnp.sort(scores)
    below = jnp.searchsorted(ordered, scores, side="left")
    through = jnp.searchsorted(ordered, scores, side="right")
    mean_rank = (below + through + 1) / 2
    positives = positive.sum()
    negatives = (~positive).sum()
    # divide twice: the product of the counts does not fit into 32 bits where there are many
    excess = jnp.where(positive, mean_rank - (positives + 1) / 2, 0.0).sum() / positives
    return excess / negatives


def _average_precision(scores: Array, positive: Array) -> Array:
    """The average precision of scores float[T]."""
    # rows with at least a row's score, all and positive ones
    count = len(scores)
    every = count - jnp.searchsorted(jnp.sort(scores), scores, side="left")
    of_positives = jnp.sort(jnp.where(positive, scores, -jnp.inf))
    right = count - jnp.searchsorted(of_positives, scores, side="left")
    return jnp.where(positive, right / every, 0.0).sum() / positive.sum()
