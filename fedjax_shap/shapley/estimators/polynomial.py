"""A polynomial in who takes part, of degree 2 at most: a ridge fit, and values in closed form."""

from typing import NamedTuple

import numpy as np
import scipy

from fedjax_shap.typing import HostArray, Masks


class Polynomial(NamedTuple):
    """f(S) = level + sum over i in S of single_i + sum over pairs i, j in S of pair_ij.

    It holds G polynomials at once, one for each column of the utilities.

    Attributes:
        level: float64[G].
        single: float64[P, G].
        pair: float64[P, P, G], symmetric, 0 on the diagonal.
    """

    level: HostArray
    single: HostArray
    pair: HostArray

    def at(self, masks: Masks) -> HostArray:
        """float64[M, G]: f of bool[M, P]."""
        member = masks.astype(np.float64)
        partners = np.einsum("mi,ijg->mjg", member, self.pair, optimize=True)
        return np.asarray(
            self.level + member @ self.single + 0.5 * np.einsum("mj,mjg->mg", member, partners)
        )

    def shapley_by_size(self) -> HostArray:
        """float64[1, P + 1, P, G]: what the coalitions of each size add to the Shapley values of f;
        0 for sizes 0 and P.
        """
        num_players = len(self.single)
        size = np.arange(num_players + 1.0)[:, None, None]
        # for each player, sums over the others: of singles, of pairs with the player, and of pairs
        # without
        others = self.single.sum(axis=0) - self.single
        partners = self.pair.sum(axis=0)
        strangers = 0.5 * self.pair.sum(axis=(0, 1)) - partners
        # the mean of f over the coalitions of a size with the player, and without (level cancels)
        one = max(num_players - 1, 1)
        two = max((num_players - 1) * (num_players - 2), 1)
        joined = (
            self.single
            + (size - 1) / one * (others + partners)
            + (size - 1) * (size - 2) / two * strangers
        )
        missed = size / one * others + size * (size - 1) / two * strangers
        added = (joined - missed) / num_players
        added[[0, -1]] = 0.0
        return np.asarray(added[None])


def fit(masks: Masks, utilities: HostArray, *, degree: int, ridge: float) -> Polynomial:
    """The polynomial nearest to the utilities, by ridge regression.

    The regression is solved among the coalitions (its dual), as there may be more pairs of players
    than coalitions.

    Args:
        masks: bool[M, P].
        utilities: float64[M, G].
        degree: 1 or 2.
        ridge: the penalty on the squared coefficients of singles and pairs.
    """
    member = masks.astype(np.float64)
    level = utilities.mean(axis=0)
    # the products of the coalitions' features, centred: |S and T| singles and, in degree 2, pairs
    shared = member @ member.T
    gram = shared
    if degree == 2:
        gram = (shared + 1) / 2 * shared
    means = gram.mean(axis=0)
    gram -= means
    gram -= (means - means.mean())[:, None]
    # the dual solution, one weight a coalition
    gram[np.diag_indices(len(gram))] += ridge
    _, dual, _ = scipy.linalg.lapack.dposv(gram.T, utilities - level, overwrite_a=1)
    dual = dual - dual.mean(axis=0)
    # the coefficients, and the level at which the mean residual is 0
    single = member.T @ dual
    pair = np.einsum("mi,mg,mj->ijg", member, dual, member, optimize=True) * (degree == 2)
    pair[np.diag_indices(member.shape[1])] = 0.0
    centred = Polynomial(np.zeros_like(level), single, pair)
    return centred._replace(level=level - centred.at(masks).mean(axis=0))
