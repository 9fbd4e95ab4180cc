"""Cross-device federations: one run is valued, by the games of its rounds or reconstructed as one
game.
"""

from collections import deque
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from fedjax_shap._validate import cautions, require
from fedjax_shap.devices.device import steps_done
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.game import Game
from fedjax_shap.games.reconstructed import reconstructed
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.learning.training import Training
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.curves import LearningCurves, follow_alone
from fedjax_shap.pipeline.examples_seen import Examples, alone_and_pooled, rows_of
from fedjax_shap.pipeline.federation import Federation, federation_of
from fedjax_shap.pipeline.privacy import check_not_private, check_private_rounds
from fedjax_shap.pipeline.settings.setting import Setting, Valuation, Work, of_clients
from fedjax_shap.pipeline.surplus import Trained
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.estimate import estimate, game_key
from fedjax_shap.valuation.in_run import estimate_rounds
from fedjax_shap.valuation.options import Options


def in_rounds(config: Config) -> Setting:
    """The run of a configuration whose game is `rounds`: each round is a game, and values are sums
    over rounds.
    """
    federation = federation_of(config)

    @cache
    def run() -> Rounds:
        with cautions():  # they are among the notes
            return rounds(federation.data, federation.training, **federation.game)

    def attribution(estimator: Any, options: Options, /) -> Attribution:
        return estimate_rounds(run(), estimator, options, key=federation.key)

    return _setting(federation, attribution)


def in_one_round(config: Config) -> Setting:
    """The run of a configuration whose game is `reconstructed`: coalitions are put together from
    the uploads of one run.
    """
    federation = federation_of(config)

    @cache
    def game() -> Game:
        batches = game_key(federation.key)
        return reconstructed(
            federation.data, federation.training, batches=batches, **federation.game
        )

    def attribution(estimator: Any, options: Options, /) -> Attribution:
        return estimate(game(), estimator, options, key=federation.key)

    return _setting(federation, attribution)


def whole_rounds(config: Config) -> None:
    """Refuses what a run that is valued round by round cannot have."""
    fixed_length(config)
    check_private_rounds(config)


def whole_uploads(config: Config) -> None:
    """Refuses what a run whose uploads are added up cannot have."""
    fixed_length(config)
    check_not_private(config)


def fixed_length(config: Config) -> None:
    """Refuses a tolerance at which training stops: these runs have a fixed number of rounds."""
    tol = config.given("algorithm").get("tol")
    require(
        tol is None,
        f"Expected algorithm.tol={tol} to be left out with game.name="
        f"{config.sections['game'].name!r}, whose runs have one length.",
    )


def _setting(federation: Federation, attribution: Valuation) -> Setting:
    """What both games share: their curves and their work."""
    game = federation.game
    data = federation.data
    inner_rounds = game.get("inner_rounds", 1)
    everyone_first = game.get("everyone_first", False)

    def work(num_rounds: int | None, /) -> Work:
        done = federation.round_work(
            num_rounds or 0, inner_rounds=inner_rounds, everyone_first=everyone_first
        )
        return Work(done.steps_done, federation.metered(done))

    setting = of_clients(data, federation.measure, kind="cross-device", attribution=attribution)
    return setting._replace(
        curve=partial(_curve, federation, inner_rounds),
        work=work,
        value_label="in-run Shapley value",
        notes=(*federation.notes, *federation.notes_on_judges()),
        privacy=partial(federation.privacy, in_run=True),
    )


def _curve(federation: Federation, inner_rounds: int, options: Options, /) -> LearningCurves:
    """The run, beside each member alone and pooled data, which train through all inner rounds."""
    data = federation.data
    num_rounds = federation.base.algorithm.max_rounds
    settings: dict[str, Any] = {"key": federation.key, "metric": federation.game.get("metric")}

    def longer(training: Training) -> Training:
        through = training.algorithm._replace(max_rounds=num_rounds * inner_rounds)
        return training._replace(algorithm=through)

    # a member that trains alone is always there
    training = longer(federation.training._replace(participation=None))
    pooled = longer(federation.pooled_training)
    followed = follow_alone(data, training, pooled, options, **settings)
    _, going, tested, _ = followed.rows
    _, alone, of_pooled = alone_and_pooled(data, (training, pooled), going, followed.pooled_going)
    everyone_first = federation.game.get("everyone_first", False)
    done = federation.round_work(
        num_rounds, inner_rounds=inner_rounds, everyone_first=everyone_first
    )
    taking_part = steps_done(done.num_steps, done.part >= 1)
    in_run = rows_of(taking_part, np.asarray(data.sizes), federation.training.local).sum(axis=1)
    in_all = np.cumsum(in_run)[inner_rounds - 1 :: inner_rounds]
    federated, trained = _tested(federation, options.plan)
    return LearningCurves(
        federated=federated,
        alone=tested if len(tested) else None,
        pooled=followed.pooled,
        pooled_metric=float(followed.pooled_metric[-1]),
        label=federation.measure.label,
        num_rounds=num_rounds,
        joint=federation.joint_model(trained.params),
        examples=Examples(federated=in_all, alone=alone, pooled=of_pooled),
        surplus=federation.surplus_noise(trained),
    )


def _tested(federation: Federation, plan: Plan | None) -> tuple[HostArray, Trained]:
    """(float[R], what curves show of the model after each round of the run, on the test set; that
    model).
    """
    data = federation.data
    game = {**federation.game, "judges": "server", "by_round": False}
    seed = game_key(federation.key)
    on_test = replace(data, validation=data.test, owners=None, users=None)
    shown = federation.measure
    run = rounds(on_test, federation.training, **{**game, "metric": shown._replace(sign=1)})
    reached = np.full(len(run.present), np.nan)
    initial = run.start.world[0].initial
    latest = deque([initial], maxlen=1)
    for game_of_round, _, index in run.play(seed, after=latest.append):
        if np.isnan(reached).all():
            # before the first round with participants the model is the initial one
            nobody = np.zeros((1, run.num_players), bool)
            reached[:index] = evaluate(game_of_round, seed, nobody, plan, on_nonfinite="keep")[0]
        present = run.present[[index]]
        reached[index:] = evaluate(game_of_round, seed, present, plan, on_nonfinite="keep")[0]
    return reached, Trained(initial, latest[0])
