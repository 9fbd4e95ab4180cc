"""The registry of vertical models."""

from collections.abc import Callable

from fedjax_shap.learning.statistics.linear import least_squares, ridge
from fedjax_shap.learning.statistics.model import StatisticsModel
from fedjax_shap.learning.vertical.closed_form import taylor
from fedjax_shap.learning.vertical.logistic import logistic
from fedjax_shap.learning.vertical.model import VerticalModel
from fedjax_shap.learning.vertical.split import split

__all__ = ["VERTICAL", "VerticalModel", "least_squares", "logistic", "ridge", "split", "taylor"]

VERTICAL: dict[str, Callable[..., VerticalModel | StatisticsModel]] = {
    "least_squares": least_squares,
    "ridge": ridge,
    "logistic": logistic,
    "taylor": taylor,
    "split": split,
}
