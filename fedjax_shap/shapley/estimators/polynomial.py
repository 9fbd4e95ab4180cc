"""A polynomial in who takes part, of degree 2 at most: fitted by ridge regression, valued in closed
form.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from fedjax_shap.typing import HostArray, Masks


class Polynomial(NamedTuple):
    """f(S) = level + sum over i in S of single_i + sum over pairs i, j in S of pair_ij, for G
    utilities at once.

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
        0 for 0 and P.
        """
        num_players = len(self.single)
        size = np.arange(num_players + 1.0)[:, None, None]
        others, partners = self.single.sum(axis=0) - self.single, self.pair.sum(axis=0)
        strangers = 0.5 * self.pair.sum(axis=(0, 1)) - partners  # pairs without the player
        one, two = max(num_players - 1, 1), max((num_players - 1) * (num_players - 2), 1)
        joined = (
            self.single
            + (size - 1) / one * (others + partners)
            + (size - 1) * (size - 2) / two * strangers
        )
        missed = size / one * others + size * (size - 1) / two * strangers
        found = (joined - missed) / num_players
        found[[0, -1]] = 0.0
        return np.asarray(found[None])


def fit(masks: Masks, utilities: HostArray, *, degree: int, ridge: float) -> Polynomial:
    """The polynomial nearest to utilities float64[M, G], by ridge regression solved among
    coalitions (its dual).
    """
    member = masks.astype(np.float64)
    centre, level = member.mean(axis=0), utilities.mean(axis=0)
    shared = member @ member.T
    gram = (shared + 1) / 2 * shared if degree == 2 else shared
    means = gram.mean(axis=0)
    gram -= means
    gram -= (means - means.mean())[:, None]
    gram[np.diag_indices(len(gram))] += ridge
    _, dual, _ = lapack.dposv(gram.T, utilities - level, overwrite_a=1)
    dual = dual - dual.mean(axis=0)
    single = member.T @ dual
    pair = np.einsum("mi,mg,mj->ijg", member, dual, member, optimize=True) * (degree == 2)
    pair[np.diag_indices(len(centre))] = 0.0
    found = Polynomial(np.zeros_like(level), single, pair)
    return found._replace(level=level - found.at(masks).mean(axis=0))
