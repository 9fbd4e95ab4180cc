"""KernelSHAP: the Shapley values as weighted least squares over sampled coalitions.

The Shapley values are the slopes of the weighted least squares fit of V(S) - V(empty) on
membership, constrained to sum to V(N) - V(empty), where a coalition of s players weighs
(P - 1) / (C(P, s) s (P - s)). Size s is drawn in proportion to (P - 1) / (s (P - s)), the weight of
the size. Two things differ from the papers. No coalition is drawn twice, since known ones are free;
and sizes are drawn in fixed proportions, not at random. What is drawn is weighted so that each size
counts as in the sum over all coalitions. Sizes with few coalitions are thus soon drawn completely.
The constraint is solved by elimination.

References:
    Lundberg, Lee 2017, "A unified approach to interpreting model predictions", theorem 2.
    Covert, Lee 2021, "Improving KernelSHAP: practical Shapley value estimation via linear
    regression": pairs, and the unbiased form.
"""

from fedjax_shap.shapley.estimator import Estimator, Guarantees
from fedjax_shap.shapley.least_squares import (
    REGRESSION_BIAS,
    known_moments,
    least_squares,
    regression_estimator,
)


def kernelshap(*, paired: bool = True, unbiased: bool = False) -> Estimator:
    """Weighted least squares over coalitions drawn in proportion to their weights.

    Args:
        paired: draw each coalition with its complement (Covert, Lee 2021).
        unbiased: use the moments of membership over all coalitions, not over those drawn (Covert,
            Lee 2021). Its errors are larger than the regression's where membership explains much.

    Guarantees:
        Efficient; exact where the budget covers every coalition. The regression is exact on
        additive games at any budget, and biased by terms of the order of one over the number of
        draws, as ratios of means are. The unbiased form is unbiased, and not exact on additive
        games. Read after an early batch, before every size was drawn, the unbiased form misses the
        other sizes, and the regression of fewer draws than P - 1 gives the shortest slopes.
        Standard errors are those of sampling without replacement from each size, linearised for the
        regression: rough below about 2 P draws.
    """
    solve = least_squares
    bias = REGRESSION_BIAS
    if unbiased:
        solve = known_moments
        bias = ""
    guarantees = Guarantees(
        unbiased=unbiased, bias=bias, efficient=True, additive=not unbiased, errors="analytic"
    )
    return regression_estimator("kernelshap", solve, guarantees, paired=paired, power=1.0)
