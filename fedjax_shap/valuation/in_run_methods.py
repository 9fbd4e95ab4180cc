"""Methods that value a whole run at once: completed at low rank, or followed to first order (Fan,
Wang et al. 2022).
"""

from collections.abc import Callable, Mapping

import jax
import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, number, require
from fedjax_shap.coalitions import MOST_PLAYERS, all_subsets, pack
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.rounds import RoundGame, Rounds
from fedjax_shap.games.taylor import first_order
from fedjax_shap.shapley.completion import (
    columns_of,
    complete,
    observable,
    values_of_orders,
    values_of_table,
)
from fedjax_shap.shapley.estimator import Attribution, seed_of
from fedjax_shap.typing import HostArray, Masks, Utilities
from fedjax_shap.valuation.in_run import Means, Method, multi_round, played, worth_of_all


def comfedsv(*, rank: int = 2, regularisation: float = 0.01, weighted: bool = True) -> Method:
    """Completed federated values: what coalitions of the absent would have been worth is filled in
    (Fan et al. 2022).

    The utilities U_tS = V_t(S) - V_t(nobody), rounds by coalitions, are observed where all of S
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
        Somebody who was never there but in one round has a value for all; players with the same
        uploads tend to the same value. The values sum to the completed sum over t of U_tN, not to
        V(x_T) - V(x_0). Standard errors hold what comes from drawing orders (0 where all columns
        are there), not what comes from completing.
    """
    integer("rank", rank, least=1)
    number("regularisation", regularisation, above=0)

    def method(run: Rounds, means: Means) -> Attribution:
        require(
            bool(run.present.all(axis=1).any()),
            "Expected a round in which everyone takes part, as estimator='comfedsv' needs; set "
            "everyone_first.",
        )
        orders = _orders(run.num_players, means)
        masks = all_subsets(run.num_players) if orders is None else columns_of(orders)
        observed, utilities, seen = _observed(run, masks, means)
        completed = complete(
            utilities, observed, rank=rank, regularisation=regularisation, weighted=weighted
        )
        values, errors = (
            values_of_table(completed) if orders is None else values_of_orders(completed, orders)
        )
        which = "all coalitions" if orders is None else f"the prefixes of {len(orders)} orders"
        stopped = f"{len(observed)} rounds of {which} completed at rank {rank} from {observed.mean():.1%} of them"
        return seen.replace(values=values, std_errors=errors, stopped=stopped)  # type: ignore[attr-defined, no-any-return]

    return method


def taylor() -> Method:
    """First-order values, one gradient a round and no coalitions: -<grad loss(x_t), w_i Delta_i>
    (Wang et al. 2022).

    They approximate a run of metric="negative_loss" with absent="unchanged", whose rounds they
    value exactly in the limit of small steps. With absent="left_out" their sum does so, but who
    gains from the others' absence differs.

    Guarantees:
        Additive over uploads; a zero update is worth exactly 0. Nothing is drawn: the standard
        errors are 0.
    """

    def method(run: Rounds, means: Means) -> Attribution:
        require(
            run.metric == "negative_loss" and run.uploads,
            f"Expected metric={run.metric!r} to be 'negative_loss', and inner_rounds to be 1, for "
            "estimator='taylor', "
            "which follows the gradient of the loss.",
        )
        values_of = first_order(run.model)
        each, worths = [], []
        for game in played(run, means):
            gained, there = values_of(game.game.world)
            each.append(np.asarray(gained, np.float64))
            worths.append(np.asarray(there, np.float64))
            _sound(each[-1], game)
        return Attribution(
            values=np.sum(each, axis=0),
            std_errors=np.zeros(run.num_players),
            empty=worths[0],
            grand=worth_of_all(game, run, means),
            num_coalitions=1,
            stopped=f"{len(each)} rounds followed to first order",
        )

    return method


IN_RUN: Mapping[str, Callable[..., Method]] = {
    "comfedsv": comfedsv,
    "multi_round": multi_round,
    "taylor": taylor,
}


def _orders(num_players: int, means: Means) -> HostArray | None:
    """int[G, P], as many random joining orders as fit into the budget; None where it covers all
    coalitions.
    """
    if num_players <= MOST_PLAYERS and (means.budget is None or means.budget >= 2**num_players):
        return None
    require(
        means.budget is not None,
        f"Expected a budget of coalitions a round for the {num_players} players of "
        "estimator='comfedsv', got none.",
    )
    integer("budget", means.budget, least=2 + 2 * (num_players - 1))
    rng = np.random.default_rng(seed_of(jax.random.fold_in(means.key, 1)))
    count = (int(means.budget or 0) - 2) // (num_players - 1)
    return rng.permuted(np.tile(np.arange(num_players), (count, 1)), axis=1)


def _observed(run: Rounds, masks: Masks, means: Means) -> tuple[HostArray, Utilities, Attribution]:
    """(bool[R, M], which of `masks` are observed; float64[R, M], V_t(S) - V_t(nobody) there; what
    else is known).
    """
    rows, utilities, worths, asked, stored = [], [], [], 0, 0
    for game in played(run, means):
        there, turns = run.present[[game.number]], means.turns(game)
        seen = observable(masks, there)[0]
        wanted, before = np.concatenate([there & False, there, masks[seen]]), turns.store.from_store
        found = evaluate(
            game.game,
            turns.key,
            wanted,
            means.plan,
            turns.store,
            means.progress,
            on_nonfinite=means.on_nonfinite,
        )
        asked, stored = asked + len(set(pack(wanted))), stored + turns.store.from_store - before
        rows.append(seen)
        utilities.append(np.zeros(len(masks)))
        utilities[-1][seen] = found[2:] - found[0]
        worths.append(found[:2])
    nothing = np.zeros(run.num_players)
    seen_so_far = Attribution(nothing, nothing, worths[0][0], worths[-1][1], asked, "", stored)
    return np.stack(rows), np.stack(utilities), seen_so_far


def _sound(values: HostArray, game: RoundGame) -> None:
    """Refuses the values of a round in which an upload, or the loss of x_t, is not finite."""
    if not np.isfinite(values).all():
        raise InvalidInputError(
            f"Expected the values of round {game.number} to be finite, but not so those of players "
            f"{np.flatnonzero(~np.isfinite(values)).tolist()}: training diverged; lower the "
            "learning rate."
        )
