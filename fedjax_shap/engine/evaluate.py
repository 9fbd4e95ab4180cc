"""Masks in, utilities out: the one place where coalitions are batched."""

from dataclasses import replace

import jax
import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.game import Game
from fedjax_shap.typing import Array, Key, Masks, Progress, Utilities


def evaluate(
    game: Game,
    key: Key,
    masks: Masks,
    plan: Plan | None = None,
    store: UtilityStore | None = None,
    progress: Progress | None = None,
    *,
    finite: bool = True,
) -> Utilities:
    """The utility of each coalition.

    Args:
        game: what a coalition is worth.
        key: randomness of the game itself, such as mini-batches; the same for every coalition.
        masks: bool[M, P], repeats allowed: each distinct coalition is valued once.
        plan: how many at once; the default plan if None.
        store: where utilities are looked up first and kept; kept nowhere if None.
        progress: called with (coalitions done, coalitions to do) after each chunk.
        finite: whether a utility that is not finite is refused; it is kept nowhere and given as it is if False.

    Returns:
        float64[M, ...], in the order of `masks`.

    Raises:
        InvalidInputError: masks of another shape, a store that holds another game's utilities, or a coalition whose
            utility is not finite; the others are valued and stored before it is raised.

    Guarantees:
        A utility does not depend on the plan, the order of masks, or what else is valued beside it, up to float
        reassociation.
    """
    masks = np.asarray(masks, bool)
    require(
        masks.ndim == 2 and masks.shape[1] == game.num_players,
        f"Expected masks to be bool[M, {game.num_players}], got shape {masks.shape}.",
    )
    store = UtilityStore() if store is None else store
    store.bind(game, key)
    distinct, place = np.unique(masks, axis=0, return_inverse=True)
    missing = distinct[~store.known(distinct)]
    lost = UtilityStore()
    if len(missing):
        _fill(game, key, missing, plan or Plan(), (store, lost), progress or (lambda done, total: None))
    if finite and len(lost):
        first = np.flatnonzero(next(mask for mask in distinct if lost.known(mask[None])[0])).tolist()
        raise InvalidInputError(
            f"Expected every utility to be finite, but that of coalition {first} and those of {len(lost) - 1} "
            "others are not: training diverged; lower the learning rate."
        )
    if not len(lost):
        return store.read(distinct)[place.reshape(-1)]
    spoilt = lost.known(distinct)
    parts = [kept.read(distinct[rows]) for kept, rows in ((store, ~spoilt), (lost, spoilt)) if rows.any()]
    order = np.argsort(np.concatenate([np.flatnonzero(~spoilt), np.flatnonzero(spoilt)]))
    return np.concatenate(parts)[order][place.reshape(-1)]


def _fill(
    game: Game, key: Key, masks: Masks, plan: Plan, stores: tuple[UtilityStore, UtilityStore], progress: Progress
) -> None:
    """Values `masks` chunk by chunk: finite ones into the first store, whatever happens, others into the second."""
    store, lost = stores
    mapped = plan.layout == "coalition" or game.values is None
    plan = replace(plan, buckets=1) if game.values is None else plan  # where members do not train, slots are free
    done = 0
    progress(0, len(masks))
    try:
        for rows, coalitions in plan.by_coalition(masks) if mapped else plan.by_client(masks):
            chunk = masks[rows]
            values = _mapped(game, key, coalitions) if mapped else _together(game, key, coalitions)
            utilities = np.asarray(values, np.float64)[: len(chunk)]
            finite = np.isfinite(utilities.reshape(len(chunk), -1)).all(axis=1)
            store.add(chunk[finite], utilities[finite])
            lost.add(chunk[~finite], utilities[~finite])
            done += len(chunk)
            progress(done, len(masks))
    finally:
        store.flush()


@jax.jit
def _mapped(game: Game, key: Key, coalitions: Coalition) -> Array:
    """float[M, ...], the utilities of a chunk, one coalition's program mapped over it."""
    return jax.vmap(game.value, in_axes=(None, None, 0))(game.world, key, coalitions)


@jax.jit
def _together(game: Game, key: Key, chunk: Chunk) -> Array:
    """float[M, ...], the utilities of a chunk, by the game's own program for many."""
    return game.values(game.world, key, chunk)  # type: ignore[misc]
