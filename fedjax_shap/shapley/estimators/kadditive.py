"""kADD-SHAP: the values of the k-additive game that best fits the coalitions drawn.

In Shapley interactions I_A the game of order k is

    V(S) - V(empty) ~ sum over i in S of phi_i
                      + sum over A, 2 <= |A| <= k, of I_A g(|A|, |A and S|),
    g(b, r) = sum over l = 1..r of C(r, l) B_(b - l),   B being Bernoulli's numbers.

Here g(b, b) = 0 for every b, so that V(N) fits exactly where the phi_i sum to V(N) - V(empty). That
holds by elimination, not by a large weight. There may be millions of interactions, so the fit is
solved among the coalitions: a ridge on the interactions is noise that coalitions share as they
share interactions, and the phi_i are a generalised least squares fit.

References:
    Grabisch 1997, "k-order additive discrete fuzzy measures and their representation".
    Pelegrina, Duarte, Grabisch 2023, "A k-additive Choquet integral-based approach to approximate
    the SHAP values for local interpretability in machine learning".
"""

from functools import partial
from itertools import product
from math import comb, prod

import numpy as np
import scipy

from fedjax_shap._validate import integer, number
from fedjax_shap.shapley.covariance import inverse_root
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.least_squares import RegressionRows, regression_estimator, slopes
from fedjax_shap.typing import HostArray, Masks


def kadditive(*, order: int = 2, ridge: float = 10.0, paired: bool = False) -> Estimator:
    """The values of a game with interactions among at most `order` players, fitted to the draws.

    Args:
        order: the most players in an interaction; with 1 this is `kernelshap` without a ridge.
        ridge: what the sum of I_A^2 weighs in the fit, where a coalition weighs 1 on average; the
            phi_i are free. Near 0 it is the published fit, which needs more coalitions than
            interactions; the larger, the nearer to `kernelshap`. The default bounds the errors
            where there are fewer coalitions than interactions.
        paired: draw each coalition with its complement. The difference of the two says nothing of
            interactions among an even number of players: `order=2` then is `kernelshap`, and 3 is
            the first that does more.

    Guarantees:
        Efficient; exact on additive games at any budget. Biased where the game has interactions
        among more players than `order`, and through the ridge where it has others; the bias falls
        as coalitions are drawn, as the weighted fit to all of them has the Shapley values at any
        order. Exact where the budget covers every coalition. Standard errors are the jackknife's in
        closed form, over coalitions drawn without replacement from each size; they measure the
        error of the draws, not the bias.
    """
    integer("order", order, least=1)
    number("ridge", ridge, above=0)
    guarantees = Guarantees(
        unbiased=False,
        bias="interactions among more players than the order, the ridge on others, and a "
        "regression's own bias",
        efficient=True,
        additive=True,
        errors="jackknife",
    )
    return regression_estimator(
        "kadditive", partial(_fit, order, ridge), guarantees, paired=paired, power=1.0
    )


def _fit(order: int, ridge: float, rows: RegressionRows) -> tuple[HostArray, HostArray]:
    """Generalised least squares of the responses on membership.

    Returns:
        influence float64[P, U], and float64[U, T]: how far each response is from its prediction by
        all others.
    """
    # the covariance of the responses: interactions that they share, and noise by their weights
    noise = shared(rows.masks, order, rows.paired)
    noise[np.diag_indices_from(noise)] += ridge * rows.weights.mean() / rows.weights
    root = inverse_root(noise)
    # the slopes
    own = root.T @ (root @ rows.features)
    influence = slopes(rows.features.T @ own) @ own.T
    # the residuals of leaving each row out, in closed form
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
    # how many players are in both, in one alone, in the other alone, and in neither
    joined = masks.astype(np.float64)
    both = joined @ joined.T
    sizes = joined.sum(axis=1)
    one = sizes[:, None] - both
    other = sizes - both
    neither = masks.shape[1] - both - one - other
    counts = [_choices(count, order - 1) for count in (both, one, other, neither)]
    # add the interactions of each number of members, by where these are
    total = np.zeros_like(both)
    step = 1 + paired
    for members in range(1 + step, order + 1, step):
        g = _g(members)
        for in_both, in_one, in_other in product(range(members), repeat=3):
            in_neither = members - in_both - in_one - in_other
            if not 0 <= in_neither < members:
                continue
            scale = g[in_both + in_one] * g[in_both + in_other]
            if scale:
                parts = zip(counts, (in_both, in_one, in_other, in_neither), strict=True)
                total += prod((ways[taken - 1] for ways, taken in parts if taken), start=scale)
    return total


def _g(members: int) -> list[float]:
    """g(members, r) for r = 0..members; 0 at both ends."""
    numbers = scipy.special.bernoulli(members)
    ways = [
        sum(comb(r, lot) * numbers[members - lot] for lot in range(1, r + 1))
        for r in range(members)
    ]
    return [float(way) for way in (*ways, 0.0)]


def _choices(count: HostArray, most: int) -> list[HostArray]:
    """C(count, n) for n = 1..most."""
    choices = [count]
    for chosen in range(2, most + 1):
        choices.append(choices[-1] * (count - chosen + 1) / chosen)
    return choices
