"""A configuration brought to life: its data, learning procedure and games, and what they are
compared with.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from fedjax_shap._validate import places
from fedjax_shap.data.corrupt import corrupt
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.devices.device import Profile
from fedjax_shap.devices.fleet import Metered, metered
from fedjax_shap.devices.workload import Workload, workload
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import fingerprint
from fedjax_shap.games.game import Game
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.model import Architecture
from fedjax_shap.learning.participation import Participation, dropping, ordered
from fedjax_shap.learning.steps import Steps
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import seeds, steps_by_round
from fedjax_shap.pipeline.config import Config, build
from fedjax_shap.pipeline.result import LearningCurves
from fedjax_shap.shapley.estimator import Attribution, Estimator, projected
from fedjax_shap.typing import HostArray, Key, Masks
from fedjax_shap.valuation.estimate import estimate, game_key
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options
from fedjax_shap.valuation.repeats import estimate_repeated

ESTIMATOR_OPTIONS = ("budget", "until", "turn", "on_nonfinite")
MOST_CURVES = (
    24  # members are also trained alone, for the curve, where there are no more than this many
)


@dataclass(frozen=True, kw_only=True)
class Federation:
    """The data of a run and all that its games are made of.

    Attributes:
        config: the configuration.
        data: the clients' data and the server's.
        model: the architecture.
        local: local training.
        algorithm: aggregation and stopping.
        init_key: seeds initial parameters and participation.
        key: seeds mini-batches and the estimator's draws.
    """

    config: Config
    data: FederatedData
    model: Architecture
    local: Local
    algorithm: Algorithm
    init_key: Key
    key: Key

    def attribution(self, options: Options, estimator: Estimator | None = None) -> Attribution:
        """The members' values in the configured game by an estimator, the configured one if
        None.
        """
        estimator = estimator or self.config.build("estimator")
        given = self.config.sections["estimator"].keywords
        asked = {name: given[name] for name in ESTIMATOR_OPTIONS if name in given}
        found = self._valued(estimator, given.get("repeats", 1), replace(options, **asked))
        return projected(found) if given.get("efficient") else found

    def _valued(self, estimator: Any, repeats: int, options: Options) -> Attribution:
        """The values of the configured game, before anything is shared out."""
        if self.config.sections["game"].name == "rounds":
            return estimate_rounds(self._rounds(self.data), estimator, options, key=self.key)
        game = self._reconstructed() if self.config.cross_device else self._silo()
        if repeats > 1 or game.resamples:
            return estimate_repeated(game, estimator, options, key=self.key, repeats=repeats)
        return estimate(game, estimator, options, key=self.key)

    def curve(self, options: Options) -> tuple[LearningCurves, int]:
        """Accuracy by round, and how many rounds the run of all took."""
        key, plan = game_key(self.key), options.plan

        def followed(part: str, data: FederatedData, masks: Masks) -> HostArray:
            if not len(masks):
                return np.zeros((4, 0, self.algorithm.max_rounds))
            game = self._curves(data)
            store = options.store(part, lambda: fingerprint(game, key))
            progress = options.progress if part == "curves" else None
            return np.moveaxis(
                evaluate(game, key, masks, plan, store, progress, on_nonfinite="keep"), 1, 0
            )

        members = np.eye(self.data.num_clients, dtype=bool)
        everyone = np.ones((1, self.data.num_clients), bool)
        alone = members if self.data.num_clients <= MOST_CURVES else members[:0]
        masks = alone if self.config.cross_device else np.concatenate([alone, everyone])
        _, going, tested, _ = followed("curves", self.data, masks)
        pooled = followed("pooled", self.data.pooled(), np.ones((1, 1), bool))
        if self.config.cross_device:
            federated, rounds_done = self._followed_run(plan), self.algorithm.max_rounds
        else:
            federated, rounds_done = tested[-1], int(going[-1].sum())
        curve = LearningCurves(
            federated=federated,
            alone=tested[: len(alone)] if len(alone) else None,
            pooled=pooled[2, 0],
            pooled_metric=self._reported(pooled[3, 0]),
        )
        return curve, rounds_done

    def work(self, num_rounds: int) -> tuple[HostArray, HostArray]:
        """What the members do in the first rounds of the run of all.

        Args:
            num_rounds: how many.

        Returns:
            (int[R, C], the local steps K_i of a member that takes part to the end; float[R, C], the
            share of its round that it does), where each inner aggregation of a round is a row of
            its own.
        """
        inner, options = self._inner_rounds, self.config.sections["game"].keywords
        law, draw, drawn = self._steps(self.local), self._participation(), seeds(self.init_key)
        num_steps = steps_by_round(
            self.data, self.local, self.algorithm, law, drawn.steps, num_rounds * inner
        )
        share = np.array(
            draw(drawn.participation, self.algorithm.max_rounds, self.data.num_clients), np.float64
        )
        share[:1] = 1.0 if options.get("everyone_first") else share[:1]
        return num_steps, np.repeat(share[:num_rounds], inner, axis=0)

    def metered(self, num_steps: HostArray, share: HostArray) -> Metered | None:
        """What rounds of such `work` take of the members' devices; None where these are not
        known.
        """
        return metered(self._devices, self.workload, num_steps, share) if self._devices else None

    @cached_property
    def _devices(self) -> tuple[Profile, ...]:
        """The members' devices in their order; none where they are not known."""
        given = self.config.build("devices")(self.data.num_clients)
        place = places("devices.path", [profile.name for profile in given], self.data.names)
        return given if place is None else tuple(given[i] for i in place)

    @cached_property
    def workload(self) -> Workload:
        """What training asks of the members' devices."""
        return workload(self.data, Training(self.model, self.local, self.algorithm))

    def _reported(self, by_round: HostArray) -> float:
        """The metric of a training as the game reports it: of the last round, or the best."""
        options = self.config.sections["game"].keywords
        best = options.get("report") == "best"
        return float(by_round[options.get("skip_rounds", 0) :].max() if best else by_round[-1])

    @property
    def _inner_rounds(self) -> int:
        return int(self.config.sections["game"].keywords.get("inner_rounds", 1))

    def _curves(self, data: FederatedData) -> Game:
        """The trainings of coalitions of `data`, followed round by round."""
        training = self._learning(data)
        if data.num_clients != self.data.num_clients:
            training = training._replace(steps=self._pooled_steps())
        else:
            participation = None if self.config.cross_device else self._participation()
            training = training._replace(steps=self._steps(self.local), participation=participation)
        return curves(data, training, metric=self.config.metric)

    def _steps(self, local: Local) -> Steps:
        """The law of local steps."""
        name = self.config.sections["steps"].name
        given: dict[str, Any] = {"local": local} if name == "local" else {}
        if name == "device":
            given = {"profiles": self._devices, "flops_per_step": self.workload.flops_per_step}
        return self.config.build("steps", **given)  # type: ignore[no-any-return]

    def _pooled_steps(self) -> Steps:
        """The pooled client's law: that of the members where it goes by examples, else that of the
        busiest of them.
        """
        pooled = self.data.pooled()
        law = self._steps(self._learning(pooled).local)
        if self.config.sections["steps"].name in ("local", "epochs"):
            return law
        sizes = np.asarray(self.data.sizes)
        batches = self.local.steps_per_epoch(sizes)
        return lambda key, _, __, num_rounds: law(key, sizes, batches, num_rounds).max(
            axis=1, keepdims=True
        )

    def _participation(self) -> Participation:
        """Who takes part when, and who drops out on the way."""
        participation = ordered(self.config.build("participation"), self.data.names)
        chance = self.config.sections["participation"].keywords.get("drop_out", 0.0)
        return dropping(participation, chance) if np.any(chance) else participation  # type: ignore[no-any-return]

    def _rounds(self, data: FederatedData, **options: Any) -> Rounds:
        own = {**self.config.sections["game"].keywords, **options}
        return rounds(data, self._training(), **own)

    def _silo(self) -> Game:
        own = self.config.sections["game"].keywords
        return silo(self.data, self._training(), **own)

    def _reconstructed(self) -> Game:
        own = self.config.sections["game"].keywords
        return reconstructed(self.data, self._training(), batches=game_key(self.key), **own)

    def _training(self) -> Training:
        """How members train, as configured."""
        steps = self._steps(self.local)
        return Training(
            self.model, self.local, self.algorithm, steps, self._participation(), self.init_key
        )

    def _learning(self, data: FederatedData) -> Training:
        """How a cross-silo coalition of `data` learns; one pooled client takes no settings made for
        each client.
        """
        local, algorithm = self.local, self.algorithm
        if self.config.cross_device:
            algorithm = algorithm._replace(max_rounds=algorithm.max_rounds * self._inner_rounds)
        if data.num_clients != self.data.num_clients:
            algorithm = algorithm._replace(weights=lambda sizes: np.ones(len(sizes), np.float32))
            if isinstance(local.steps, tuple):
                local = local._replace(steps=max(local.steps))
        return Training(self.model, local, algorithm, key=self.init_key)

    def _followed_run(self, plan: Plan | None) -> HostArray:
        """The test accuracy after each round, float[R], of a cross-device run."""
        run = self._rounds(self.data.replace(validation=self.data.test), metric="accuracy")  # type: ignore[attr-defined]
        reached = np.full(len(run.present), np.nan)
        for game, _, index in run.play(game_key(self.key)):
            if np.isnan(reached).all():
                nobody = np.zeros((1, run.num_players), bool)
                reached[:index] = evaluate(
                    game, game_key(self.key), nobody, plan, on_nonfinite="keep"
                )[0]
            reached[index:] = evaluate(
                game, game_key(self.key), run.present[[index]], plan, on_nonfinite="keep"
            )[0]
        return reached


def federation_of(config: Config) -> Federation:
    """Loads, splits and spoils the data that a configuration describes, and binds its learning
    procedure to it.
    """
    validation = config.sections["data"].keywords.get("validation", 0.0)
    data = federate(
        config.build("data"), config.build("partition"), seed=config.seed, validation=validation
    )
    data = corrupt(data, [build("corrupt", one) for one in config.corruptions], seed=config.seed)
    root = jax.random.key(config.seed)
    return Federation(
        config=config,
        data=data,
        model=config.build("model"),
        local=config.build("local"),
        algorithm=config.build("algorithm"),
        init_key=jax.random.fold_in(root, 0),
        key=jax.random.fold_in(root, 1),
    )
