"""Federations that merge statistics: a coalition's model is fitted from the sums of its members."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import cautions
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.devices.fleet import metered
from fedjax_shap.devices.summed import summed
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.folders import CURVES, POOLED
from fedjax_shap.games.statistics import followed, merged, task_of
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.statistics.model import Merge, StatisticsModel
from fedjax_shap.learning.task import Task, measure_for
from fedjax_shap.pipeline.by_name import devices_of
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.curves import LearningCurves, evaluated, members_alone
from fedjax_shap.pipeline.examples_seen import Examples
from fedjax_shap.pipeline.federation import game_keywords
from fedjax_shap.pipeline.loaded import game_seed, loaded
from fedjax_shap.pipeline.privacy import record_of_records
from fedjax_shap.pipeline.settings.setting import Setting, Work, of_clients, valued_by
from fedjax_shap.pipeline.surplus import RESAMPLES, Noise, noise_of, num_users_of
from fedjax_shap.typing import Key
from fedjax_shap.valuation.estimate import game_key
from fedjax_shap.valuation.options import Options

SECTIONS_USED = (
    "data",
    "partition",
    "corrupt",
    "task",
    "model",
    "devices",
    "privacy",
    "game",
    "estimator",
    "costs",
    "economics",
    "plan",
)
AVERAGED = (
    "Coalitions are valued by the mean of their members' own models (game.merge='average'), which "
    "is not the model that their rows together give."
)


class Merging(NamedTuple):
    """A federation that merges statistics.

    Attributes:
        config: the configuration.
        data: the clients' data and the server's.
        model: what members sum and what is fitted.
        asked: the task that is asked for; None for what the data suggest.
        key: seeds the estimator's draws.
    """

    config: Config
    data: FederatedData
    model: StatisticsModel
    asked: Task | None
    key: Key

    @property
    def task(self) -> Task:
        """What is learned."""
        return task_of(self.model, self.data, self.asked)

    @property
    def settings(self) -> dict[str, Any]:
        """The keywords of the game."""
        return {**game_keywords(self.config), "task": self.asked}

    @property
    def measure(self) -> Measure:
        """The metric by which coalitions are valued, checked on the validation set."""
        return measure_for(self.task, self.data, self.settings.get("metric"))

    @property
    def merge(self) -> Merge:
        """How models come of what members send."""
        merge: Merge = self.config.value("game", "merge")
        return merge

    @property
    def rounds(self) -> int:
        """How often members send something."""
        if self.merge == "average":
            return 1
        return self.model.rounds


def statistics(config: Config) -> Setting:
    """The federation of a configuration whose game is `statistics`: V(S) is what the sums of S
    give.
    """
    config, data, asked, notes = loaded(config)
    key = game_seed(config)
    merging = Merging(config, data, config.build("model"), asked, key)
    measure = merging.measure
    noisy = config.value("game", "resamples") > 0
    # refuse what is wrong before anything is valued
    with cautions() as on_judges:
        game = merged(data, merging.model, **merging.settings)

    averaged = (AVERAGED,) * (merging.merge == "average")
    attribution = valued_by(lambda: game, key, noisy=noisy)
    setting = of_clients(data, measure, kind="statistics", attribution=attribution)
    return setting._replace(
        curve=partial(_curve, merging),
        work=partial(_work, merging),
        grand_is_exact=not noisy,
        notes=(*notes, *on_judges, *averaged),
        privacy=lambda _: record_of_records(config, data),
    )


def _work(merging: Merging, num_rounds: int | None, /) -> Work:
    """A pass over its rows a member and round of sums; all passes of its own model in one round."""
    rounds = merging.rounds
    if num_rounds is not None:
        rounds = num_rounds
    num_members = merging.data.num_clients
    passes = merging.model.rounds // merging.rounds
    steps = np.full((rounds, num_members), passes)
    profiles = devices_of(merging.config, merging.data.names)
    used = None
    if profiles:
        asked = summed(merging.data, merging.model, merging.task, merging.merge)
        used = metered(profiles, asked, steps, np.ones(steps.shape))
    return Work(steps.sum(axis=0), used)


def _curve(merging: Merging, options: Options, /) -> LearningCurves:
    """The model of everyone round by round, beside each member alone and pooled data."""
    data = merging.data
    model = merging.model
    settings: dict[str, Any] = {
        "metric": merging.settings.get("metric"),
        "task": merging.asked,
    }
    key = merging.key
    alone = members_alone(data.num_clients)
    masks = np.concatenate([alone, np.ones((1, data.num_clients), bool)])
    game = followed(data, model, merge=merging.merge, **settings)
    of_members = evaluated(game, masks, options, key=key, part=CURVES)[:, 0]
    silent = replace(options, progress=None)
    everything = followed(data.pooled(), model, **settings)
    [pooled] = evaluated(everything, np.ones((1, 1), bool), silent, key=key, part=POOLED)
    on_test, on_validation = pooled
    passes = model.rounds // merging.rounds
    rows = np.asarray(data.sizes, float)[: len(alone) or None] * passes
    rounds = np.arange(1, merging.rounds + 1)
    seen = Examples(
        federated=np.sum(data.sizes) * passes * rounds,
        alone=np.outer(rows, rounds)[: len(alone)],
        pooled=float(np.sum(data.sizes)) * np.arange(1, len(on_test) + 1),
    )
    return LearningCurves(
        federated=of_members[-1],
        alone=of_members[:-1] if len(alone) else None,
        pooled=on_test,
        pooled_metric=float(on_validation[-1]),
        label=merging.measure.label,
        num_rounds=merging.rounds,
        examples=seen,
        surplus=_surplus_noise(merging, options),
    )


def _surplus_noise(merging: Merging, options: Options) -> Noise:
    """What the validation set leaves open of V(N) - V(empty), by the paired bootstrap."""
    examples = len(merging.data.validation[1])
    users = num_users_of(merging.data.users)
    if users == 1:
        return Noise(float("nan"), examples, users)
    settings = {**merging.settings, "judges": "server", "resamples": RESAMPLES}
    game = merged(merging.data, merging.model, **settings)
    both = np.stack([np.zeros(game.num_players, bool), np.ones(game.num_players, bool)])
    key = game_key(merging.key)
    before, after = evaluate(game, key, both, options.plan, on_nonfinite="keep")
    return noise_of(before, after, examples, users)
