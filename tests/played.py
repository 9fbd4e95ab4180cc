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

RUNS = 300  # of an estimator, to see how its values spread
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
    asked = set()
    turns = 0
    state = estimator.init(num_players, budget, turn)
    while True:
        masks, state = estimator.ask(key_of(seed, turns), state)
        if not len(masks):
            return estimator.read(state), len(asked)
        asked.update(pack(masks))
        state = estimator.tell(state, masks, utility(masks))
        turns += 1


def walk(
    estimator: Estimator, table: np.ndarray, seed: int = 0, *, budget: int, turn: int | None = None
) -> tuple[Attribution, Any, np.ndarray]:
    """(what is read, the state, all that was asked for, in order), asked to the end of a game given
    as a table."""
    state = estimator.init(len(table).bit_length() - 1, budget, turn)
    asked = []
    while True:
        masks, state = estimator.ask(key_of(seed, len(asked)), state)
        if not len(masks):
            return estimator.read(state), state, np.concatenate(asked)
        asked.append(masks)
        state = estimator.tell(state, masks, table[ranks(masks)])


def read_from(
    estimator: Estimator, table: np.ndarray, budget: int, drawn: np.ndarray
) -> np.ndarray:
    """The values that a sampling estimator reads from the coalitions bool[M, P] instead of its own
    draws, each of which is one coalition."""
    state = estimator.init(len(table).bit_length() - 1, budget, None)
    fresh, evaluations = state.evaluations.ask(np.concatenate([state.fixed, drawn]))
    evaluations = evaluations.tell(table[ranks(fresh)])
    rows = evaluations.rows(drawn[:, None])
    sampled = state._replace(evaluations=evaluations, units=(np.zeros(len(drawn)),), rows=(rows,))
    return np.asarray(estimator.read(sampled).values)


def truncated(table: np.ndarray, orders: Any, near: float) -> np.ndarray:
    """float64[K, P]: marginals along joining orders, one player at a time, 0 once V is nearer than
    `near` to V(N)."""
    found = np.zeros((len(orders), len(orders[0])))
    for order, gained in zip(orders, found, strict=True):
        row = 0
        before = table[0]
        for player in order:
            if abs(table[-1] - before) < near:
                now = before
            else:
                row += 1 << int(player)
                now = table[row]
            gained[player] = now - before
            before = now
    return found


@cache
def key_of(seed: int, turn: int) -> jax.Array:
    """The key of a turn, made once: hundreds of runs of dozens of estimators use the same ones."""
    return jax.random.fold_in(jax.random.key(seed), turn)


class Played:
    """A game with its answer: a utility over masks, and the Shapley values."""

    def __init__(self, num_players: int, utility: Utility, values: Any = None) -> None:
        self.num_players = num_players
        self.utility = utility
        self.table = utility(all_subsets(num_players)) if num_players <= 12 else None
        self.values = shapley_values(self.table) if values is None else np.asarray(values)


def tabled(table: np.ndarray) -> Played:
    """The game given as a table float64[2^P], in the order of `all_subsets`."""
    return Played(len(table).bit_length() - 1, lambda masks: table[ranks(masks)])


def repeated(
    estimator: Estimator, game: Played, budget: int, runs: int = RUNS
) -> tuple[np.ndarray, np.ndarray]:
    """(values, standard errors), float64[runs, P] both, of runs that differ in their seed."""
    results = [
        play(estimator, game.utility, game.num_players, budget=budget, seed=seed)[0]
        for seed in range(runs)
    ]
    return (
        np.array([result.values for result in results]),
        np.array([result.std_errors for result in results]),
    )


def is_unbiased(values: np.ndarray, answer: np.ndarray) -> bool:
    """Whether the mean over runs float64[runs, P] is within five of its standard errors."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return bool((np.abs(values.mean(axis=0) - answer) < 5 * error + 1e-9).all())


def error_ratio(values: np.ndarray, errors: np.ndarray, answer: np.ndarray) -> float:
    """Actual errors over standard errors, both as root mean squares over runs and players."""
    return float(np.sqrt(((values - answer) ** 2).mean() / (errors**2).mean()))


def error_ratios_by_turn(
    estimator: Estimator,
    game: Played,
    *,
    budget: int | None,
    turn: int,
    turns: int,
    runs: int = 40,
) -> list[float]:
    """`error_ratio` of what is read after each turn, over runs that differ in their seed."""
    readings: list[list[Attribution]] = [[] for _ in range(turns)]
    for seed in range(runs):
        state = estimator.init(game.num_players, budget, turn)
        for number in range(turns):
            masks, state = estimator.ask(key_of(seed, number), state)
            if not len(masks):
                break
            state = estimator.tell(state, masks, game.utility(masks))
            readings[number].append(estimator.read(state))
    return [
        error_ratio(
            np.array([reading.values for reading in own]),
            np.array([reading.std_errors for reading in own]),
            game.values,
        )
        for own in readings
        if own
    ]


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
