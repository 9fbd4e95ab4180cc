"""Cross-silo federations: every coalition is trained on its own, from one initialisation."""

from functools import cache, partial
from typing import Any

import numpy as np

from fedjax_shap._validate import cautions
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import silo
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.curves import LearningCurves, follow_all
from fedjax_shap.pipeline.examples_seen import Examples, alone_and_pooled
from fedjax_shap.pipeline.federation import Federation, federation_of
from fedjax_shap.pipeline.settings.setting import Setting, Work, of_clients, valued_by
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.options import Options


def cross_silo(config: Config) -> Setting:
    """The federation of a configuration whose game is `silo`: V(S) is what S alone trains."""
    federation = federation_of(config)
    data = federation.data
    measure = federation.measure
    repeats = config.value("estimator", "repeats")
    noisy = repeats > 1 or config.value("game", "resamples") > 0

    @cache
    def game() -> Game:
        with cautions():  # they are among the notes
            return silo(data, federation.training, **federation.game)

    def work(num_rounds: int | None, /) -> Work:
        done = federation.round_work(num_rounds or 0)
        return Work(done.steps_done, federation.metered(done))

    attribution = valued_by(game, federation.key, noisy=noisy, repeats=repeats)
    setting = of_clients(data, measure, kind="cross-silo", attribution=attribution)
    return setting._replace(
        curve=partial(_curve, federation),
        work=work,
        grand_is_exact=not noisy,
        notes=(*federation.notes, *federation.notes_on_judges()),
        privacy=federation.privacy,
    )


def _curve(federation: Federation, options: Options, /) -> LearningCurves:
    """The training of everyone, beside each member alone and one of pooled data."""
    data = federation.data
    settings: dict[str, Any] = {"key": federation.key, "metric": federation.game.get("metric")}
    # each member alone, and everyone in the last row
    followed, trained = follow_all(
        data, federation.training, federation.pooled_training, options, **settings
    )
    _, going, tested, _ = followed.rows
    trainings = (federation.training, federation.pooled_training)
    each, alone, pooled = alone_and_pooled(data, trainings, going[:-1], followed.pooled_going)
    in_all = np.cumsum(each.sum(axis=0) * going[-1])
    return LearningCurves(
        federated=tested[-1],
        alone=tested[:-1] if len(tested) > 1 else None,
        pooled=followed.pooled,
        pooled_metric=_reported(federation.config, followed.pooled_metric),
        label=federation.measure.label,
        num_rounds=int(going[-1].sum()),
        joint=federation.joint_model(trained.params),
        examples=Examples(federated=in_all, alone=alone, pooled=pooled),
        surplus=federation.surplus_noise(trained),
    )


def _reported(config: Config, by_round: HostArray) -> float:
    """The metric of a training as the game reports it, of the metric float[R] after each round."""
    if config.value("game", "report") == "best":
        return float(by_round[config.value("game", "skip_rounds") :].max())
    return float(by_round[-1])
