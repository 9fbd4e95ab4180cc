"""How a federation learns, as one record: a model, and all that decides how coalitions train it."""

import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from flax import linen as nn

from fedjax_shap._validate import InvalidInputError, described, function_of, of_kind, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.keys import Seed, key_of
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.architectures.own import fitted
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.local import local as local_training
from fedjax_shap.learning.model import MODELS, Architecture, Model, from_flax, from_nnx
from fedjax_shap.learning.participation import Participation
from fedjax_shap.learning.private import Privacy
from fedjax_shap.learning.steps import Steps
from fedjax_shap.learning.task import Task
from fedjax_shap.learning.tasks import task_for
from fedjax_shap.typing import Array, Key, Params

SHIPPED = "fedjax_shap.learning.architectures."


class Training(NamedTuple):
    """How every coalition of a federation trains.

    Attributes:
        model: the architecture, such as `mlp(hidden=(32,))`; or a `Model` that fits the data.
        local: local training; one epoch of full-batch SGD unless given.
        algorithm: what members and server do, and when to stop; FedAvg with its defaults unless
            given.
        steps: the local steps K_i of each client in each round; what `local` says if None.
        participation: who of a coalition takes part in which round; always everyone if None.
        key: seeds the initial parameters, unless these are given; who takes part; and drawn numbers
            of steps. `jax.random.key(0)` if None; a whole number stands for the key of that seed.
        initial: initial parameters of the model's structure, instead of drawn ones.
        task: what is learned, such as `regression()`; if None classification where the data have
            classes, regression where they have quantities.
        privacy: what is done to updates and their sums, such as `private(clip=1.0, noise=1.1)`;
            nothing if None.
    """

    model: Architecture | Model
    local: Local = local_training()
    algorithm: Algorithm = fedavg()
    steps: Steps | None = None
    participation: Participation | None = None
    key: Seed = None
    initial: Params | None = None
    task: Task | None = None
    privacy: Privacy | None = None

    @property
    def root_key(self) -> Key:
        """The key of all that is drawn before the first round."""
        return key_of(self.key)


def checked(training: Training) -> Training:
    """The training itself, or a refusal of what is none or has a part of another kind.

    Raises:
        InvalidInputError: something other than a `Training`, or one with a part of another kind,
            such as a factory that was not called.
    """
    of_kind("training", training, Training, "Training(models.linear())")
    of_kind("local", training.local, Local, "local()")
    of_kind("algorithm", training.algorithm, Algorithm, "algorithms.fedavg()")
    if training.steps is not None:
        wanted = ("a key", "sizes", "batches", "the number of rounds")
        function_of("steps", training.steps, wanted, "steps.constant(steps=5)")
    if training.participation is not None:
        wanted = ("a key", "the number of rounds", "the number of clients")
        example = "participation.independent(probability=0.5)"
        function_of("participation", training.participation, wanted, example)
    if training.privacy is not None:
        of_kind("privacy", training.privacy, Privacy, "private(clip=1.0, noise=1.1)")
    _check_architecture(training.model)
    return training


def task_of(training: Training, data: FederatedData) -> Task:
    """The task of a training on the data of a federation.

    Raises:
        InvalidInputError: a task for other targets than the data have.
    """
    return task_for(training.task, data)


def model_of(training: Training, data: FederatedData) -> Model:
    """The model of a training for the examples and the task of a federation.

    Raises:
        InvalidInputError: as `checked`; an architecture that does not give a `Model`, or a model of
            one's own that does not fit the data.
    """
    given = checked(training).model
    of_kind("data", data, FederatedData, "from_arrays(clients, test) or federate(pool, partition)")
    num_outputs = task_of(training, data).outputs(data)
    name = _named(given)
    model = given
    if not isinstance(model, Model):
        model = model(data.example_shape, num_outputs)
    if not isinstance(model, Model):
        raise InvalidInputError(
            f"Expected model={name} to give a Model for a shape and a number of outputs, got "
            f"{described(model)}."
        )
    if not _is_shipped(given):
        model = fitted(model, data.example_shape, num_outputs, name)
    if model.check is not None:
        for x in (data.x, data.validation[0], data.test[0]):
            model.check(np.asarray(x))
    return model


def linked(model: Model, outputs: Callable[[Array], Array] | None) -> Model:
    """A model that gives what `outputs` makes of its own outputs; the model itself if None."""
    if outputs is None:
        return model
    apply = model.apply
    rest = model.rest

    def predicting(params: Params, x: Array) -> Array:
        return outputs(apply(params, x))

    if rest is None:
        return model._replace(apply=predicting)

    def rest_predicting(params: Params, hidden: Array) -> Array:
        return outputs(rest(params, hidden))

    return model._replace(apply=predicting, rest=rest_predicting)


def _check_architecture(model: Any) -> None:
    """Refuses what does not build a model for an example's shape and a number of outputs."""
    expected = f"Expected model={_named(model)} to be an architecture"
    for name, factory in MODELS.items():
        require(
            model is not factory,
            f"{expected}, got the function that makes one; write models.{name}().",
        )
    linen = isinstance(model, nn.Module) or _is_class(model, nn.Module) or model is from_flax
    require(
        not linen,
        f"{expected}, got a flax module or what takes one; write models.from_flax(lambda outputs: "
        "Net(outputs)).",
    )
    nnx = sys.modules.get("flax.nnx")  # not imported before there is a module of its kind
    is_nnx = nnx is not None and (isinstance(model, nnx.Module) or _is_class(model, nnx.Module))
    require(
        not is_nnx and model is not from_nnx,
        f"{expected}, got an nnx module or what takes one; write models.from_nnx(lambda shape, "
        "outputs, rngs: Net(shape[0], outputs, rngs=rngs)).",
    )
    if isinstance(model, Model):
        return
    wanted = (
        f"{expected}, such as models.linear(), Model(init, apply), or a function of an example's "
        "shape and the number of outputs."
    )
    require(callable(model), wanted)
    try:
        inspect.signature(model).bind((1,), 2)
    except TypeError:
        require(False, wanted)


def _is_class(given: Any, kind: type) -> bool:
    """Whether a class of modules was given instead of a module."""
    return isinstance(given, type) and issubclass(given, kind)


def _is_shipped(architecture: Any) -> bool:
    """Whether an architecture is one of this package, whose shapes are right."""
    return str(getattr(architecture, "__module__", "")).startswith(SHIPPED)


def _named(part: Any) -> str:
    """What a refusal calls a model: the name of a function, a type for anything else."""
    return str(getattr(part, "__name__", "")) or f"<{type(part).__name__}>"
