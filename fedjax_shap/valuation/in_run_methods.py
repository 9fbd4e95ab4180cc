"""Methods that value a whole run at once: completed at low rank, or followed to first order (Fan et
al. 2022; Wang et al. 2022).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import jax
import numpy as np

from fedjax_shap._validate import InvalidInputError, how_many, integer, number, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets, pack
from fedjax_shap.games.rounds import Rounds
from fedjax_shap.games.taylor import first_order
from fedjax_shap.shapley.completion import (
    columns_of,
    complete,
    observable,
    values_of_orders,
    values_of_table,
)
from fedjax_shap.shapley.estimator import Attribution, seed_of
from fedjax_shap.typing import HostArray, Key, Masks, Utilities
from fedjax_shap.valuation.in_run import Method, multi_round, played, without_slices, worth_of_all
from fedjax_shap.valuation.options import Options

__all__ = [
    "IN_RUN",
    "Method",
    "comfedsv",
    "multi_round",
    "taylor",
]


def comfedsv(*, rank: int = 2, regularisation: float = 0.01, weighted: bool = True) -> Method:
    """Completed federated values: what coalitions of the absent would have been worth is filled in
    (Fan et al. 2022).

    The utilities U_tS = V_t(S) - V_t(empty), rounds by coalitions, are observed where all of S
    took part, and completed at low rank; the values are those of the columns' sums. The columns are
    all 2^P coalitions where the budget covers them (or is None), else the prefixes of as many
    random joining orders as fit into it (algorithm 1).

    The defaults are not the paper's: they were chosen by eye among 40 settings on 12 runs of digits
    whose utilities were all known. Values were off there by 0.17 to 0.4 of their length, most where
    clients held different classes.

    Args:
        rank: of the completed matrix.
        regularisation: lambda of `shapley.completion.complete`.
        weighted: as there; the paper's objective has False.

    Guarantees:
        A player who took part in a single round still has a value over all rounds; players with the
        same uploads tend to the same value. The values sum to the completed sum over t of U_tN, not
        to V(x_T) - V(x_0). Standard errors hold what comes from drawing orders (0 where all columns
        are there), not what comes from completing.
    """
    integer("rank", rank, least=1)
    number("regularisation", regularisation, above=0)

    def method(run: Rounds, options: Options, key: Key) -> Attribution:
        without_slices(run, "comfedsv")
        require(
            bool(run.present.all(axis=1).any()),
            "Expected a round in which everyone takes part, as estimator='comfedsv' needs; set "
            "everyone_first.",
        )
        # the columns: all coalitions, or the prefixes of random orders
        orders = _orders(run.num_players, options.budget, key)
        if orders is None:
            columns = "all coalitions"
            masks = all_subsets(run.num_players)
        else:
            columns = f"the prefixes of {len(orders)} orders"
            masks = columns_of(orders)
        # their utilities where they are observed, and what is filled in
        observed, utilities, counted = _observed(run, masks, options, key)
        completed = complete(
            utilities, observed, rank=rank, regularisation=regularisation, weighted=weighted
        )
        if orders is None:
            values, errors = values_of_table(completed)
        else:
            values, errors = values_of_orders(completed, orders)
        stopped = (
            f"{how_many(len(observed), 'round')} of {columns} completed at rank {rank} from "
            f"{observed.mean():.1%} of them"
        )
        return replace(counted, values=values, std_errors=errors, stopped=stopped)

    return method


def taylor() -> Method:
    """First-order values, one gradient a round and no coalitions: -<grad loss(x_t), w_i Delta_i>
    (Wang et al. 2022).

    They approximate a run of a differentiable metric with absent="unchanged", whose rounds they
    value exactly in the limit of small steps. With absent="left_out" their sum does so, but who
    gains from the others' absence differs.

    Guarantees:
        Additive over uploads; a zero update is worth exactly 0. Nothing is drawn: the standard
        errors are 0.
    """

    def method(run: Rounds, options: Options, key: Key) -> Attribution:
        without_slices(run, "taylor")
        require(
            run.measure.smooth and run.uploads,
            f"Expected metric={run.measure.name or run.measure.label!r} to be a differentiable one "
            "such as 'negative_loss', and inner_rounds to be 1, for estimator='taylor', which "
            "follows its gradient.",
        )
        values_of = first_order(run.model, run.measure)
        each = []
        before = []  # V of the model before each round
        for one in played(run, options, key):
            gained, there = values_of(one.world)
            each.append(np.asarray(gained, np.float64))
            before.append(np.asarray(there, np.float64))
            _require_finite(each[-1], one.number)
        return Attribution(
            values=np.sum(each, axis=0),
            std_errors=np.zeros(run.num_players),
            empty=before[0],
            grand=worth_of_all(one, run),
            num_coalitions=1,
            stopped=f"{how_many(len(each), 'round')} followed to first order",
        )

    return method


IN_RUN: Mapping[str, Callable[..., Method]] = {
    "comfedsv": comfedsv,
    "multi_round": multi_round,
    "taylor": taylor,
}


def _orders(num_players: int, budget: int | None, key: Key) -> HostArray | None:
    """int[G, P], as many random joining orders as fit into the budget; None where it covers all
    coalitions.
    """
    if num_players <= MOST_PLAYERS and (budget is None or budget >= 2**num_players):
        return None
    require(
        budget is not None,
        f"Expected a budget of coalitions a round for the {num_players} players of "
        "estimator='comfedsv', got none.",
    )
    integer("budget", budget, least=2 + 2 * (num_players - 1))
    rng = np.random.default_rng(seed_of(jax.random.fold_in(key, 1)))
    count = (int(budget or 0) - 2) // (num_players - 1)
    return rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1)


def _observed(
    run: Rounds, masks: Masks, options: Options, key: Key
) -> tuple[HostArray, Utilities, Attribution]:
    """Observes what can be observed of the columns `masks` bool[M, P].

    Returns:
        (bool[R, M], which are observed; float64[R, M], V_t(S) - V_t(empty) there; an attribution
        with what else is known and without values).
    """
    rows = []
    utilities = []
    ends = []  # V_t(empty) and V_t(participants) of each round
    num_asked = 0
    num_stored = 0
    for one in played(run, options, key):
        present = run.present[[one.number]]
        seen = observable(masks, present)[0]
        wanted = np.concatenate([np.zeros_like(present), present, masks[seen]])
        known_before = one.source.store.from_store
        found = one.source(wanted)
        num_asked += len(set(pack(wanted)))
        num_stored += one.source.store.from_store - known_before
        row = np.zeros(len(masks))
        row[seen] = found[2:] - found[0]
        rows.append(seen)
        utilities.append(row)
        ends.append(found[:2])
    nothing = np.zeros(run.num_players)
    counted = Attribution(nothing, nothing, ends[0][0], ends[-1][1], num_asked, "", num_stored)
    return np.stack(rows), np.stack(utilities), counted


def _require_finite(values: HostArray, number: int) -> None:
    """Refuses the values of a round in which an upload, or the loss of x_t, is not finite."""
    wrong = np.flatnonzero(~np.isfinite(values)).tolist()
    if wrong:
        raise InvalidInputError(
            f"Expected the values of round {number} to be finite, but those of players {wrong} are "
            "not: training diverged; lower the learning rate."
        )
