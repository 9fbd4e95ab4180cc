"""Judges: whose test rows say what a model is worth, when the server's are not all."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import InvalidInputError, caution, listed, one_of, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.metric import Metric
from fedjax_shap.shapley.slices import Trailing
from fedjax_shap.typing import Array, HostArray

Judging = Literal["server", "members", "classes"]
SERVER = "the server"


class Judges(NamedTuple):
    """Who judges models, each by rows of the validation set that are its own.

    Attributes:
        names: of the J judges.
        rows: int[T_j] a judge, which rows; each row of the validation set is one judge's.
    """

    names: tuple[str, ...]
    rows: tuple[HostArray, ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """float[J]: the part of all rows that each judge has."""
        counts = [len(own) for own in self.rows]
        return tuple(count / sum(counts) for count in counts)


def judges_of(data: FederatedData, judges: Judging, measure: Measure) -> Judges | None:
    """The judges of a federation's models; None where the server alone judges.

    Args:
        data: the federation.
        judges: "server"; "members", each by its own test rows, and the server by those of nobody;
            "classes", each by the rows of that class.
        measure: what models are scored by.

    Raises:
        InvalidInputError: an unknown word, test rows that have no members or no classes, or a
            metric that is undefined on the rows of some judge.
    """
    one_of("judges", judges, ("server", *_JUDGES))
    if judges == "server":
        return None
    found = _JUDGES[judges](data)
    _check_defined(found, measure, data)
    return found


def judged_by(metric: Metric, judges: Judges | None) -> Metric:
    """The metric on all rows, and on those of each judge.

    Args:
        metric: of one number.
        judges: who judges; None for the metric itself.

    Returns:
        A metric that gives float[1 + J].

    Guarantees:
        The first number is that of `metric` itself. Where a metric is a mean over rows, the judges'
        numbers, weighted by `Judges.weights`, sum to it.
    """
    if judges is None:
        return metric
    # judges with equally many rows are scored side by side
    counts = np.array([len(own) for own in judges.rows])
    alike = [np.flatnonzero(counts == count) for count in np.unique(counts)]
    groups = [np.stack([judges.rows[judge] for judge in group]) for group in alike]
    place = np.argsort(np.concatenate(alike))

    def each(outputs: Array, y: Array) -> Array:
        of_all = metric(outputs, y)
        require(
            jnp.shape(of_all) == (),
            f"Expected a metric of one number for each judge, got {jnp.shape(of_all)}.",
        )
        by_group = [jax.vmap(metric)(outputs[rows], y[rows]) for rows in groups]
        return jnp.concatenate([of_all[None], jnp.concatenate(by_group)[place]])

    return each


def one_axis(judges: Judging, by_round: bool) -> None:
    """Refuses values by judge and by round at once."""
    require(
        not by_round or judges == "server",
        f"Expected by_round=True to be left out with judges={judges!r}; value them in two runs.",
    )


def trailing_of(judges: Judges | None) -> Trailing | None:
    """What the trailing axis of `judged_by` holds; None where there is none."""
    if judges is None:
        return None
    return Trailing("judges", judges.names, judges.weights)


def _members(data: FederatedData) -> Judges:
    """Each member that has test rows, and the server where some are nobody's."""
    if data.owners is None:
        raise InvalidInputError(
            "Expected judges='members' to be used where members have test rows of their own; say "
            "data.member_test = 0.2 in a configuration or member_tests=[...] of from_arrays, or "
            "give rows to members by a column that is known of test rows."
        )
    owners = np.asarray(data.owners)
    rows = [np.flatnonzero(owners == member) for member in range(data.num_clients)]
    names = list(data.names)
    without = [name for name, own in zip(names, rows) if not len(own)]
    if without:
        caution(f"Members without test rows of their own judge nothing: {listed(without)}.")
    rows.append(np.flatnonzero(owners < 0))
    names.append(SERVER)
    return _with_rows(names, rows)


def _classes(data: FederatedData) -> Judges:
    """Each class that occurs among the rows."""
    require(
        data.num_classes is not None,
        "Expected judges='classes' to be used where rows have classes, got quantities.",
    )
    y = np.asarray(data.validation[1])
    names = list(data.class_names) or [f"class {label}" for label in range(data.classes)]
    rows = [np.flatnonzero(y == label) for label in range(data.classes)]
    without = [name for name, own in zip(names, rows) if not len(own)]
    if without:
        caution(f"Classes that do not occur among the test rows judge nothing: {listed(without)}.")
    return _with_rows(names, rows)


_JUDGES = {"members": _members, "classes": _classes}


def _with_rows(names: list[str], rows: list[HostArray]) -> Judges:
    """The judges that have rows."""
    there = [(name, own) for name, own in zip(names, rows) if len(own)]
    return Judges(tuple(name for name, _ in there), tuple(own for _, own in there))


def _check_defined(judges: Judges, measure: Measure, data: FederatedData) -> None:
    """Refuses a metric that is undefined on the rows of some judge, and names these."""
    y = np.asarray(data.validation[1])
    name = measure.name or measure.label
    wrong = []
    why = ""
    for judge, rows in zip(judges.names, judges.rows):
        try:
            measure.check(name, y[rows], data.num_classes)
        except InvalidInputError as error:
            wrong.append(judge)
            why = why or str(error)
    require(
        not wrong,
        f"Expected metric={name!r} to be defined on the test rows of every judge, which it is not "
        f"for {listed(wrong)}: {why}",
    )
