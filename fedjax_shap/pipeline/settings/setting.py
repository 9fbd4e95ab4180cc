"""What a kind of federation is to all above the games: a `Setting`, which runs, payments, reports
and audits speak to without asking for its name.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap.data.federated import FederatedData
from fedjax_shap.devices.fleet import Metered
from fedjax_shap.games.game import Game
from fedjax_shap.learning.measure import Measure
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.curves import LearningCurves
from fedjax_shap.pipeline.privacy_record import PrivacyRecord
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.typing import HostArray, Key
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.in_run import Method
from fedjax_shap.valuation.options import Options
from fedjax_shap.valuation.repeats import estimate_repeated


class Work(NamedTuple):
    """What the members did in a run: what costs are made of.

    Attributes:
        steps: number[P], local steps over all rounds.
        metered: what the run took of the members' devices; None where these are not known.
    """

    steps: HostArray
    metered: Metered | None


class Valuation(Protocol):
    """Values the players of a setting."""

    def __call__(self, estimator: Estimator | Method, options: Options, /) -> Attribution:
        """Values the players.

        Args:
            estimator: how; a method for whole runs only where the kind takes these.
            options: the budget, where utilities are kept, how the work is cut, and when to stop.
                Valued twice with the same stores, a coalition is valued once.

        Returns:
            Values float64[P] with standard errors.
        """


class Follow(Protocol):
    """Follows how the joint model came about."""

    def __call__(self, options: Options, /) -> LearningCurves | None:
        """The learning curves of the run of all, beside pooled data and each member alone.

        Args:
            options: how coalitions are valued.

        Returns:
            The curves; None for a kind that does not learn round by round.
        """


class CountWork(Protocol):
    """Counts what the members did."""

    def __call__(self, num_rounds: int | None, /) -> Work | None:
        """What the members do in the run of all.

        Args:
            num_rounds: how many rounds it took; None where no curves say so. With 0 nothing is
                trained, but what cannot be counted is refused.

        Returns:
            The work; None for a kind that does not count it.
        """


def no_curves(options: Options, /) -> None:
    """There is no training to follow."""


def no_work(num_rounds: int | None, /) -> None:
    """No work is counted."""


class KnowPrivacy(Protocol):
    """Knows what a run does for its members' privacy."""

    def __call__(self, attribution: Attribution, /) -> PrivacyRecord | None:
        """What is known of the privacy of a run.

        Args:
            attribution: the values, which say how many coalitions they took.

        Returns:
            The record; None where nothing was done.
        """


def no_privacy(attribution: Attribution, /) -> None:
    """Nothing is done for privacy."""


class PermanentMember(NamedTuple):
    """A member that is in every coalition and no player, such as the holder of the labels.

    Attributes:
        name: what it is called.
        chance: what a model of chance is worth, in the unit of V; None where that is not known.
    """

    name: str
    chance: float | None = None


class Setting(NamedTuple):
    """A federation whose players can be valued and paid.

    Attributes:
        kind: what a result calls it, such as "cross-silo".
        players: the P names of who is valued.
        sizes: int[P], their training examples.
        same_rows: whether all hold the same rows, so that their examples are not added up.
        metric: what a coalition is worth is measured in, such as "accuracy" or "rmse".
        metric_label: what text calls it, such as "RMSE"; `metric` if "".
        metric_sign: -1 for an error, of which V is minus; else 1.
        attribution: values the players.
        curve: follows how the joint model came about.
        work: counts what the players did.
        value_label: what the values are called in figures.
        grand_is_exact: whether V(N) has no error of its own, such as from training anew.
        notes: what a reader should know, one sentence each.
        privacy: what is known of the privacy of the run.
        permanent: who is in every coalition without being a player; None where nobody is.
    """

    kind: str
    players: tuple[str, ...]
    sizes: HostArray
    metric: str
    attribution: Valuation
    curve: Follow = no_curves
    work: CountWork = no_work
    value_label: str = "Shapley value"
    grand_is_exact: bool = True
    metric_label: str = ""
    metric_sign: int = 1
    same_rows: bool = False
    notes: tuple[str, ...] = ()
    privacy: KnowPrivacy = no_privacy
    permanent: PermanentMember | None = None


def of_clients(
    data: FederatedData, measure: Measure, *, kind: str, attribution: Valuation
) -> Setting:
    """The setting whose players are the clients of a federation.

    Args:
        data: the federation.
        measure: by which coalitions are valued.
        kind: what a result calls it.
        attribution: values the players.
    """
    return Setting(
        kind=kind,
        players=data.names,
        sizes=np.asarray(data.sizes),
        metric=measure.name,
        metric_label=measure.label,
        metric_sign=measure.sign,
        attribution=attribution,
    )


def valued_by(
    game: Callable[[], Game], key: Key, *, noisy: bool = False, repeats: int = 1
) -> Valuation:
    """Values the players of one game.

    Args:
        game: gives the game; not called before it is valued.
        key: seeds the game and the estimator's draws.
        noisy: whether values have errors of training anew or of resampled validation rows.
        repeats: how many trainings, where they have.
    """

    def attribution(estimator: Any, options: Options, /) -> Attribution:
        if noisy:
            return estimate_repeated(game(), estimator, options, key=key, repeats=repeats)
        return estimate(game(), estimator, options, key=key)

    return attribution


class SettingFactory(Protocol):
    """Brings a configuration to life."""

    def __call__(self, config: Config, /) -> Setting:
        """Loads what the configuration names; trains nothing yet.

        Args:
            config: a checked configuration of this kind.

        Raises:
            InvalidInputError: what the configuration asks for cannot be had.
        """


class ConfigCheck(Protocol):
    """Checks a configuration before anything is loaded."""

    def __call__(self, config: Config, /) -> None:
        """Refuses a configuration that this kind cannot run.

        Args:
            config: a configuration whose sections are each in order.

        Raises:
            InvalidInputError: it cannot be run.
        """


def no_check(config: Config, /) -> None:
    """Accepts every configuration."""


class SettingKind(NamedTuple):
    """A kind of federation, as a row of `registry.SETTINGS`.

    Attributes:
        build: makes a `Setting` of a configuration.
        game: the function whose keywords the section [game] takes.
        check: refuses a configuration before anything is loaded.
        sections: those of the configuration that it uses, `title` and `seed` aside; all if empty.
        takes_methods: whether methods for a whole run value it, see `valuation.in_run_methods`.
        repeats: whether it can be trained again under further seeds, as `estimator.repeats` asks.
        merges: whether its models merge statistics and are not trained.
        transfers: whether its data are sources and a target, not rows of members.
        vertical: whether its members hold different columns of the same rows.
    """

    build: SettingFactory
    game: Callable[..., Any]
    check: ConfigCheck = no_check
    sections: tuple[str, ...] = ()
    takes_methods: bool = False
    repeats: bool = False
    merges: bool = False
    transfers: bool = False
    vertical: bool = False
