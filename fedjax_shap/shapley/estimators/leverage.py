"""Leverage SHAP: the least squares of KernelSHAP over coalitions drawn by their leverage.

In the weighted least squares whose slopes are the Shapley values (`kernelshap`), the leverage of a
coalition of s players is 1 / C(P, s): every size has as much as any other. A coalition drawn weighs
its kernel over the fraction of its size that was drawn. The fit to O(P log P) draws is then nearly
as good as that to all coalitions, whatever the game (Musco, Witter 2025). In the paper the number
of draws of each size is random; here all sizes get equally many, which spends the budget to the
coalition.

References:
    Musco, Witter 2025, "Provably accurate Shapley value estimation via leverage score sampling".
    Chen et al. 2025, "A unified framework for provably efficient algorithms to estimate Shapley
    values": modified l2 sampling, the geometric mean of kernel and leverage.
"""

from typing import Literal

from fedjax_shap._validate import one_of
from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.least_squares import REGRESSION_BIAS, least_squares, regression_estimator

# the draws of size s are in proportion to (1 / (s (P - s)))**power; at 1 they would be KernelSHAP's
POWERS = {"leverage": 0.0, "modified": 0.5}


def leverage(
    *, paired: bool = True, scores: Literal["leverage", "modified"] = "leverage"
) -> Estimator:
    """Weighted least squares over coalitions drawn without replacement by their leverage.

    Args:
        paired: draw each coalition with its complement.
        scores: "leverage"; or "modified", sizes in proportion to 1 / sqrt(s (P - s)) (Chen et al.
            2025).

    Guarantees:
        Efficient; exact on additive games at any budget, and where the budget covers every
        coalition. Biased by terms of the order of one over the number of draws, as ratios of means
        are. Read after an early batch of fewer than P - 1 draws, it gives the shortest slopes.
        Standard errors are those of sampling without replacement from each size, linearised: rough
        below about 2 P draws.
    """
    one_of("scores", scores, POWERS)
    guarantees = Guarantees(
        unbiased=False, bias=REGRESSION_BIAS, efficient=True, additive=True, errors="analytic"
    )
    return regression_estimator(
        "leverage", least_squares, guarantees, paired=paired, power=POWERS[scores]
    )
