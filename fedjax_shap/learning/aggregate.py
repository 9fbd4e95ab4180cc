"""How the uploads of a round become one: their mean, weighted as the clients are."""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from fedjax_shap.trees import like, weighted_mean
from fedjax_shap.typing import Array, PyTree


class Aggregation(NamedTuple):
    """An aggregate of uploads, in the two orders in which they come in.

    What clips, quantises or masks an upload stands before the sum and what adds noise after it, so
    an algorithm with such a rule brings an aggregation of its own. Both functions must give the
    same numbers, up to float rounding.

    Attributes:
        at_once: (uploads, leaves [S, ...]; weights float[S], >= 0) -> leaves [...]: the uploads of
            one coalition, together; 0 where no weight is positive. Only ratios of weights count.
        one_more: (aggregates so far, leaves [M, ...]; uploads, leaves [G, ...]; rows int[G];
            shares float[G]) -> leaves [M, ...]: one client's uploads to G coalitions are added to
            those in `rows`, each by the client's share in the coalition's weights. Aggregates begin
            at 0. An upload of share 0 leaves the aggregate as it is, also where it is not finite.
    """

    at_once: Callable[[PyTree, Array], PyTree]
    one_more: Callable[[PyTree, PyTree, Array, Array], PyTree]


def mean() -> Aggregation:
    """The weighted mean of uploads."""
    return Aggregation(weighted_mean, add_shares)


def add_shares(means: PyTree, uploads: PyTree, rows: Array, shares: Array) -> PyTree:
    """`Aggregation.one_more` of the weighted mean."""
    chex.assert_rank([rows, shares], 1)
    chex.assert_tree_shape_prefix((uploads, rows), shares.shape)

    def add(mean: Array, upload: Array) -> Array:
        counted = like(shares > 0, upload)  # 0 * nan is nan
        return mean.at[rows].add(jnp.where(counted, like(shares, upload) * upload, 0.0))

    return jax.tree.map(add, means, uploads)
