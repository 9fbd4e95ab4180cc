"""The registry of models that merge statistics."""

from collections.abc import Callable

from fedjax_shap.learning.statistics.discrete import bernoulli_naive_bayes, multinomial_naive_bayes
from fedjax_shap.learning.statistics.discriminant import discriminant
from fedjax_shap.learning.statistics.gaussian import gaussian_bayes, gaussian_naive_bayes
from fedjax_shap.learning.statistics.kmeans import kmeans
from fedjax_shap.learning.statistics.linear import least_squares, ridge
from fedjax_shap.learning.statistics.model import StatisticsModel
from fedjax_shap.learning.statistics.newton import newton_logistic

__all__ = [
    "STATISTICS",
    "StatisticsModel",
    "bernoulli_naive_bayes",
    "discriminant",
    "gaussian_bayes",
    "gaussian_naive_bayes",
    "kmeans",
    "least_squares",
    "multinomial_naive_bayes",
    "newton_logistic",
    "ridge",
]

STATISTICS: dict[str, Callable[..., StatisticsModel]] = {
    "gaussian_naive_bayes": gaussian_naive_bayes,
    "gaussian_bayes": gaussian_bayes,
    "multinomial_naive_bayes": multinomial_naive_bayes,
    "bernoulli_naive_bayes": bernoulli_naive_bayes,
    "discriminant": discriminant,
    "ridge": ridge,
    "least_squares": least_squares,
    "newton_logistic": newton_logistic,
    "kmeans": kmeans,
}
