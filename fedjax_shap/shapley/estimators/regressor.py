"""Any regressor on membership as a surrogate: what it predicts of coalitions, and its Shapley
values size by size.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import one_of, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.covariance import fitted, inverse_root, weights_of
from fedjax_shap.typing import HostArray, Masks

MOST_LISTED = (
    14  # players: up to here all coalitions are predicted, beyond it those along joining orders
)
ALONG_ORDERS = 80_000  # about how many are then predicted
FEWEST_ORDERS = 8  # so that their spread can be told
AT_ONCE = 2**16  # coalitions predicted at a time


class GaussianProcess:
    """What the estimator `gaussian_process` predicts, as a regressor."""

    masks: Masks
    weights: HostArray
    level: float

    def fit(self, members: HostArray, utilities: HostArray) -> "GaussianProcess":
        """Learns from utilities float64[M] of coalitions [M, P], 1 for members."""
        self.masks, self.level = members > 0.5, float(utilities.mean())
        scale = utilities.std()
        scale = scale if scale > 1e-12 * np.abs(utilities).max() else 1.0
        self.kernel = fitted(self.masks, utilities / scale, steps=20)
        root = inverse_root(self.kernel.covariance(self.masks))
        self.weights = root.T @ (root @ (utilities - self.level))
        return self

    def predict(self, members: HostArray) -> HostArray:
        """float64[N]: the utilities expected of coalitions [N, P] that it has not learnt from."""
        return self.level + self.kernel.between(members > 0.5, self.masks) @ self.weights


def _ensemble(name: str) -> Any:
    return getattr(import_module("sklearn.ensemble"), name)(random_state=0)


REGRESSORS: Mapping[str, Callable[[], Any]] = {
    "gaussian_process": GaussianProcess,
    "gradient_boosting": partial(_ensemble, "GradientBoostingRegressor"),
    "random_forest": partial(_ensemble, "RandomForestRegressor"),
}


def maker(surrogate: Any, others: tuple[str, ...] = ()) -> Callable[[], Any]:
    """What makes new regressors of the kind asked for: one of `REGRESSORS` by name, or copies of
    one, not yet fitted.

    Args:
        surrogate: a name, or an object with `fit` and `predict`.
        others: further names for refusals to offer.
    """
    if isinstance(surrogate, str):
        one_of("surrogate", surrogate, [*REGRESSORS, *others])
        return REGRESSORS[surrogate]
    can = all(callable(getattr(surrogate, verb, None)) for verb in ("fit", "predict"))
    expected = (
        f"Expected surrogate={surrogate!r} to be a name, or a regressor that can fit and predict."
    )
    require(can and not isinstance(surrogate, type), expected)
    from sklearn.base import clone

    return partial(clone, surrogate, safe=False)


class Regressed(NamedTuple):
    """A function on coalitions that was learnt, for G utilities at once.

    Attributes:
        regressors: G of them, fitted.
        orders: int[K, P], the joining orders along which its values are estimated; K = 0: they are
            exact.
    """

    regressors: tuple[Any, ...]
    orders: HostArray

    def at(self, masks: Masks) -> HostArray:
        """float64[M, G]: what is predicted of bool[M, P]."""
        blocks = [
            masks[start : start + AT_ONCE].astype(np.float64)
            for start in range(0, len(masks), AT_ONCE)
        ]
        return np.stack(
            [np.concatenate([one.predict(block) for block in blocks]) for one in self.regressors],
            axis=1,
        )

    def shapley_by_size(self) -> HostArray:
        """float64[max(K, 1), P + 1, P, G]: what each size adds to the values, by one order each; 0
        for 0 and P.

        Without orders all coalitions are predicted. With an order, everyone starts it once, those
        before following at its end, so that everyone joins each size once: a size adds what it is
        worth to those who join last in it, less what it is worth to those who would be next.
        """
        if not len(self.orders):
            return self._listed()[None]
        num_players = self.orders.shape[1]
        found = np.zeros((len(self.orders), num_players + 1, num_players, len(self.regressors)))
        for draw, order in enumerate(self.orders):
            worth = self.at(_windows(order)).reshape(
                num_players - 1, num_players, -1
            )  # [size, who joined last, G]
            found[draw, 1:-1, order] = (
                (worth - np.roll(worth, 1, axis=1)) / num_players
            ).transpose(1, 0, 2)
        return found

    def _listed(self) -> HostArray:
        """float64[P + 1, P, G]: what each size adds, exactly."""
        num_players = self.num_players
        masks = all_subsets(num_players)
        sizes, weights, worth = masks.sum(axis=1), weights_of(masks), self.at(masks)
        found = np.zeros((num_players + 1, num_players, worth.shape[1]))
        for size in range(1, num_players):
            found[size] = weights[:, sizes == size] @ worth[sizes == size]
        return found

    @property
    def num_players(self) -> int:
        """P."""
        return int(self.orders.shape[1])


def regressed(
    make: Callable[[], Any], masks: Masks, utilities: HostArray, orders: HostArray
) -> Regressed:
    """What regressors learn from utilities float64[M, G]; `orders` as in `Regressed`."""
    members = masks.astype(np.float64)
    return Regressed(tuple(make().fit(members, column) for column in utilities.T), orders)


def orders_for(masks: Masks) -> HostArray:
    """int[K, P]: joining orders, as many as have about `ALONG_ORDERS` coalitions; none where all
    can be listed.

    Their seed is made of the coalitions told: they differ from run to run, and are the same in each
    fold.
    """
    num_players = masks.shape[1]
    if num_players <= MOST_LISTED:
        return np.zeros((0, num_players), np.int64)
    rng = np.random.default_rng(zlib.crc32(np.packbits(masks).tobytes()))
    count = max(FEWEST_ORDERS, ALONG_ORDERS // (num_players * (num_players - 1)))
    return rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1)


def _windows(order: HostArray) -> Masks:
    """bool[(P - 1) P, P]: for each size, then each player as the last to join, those who joined up
    to then.
    """
    num_players = len(order)
    place = np.argsort(order)
    before = (
        np.arange(num_players)[:, None] - place
    ) % num_players  # [who joined last, player]: how long ago
    return (before < np.arange(1, num_players)[:, None, None]).reshape(-1, num_players)
