"""What a model is worth on the server's held-out set: one number from logits and labels."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import chex
import jax
import jax.numpy as jnp

from fedjax_shap._validate import one_of, require
from fedjax_shap.typing import Array, Params

EXAMPLES_AT_ONCE = 256  # the forward pass of a larger held-out set is cut into blocks of this many


@runtime_checkable
class Metric(Protocol):
    """What the answers of a model are worth."""

    def __call__(self, logits: Array, labels: Array, /) -> Array:
        """Scores the logits of one model; larger is better.

        Args:
            logits: float[T, L].
            labels: int[T].

        Returns:
            float[], or float[...] where one metric gives several numbers.
        """


def accuracy(logits: Array, labels: Array) -> Array:
    """Share of examples whose largest logit is the label's."""
    return jnp.mean(logits.argmax(-1) == labels)


def negative_loss(logits: Array, labels: Array) -> Array:
    """Minus the mean cross-entropy, in nats."""
    return -jnp.mean(cross_entropy(logits, labels))


def balanced_accuracy(logits: Array, labels: Array) -> Array:
    """Mean over the classes that occur of the share of their examples that are recognised."""
    classes = jnp.arange(logits.shape[-1])[None]
    belongs = labels[:, None] == classes
    hits = (logits.argmax(-1) == labels)[:, None] & belongs
    counts = belongs.sum(0)
    return (hits.sum(0) / jnp.maximum(counts, 1)).sum() / (counts > 0).sum()


def roc_auc(logits: Array, labels: Array) -> Array:
    """Area under the ROC curve of two classes: P(score of a positive > of a negative).

    Ties count half.
    """
    scores = logits[:, 1] - logits[:, 0]
    ordered = jnp.sort(scores)
    below = jnp.searchsorted(ordered, scores, side="left")
    through = jnp.searchsorted(ordered, scores, side="right")
    mean_rank = (below + through + 1) / 2
    positive = labels == 1
    positives = positive.sum()
    negatives = (~positive).sum()
    # divide twice: the product of the counts does not fit into 32 bits where there are many
    excess = jnp.where(positive, mean_rank - (positives + 1) / 2, 0.0).sum() / positives
    return excess / negatives


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "negative_loss": negative_loss,
    "balanced_accuracy": balanced_accuracy,
    "roc_auc": roc_auc,
}


def metric_for(name: str, labels: Array, num_classes: int) -> Metric:
    """The metric called `name`, refused where it is undefined on these labels.

    Raises:
        InvalidInputError: unknown name, or ROC-AUC on other than two classes that both occur.
    """
    one_of("metric", name, METRICS)
    if name == "roc_auc":
        present = jnp.unique(labels).tolist()
        require(
            num_classes == 2 and present == [0, 1],
            "Expected metric='roc_auc' to be used on two classes that both occur, got "
            f"{num_classes} classes of which {present} occur.",
        )
    return METRICS[name]


def bootstrapped(metric: Metric, resamples: int) -> Metric:
    """The metric on the examples, and on so many resamples of them with replacement.

    Args:
        metric: of one number.
        resamples: how many, >= 0; the same resamples for every model.

    Returns:
        A metric that gives float[1 + resamples], or `metric` itself for 0.

    References:
        Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    if resamples == 0:
        return metric

    def several(logits: Array, labels: Array) -> Array:
        def resampled(index: Array) -> Array:
            rows = jax.random.randint(
                jax.random.fold_in(jax.random.key(0), index), labels.shape, 0, len(labels)
            )
            return metric(logits[rows], labels[rows])

        others = jax.lax.map(resampled, jnp.arange(resamples))
        return jnp.concatenate([metric(logits, labels)[None], others])

    return several


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Softmax cross-entropy, float[B], of logits[B, L] and integer labels[B]."""
    chex.assert_rank([logits, labels], [2, 1])
    chex.assert_equal_shape_prefix([logits, labels], 1)
    picked = jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]
    return jax.nn.logsumexp(logits, axis=-1) - picked


def score(
    apply: Callable[[Params, Array], Array],
    metric: Metric,
    params: Params,
    held_out: tuple[Array, Array],
) -> Array:
    """The metric of one model on a held-out set, its logits computed in blocks to save memory.

    Args:
        apply: (params, x[B, ...]) -> logits[B, L].
        metric: what is computed.
        params: the model's.
        held_out: (x[T, ...], y[T]).

    Returns:
        float[]; NaN where a logit is not finite.
    """
    x, y = held_out
    return judged(metric, in_blocks(lambda rows: apply(params, rows), x, EXAMPLES_AT_ONCE), y)


def judged(metric: Metric, logits: Array, labels: Array) -> Array:
    """The metric; NaN where a logit is not finite.

    Hit rates alone would pass a diverged model for a poor one.
    """
    return jnp.where(jnp.isfinite(logits).all(), metric(logits, labels), jnp.nan)


def in_blocks(
    function: Callable[[Array], Array], rows: Array, at_once: int, axis: int = 0
) -> Array:
    """`function(rows)`, computed for at most `at_once` rows at a time and compiled once.

    Args:
        function: maps rows [B, ...] to an array in which they lie along `axis`, each by itself.
        rows: [T, ...].
        at_once: the most rows in a block, >= 1. The blocks are of one size; the last begins early
            enough to be full.
        axis: where the rows are in the result.
    """
    count = -(-len(rows) // at_once)
    if count <= 1:
        return function(rows)
    size = -(-len(rows) // count)

    def step(index: Array, results: Array) -> Array:
        start = jnp.minimum(index * size, len(rows) - size)
        block = function(jax.lax.dynamic_slice_in_dim(rows, start, size))
        return jax.lax.dynamic_update_slice_in_dim(results, block, start, axis)

    one = jax.eval_shape(function, rows[:size])
    shape = (*one.shape[:axis], len(rows), *one.shape[axis + 1 :])
    results: Array = jax.lax.fori_loop(0, count, step, jnp.zeros(shape, one.dtype))
    return results
