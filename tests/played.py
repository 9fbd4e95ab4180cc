"""Estimators played on bare functions of masks, without an engine: fast enough for hundreds of
runs."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np

from fedjax_shap.coalitions import all_subsets, pack, ranks
from fedjax_shap.games import closed_form
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.exact import shapley_values

Utility = Callable[[np.ndarray], np.ndarray]  # bool[M, P] -> float64[M, ...]


def play(
    estimator: Estimator,
    utility: Utility,
    num_players: int,
    *,
    budget: int | None,
    seed: int = 0,
    turn: int | None = None,
) -> tuple[Attribution, int]:
    """(what the estimator says, how many distinct coalitions it asked for), asked to the end."""
    asked, turns = set(), 0
    state = estimator.init(num_players, budget, turn)
    while True:
        masks, state = estimator.ask(key_of(seed, turns), state)
        if not len(masks):
            return estimator.read(state), len(asked)
        asked.update(pack(masks))
        state, turns = estimator.tell(state, masks, utility(masks)), turns + 1


def walk(
    estimator: Estimator, table: np.ndarray, seed: int = 0, *, budget: int, turn: int | None = None
) -> tuple[Attribution, Any, np.ndarray]:
    """(what is read, the state, all that was asked for, in order), asked to the end of a game given
    as a table."""
    state, asked = estimator.init(len(table).bit_length() - 1, budget, turn), []
    while True:
        masks, state = estimator.ask(key_of(seed, len(asked)), state)
        if not len(masks):
            return estimator.read(state), state, np.concatenate(asked)
        asked.append(masks)
        state = estimator.tell(state, masks, table[ranks(masks)])


def truncated(table: np.ndarray, orders: Any, near: float) -> np.ndarray:
    """float64[K, P]: marginals along joining orders, one player at a time, 0 once V is nearer than
    `near` to V(N)."""
    found = np.zeros((len(orders), len(orders[0])))
    for order, gained in zip(orders, found, strict=True):
        row, before = 0, table[0]
        for player in order:
            if abs(table[-1] - before) < near:
                now = before
            else:
                row += 1 << int(player)
                now = table[row]
            gained[player], before = now - before, now
    return found


@cache
def key_of(seed: int, turn: int) -> jax.Array:
    """The key of a turn, made once: hundreds of runs of dozens of estimators use the same ones."""
    return jax.random.fold_in(jax.random.key(seed), turn)


class Played:
    """A game with its answer: a utility over masks, and the Shapley values."""

    def __init__(self, num_players: int, utility: Utility, values: Any = None) -> None:
        self.num_players, self.utility = num_players, utility
        self.table = utility(all_subsets(num_players)) if num_players <= 12 else None
        self.values = shapley_values(self.table) if values is None else np.asarray(values)


def airport(num_players: int) -> Played:
    """Fees of users whose demands repeat, so that there are twins, the least of them demanding
    nothing."""
    costs = np.floor(np.linspace(0, num_players / 2, num_players))
    solved = closed_form.airport(costs)
    return Played(num_players, lambda masks: (masks * costs).max(axis=1), solved.values)


def voting(num_players: int) -> Played:
    """A weighted majority of weights 1 to 4."""
    weights = 1 + np.arange(num_players) % 4
    quota = int(weights.sum() // 2 + 1)
    solved = closed_form.weighted_voting(weights, quota)
    return Played(num_players, lambda masks: 1.0 * (masks @ weights >= quota), solved.values)


def saturating(num_players: int, seed: int = 0) -> Played:
    """What federations look like: a saturating sum with pairwise surplus."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1.5, num_players)
    pairs = np.triu(rng.normal(0, 0.05, (num_players, num_players)), 1)

    def utility(masks: np.ndarray) -> np.ndarray:
        joined = masks.astype(float)
        return np.tanh(0.4 * joined @ weights) + np.einsum("mi,ij,mj->m", joined, pairs, joined)

    return Played(num_players, utility)


def with_null_and_twins(seed: int = 0) -> Played:
    """Eight players in a rough game: the last adds nothing, the first two are alike."""
    table = np.random.default_rng(seed).normal(size=(3, 2**5)) * 0.3

    def utility(masks: np.ndarray) -> np.ndarray:
        twins = masks[:, 0].astype(int) + masks[:, 1]
        rest = masks[:, 2:7] @ (1 << np.arange(5))
        return table[twins, rest] + masks[:, :7].sum(axis=1) ** 0.5

    return Played(8, utility)


def additive(num_players: int) -> Played:
    """Everyone adds a weight of their own."""
    weights = np.random.default_rng(1).normal(size=num_players)
    return Played(num_players, lambda masks: masks @ weights + 0.25)
