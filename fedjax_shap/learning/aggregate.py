"""How the uploads of a round become one: their mean, weighted as the clients are."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import chex
import jax
import jax.numpy as jnp

from fedjax_shap.trees import like, weighted_mean
from fedjax_shap.typing import Array, Key, PyTree


class Summing(NamedTuple):
    """Whose uploads are summed in which round.

    Attributes:
        key: of the run.
        number: int[], of the round, counted from the first of the run.
        mask: bool[C], the coalition.
        expected: float[], the weight that takes part on average, whoever was drawn.
    """

    key: Key
    number: Array
    mask: Array
    expected: Array


class Finish(Protocol):
    """What the server makes of a sum of uploads."""

    def __call__(self, sums: PyTree, summing: Summing, weight: Array, server: PyTree, /) -> PyTree:
        """The aggregate that reaches `Algorithm.server_update`.

        Args:
            sums: of uploads by weight, leaves [...].
            summing: whose sums, and of which round.
            weight: float[], the sum of the weights of those who took part.
            server: the server's state.

        Returns:
            Leaves [...], of the shapes of one upload.
        """


class Aggregation(NamedTuple):
    """An aggregate of uploads, in the two orders in which they come in.

    What clips, quantises or masks an upload stands before the sum and what adds noise after it, so
    an algorithm with such a rule brings an aggregation of its own (`learning.protected`). The first
    two functions must give the same numbers, up to float rounding.

    Attributes:
        at_once: (uploads, leaves [S, ...]; weights float[S], >= 0) -> leaves [...]: the uploads of
            one coalition, together; 0 where no weight is positive. Only ratios of weights count.
        one_more: (aggregates so far, leaves [M, ...]; uploads, leaves [G, ...]; rows int[G];
            shares float[G]) -> leaves [M, ...]: one client's uploads to G coalitions are added to
            those in `rows`, each by the client's share in the coalition's weights. Aggregates begin
            at 0. An upload of share 0 leaves the aggregate as it is, also where it is not finite.
        finish: what is made of the aggregate once it is complete; None for nothing. Where it is
            given, aggregates are sums by weight, and shares are the weights themselves; and a model
            moves in every round in which somebody is expected, whoever came.
        dtype: of aggregates so far; that of the uploads if None.
    """

    at_once: Callable[[PyTree, Array], PyTree]
    one_more: Callable[[PyTree, PyTree, Array, Array], PyTree]
    finish: Finish | None = None
    dtype: Any = None


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
