"""Any regressor on membership as a surrogate: its predictions, and its Shapley values by size.

A regressor learns utilities from who takes part, with `fit` and `predict` as scikit-learn's. The
Shapley values of what it predicts are those of all 2^P predictions where these can be listed, else
means along joining orders.
"""

import zlib
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import one_of, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.shapley.covariance import inverse_root, weights_of
from fedjax_shap.shapley.covariance_fit import fitted
from fedjax_shap.typing import HostArray, Masks

MOST_LISTED = 14  # players; of more not all coalitions are predicted, but those along orders
ALONG_ORDERS = 80_000  # about how many are then predicted
FEWEST_ORDERS = 8  # so that their spread is known
AT_ONCE = 2**16  # coalitions predicted at a time
FLAT = 1e-12  # utilities that vary by less than this part of the largest do not vary at all


class Regressor(Protocol):
    """What scikit-learn calls a regressor."""

    def fit(self, members: HostArray, utilities: HostArray, /) -> Any:
        """Learns from utilities float64[M] of coalitions float64[M, P], 1 for members; returns the
        fitted regressor.
        """

    def predict(self, members: HostArray, /) -> HostArray:
        """float64[N]: the utilities expected of coalitions float64[N, P]."""


class MakeRegressor(Protocol):
    """Makes new regressors of one kind."""

    def __call__(self) -> Regressor:
        """A regressor that has not learnt anything yet."""


class GaussianProcess:
    """What the estimator `gaussian_process` predicts, as a regressor."""

    masks: Masks
    weights: HostArray
    level: float

    def fit(self, members: HostArray, utilities: HostArray) -> "GaussianProcess":
        """Learns from utilities float64[M] of coalitions [M, P], 1 for members."""
        self.masks = members > 0.5
        self.level = float(utilities.mean())
        scale = utilities.std()
        if not scale > FLAT * np.abs(utilities).max():
            scale = 1.0
        self.kernel = fitted(self.masks, utilities / scale, steps=20)
        root = inverse_root(self.kernel.covariance(self.masks))
        self.weights = root.T @ (root @ (utilities - self.level))
        return self

    def predict(self, members: HostArray) -> HostArray:
        """float64[N]: the utilities expected of coalitions [N, P] that it has not learnt from."""
        return self.level + self.kernel.between(members > 0.5, self.masks) @ self.weights


def _ensemble(name: str) -> Any:
    return getattr(import_module("sklearn.ensemble"), name)(random_state=0)


REGRESSORS: Mapping[str, MakeRegressor] = {
    "gaussian_process": GaussianProcess,
    "gradient_boosting": partial(_ensemble, "GradientBoostingRegressor"),
    "random_forest": partial(_ensemble, "RandomForestRegressor"),
}


def maker(surrogate: Any, others: tuple[str, ...] = ()) -> MakeRegressor:
    """What makes new regressors: one of `REGRESSORS` by name, or unfitted copies of a given one.

    Args:
        surrogate: a name, or an object with `fit` and `predict`.
        others: further names for refusals to offer.
    """
    if isinstance(surrogate, str):
        one_of("surrogate", surrogate, [*REGRESSORS, *others])
        return REGRESSORS[surrogate]
    can_learn = all(callable(getattr(surrogate, verb, None)) for verb in ("fit", "predict"))
    require(
        can_learn and not isinstance(surrogate, type),
        f"Expected surrogate={surrogate!r} to be a name, or a regressor that can fit and predict.",
    )
    from sklearn.base import clone

    return partial(clone, surrogate, safe=False)


class Regressed(NamedTuple):
    """A function on coalitions that was learnt, for G utilities at once.

    Attributes:
        regressors: G of them, fitted.
        orders: int[K, P], the joining orders along which its values are estimated; K = 0: they are
            exact.
    """

    regressors: tuple[Regressor, ...]
    orders: HostArray

    @property
    def num_players(self) -> int:
        """P."""
        return int(self.orders.shape[1])

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
        """float64[max(K, 1), P + 1, P, G]: what each size adds to the values, by each order; 0 for
        sizes 0 and P.
        """
        if len(self.orders):
            return self._along_orders()
        return self._listed()[None]

    def _along_orders(self) -> HostArray:
        """float64[K, P + 1, P, G]: estimates of what each size adds, one an order.

        Each order is a circle: everyone starts it once, and those before follow at its end. So
        everyone is the last of one coalition of each size, and the next to join another. A size
        adds what it is worth to those who are the last in it, less what it is worth to those who
        are next.
        """
        num_players = self.num_players
        added = np.zeros((len(self.orders), num_players + 1, num_players, len(self.regressors)))
        for draw, order in enumerate(self.orders):
            # [size, who joined last, G]
            worth = self.at(_windows(order)).reshape(num_players - 1, num_players, -1)
            marginals = (worth - np.roll(worth, 1, axis=1)) / num_players
            added[draw, 1:-1, order] = marginals.transpose(1, 0, 2)
        return added

    def _listed(self) -> HostArray:
        """float64[P + 1, P, G]: what each size adds, exactly, from all coalitions."""
        num_players = self.num_players
        masks = all_subsets(num_players)
        sizes = masks.sum(axis=1)
        weights = weights_of(masks)
        worth = self.at(masks)
        added = np.zeros((num_players + 1, num_players, worth.shape[1]))
        for size in range(1, num_players):
            added[size] = weights[:, sizes == size] @ worth[sizes == size]
        return added


def regressed(
    make: MakeRegressor, masks: Masks, utilities: HostArray, orders: HostArray
) -> Regressed:
    """What regressors learn from utilities float64[M, G]; `orders` as in `Regressed`."""
    members = masks.astype(np.float64)
    return Regressed(tuple(make().fit(members, column) for column in utilities.T), orders)


def orders_for(masks: Masks) -> HostArray:
    """int[K, P]: joining orders with about `ALONG_ORDERS` coalitions; none where all can be listed.

    Their seed is made of the coalitions observed: they differ from run to run, and are the same in
    each fold.
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
    # [who joined last, player]: how long before, around the circle, the player joined
    before = (np.arange(num_players)[:, None] - place) % num_players
    return (before < np.arange(1, num_players)[:, None, None]).reshape(-1, num_players)
