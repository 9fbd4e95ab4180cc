"""kADD-SHAP: the values of the k-additive game that fits what was drawn best (Pelegrina, Duarte,
Grabisch 2023).
"""

from functools import partial
from itertools import product
from math import comb, prod

import numpy as np
from scipy.special import bernoulli

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.covariance import inverse_root
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.least_squares import RegressionRows, regression_estimator, slopes
from fedjax_shap.typing import HostArray, Masks


def kadditive(*, order: int = 2, ridge: float = 10.0, paired: bool = False) -> Estimator:
    """A game with interactions among at most `order` players, fitted by weighted least squares; its
    values are read.

    In Shapley interactions I (Grabisch 1997; Pelegrina et al. 2023) the fit is V(S) - V(empty) ~
    sum over i in S of phi_i + sum over A, 2 <= |A| <= order, of I_A g(|A|, |A and S|), where g(b,
    r) = sum over l = 1..r of C(r, l) B_(b-l), B being Bernoulli's numbers. Here g(b, b) = 0 for
    every b, so that V(N) fits exactly where the phi sum to V(N) - V(empty): that is held by
    elimination, not by a large weight. The fit is solved among coalitions rather than interactions,
    of which there may be millions.

    Args:
        order: the most players in an interaction; with 1 this is `kernelshap` without a ridge.
        ridge: what the sum of I_A^2 weighs in the fit, where a coalition weighs 1 on average; the
            phi are free. Near 0 it is the published fit, which needs more coalitions than
            interactions; the larger, the nearer to `kernelshap`. The default keeps its errors in
            bounds where there are fewer coalitions than interactions.
        paired: draw each coalition with its complement. The difference of the two tells nothing of
            interactions among an even number of players: `order=2` then is `kernelshap`, and 3 is
            the first that does more.

    Guarantees:
        Efficient; exact on additive games at any budget. Biased where the game has interactions
        among more players than `order`, and through the ridge where it has others: by something
        that falls as coalitions are drawn, as the weighted fit to all of them has the Shapley
        values at any order. Exact where the budget covers every coalition. Standard errors are the
        jackknife's in closed form, over coalitions drawn without replacement from each size; they
        speak of the draws, not of the bias.
    """
    integer("order", order, least=1)
    number("ridge", ridge, above=0)
    promised = Guarantees(
        unbiased=False,
        bias="interactions among more players than the order, the ridge on others, and a regression's own bias",
        efficient=True,
        additive=True,
        errors="jackknife",
    )
    return regression_estimator(
        "kadditive", partial(_fit, order, ridge), promised, paired=paired, power=1.0
    )


def _fit(order: int, ridge: float, rows: RegressionRows) -> tuple[HostArray, HostArray]:
    """Generalised least squares: a ridge on interactions is noise that rows share as they share
    interactions.

    Returns:
        influence float64[P, U], and float64[U, T]: how far each response is from its prediction by
        all others.
    """
    noise = shared(rows.masks, order, rows.paired)
    noise[np.diag_indices_from(noise)] += ridge * rows.weights.mean() / rows.weights
    root = inverse_root(noise)
    own = root.T @ (root @ rows.features)
    influence = slopes(rows.features.T @ own) @ own.T
    left = root.T @ (root @ (rows.responses - rows.features @ (influence @ rows.responses)))
    diagonal = (root**2).sum(axis=0)
    free = diagonal - np.einsum("up,pu->u", own, influence)
    return influence, left / np.maximum(free, 1e-9 * diagonal)[:, None]


def shared(masks: Masks, order: int, paired: bool = False) -> HostArray:
    """float64[U, U]: sum over A, 2 <= |A| <= order, of g(|A|, |A and S|) g(|A|, |A and T|), for
    rows S and T.

    Interactions are counted, not listed: by how many of A are in both, in S alone, in T alone, and
    in neither. Where rows are pairs, only odd |A| count.
    """
    joined = masks.astype(np.float64)
    both, sizes = joined @ joined.T, joined.sum(axis=1)
    one, other = sizes[:, None] - both, sizes - both
    counts = [
        _chosen(count, order - 1)
        for count in (both, one, other, masks.shape[1] - both - one - other)
    ]
    total = np.zeros_like(both)
    for members in range(3 if paired else 2, order + 1, 2 if paired else 1):
        g = _g(members)
        for in_both, in_one, in_other in product(range(members), repeat=3):
            neither = members - in_both - in_one - in_other
            if 0 <= neither < members and (scale := g[in_both + in_one] * g[in_both + in_other]):
                parts = zip(counts, (in_both, in_one, in_other, neither), strict=True)
                total += prod((ways[taken - 1] for ways, taken in parts if taken), start=scale)
    return total


def _g(members: int) -> list[float]:
    """g(members, r) for r = 0..members; 0 at both ends."""
    numbers = bernoulli(members)
    ways = [
        sum(comb(r, lot) * numbers[members - lot] for lot in range(1, r + 1))
        for r in range(members)
    ]
    return [float(way) for way in (*ways, 0.0)]


def _chosen(count: HostArray, most: int) -> list[HostArray]:
    """C(count, n) for n = 1..most."""
    found = [count]
    for chosen in range(2, most + 1):
        found.append(found[-1] * (count - chosen + 1) / chosen)
    return found
