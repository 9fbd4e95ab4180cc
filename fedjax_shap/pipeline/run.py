"""One run, from a configuration to its result: values, costs, payments, and what pooling would
give.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from fedjax_shap._validate import a_path, of_kind
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.engine.folders import place
from fedjax_shap.engine.parts import clear
from fedjax_shap.engine.stopwatch import Stopwatch
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.curves import LearningCurves
from fedjax_shap.pipeline.payment import estimator_for_rule, pay, require_payable
from fedjax_shap.pipeline.permanent import mean_by_size, reads_means
from fedjax_shap.pipeline.privacy_record import PrivacyRecord, sentences
from fedjax_shap.pipeline.result import Result
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.pipeline.settings.setting import Setting
from fedjax_shap.pipeline.surplus import notes_on
from fedjax_shap.pipeline.wording import located
from fedjax_shap.shapley.estimator import Attribution, Estimator, projected
from fedjax_shap.typing import Progress
from fedjax_shap.valuation.options import Options

ESTIMATOR_OPTIONS = ("budget", "until", "turn", "on_nonfinite")
COUNTED = ("asked", "trained", "from_store")  # by a utility store


class Watch(Protocol):
    """Shows how far a run is."""

    def __call__(self, stage: str, /) -> Progress:
        """Begins a stage.

        Args:
            stage: what is done, in words, such as "coalitions".

        Returns:
            What is called with (coalitions done, coalitions to do) while the stage lasts.
        """


def run(
    config: Config,
    *,
    store: str | Path | None = None,
    fresh: bool = False,
    watch: Watch | None = None,
) -> Result:
    """Runs a configuration.

    Args:
        config: what to run.
        store: a folder in which utilities are kept and looked up, also those of other
            configurations; a run that was interrupted goes on from there.
        fresh: whether what the folder has of this configuration is removed first.
        watch: shows the progress of each stage.

    Returns:
        The result. Where the rule refuses the values, it has no settlement and says why.

    Raises:
        InvalidInputError: what the configuration asks for cannot be done, in one sentence.
    """
    of_kind("config", config, Config, "parse(read_toml(path))")
    watch = watch or unwatched
    keep_programs()
    with located(config.fields()), Stopwatch() as total:
        setting = setting_of(config)
        require_payable(config, setting)
        stores = _Stores(store, setting.players, fresh=fresh)
        options = Options(plan=config.build("plan"), stores=stores.kept)
        with Stopwatch() as training:
            options_for_values = replace(options, progress=watch("coalitions"))
            attribution = attribution_of(config, setting, options_for_values)
            divided_by = _divided_by(config, setting, options, watch) or attribution
        curve = setting.curve(replace(options, stores=stores.open, progress=watch("curves")))
        privacy = setting.privacy(attribution)
        num_rounds = getattr(curve, "num_rounds", None)
        payments = pay(config, setting, divided_by, num_rounds, stores.means(config, attribution))
    return Result(
        config=config,
        setting=setting.kind,
        players=setting.players,
        sizes=setting.sizes,
        metric=setting.metric,
        metric_label=setting.metric_label,
        metric_sign=setting.metric_sign,
        same_rows=setting.same_rows,
        value_label=setting.value_label,
        attribution=attribution,
        curve=curve,
        **payments._asdict(),
        coalitions=stores.how_many(),
        stores=stores.games,
        timing=timing(total, training),
        notes=(*setting.notes, *_on_surplus(config, attribution, curve), *_on_privacy(privacy)),
        privacy=privacy,
    )


def _divided_by(
    config: Config, setting: Setting, options: Options, watch: Watch
) -> Attribution | None:
    """The values that the rule of payment divides by; None where these are those of the run."""
    other = estimator_for_rule(config)
    if other is None:
        return None
    return attribution_of(config, setting, replace(options, progress=watch("for the rule")), other)


def timing(total: Stopwatch, training: Stopwatch) -> dict[str, float]:
    """Seconds as `Result.timing` has them.

    Args:
        total: of the whole run.
        training: of valuing coalitions, within it.
    """
    return {
        "compile_s": round(total.compiling, 3),
        "train_s": round(training.seconds - training.compiling, 3),
        "total_s": round(total.seconds, 3),
    }


def attribution_of(
    config: Config, setting: Setting, options: Options, estimator: Estimator | None = None
) -> Attribution:
    """The values of a setting's players, as the section [estimator] asks for them.

    Args:
        config: the configuration.
        setting: its federation.
        options: the plan, the stores and the progress; the rest the configuration says.
        estimator: another estimator than the configured one.
    """
    asked = {name: config.value("estimator", name) for name in ESTIMATOR_OPTIONS}
    chosen = estimator or config.build("estimator")
    if estimator is not None and estimator.guarantees.at_once:
        asked["until"] = None  # it is meant for the configured estimator
    found = setting.attribution(chosen, replace(options, **asked))
    return projected(found) if config.value("estimator", "efficient") else found


def _on_surplus(
    config: Config, attribution: Attribution, curve: LearningCurves | None
) -> tuple[str, ...]:
    """What a reader should know of V(N) - V(empty); nothing where its error is not known."""
    if curve is None or curve.surplus is None:
        return ()
    return notes_on(config, attribution, curve.surplus)


def _on_privacy(privacy: PrivacyRecord | None) -> tuple[str, ...]:
    """What a reader should know of the members' privacy."""
    if privacy is None:
        return ()
    return sentences(privacy)


def unwatched(stage: str, /) -> Progress:
    """Shows nothing."""
    return lambda done, total: None


class _Stores:
    """The utility stores of a run, in a folder or in memory.

    Attributes:
        games: the fingerprint of each part of the run that was valued.
    """

    def __init__(
        self, folder: str | Path | None, players: Sequence[str], *, fresh: bool = False
    ) -> None:
        self.games: dict[str, str] = {}
        self._folder = None if folder is None else a_path("folder", folder)
        self._players = players
        self._fresh = fresh
        self._kept: dict[str, UtilityStore] = {}

    def open(self, part: str, fingerprint: str, /) -> UtilityStore:
        """Opens a store that is not counted."""
        if self._folder is None:
            return UtilityStore(fingerprint=fingerprint)
        folder = place(self._folder, part, fingerprint)
        if self._fresh and part not in self.games:
            clear(folder)
        self.games[part] = fingerprint
        return UtilityStore(folder, fingerprint=fingerprint, players=self._players)

    def kept(self, part: str, fingerprint: str, /) -> UtilityStore:
        """The store of a part of the valuation, opened once."""
        if part not in self._kept:
            self._kept[part] = self.open(part, fingerprint)
        return self._kept[part]

    def means(self, config: Config, attribution: Attribution) -> Any:
        """The mean utility by size, of the first part that was valued whole, where a permanent
        member's rule reads it; else None.
        """
        if not reads_means(config):
            return None
        found = (mean_by_size(store, attribution) for store in self._kept.values())
        return next((means for means in found if means is not None), None)

    def how_many(self) -> dict[str, int]:
        """What all kept stores counted."""
        return {name: sum(getattr(one, name) for one in self._kept.values()) for name in COUNTED}
