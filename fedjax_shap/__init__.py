"""fedjax_shap: what each member's data is worth in a federation, and what it should be paid.

Masks go in, utilities come out, values are read off, money follows::

    game = silo(data, mlp(hidden=(32,)), local(batch_size=32), fedavg(max_rounds=20))
    values = estimate(game, exact(), key=jax.random.key(0))
    payments = settle(values, costs, revenue)
"""

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import Coalition, all_subsets
from fedjax_shap.config import Config, override, parse, read_toml
from fedjax_shap.data.corrupt import corrupt, duplicate, feature_noise, free_rider, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.partition import by_column, dirichlet, iid, label_pairs, quantity, shards
from fedjax_shap.data.sources import load
from fedjax_shap.economics.cost import given, per_example, per_step
from fedjax_shap.economics.rules import by_size, cost_aware, costs_ignored, equal
from fedjax_shap.economics.settle import Settlement, settle
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.estimate import estimate
from fedjax_shap.experiment import run
from fedjax_shap.games.game import Game
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.in_run import estimate_rounds, multi_round
from fedjax_shap.in_run_methods import comfedsv, taylor
from fedjax_shap.learning.algorithm import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import Model, cnn, linear, mlp
from fedjax_shap.learning.participate import always, cyclic, independent, trace, uniform
from fedjax_shap.result import Result
from fedjax_shap.shapley.axioms import check
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.exact import exact, shapley_values
from fedjax_shap.shapley.permutation import permutation

__all__ = [
    "Attribution",
    "Coalition",
    "Config",
    "Estimator",
    "FederatedData",
    "Game",
    "InvalidInputError",
    "Model",
    "Plan",
    "Result",
    "Settlement",
    "UtilityStore",
    "all_subsets",
    "always",
    "by_column",
    "by_size",
    "check",
    "cnn",
    "comfedsv",
    "corrupt",
    "cost_aware",
    "costs_ignored",
    "curves",
    "cyclic",
    "dirichlet",
    "duplicate",
    "equal",
    "estimate",
    "estimate_rounds",
    "evaluate",
    "exact",
    "feature_noise",
    "fedavg",
    "federate",
    "fingerprint",
    "free_rider",
    "from_arrays",
    "given",
    "iid",
    "independent",
    "label_noise",
    "label_pairs",
    "linear",
    "load",
    "local",
    "mlp",
    "multi_round",
    "override",
    "parse",
    "per_example",
    "per_step",
    "permutation",
    "quantity",
    "read_toml",
    "reconstructed",
    "rounds",
    "run",
    "settle",
    "shapley_values",
    "shards",
    "silo",
    "taylor",
    "trace",
    "uniform",
]
