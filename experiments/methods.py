"""The ways of valuing one federation that the experiments compare, by the names that papers use."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import present
from fedjax_shap._validate import InvalidInputError, one_of
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.game import Game
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.model import Architecture
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.shapley.estimators.gtg import gtg
from fedjax_shap.shapley.estimators.registry import DEFAULT, ESTIMATORS
from fedjax_shap.shapley.estimators.tmc import tmc
from fedjax_shap.shapley.exact import exact
from fedjax_shap.typing import Key
from fedjax_shap.valuation.estimate import estimate, game_key
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options

DECAY = 0.9  # of a round's weight in MR; the paper leaves lambda open
TENTH = 10  # the default estimator and TMC train one coalition in so many


class Federated(NamedTuple):
    """One federation and how it learns: all that a method needs."""

    data: FederatedData
    model: Architecture
    training: Local
    algorithm: Algorithm
    metric: str
    key: Key

    @property
    def learning(self) -> Training:
        """How coalitions train."""
        return Training(self.model, self.training, self.algorithm, key=self.key)

    @property
    def game(self) -> Game:
        """Every coalition trained on its own."""
        return silo(self.data, self.learning, metric=self.metric)

    @property
    def run(self) -> Rounds:
        """The rounds of the one run of all."""
        return rounds(self.data, self.learning, metric=self.metric)

    @property
    def tenth(self) -> int:
        """A tenth of all coalitions, and no fewer than all of one member or of all but one."""
        return max(2**self.data.num_clients // TENTH, 2 * self.data.num_clients + 2)


class Valued(NamedTuple):
    """What a method says of a federation, and the seconds that it took, compilation included."""

    found: Attribution
    seconds: float


Method = Callable[[Federated, UtilityStore], Attribution]


def _decayed(of: Federated, store: UtilityStore) -> Attribution:
    return estimate_rounds(of.run, exact(), key=of.key, decay=DECAY, normalise=True)


def _one_round(of: Federated, store: UtilityStore) -> Attribution:
    game = reconstructed(of.data, of.learning, metric=of.metric, batches=game_key(of.key))
    return estimate(game, exact(), key=of.key)


METHODS: Mapping[str, Method] = {
    "exact": lambda of, store: estimate(of.game, exact(), Options(stores=store), key=of.key),
    "in-run exact": lambda of, store: estimate_rounds(of.run, exact(), key=of.key),
    "MR": _decayed,
    "OR": _one_round,
    "GTG": lambda of, store: estimate_rounds(
        of.run, gtg(), Options(budget=2**of.data.num_clients - 1), key=of.key
    ),
    "TMC": lambda of, store: estimate(
        of.game, tmc(), Options(budget=2 ** (of.data.num_clients - 1)), key=of.key
    ),
    DEFAULT: lambda of, store: estimate(
        of.game, ESTIMATORS[DEFAULT](), Options(budget=of.tenth), key=of.key
    ),
}
SAID: Mapping[str, str] = {  # what stands in tables beside a name
    "exact": "every coalition trained",
    "in-run exact": "every coalition of each round, summed (FedSV)",
    "MR": f"the same, each round's shares weighted {DECAY}^t",
    "OR": "one game on the sums of all updates",
    "GTG": "guided truncated permutations in each round",
    "TMC": "truncated permutations, at most half of the coalitions trained",
    DEFAULT: f"one coalition in {TENTH} trained",
}


def valued(name: str, of: Federated, store: UtilityStore | None = None) -> Valued:
    """What the method called `name` says; `store` keeps what "exact" trains."""
    began = time.perf_counter()
    found = METHODS[name](of, UtilityStore() if store is None else store)
    return Valued(found, time.perf_counter() - began)


def overrides(settings: Mapping[str, Any], texts: list[str]) -> dict[str, Any]:
    """`settings` with those that "NAME=VALUE" texts name set, each as the type that it has.

    Raises:
        InvalidInputError: no such setting, or a value of another type.
    """
    changed = dict(settings)
    for text in texts:
        name, _, value = text.partition("=")
        one_of("--set", name, settings)
        kind = type(settings[name])
        try:
            changed[name] = kind(value)
        except ValueError:
            raise InvalidInputError(
                f"Expected --set {text!r} to give {name} as {kind.__name__}."
            ) from None
    return changed


def parser(name: str, about: str | None, settings: Mapping[str, Any]) -> argparse.ArgumentParser:
    """The command line of the experiment called `name`: where data lie, settings, and where results
    go.
    """
    made = argparse.ArgumentParser(
        prog=f"python -m experiments.{name}", description=(about or "").split("\n")[0]
    )
    made.add_argument(
        "--data", help="the folder of data sets (default: the variable FEDJAX_SHAP_DATA)"
    )
    made.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"one of {', '.join(settings)}",
    )
    made.add_argument("--json", help="where the record goes")
    made.add_argument("--figure", help="where the figure goes")
    return made


def run(
    made: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    show: Callable[[dict[str, Any], Console], None],
    draw: Callable[[dict[str, Any]], Figure],
) -> int:
    """What `benchmarks.harness.present` does, and a line where the command line keeps neither
    record nor figure.
    """
    code, options = present(made, arguments, measure, show, draw), made.parse_args(arguments)
    if code == 0 and options.json is None and options.figure is None:
        print("Nothing was kept: --json FILE keeps the record, --figure FILE the figure.")
    return code


def progress() -> Callable[[str], None]:
    """A function that tells the error stream what is done, and the seconds since it was made."""
    began = time.perf_counter()
    return lambda done: print(
        f"{time.perf_counter() - began:7.1f} s  {done}", file=sys.stderr, flush=True
    )


def ranked(values: Any) -> list[int]:
    """The players from the most valuable to the least."""
    return [int(i) for i in np.argsort(-np.asarray(values), kind="stable")]
