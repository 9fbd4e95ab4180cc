"""A federation that trains a model: its data, how it learns, and the members' devices. The
cross-silo and the cross-device settings share it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np

from fedjax_shap._validate import cautions
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.devices.device import Profile, steps_done
from fedjax_shap.devices.fleet import Metered, metered
from fedjax_shap.devices.workload import Workload, workload
from fedjax_shap.keys import folded, seeded
from fedjax_shap.learning.judges import judges_of
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.participation import Participation, dropping, ordered
from fedjax_shap.learning.reach import warn_of_reach
from fedjax_shap.learning.steps import BY_EXAMPLES, Steps
from fedjax_shap.learning.task import Bound, Task, bound_to, measure_for
from fedjax_shap.learning.training import Training, linked, model_of, task_of
from fedjax_shap.learning.world import seeds, steps_by_round
from fedjax_shap.pipeline.by_name import devices_of
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.joint_model import JointModel, line_of
from fedjax_shap.pipeline.loaded import TRAINING, game_seed, loaded
from fedjax_shap.pipeline.own_names import is_own, own_function
from fedjax_shap.pipeline.privacy import privacy_of, record_of
from fedjax_shap.pipeline.privacy_record import PrivacyRecord
from fedjax_shap.pipeline.schema import SECTIONS
from fedjax_shap.pipeline.surplus import Noise, Trained, surplus_noise
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import HostArray, Key, Params
from fedjax_shap.valuation.estimate import game_key


class RoundWork(NamedTuple):
    """What members do, round by round; each inner aggregation of a round is a row of its own.

    Attributes:
        num_steps: int[R, C], the local steps K_i of a member that takes part to the end.
        part: float[R, C], the part of its round that it does; 0 where it is absent.
    """

    num_steps: HostArray
    part: HostArray

    @property
    def steps_done(self) -> HostArray:
        """int[C]: local steps over all rounds."""
        return np.asarray(steps_done(self.num_steps, self.part).sum(axis=0))


@dataclass(frozen=True, kw_only=True)
class Federation:
    """The data of a run and all that its games are made of.

    Attributes:
        config: the configuration.
        data: the clients' data and the server's.
        base: how the members train, by the steps and the participation that need no more than what
            local training says.
        key: seeds mini-batches and the estimator's draws.
        notes: what was done with the data that may not have been meant, one sentence each.
    """

    config: Config
    data: FederatedData
    base: Training
    key: Key
    notes: tuple[str, ...] = ()

    @cached_property
    def training(self) -> Training:
        """How the members train, with the configured steps and participation."""
        return self.base._replace(
            steps=self._steps(self.base.local), participation=self._participation()
        )

    @cached_property
    def task(self) -> Task:
        """What the members learn."""
        return task_of(self.base, self.data)

    @cached_property
    def bound(self) -> Bound:
        """The task bound to the training targets."""
        return bound_to(self.task, self.data)

    @cached_property
    def measure(self) -> Measure:
        """The metric by which coalitions are valued, checked on the validation set."""
        return measure_for(self.task, self.data, self.game.get("metric"))

    @cached_property
    def game(self) -> dict[str, Any]:
        """What the section [game] gives; a metric of one's own as the function that it names."""
        return game_keywords(self.config)

    @cached_property
    def pooled_training(self) -> Training:
        """How one client with all data trains: without privacy and what was set for each client,
        with the steps of the members where these go by examples, else those of the busiest one.
        """
        weights = lambda sizes: np.ones(len(sizes), np.float32)  # noqa: E731
        local = self.base.local
        if isinstance(local.steps, tuple):
            local = local._replace(steps=max(local.steps))
        return self.base._replace(
            local=local,
            algorithm=self.base.algorithm._replace(weights=weights),
            steps=self._pooled_steps(local),
            privacy=None,
        )

    def joint_model(self, params: Params) -> JointModel:
        """The model with these parameters, as it can be saved and loaded."""
        section = self.config.sections["model"]
        num_outputs = self.task.outputs(self.data)
        return JointModel(
            architecture={"name": section.name, **section.keywords},
            shape=self.data.example_shape,
            num_outputs=num_outputs,
            num_classes=self.data.num_classes,
            params=params,
            line=line_of(self.bound.outputs, num_outputs),
        )

    def privacy(self, attribution: Attribution, /, *, in_run: bool = False) -> PrivacyRecord | None:
        """What is known of the privacy of a run that found these values.

        Args:
            attribution: the values.
            in_run: whether they were found inside one run.
        """
        key = game_key(self.key)
        coalitions = attribution.num_coalitions
        return record_of(self.config, self.data, self.training, key, coalitions, in_run=in_run)

    def surplus_noise(self, trained: Trained) -> Noise:
        """What the validation set leaves open of V(N) - V(empty), see `surplus.surplus_noise`."""
        model = linked(model_of(self.base, self.data), self.bound.outputs)
        return surplus_noise(model, trained, self.measure, self.data.validation, self.data.users)

    def round_work(
        self, num_rounds: int, *, inner_rounds: int = 1, everyone_first: bool = False
    ) -> RoundWork:
        """What the members do in the first rounds of the run of all.

        Args:
            num_rounds: how many.
            inner_rounds: aggregations in each of them.
            everyone_first: whether everyone takes part in the first round.
        """
        drawn = seeds(self.base.root_key)
        local, algorithm = self.base.local, self.base.algorithm
        num_steps = steps_by_round(
            self.data, local, algorithm, self.training.steps, drawn.steps, num_rounds * inner_rounds
        )
        participation = cast(Participation, self.training.participation)
        present = participation(drawn.participation, algorithm.max_rounds, self.data.num_clients)
        part = np.array(present, np.float64)
        if everyone_first:
            part[:1] = 1.0
        return RoundWork(num_steps, np.repeat(part[:num_rounds], inner_rounds, axis=0))

    def metered(self, done: RoundWork) -> Metered | None:
        """What rounds take of the members' devices; None where these are not known."""
        if not self.devices:
            return None
        return metered(self.devices, self.workload, done.num_steps, done.part)

    @cached_property
    def devices(self) -> tuple[Profile, ...]:
        """The members' devices in their order; none where they are not known."""
        return devices_of(self.config, self.data.names)

    def notes_on_judges(self) -> tuple[str, ...]:
        """What a reader should know of those who judge models; refuses judges that cannot be."""
        with cautions() as notes:
            judges_of(self.data, self.game.get("judges", "server"), self.measure)
        return tuple(notes)

    @cached_property
    def workload(self) -> Workload:
        """What training asks of the members' devices."""
        return workload(self.data, self.base)

    def _steps(self, local: Local) -> Steps:
        """The law of local steps, where clients train as `local` says."""
        bound = {
            "local": lambda: local,
            "profiles": lambda: self.devices,
            "flops_per_step": lambda: self.workload.flops_per_step,
        }
        given = {name: of() for name, of in bound.items() if self.config.takes("steps", name)}
        return cast(Steps, self.config.build("steps", **given))

    def _pooled_steps(self, local: Local) -> Steps:
        """The law of the pooled client, which trains as `local` says."""
        law = self._steps(local)
        if SECTIONS["steps"].entries[self.config.sections["steps"].name] in BY_EXAMPLES:
            return law
        sizes = np.asarray(self.data.sizes)
        batches = self.base.local.steps_per_epoch(sizes)

        def of_the_busiest(key: Key, _: HostArray, __: HostArray, num_rounds: int) -> HostArray:
            drawn = law(key, sizes, batches, num_rounds)
            return np.asarray(drawn.max(axis=1, keepdims=True))

        return of_the_busiest

    def _participation(self) -> Participation:
        """Who takes part when, and who drops out on the way."""
        participation = ordered(self.config.build("participation"), self.data.names)
        chance = self.config.value("participation", "drop_out")
        return dropping(participation, chance) if np.any(chance) else participation


def game_keywords(config: Config) -> dict[str, Any]:
    """What the section [game] gives; a metric of one's own as the function that it names."""
    given = config.given("game")
    metric: Any = given.get("metric")
    if is_own(metric):
        given = {**given, "metric": own_function("game.metric", metric)}
    return given


def federation_of(config: Config) -> Federation:
    """The data that a configuration describes, with its learning procedure bound to them."""
    config, data, task, notes = loaded(config)
    base = Training(
        model=config.build("model"),
        local=config.build("local"),
        algorithm=config.build("algorithm"),
        key=folded(seeded(config.seed), TRAINING),
        task=task,
        privacy=privacy_of(config),
    )
    federation = Federation(
        config=config,
        data=data,
        base=base,
        key=game_seed(config),
        notes=notes,
    )
    return _cautioned(federation)


def _cautioned(federation: Federation) -> Federation:
    """The federation with a note where its rounds reach too far; its games need not warn again."""
    base = federation.base
    if base.algorithm.reach is None:
        return federation
    inner_rounds = federation.game.get("inner_rounds", 1)
    with cautions() as notes:
        warn_of_reach(federation.data, federation.training, inner_rounds=inner_rounds)
    warned = base._replace(algorithm=base.algorithm._replace(reach=None))
    return replace(federation, base=warned, notes=(*federation.notes, *notes))
