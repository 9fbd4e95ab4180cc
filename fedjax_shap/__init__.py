"""fedjax_shap: what each member's data is worth in a federation, and what it should be paid.

Masks go in, utilities come out, values are read off, money follows::

    training = Training(models.mlp(hidden=(32,)), local(batch_size=32), algorithms.fedavg())
    game = silo(data, training)
    values = estimate(game, exact(), key=jax.random.key(0))
    payments = settle(values, costs, revenue)

The nouns and verbs stand here. Families, of which a run picks one or a few, are modules:

==================  ==================================================================
`sources`           data sets by name, and how your own files are read
`partitions`        which client gets which rows
`corruptions`       what is done to a client's data, so that a method can notice it
`tasks`             what is learned: classes, quantities, counts, margins, and by which metrics
`models`            architectures, and models of your own
`algorithms`        FedAvg and the others
`steps`             how many local steps each client does
`vertical`          parties with different columns of the same rows: data, models and games
`transfer`          sources with labels that teach a target: data, and the game
`participation`     who takes part in which round
`devices`           the members' machines
`protocols`         what parties tell one another: sums, common rows, encrypted training
`estimators`        ways to estimate values from some coalitions
`in_run`            ways to value a whole run of rounds at once
`stopping`          when enough coalitions have been valued
`costs`             what taking part costs
`revenues`          what a metric earns, and what other prices would change
`rules`             how a revenue is divided
`audits`            what can be said for and against payments
`ledger`            a permanent record of runs and payments
`studies`           many runs of one configuration, and what they say together
==================  ==================================================================

A name is imported when it is first used, so `import fedjax_shap` does not wait for JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors; `_MODULES` and `_FAMILIES` say the same
    from fedjax_shap import audits as audits
    from fedjax_shap import devices as devices
    from fedjax_shap import ledger as ledger
    from fedjax_shap import protocols as protocols
    from fedjax_shap import studies as studies
    from fedjax_shap._validate import InvalidInputError as InvalidInputError
    from fedjax_shap.audits.registry import audit as audit
    from fedjax_shap.coalitions import Coalition as Coalition
    from fedjax_shap.coalitions import all_subsets as all_subsets
    from fedjax_shap.data import corrupt as corruptions
    from fedjax_shap.data import partition as partitions
    from fedjax_shap.data import sources as sources
    from fedjax_shap.data.corrupt import corrupt as corrupt
    from fedjax_shap.data.federate import federate as federate
    from fedjax_shap.data.federated import FederatedData as FederatedData
    from fedjax_shap.data.federated import from_arrays as from_arrays
    from fedjax_shap.data.sources import load as load
    from fedjax_shap.economics import cost as costs
    from fedjax_shap.economics import revenue as revenues
    from fedjax_shap.economics import rules as rules
    from fedjax_shap.economics.intervals import indistinguishable as indistinguishable
    from fedjax_shap.economics.intervals import payment_intervals as payment_intervals
    from fedjax_shap.economics.settle import settle as settle
    from fedjax_shap.economics.settlement import Settlement as Settlement
    from fedjax_shap.engine.evaluate import evaluate as evaluate
    from fedjax_shap.engine.plan import Plan as Plan
    from fedjax_shap.engine.store import UtilityStore as UtilityStore
    from fedjax_shap.games import statistics as statistics
    from fedjax_shap.games import transfer as transfer
    from fedjax_shap.games import vertical as vertical
    from fedjax_shap.games.callable import from_callable as from_callable
    from fedjax_shap.games.game import Game as Game
    from fedjax_shap.games.reconstructed import reconstructed as reconstructed
    from fedjax_shap.games.rounds import rounds as rounds
    from fedjax_shap.games.silo import curves as curves
    from fedjax_shap.games.silo import silo as silo
    from fedjax_shap.learning import model as models
    from fedjax_shap.learning import participation as participation
    from fedjax_shap.learning import steps as steps
    from fedjax_shap.learning import tasks as tasks
    from fedjax_shap.learning.algorithm import Algorithm as Algorithm
    from fedjax_shap.learning.algorithms import registry as algorithms
    from fedjax_shap.learning.local import local as local
    from fedjax_shap.learning.model import Model as Model
    from fedjax_shap.learning.private import private as private
    from fedjax_shap.learning.task import Task as Task
    from fedjax_shap.learning.training import Training as Training
    from fedjax_shap.ledger.ledger import Ledger as Ledger
    from fedjax_shap.pipeline.config import Config as Config
    from fedjax_shap.pipeline.config import parse as parse
    from fedjax_shap.pipeline.joint_model import load_model as load_model
    from fedjax_shap.pipeline.result import Result as Result
    from fedjax_shap.pipeline.run import run as run
    from fedjax_shap.pipeline.toml import override as override
    from fedjax_shap.pipeline.toml import read_toml as read_toml
    from fedjax_shap.report.saved_run import load_run as load_run
    from fedjax_shap.shapley import stopping as stopping
    from fedjax_shap.shapley.agreement import agreement as agreement
    from fedjax_shap.shapley.axioms import check as check
    from fedjax_shap.shapley.estimator import Attribution as Attribution
    from fedjax_shap.shapley.estimator import Estimator as Estimator
    from fedjax_shap.shapley.estimators import registry as estimators
    from fedjax_shap.shapley.exact import exact as exact
    from fedjax_shap.shapley.exact import shapley_values as shapley_values
    from fedjax_shap.shapley.interactions import interactions as interactions
    from fedjax_shap.shapley.semivalue import semivalues as semivalues
    from fedjax_shap.valuation import in_run_methods as in_run
    from fedjax_shap.valuation.bridges import as_shapiq_game as as_shapiq_game
    from fedjax_shap.valuation.estimate import estimate as estimate
    from fedjax_shap.valuation.in_run import estimate_rounds as estimate_rounds
    from fedjax_shap.valuation.options import Options as Options
    from fedjax_shap.valuation.repeats import estimate_repeated as estimate_repeated

_MODULES = {  # a name -> the module of this package that defines it
    "Algorithm": "learning.algorithm",
    "Attribution": "shapley.estimator",
    "Coalition": "coalitions",
    "Config": "pipeline.config",
    "Estimator": "shapley.estimator",
    "FederatedData": "data.federated",
    "Game": "games.game",
    "InvalidInputError": "_validate",
    "Ledger": "ledger.ledger",
    "Model": "learning.model",
    "Options": "valuation.options",
    "Plan": "engine.plan",
    "Result": "pipeline.result",
    "Settlement": "economics.settlement",
    "Task": "learning.task",
    "Training": "learning.training",
    "UtilityStore": "engine.store",
    "agreement": "shapley.agreement",
    "all_subsets": "coalitions",
    "as_shapiq_game": "valuation.bridges",
    "audit": "audits.registry",
    "check": "shapley.axioms",
    "corrupt": "data.corrupt",
    "curves": "games.silo",
    "estimate": "valuation.estimate",
    "estimate_repeated": "valuation.repeats",
    "estimate_rounds": "valuation.in_run",
    "evaluate": "engine.evaluate",
    "exact": "shapley.exact",
    "federate": "data.federate",
    "from_arrays": "data.federated",
    "from_callable": "games.callable",
    "indistinguishable": "economics.intervals",
    "interactions": "shapley.interactions",
    "load": "data.sources",
    "load_model": "pipeline.joint_model",
    "load_run": "report.saved_run",
    "local": "learning.local",
    "override": "pipeline.toml",
    "parse": "pipeline.config",
    "payment_intervals": "economics.intervals",
    "private": "learning.private",
    "read_toml": "pipeline.toml",
    "reconstructed": "games.reconstructed",
    "rounds": "games.rounds",
    "run": "pipeline.run",
    "semivalues": "shapley.semivalue",
    "settle": "economics.settle",
    "shapley_values": "shapley.exact",
    "silo": "games.silo",
}
_FAMILIES = {  # a family -> the module of this package that it is
    "algorithms": "learning.algorithms.registry",
    "audits": "audits",
    "corruptions": "data.corrupt",
    "costs": "economics.cost",
    "devices": "devices",
    "estimators": "shapley.estimators.registry",
    "in_run": "valuation.in_run_methods",
    "ledger": "ledger",
    "models": "learning.model",
    "participation": "learning.participation",
    "partitions": "data.partition",
    "protocols": "protocols",
    "revenues": "economics.revenue",
    "rules": "economics.rules",
    "sources": "data.sources",
    "statistics": "games.statistics",
    "steps": "learning.steps",
    "stopping": "shapley.stopping",
    "studies": "studies",
    "tasks": "learning.tasks",
    "transfer": "games.transfer",
    "vertical": "games.vertical",
}
__all__ = [
    "Algorithm",
    "Attribution",
    "Coalition",
    "Config",
    "Estimator",
    "FederatedData",
    "Game",
    "InvalidInputError",
    "Ledger",
    "Model",
    "Options",
    "Plan",
    "Result",
    "Settlement",
    "Task",
    "Training",
    "UtilityStore",
    "agreement",
    "algorithms",
    "all_subsets",
    "as_shapiq_game",
    "audit",
    "audits",
    "check",
    "corrupt",
    "corruptions",
    "costs",
    "curves",
    "devices",
    "estimate",
    "estimate_repeated",
    "estimate_rounds",
    "estimators",
    "evaluate",
    "exact",
    "federate",
    "from_arrays",
    "from_callable",
    "in_run",
    "indistinguishable",
    "interactions",
    "ledger",
    "load",
    "load_model",
    "load_run",
    "local",
    "models",
    "override",
    "parse",
    "participation",
    "partitions",
    "payment_intervals",
    "private",
    "protocols",
    "read_toml",
    "reconstructed",
    "revenues",
    "rounds",
    "rules",
    "run",
    "semivalues",
    "settle",
    "shapley_values",
    "silo",
    "sources",
    "statistics",
    "steps",
    "stopping",
    "studies",
    "tasks",
    "transfer",
    "vertical",
]


def __getattr__(name: str) -> Any:
    """A public name or a family, imported when it is first used."""
    if name in _FAMILIES:
        value: Any = import_module(f"{__name__}.{_FAMILIES[name]}")
    elif name in _MODULES:
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    elif name == "__version__":
        value = import_module(f"{__name__}._version").version()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names and the families."""
    return sorted(__all__)
