"""fedjax_shap: what each member's data is worth in a federation, and what it should be paid.

Masks go in, utilities come out, values are read off, money follows::

    training = Training(mlp(hidden=(32,)), local(batch_size=32), fedavg(max_rounds=20))
    game = silo(data, training)
    values = estimate(game, exact(), key=jax.random.key(0))
    payments = settle(values, costs, revenue)
"""

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.audits.evidence import Evidence, Finding
from fedjax_shap.audits.registry import AUDITS, audit
from fedjax_shap.coalitions import Coalition, all_subsets
from fedjax_shap.data.corrupt import corrupt, duplicate, feature_noise, free_rider, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.partition import by_column, dirichlet, iid, label_pairs, quantity, shards
from fedjax_shap.data.sources import load
from fedjax_shap.devices import device
from fedjax_shap.economics import revenue, rules
from fedjax_shap.economics.baselines import by_size, costs_only, equal
from fedjax_shap.economics.cost import given, per_example, per_step
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.intervals import indistinguishable, payment_intervals
from fedjax_shap.economics.rules import RULES, cost_aware, costs_ignored
from fedjax_shap.economics.settle import settle
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.callable import from_callable
from fedjax_shap.games.game import Game
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.learning import steps
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.calibrated import calibrated
from fedjax_shap.learning.algorithms.fedagrac import fedagrac
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.algorithms.fednova import fednova
from fedjax_shap.learning.algorithms.fedprox import fedprox
from fedjax_shap.learning.algorithms.registry import ALGORITHMS
from fedjax_shap.learning.algorithms.scaffold import scaffold
from fedjax_shap.learning.algorithms.server_optimizer import (
    fedadagrad,
    fedadam,
    fedopt,
    fedsgd,
    fedyogi,
)
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import Model, cnn, linear, mlp
from fedjax_shap.learning.participation import always, cyclic, dropping, independent, trace, uniform
from fedjax_shap.learning.training import Training
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.verify import verify
from fedjax_shap.pipeline.config import Config, override, parse, read_toml
from fedjax_shap.pipeline.result import Result
from fedjax_shap.pipeline.run import run
from fedjax_shap.shapley import stopping
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.axioms import check
from fedjax_shap.shapley.estimator import Attribution, Estimator, Guarantees, projected
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
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS
from fedjax_shap.shapley.estimators.regression_msr import regression_msr
from fedjax_shap.shapley.estimators.stratified import stratified
from fedjax_shap.shapley.estimators.structured import structured
from fedjax_shap.shapley.estimators.subsampling import subsampling
from fedjax_shap.shapley.estimators.svarm import svarm
from fedjax_shap.shapley.estimators.tmc import tmc
from fedjax_shap.shapley.exact import exact, shapley_values
from fedjax_shap.shapley.interactions import interactions, moebius
from fedjax_shap.shapley.least_core import least_core
from fedjax_shap.shapley.semivalue import beta, semivalues
from fedjax_shap.valuation.bridges import as_shapiq_game
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.in_run import estimate_rounds, multi_round
from fedjax_shap.valuation.in_run_methods import comfedsv, taylor
from fedjax_shap.valuation.options import Options
from fedjax_shap.valuation.repeats import estimate_repeated

__all__ = [
    "ALGORITHMS",
    "AUDITS",
    "DEFAULT",
    "ESTIMATORS",
    "RULES",
    "Algorithm",
    "Attribution",
    "Coalition",
    "Config",
    "Estimator",
    "Evidence",
    "FederatedData",
    "Finding",
    "Game",
    "Guarantees",
    "InvalidInputError",
    "Ledger",
    "Model",
    "Options",
    "Plan",
    "Result",
    "Settlement",
    "Training",
    "UtilityStore",
    "agreement",
    "all_subsets",
    "always",
    "as_shapiq_game",
    "audit",
    "banzhaf",
    "beta",
    "by_column",
    "by_size",
    "calibrated",
    "cap_costs",
    "check",
    "cnn",
    "comfedsv",
    "complementary",
    "corrupt",
    "cost_aware",
    "costs_ignored",
    "costs_only",
    "curves",
    "cyclic",
    "device",
    "dirichlet",
    "dropping",
    "duplicate",
    "equal",
    "estimate",
    "estimate_repeated",
    "estimate_rounds",
    "evaluate",
    "exact",
    "feature_noise",
    "fedadagrad",
    "fedadam",
    "fedagrac",
    "fedavg",
    "federate",
    "fednova",
    "fedopt",
    "fedprox",
    "fedsgd",
    "fedyogi",
    "fingerprint",
    "free_rider",
    "from_arrays",
    "from_callable",
    "gaussian_process",
    "given",
    "group_testing",
    "gtg",
    "iid",
    "independent",
    "indistinguishable",
    "individual",
    "interactions",
    "ipss",
    "kadditive",
    "kernelshap",
    "label_noise",
    "label_pairs",
    "least_core",
    "leave_one_out",
    "leverage",
    "linear",
    "load",
    "local",
    "mlp",
    "moebius",
    "msr",
    "multi_round",
    "override",
    "owen",
    "parse",
    "payment_intervals",
    "per_example",
    "per_step",
    "permutation",
    "projected",
    "quantity",
    "read_toml",
    "reconstructed",
    "regression_msr",
    "revenue",
    "rounds",
    "rules",
    "run",
    "scaffold",
    "semivalues",
    "settle",
    "shapley_values",
    "shards",
    "silo",
    "steps",
    "stopping",
    "stratified",
    "structured",
    "subsampling",
    "svarm",
    "taylor",
    "tmc",
    "trace",
    "uniform",
    "verify",
]
