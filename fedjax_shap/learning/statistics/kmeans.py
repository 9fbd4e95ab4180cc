"""k-means by summed assignments."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.measure import Measure
from fedjax_shap.learning.statistics.classes import by_class
from fedjax_shap.learning.statistics.model import Known, Rows, StatisticsModel, features
from fedjax_shap.learning.task import Task
from fedjax_shap.learning.tasks import task_for
from fedjax_shap.typing import Array, HostArray, PyTree


class Assigned(NamedTuple):
    """Sums over the rows that are nearest to each centre.

    Attributes:
        counts: float64[k].
        x: float64[k, F].
    """

    counts: Array
    x: Array


def kmeans(*, clusters: int = 8, rounds: int = 10, seed: int = 0) -> StatisticsModel:
    """k-means by Lloyd's algorithm: V is minus the inertia, the mean squared distance to a centre.

    In a round members send how many rows are nearest to each centre, and their sums; a centre
    without rows stays. Labels are not used. The first centres are rows of the server's validation
    set, drawn one after another with chances in proportion to the squared distance from those drawn
    before; V(empty) is their inertia.

    Args:
        clusters: k, >= 1.
        rounds: how many times centres move, >= 1.
        seed: draws the first centres.

    References:
        Lloyd 1982, "Least squares quantization in PCM"; Arthur, Vassilvitskii 2007, "k-means++: the
        advantages of careful seeding".
    """
    integer("clusters", clusters, least=1)
    integer("rounds", rounds, least=1)
    integer("seed", seed, least=0)

    def begin(data: FederatedData, task: Task) -> Known:
        x = features(data.validation[0])
        require(
            clusters <= len(np.unique(x, axis=0)),
            f"Expected clusters={clusters} to be at most the number of different rows of the "
            f"validation set, {len(np.unique(x, axis=0))}.",
        )
        origin = features(data.x).mean(axis=0)
        return Known(origin, _spread_out(x - origin, clusters, seed))

    return StatisticsModel(
        name="kmeans",
        task=_clustering,
        begin=begin,
        sums=_assigned,
        fit=_moved,
        predict=lambda more, centres, x: _squared_distances(x, centres),
        rounds=rounds,
    )


def inertia(distances: Array, y: Array) -> Array:
    """The mean squared distance to the nearest centre."""
    return distances.min(axis=-1).mean()


def _clustering(task: Task | None, data: FederatedData) -> Task:
    """The task of clusters, which no other takes the place of."""
    natural = task_for(None, data)
    require(
        task is None,
        f"Expected task={getattr(task, 'name', task)!r} to be left out with model='kmeans', whose "
        "clusters predict no targets.",
    )
    measure = Measure(inertia, -1, "inertia")
    return natural._replace(
        name="clustering", metrics={"inertia": measure}, default_metric="inertia"
    )


def _spread_out(x: HostArray, clusters: int, seed: int) -> HostArray:
    """float64[k, F]: rows of x[T, F], far from each other."""
    generator = np.random.default_rng(seed)
    centres = [x[generator.integers(len(x))]]
    while len(centres) < clusters:
        away = np.min([((x - one) ** 2).sum(axis=1) for one in centres], axis=0)
        centres.append(x[generator.choice(len(x), p=away / away.sum())])
    return np.stack(centres)


def _squared_distances(x: Array, centres: Array) -> Array:
    """float64[N, k]."""
    return jnp.stack([((x - centre[None]) ** 2).sum(axis=1) for centre in centres], axis=1)


def _assigned(more: PyTree, centres: Array, rows: Rows) -> Assigned:
    """Counts and sums by nearest centre."""
    nearest = _squared_distances(rows.x, centres).argmin(axis=1)
    own = by_class(rows._replace(y=nearest), len(centres)).T
    return Assigned(own.sum(axis=1), own @ rows.x)


def _moved(more: PyTree, centres: Array, sums: Assigned) -> Array:
    """Each centre at the mean of its rows."""
    counts = sums.counts[:, None]
    return jnp.where(counts > 0, sums.x / jnp.maximum(counts, 1.0), centres)
