"""How a federation learns, as one record: a model, and all that decides how coalitions train it."""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import Local
from fedjax_shap.learning.local import local as local_training
from fedjax_shap.learning.model import MODELS, Architecture, Model
from fedjax_shap.learning.participation import Participation
from fedjax_shap.learning.steps import Steps
from fedjax_shap.learning.task import Task, task_for
from fedjax_shap.typing import Array, Key, Params


class Training(NamedTuple):
    """How every coalition of a federation trains.

    Attributes:
        model: the architecture, such as `mlp(hidden=(32,))`.
        local: local training; one epoch of full-batch SGD unless given.
        algorithm: what members and server do, and when to stop; FedAvg with its defaults unless
            given.
        steps: the local steps K_i of each client in each round; what `local` says if None.
        participation: who of a coalition takes part in which round; always everyone if None.
        key: seeds the initial parameters, unless these are given; who takes part; and drawn numbers
            of steps. `jax.random.key(0)` if None.
        initial: initial parameters of the model's structure, instead of drawn ones.
        task: what is learned, such as `regression()`; if None classification where the data have
            classes, regression where they have quantities.
    """

    model: Architecture
    local: Local = local_training()
    algorithm: Algorithm = fedavg()
    steps: Steps | None = None
    participation: Participation | None = None
    key: Key | None = None
    initial: Params | None = None
    task: Task | None = None

    @property
    def root_key(self) -> Key:
        """The key of all that is drawn before the first round."""
        if self.key is None:
            return jax.random.key(0)
        return self.key


def checked(training: Training) -> Training:
    """The training itself, or a refusal of what is none or has a part of another kind.

    Raises:
        InvalidInputError: something other than a `Training`, or one with a part of another kind,
            such as a factory that was not called.
    """
    require(
        isinstance(training, Training),
        f"Expected training={_named(training)} to be a Training, such as Training(linear()).",
    )
    _check_kind("local", training.local, Local)
    _check_kind("algorithm", training.algorithm, Algorithm)
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
        InvalidInputError: as `checked`, or an architecture that does not give a `Model`.
    """
    num_outputs = task_of(checked(training), data).outputs(data)
    model = training.model(data.example_shape, num_outputs)
    require(
        isinstance(model, Model),
        f"Expected model={_named(training.model)} to give a Model for a shape and a number of "
        f"outputs, got {_named(model)}.",
    )
    if model.check is not None:
        for x in (data.x, data.validation[0], data.test[0]):  # padding is zeros
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


def _check_kind(name: str, part: Any, kind: type) -> None:
    """Refuses a part of a training that is not of its kind."""
    require(
        isinstance(part, kind),
        f"Expected {name}={_named(part)} to be of type {kind.__name__}, such as {name}() gives.",
    )


def _check_architecture(model: Any) -> None:
    """Refuses what does not build a model for an example's shape and a number of outputs."""
    given = f"Expected model={_named(model)} to be an architecture"
    if any(model is factory for factory in MODELS.values()):
        require(False, f"{given}, got the function that makes one; write {_named(model)}().")
    require(
        not isinstance(model, nn.Module),
        f"{given}, such as linear() gives, got a flax module; wrap its init and apply in a Model.",
    )
    expected = f"{given}, a function of an example's shape and the number of outputs."
    require(callable(model), expected)
    try:
        inspect.signature(model).bind((1,), 2)
    except TypeError:
        require(False, expected)


def _named(part: Any) -> str:
    """The name of a function, a type for anything else: what a refusal calls it."""
    return getattr(part, "__name__", None) or f"<{type(part).__name__}>"
