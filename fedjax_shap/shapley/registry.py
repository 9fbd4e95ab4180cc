"""The estimators by name: what configurations, the command line and the conformance tests read."""

from collections.abc import Callable, Mapping
from typing import Any

from fedjax_shap.shapley.adjusted import regression_msr
from fedjax_shap.shapley.complementary import complementary
from fedjax_shap.shapley.exact import exact
from fedjax_shap.shapley.gaussian import gaussian_process
from fedjax_shap.shapley.group_testing import group_testing
from fedjax_shap.shapley.gtg import gtg
from fedjax_shap.shapley.ipss import ipss
from fedjax_shap.shapley.kadditive import kadditive
from fedjax_shap.shapley.kernel import kernelshap
from fedjax_shap.shapley.least_core import least_core
from fedjax_shap.shapley.leverage import leverage
from fedjax_shap.shapley.msr import banzhaf, msr
from fedjax_shap.shapley.owen import owen
from fedjax_shap.shapley.permutation import permutation
from fedjax_shap.shapley.single import individual, leave_one_out
from fedjax_shap.shapley.stratified import stratified
from fedjax_shap.shapley.structured import structured
from fedjax_shap.shapley.subsampling import subsampling
from fedjax_shap.shapley.svarm import svarm
from fedjax_shap.shapley.tmc import tmc

ESTIMATORS: Mapping[str, Callable[..., Any]] = {
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
    "banzhaf": banzhaf,
    "individual": individual,
    "leave_one_out": leave_one_out,
    "least_core": least_core,
}
DEFAULT = "gaussian_process"  # the nearest to exact values at equal budgets: benchmarks.estimators
