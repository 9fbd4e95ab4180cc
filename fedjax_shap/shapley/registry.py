"""The estimators by name: what configurations, the command line and the conformance tests read."""

from collections.abc import Callable, Mapping
from typing import Any

from fedjax_shap.shapley.exact import exact
from fedjax_shap.shapley.permutation import permutation

ESTIMATORS: Mapping[str, Callable[..., Any]] = {
    "exact": exact,
    "permutation": permutation,
}
