"""The estimators by name: what configurations, the command line and the conformance tests read."""

from collections.abc import Mapping
from typing import Any, Protocol

from fedjax_shap.shapley.estimator import Estimator
from fedjax_shap.shapley.estimators.complementary import complementary
from fedjax_shap.shapley.estimators.gaussian_process import gaussian_process
from fedjax_shap.shapley.estimators.group_testing import group_testing
from fedjax_shap.shapley.estimators.gtg import gtg
from fedjax_shap.shapley.estimators.ipss import ipss
from fedjax_shap.shapley.estimators.kadditive import kadditive
from fedjax_shap.shapley.estimators.kernelshap import kernelshap
from fedjax_shap.shapley.estimators.leave_one_out import individual, leave_one_out
from fedjax_shap.shapley.estimators.leverage import leverage
from fedjax_shap.shapley.estimators.msr import banzhaf, msr
from fedjax_shap.shapley.estimators.owen import owen
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.estimators.regression_msr import regression_msr
from fedjax_shap.shapley.estimators.stratified import stratified
from fedjax_shap.shapley.estimators.structured import structured
from fedjax_shap.shapley.estimators.subsampling import subsampling
from fedjax_shap.shapley.estimators.svarm import svarm
from fedjax_shap.shapley.estimators.tmc import tmc
from fedjax_shap.shapley.exact import exact
from fedjax_shap.shapley.least_core import least_core

__all__ = [
    "DEFAULT",
    "ESTIMATORS",
    "Estimator",
    "banzhaf",
    "complementary",
    "exact",
    "gaussian_process",
    "group_testing",
    "gtg",
    "individual",
    "ipss",
    "kadditive",
    "kernelshap",
    "least_core",
    "leave_one_out",
    "leverage",
    "msr",
    "owen",
    "permutation",
    "regression_msr",
    "stratified",
    "structured",
    "subsampling",
    "svarm",
    "tmc",
]


class EstimatorFactory(Protocol):
    """Makes an estimator from the keyword options that its function documents."""

    def __call__(self, *args: Any, **options: Any) -> Estimator:
        """The estimator; the defaults need no options."""


# A row for each estimator: its name, and the function of that name in the file of that name.
ESTIMATORS: Mapping[str, EstimatorFactory] = {
    # every coalition
    "exact": exact,
    # models of the utilities
    "gaussian_process": gaussian_process,
    "regression_msr": regression_msr,
    "kernelshap": kernelshap,
    "leverage": leverage,
    "kadditive": kadditive,
    # marginal contributions
    "permutation": permutation,
    "structured": structured,
    "stratified": stratified,
    "owen": owen,
    "subsampling": subsampling,
    "tmc": tmc,
    "gtg": gtg,
    "ipss": ipss,
    # utilities that serve every player
    "complementary": complementary,
    "svarm": svarm,
    "msr": msr,
    "group_testing": group_testing,
    # not the Shapley value
    "banzhaf": banzhaf,  # in msr
    "individual": individual,  # in leave_one_out
    "leave_one_out": leave_one_out,
    "least_core": least_core,
}
DEFAULT = "gaussian_process"  # the nearest to exact values at equal budgets: benchmarks.estimators
