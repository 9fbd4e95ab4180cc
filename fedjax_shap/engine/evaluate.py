"""Masks in, utilities out: the one place where coalitions are batched."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.engine import distribute, processes
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import (
    Coalitions,
    NoRoomError,
    Program,
    abreast,
    in_flight,
    machine,
)
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game
from fedjax_shap.typing import HostArray, Key, Masks, Progress, Utilities

OnNonfinite = Literal["error", "floor", "keep"]
NAMED_AT_MOST = 5  # coalitions in a sentence


def evaluate(
    game: Game | HostGame,
    key: Key,
    masks: Masks,
    plan: Plan | None = None,
    store: UtilityStore | None = None,
    progress: Progress | None = None,
    *,
    on_nonfinite: OnNonfinite = "error",
) -> Utilities:
    """The utility of each coalition.

    Args:
        game: what a coalition is worth, by a program or by a function on the host.
        key: randomness of the game itself, such as mini-batches; the same for every coalition.
        masks: bool[M, P], repeats allowed: each distinct coalition is valued once.
        plan: how many at once, and on what; chosen by `autoplan` if None.
        store: where utilities are looked up first and kept; kept nowhere if None.
        progress: called with (coalitions done, coalitions to do) after each chunk.
        on_nonfinite: what becomes of a utility that is not finite, once all others are valued and
            stored: "error" refuses it, "floor" counts it as V(nobody) with a warning that names it,
            "keep" gives it as it is. It is never stored.

    Returns:
        float64[M, ...], in the order of `masks`. Where several processes work together each values
        its share, and all get all utilities.

    Raises:
        InvalidInputError: masks of another shape, a store that holds another game's utilities, a
            coalition whose utility is not finite, or one that does not fit into memory even alone.
        PeerLostError: another process died; what was valued here is stored.

    Guarantees:
        A utility does not depend on the plan, the order of masks, or what else is valued beside it,
        up to float reassociation. On one plan, a run that was interrupted goes on to bit-equal
        utilities.
    """
    masks = _of_players(masks, game.num_players)
    one_of("on_nonfinite", on_nonfinite, ("error", "floor", "keep"))
    store, lost = UtilityStore() if store is None else store, UtilityStore()
    store.bind(game, key)
    store.refresh()
    distribute.same_game(game, key)
    distinct, place = np.unique(masks, axis=0, return_inverse=True)
    unknown = distinct[~distribute.known_to_all(store, distinct)]
    if len(unknown):
        plan = distribute.agreed(
            plan or Plan(), lambda left_open: autoplan(game, key, distinct, left_open)
        )
        mine = distribute.own(unknown, distinct, plan)
        _fill(_program(game, key, plan), plan, mine, distinct, (store, lost), progress or _silent)
        distribute.hand_round((store, lost), mine)
    spoilt = lost.holds(distinct)
    if not spoilt.any():
        return store.read(distinct)[place.reshape(-1)]
    instead = lost.read(distinct[spoilt])
    if on_nonfinite != "keep":
        _tell(game, distinct[spoilt], on_nonfinite)
        nobody = np.zeros_like(distinct[:1])
        instead = evaluate(game, key, nobody, plan, store)
    return _merged(
        spoilt, instead, store.read(distinct[~spoilt]) if not spoilt.all() else instead[:0]
    )[place.reshape(-1)]


def _of_players(masks: Masks, num_players: int) -> Masks:
    masks = np.asarray(masks, bool)
    fits = masks.ndim == 2 and masks.shape[1] == num_players
    require(fits, f"Expected masks to be bool[M, {num_players}], got shape {masks.shape}.")
    return masks


def _merged(where: HostArray, these: Utilities, others: Utilities) -> Utilities:
    """`these` in the rows `where` bool[M], the `others` elsewhere."""
    merged = np.empty((len(where), *these.shape[1:]))
    merged[where], merged[~where] = these, others
    return merged


def _silent(done: int, total: int) -> None:
    """Reports to nobody."""


def _tell(game: Game | HostGame, spoilt: Masks, on_nonfinite: OnNonfinite) -> None:
    """Refuses utilities that are not finite, or warns of them; the coalitions are named either
    way.
    """
    named = ", ".join(str(np.flatnonzero(mask).tolist()) for mask in spoilt[:NAMED_AT_MOST])
    rest = f" and {len(spoilt) - NAMED_AT_MOST} others" if len(spoilt) > NAMED_AT_MOST else ""
    reason, remedy = "training diverged", "lower the learning rate"
    if isinstance(game, HostGame):
        reason, remedy = "the game's function gave NaN or infinity", "mend it"
    if on_nonfinite == "error" or not spoilt.any(axis=1).all():
        raise InvalidInputError(
            f"Expected every utility to be finite, but not so those of coalitions {named}{rest}: "
            f"{reason}; "
            f"{remedy}, or let them count as V(nobody) by on_nonfinite='floor'."
        )
    warnings.warn(
        f"Utilities of coalitions {named}{rest} are not finite and count as V(nobody): {reason}.",
        stacklevel=3,
    )


def _program(game: Game | HostGame, key: Key, plan: Plan) -> Program | HostGame:
    """What values chunks: a program on the plan's machine, or the game itself where the host
    does.
    """
    return game if isinstance(game, HostGame) else Program(game, key, machine(plan))


def _fill(
    program: Program | HostGame,
    plan: Plan,
    mine: Masks,
    among: Masks,
    stores: tuple[UtilityStore, UtilityStore],
    report: Progress,
) -> None:
    """Values the coalitions `mine`: finite utilities go into the first store, whatever happens,
    others into another.
    """
    store, lost = stores
    done = np.zeros(len(mine), bool)
    report(0, len(mine))
    try:
        while not done.all():
            left = np.flatnonzero(~done)
            try:
                for rows, utilities in _valued(program, plan, mine[left], among):
                    finite = np.isfinite(utilities.reshape(len(rows), -1)).all(axis=1)
                    masks, done[left[rows]] = mine[left[rows]], True
                    store.add(masks[finite], utilities[finite])
                    lost.add(masks[~finite], utilities[~finite])
                    report(int(done.sum()), len(mine))
                    processes.check()
            except NoRoomError as error:
                plan = _halved(plan, len(among), program, error)
    finally:
        store.flush()


def _valued(
    program: Program | HostGame, plan: Plan, masks: Masks, among: Masks
) -> Iterator[tuple[HostArray, Utilities]]:
    """(rows of `masks`, their utilities), chunk by chunk, several chunks at a time; one on the
    host.
    """
    if isinstance(program, HostGame):
        yield from _on_host(program, plan, masks, among)
        return

    def value(prepared: tuple[list[HostArray], Coalitions]) -> Utilities:
        return program(prepared[1])

    for (rows, _), utilities in in_flight(
        value, _prepared(program, plan, masks, among), program.on.workers
    ):
        each = np.array_split(utilities, len(program.on.devices))
        yield (
            np.concatenate(rows),
            np.concatenate([found[: len(own)] for found, own in zip(each, rows)]),
        )


def _on_host(
    game: HostGame, plan: Plan, masks: Masks, among: Masks
) -> Iterator[tuple[HostArray, Utilities]]:
    """(rows of `masks`, their utilities), chunk by chunk."""
    for rows, _ in plan.cut(masks, among):
        try:
            utilities = game.utilities(masks[rows])
        except MemoryError as error:
            raise NoRoomError(str(error) or "the game's function is out of memory") from error
        yield rows, utilities


def _prepared(
    program: Program, plan: Plan, masks: Masks, among: Masks
) -> Iterator[tuple[list[HostArray], Coalitions]]:
    """The chunks of a plan, compiled for, as many together as there are devices."""
    for rows, stacked in abreast(plan.cut(masks, among), len(program.on.devices)):
        program.prepare(stacked)
        yield rows, stacked


def _halved(plan: Plan, num_asked: int, program: Program | HostGame, error: NoRoomError) -> Plan:
    """The plan with half the coalitions in a chunk, or half the workers where there is but one; or
    a refusal.
    """
    chunk = plan.length(num_asked)
    if isinstance(program, Program) and chunk == 1 and (workers := program.on.workers) > 1:
        warnings.warn(
            f"No room for {workers} coalitions at once ({error}); going on by {workers // 2}.",
            stacklevel=2,
        )
        program.on = program.on._replace(workers=workers // 2)
        return plan
    require(chunk > 1, f"Expected memory for one coalition at a time, got {error}.")
    warnings.warn(
        f"No room for {chunk} coalitions at once ({error}); going on by {chunk // 2}.", stacklevel=2
    )
    return replace(plan, chunk=chunk // 2)
