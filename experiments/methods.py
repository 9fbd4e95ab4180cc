"""The ways of valuing one federation that the experiments compare, by the names that papers use."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.game import Game
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.games.silo import silo
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
TENTH = 10  # the default estimator trains one coalition in so many


class Federated(NamedTuple):
    """One federation and how it learns: all that a method needs."""

    data: FederatedData
    training: Training
    metric: str

    @property
    def key(self) -> Key:
        """That of the training, and of what estimators draw."""
        return self.training.root_key

    @property
    def game(self) -> Game:
        """Every coalition trained on its own."""
        return silo(self.data, self.training, metric=self.metric)

    @property
    def run(self) -> Rounds:
        """The rounds of the one run of all."""
        return rounds(self.data, self.training, metric=self.metric)


class Valued(NamedTuple):
    """What a method says of a federation, and the seconds that it took, compilation included."""

    attribution: Attribution
    seconds: float


Method = Callable[[Federated, UtilityStore], Attribution]  # the store keeps what "exact" trains


def _exact(of: Federated, store: UtilityStore) -> Attribution:
    """Every coalition trained."""
    return estimate(of.game, exact(), Options(stores=store), key=of.key)


def _in_run_exact(of: Federated, store: UtilityStore) -> Attribution:
    """Every coalition of each round, summed over rounds (FedSV)."""
    return estimate_rounds(of.run, exact(), key=of.key)


def _multi_round(of: Federated, store: UtilityStore) -> Attribution:
    """The same, each round's values divided by their sum and weighted by a power of `DECAY`."""
    return estimate_rounds(of.run, exact(), key=of.key, decay=DECAY, normalise=True)


def _one_round(of: Federated, store: UtilityStore) -> Attribution:
    """One game on the sums of all updates."""
    game = reconstructed(of.data, of.training, metric=of.metric, batches=game_key(of.key))
    return estimate(game, exact(), key=of.key)


def _gtg(of: Federated, store: UtilityStore) -> Attribution:
    """Guided truncated permutations in each round."""
    options = Options(budget=2**of.data.num_clients - 1)
    return estimate_rounds(of.run, gtg(), options, key=of.key)


def _tmc(of: Federated, store: UtilityStore) -> Attribution:
    """Truncated permutations, at most half of the coalitions trained."""
    options = Options(budget=2 ** (of.data.num_clients - 1))
    return estimate(of.game, tmc(), options, key=of.key)


def _default(of: Federated, store: UtilityStore) -> Attribution:
    """The default estimator; it trains a tenth of the coalitions, and all of size 1 or P - 1."""
    players = of.data.num_clients
    options = Options(budget=max(2**players // TENTH, 2 * players + 2))
    return estimate(of.game, ESTIMATORS[DEFAULT](), options, key=of.key)


METHODS: Mapping[str, Method] = {
    "exact": _exact,
    "in-run exact": _in_run_exact,
    "MR": _multi_round,
    "OR": _one_round,
    "GTG": _gtg,
    "TMC": _tmc,
    DEFAULT: _default,
}


def valued(name: str, of: Federated, store: UtilityStore | None = None) -> Valued:
    """What the method called `name` says; `store` keeps what "exact" trains."""
    if store is None:
        store = UtilityStore()
    began = time.perf_counter()
    attribution = METHODS[name](of, store)
    return Valued(attribution, time.perf_counter() - began)
