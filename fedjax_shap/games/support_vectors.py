"""The kernel SVM whose members send support vectors, on whose union it is fitted again.

A kernel machine has no parameters that could be averaged or summed: it is its support vectors.
Scikit-learn fits it, so the game is one on the host.
"""

import hashlib
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from fedjax_shap._validate import number, of_kind, one_of
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.games.callable import HostGame, from_callable
from fedjax_shap.learning.metric import Metric
from fedjax_shap.learning.statistics.model import features
from fedjax_shap.learning.task import measure_for
from fedjax_shap.learning.tasks import classification
from fedjax_shap.typing import HostArray, Masks

Kernel = Literal["rbf", "linear", "poly", "sigmoid"]


class Vectors(NamedTuple):
    """Rows and their classes.

    Attributes:
        x: float64[N, F].
        y: int[N].
    """

    x: HostArray
    y: HostArray


def support_vectors(
    data: FederatedData,
    *,
    kernel: Kernel = "rbf",
    penalty: float = 1.0,
    gamma: float | Literal["scale", "auto"] = "scale",
    outputs: Literal["margins", "labels"] = "margins",
    metric: str | Metric | None = None,
) -> HostGame:
    """The game in which V(S) is the metric of an SVM on the support vectors of S.

    Each member fits scikit-learn's `SVC` to its own rows, once, and sends its support vectors with
    their classes; a member with rows of one class has no boundary and sends all of them. The server
    fits an `SVC` to the union of what the members of a coalition sent.

    Args:
        data: the federation; its clients are the players. An idle client sends nothing.
        kernel: of `SVC`.
        penalty: of `SVC`, its C, > 0.
        gamma: of `SVC`, > 0.
        outputs: what metrics take: "margins", of more than two classes one against the rest; or
            "labels", 1 for the class that is the answer and 0 for the others.
        metric: a name in the metrics of classes; a function (outputs, y) -> float of which more is
            better; accuracy if None.

    Returns:
        A game on the host whose utilities are scalars. Of nobody all classes tie. Its name, by
        which a store keeps utilities, has a digest of the data and the settings; with a metric of
        one's own it has none.

    Raises:
        InvalidInputError: rows that have quantities, a setting out of its range, or a metric that
            is undefined on these data.

    References:
        Caragea, Caragea, Honavar 2005, "Learning support vector machine classifiers from
        distributed data sources".
    """
    of_kind("data", data, FederatedData, "from_arrays(clients, test)")
    one_of("kernel", kernel, ("rbf", "linear", "poly", "sigmoid"))
    one_of("outputs", outputs, ("margins", "labels"))
    number("penalty", penalty, above=0)
    if isinstance(gamma, str):
        one_of("gamma", gamma, ("scale", "auto"))
    else:
        number("gamma", gamma, above=0)
    num_classes = data.classes
    of_all = measure_for(classification(), data, metric)
    measure = jax.jit(lambda outputs, y: of_all(outputs, y))
    machine: dict[str, Any] = {"kernel": kernel, "C": penalty, "gamma": gamma}
    sent = [_sent(data, member, machine) for member in range(data.num_clients)]
    x, y = data.validation
    held_out = features(x)

    def worth(mask: HostArray) -> float:
        there = [sent[member] for member in np.flatnonzero(mask)]
        answers = np.zeros((len(held_out), num_classes))
        if sum(len(own.y) for own in there):
            union = Vectors(*(np.concatenate(some) for some in zip(*there)))
            answers = _answers(union, held_out, num_classes, machine, outputs == "labels")
        with jax.enable_x64(True):
            return float(measure(answers, np.asarray(y)))

    def utilities(masks: Masks) -> list[float]:
        return [worth(mask) for mask in masks]

    name = ""
    if metric is None or isinstance(metric, str):
        settings = f"{machine} {outputs} {metric} scikit-learn {version('scikit-learn')}"
        name = f"support vectors {_digest(data)} {settings}"
    return from_callable(utilities, data.num_clients, name=name)


def _sent(data: FederatedData, member: int, machine: dict[str, Any]) -> Vectors:
    """The support vectors of one member."""
    x, y = data.client(member)
    own = Vectors(features(x), np.asarray(y))
    if bool(data.idle[member]):
        return Vectors(own.x[:0], own.y[:0])
    if len(np.unique(own.y)) == 1:
        return own
    support = _machine(machine).fit(*own).support_
    return Vectors(own.x[support], own.y[support])


def _answers(
    union: Vectors, x: HostArray, num_classes: int, machine: dict[str, Any], as_labels: bool
) -> HostArray:
    """float64[T, L]: what the machine of a union says of rows; the least for classes it lacks."""
    there = np.unique(union.y)
    answers = np.zeros((len(x), num_classes))
    if len(there) == 1:
        answers[:, there] = 1.0
        return answers
    fitted = _machine({**machine, "decision_function_shape": "ovr"}).fit(*union)
    if as_labels:
        answers[np.arange(len(x)), fitted.predict(x)] = 1.0
        return answers
    margins = fitted.decision_function(x)
    if len(there) == 2:
        margins = np.stack([-margins / 2, margins / 2], axis=1)
    answers[:] = margins.min(axis=1, keepdims=True) - 1.0
    answers[:, there] = margins
    return answers


def _machine(settings: dict[str, Any]) -> Any:
    """An SVM that is not fitted; scikit-learn is imported here, where it is first needed."""
    from sklearn.svm import SVC

    return SVC(**settings)


def _digest(data: FederatedData) -> str:
    """A name for the arrays of a federation."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(data):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]
