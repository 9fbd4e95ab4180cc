"""Leverage SHAP: the least squares of KernelSHAP over coalitions drawn by their leverage (Musco,
Witter 2025).
"""

from typing import Literal

from fedjax_shap._validate import one_of
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.least_squares import REGRESSION_BIAS, least_squares, regression_estimator

POWERS = {"leverage": 0.0, "modified": 0.5}  # of the kernel's shares of sizes, 1 / (s (P - s))


def leverage(
    *, paired: bool = True, scores: Literal["leverage", "modified"] = "leverage"
) -> Estimator:
    """Coalitions drawn without replacement by their leverage 1 / C(P, s): every size as often as
    any other.

    A coalition drawn weighs its kernel over the share of its size that was drawn, so that the fit
    to O(P log P) draws is nearly as good as that to all coalitions, whatever the game (Musco,
    Witter 2025). Other than in the paper sizes are dealt evenly rather than by lot, which spends
    the budget to the coalition.

    Args:
        paired: draw each coalition with its complement.
        scores: "leverage", or "modified": the geometric mean of kernel and leverage, sizes in
            proportion to 1 / sqrt(s (P - s)) (Chen et al. 2025, modified l2).

    Guarantees:
        Efficient; exact on additive games at any budget, and where the budget covers every
        coalition. Biased by terms of the order of one over the number of draws, as ratios of means
        are. The regression of fewer draws than P - 1, in an early turn, gives the shortest slopes.
        Standard errors are those of sampling without replacement from each size, linearised: rough
        at less than about 2 P draws.
    """
    one_of("scores", scores, POWERS)
    promised = Guarantees(
        unbiased=False, bias=REGRESSION_BIAS, efficient=True, additive=True, errors="analytic"
    )
    return regression_estimator(
        "leverage", least_squares, promised, paired=paired, power=POWERS[scores]
    )
