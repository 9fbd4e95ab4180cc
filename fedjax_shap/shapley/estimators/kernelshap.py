"""KernelSHAP: the Shapley value as weighted least squares over sampled coalitions (Lundberg, Lee
2017, theorem 2).
"""

from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.least_squares import (
    REGRESSION_BIAS,
    known_moments,
    least_squares,
    regression_estimator,
)


def kernelshap(*, paired: bool = True, unbiased: bool = False) -> Estimator:
    """Coalitions drawn by how much they weigh in the least squares whose slopes are the Shapley
    values.

    Size s is drawn in proportion to (P - 1) / (s (P - s)), the Shapley kernel times C(P, s), and
    the slopes' sum is held to V(N) - V(empty) by elimination. Other than in the papers no coalition
    is drawn twice, since known ones are free, and sizes are dealt in proportion rather than by lot;
    what is drawn weighs so that each size counts as in the sum over all coalitions. Sizes with few
    coalitions are thus soon drawn whole.

    Args:
        paired: draw each coalition with its complement (Covert, Lee 2021).
        unbiased: take the moments of membership as they are over all coalitions, not over those
            drawn (Covert, Lee 2021). Its errors are larger than the regression's where membership
            explains much.

    Guarantees:
        Efficient; exact where the budget covers every coalition. The regression is exact on
        additive games at any budget, and biased by terms of the order of one over the number of
        draws, as ratios of means are; the unbiased form is neither. Read before every size was
        drawn, in an early turn, the unbiased form lacks those sizes, and the regression of fewer
        draws than P - 1 gives the shortest slopes. Standard errors are those of sampling without
        replacement from each size, linearised for the regression: rough at less than about 2 P
        draws.
    """
    promised = Guarantees(
        unbiased=unbiased,
        bias="" if unbiased else REGRESSION_BIAS,
        efficient=True,
        additive=not unbiased,
        errors="analytic",
    )
    return regression_estimator(
        "kernelshap",
        known_moments if unbiased else least_squares,
        promised,
        paired=paired,
        power=1.0,
    )
