"""Masks in, utilities out: the one place where coalitions are batched."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, described, of_kind, one_of, require
from fedjax_shap.engine import distribute, processes
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.machine import machine
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import Coalitions, NoRoomError, Program, abreast, in_flight
from fedjax_shap.engine.progress import after
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game
from fedjax_shap.keys import Seed, key_of
from fedjax_shap.typing import HostArray, Key, Masks, Progress, Utilities

OnNonfinite = Literal["error", "floor", "keep"]
NAMED_AT_MOST = 5  # coalitions in a sentence


class _Results(NamedTuple):
    """Where utilities go: `store` takes those that are finite, `nonfinite` the others."""

    store: UtilityStore
    nonfinite: UtilityStore

    def add(self, masks: Masks, utilities: Utilities) -> None:
        """Sorts utilities; one that has axes is finite only if it is finite everywhere."""
        finite = np.isfinite(utilities.reshape(len(masks), -1)).all(axis=1)
        self.store.add(masks[finite], utilities[finite])
        self.nonfinite.add(masks[~finite], utilities[~finite])


def evaluate(
    game: Game | HostGame,
    key: Seed,
    masks: Masks,
    plan: Plan | None = None,
    store: UtilityStore | None = None,
    progress: Progress | None = None,
    *,
    on_nonfinite: OnNonfinite = "error",
) -> Utilities:
    """Values coalitions: masks go in, utilities come out.

    Args:
        game: what a coalition is worth, by a program or by a function on the host.
        key: randomness of the game itself, such as mini-batches; the same for every coalition.
            `jax.random.key(0)` if None; a whole number stands for the key of that seed.
        masks: bool[M, P], repeats allowed: each distinct coalition is valued once.
        plan: how many at once, and on what; chosen by `autoplan` if None.
        store: where utilities are looked up first and kept; kept nowhere if None.
        progress: called with (coalitions done, coalitions to do) after each chunk; those that the
            store has count as done.
        on_nonfinite: what becomes of a utility that is not finite; it is never stored, and all
            others are valued and stored first. "error" refuses it, "floor" counts it as V(empty)
            with a warning that names the coalition, "keep" returns it as it is.

    Returns:
        float64[M, ...], in the order of `masks`. Each of several processes returns them all.

    Raises:
        InvalidInputError: masks of another shape, a store that holds another game's utilities, a
            utility that is not finite, or no memory even for one coalition.
        PeerLostError: another process died; what was valued here is stored.

    Guarantees:
        A utility does not depend on the plan, the order of masks, or what else is valued beside it,
        up to float reassociation. On one plan, a run that was interrupted goes on to bit-equal
        utilities.
    """
    key = key_of(key)
    masks = _of_players(masks, checked_game(game).num_players)
    one_of("on_nonfinite", on_nonfinite, ("error", "floor", "keep"))
    of_kind("plan", plan, Plan | None, "Plan(chunk=64)")
    of_kind("store", store, UtilityStore | None, "UtilityStore()")
    if store is None:
        store = UtilityStore()
    distinct, place = np.unique(masks, axis=0, return_inverse=True)
    results, plan = _valued(game, key, distinct, plan, store, progress)
    return _read(game, key, distinct, plan, results, on_nonfinite)[place.reshape(-1)]


def checked_game(game: Game | HostGame) -> Game | HostGame:
    """The game itself, or a refusal of what is not a game of coalitions."""
    require(
        isinstance(game, Game | HostGame),
        f"Expected game={described(game)} to be a Game, such as silo(data, training) or "
        "from_callable(f, num_players) gives; a run of rounds(...) goes to estimate_rounds.",
    )
    return game


def _of_players(masks: Masks, num_players: int) -> Masks:
    """Masks as bool[M, P], or a refusal."""
    expected = f"Expected masks to be bool[M, {num_players}], a row for each coalition"
    try:
        given = np.asarray(masks)
    except ValueError as error:
        raise InvalidInputError(f"{expected}, got lists of unequal lengths.") from error
    fits = given.ndim == 2 and given.shape[1] == num_players
    require(fits, f"{expected}, got shape {given.shape}.")
    known = given.dtype == bool or bool(np.isin(given, (0, 1)).all())
    require(known, f"{expected} of True and False, got {given.dtype}; ids are not a mask.")
    return given.astype(bool)


def _valued(
    game: Game | HostGame,
    key: Key,
    distinct: Masks,
    plan: Plan | None,
    store: UtilityStore,
    progress: Progress | None,
) -> tuple[_Results, Plan | None]:
    """Values what is not in the store, together with other processes; also the plan that was used.

    The plan stays as it is where all utilities are known.
    """
    results = _Results(store, UtilityStore())
    store.bind(game, key)
    store.refresh()
    distribute.require_same_game(game, key)
    unknown = distinct[~distribute.exchange_known(store, distinct)]
    report = after(progress, len(distinct) - len(unknown))
    report(0, len(unknown))
    if len(unknown):
        plan = distribute.agreed_plan(
            plan or Plan(), lambda left_open: autoplan(game, key, distinct, left_open)
        )
        mine = distribute.own_coalitions(unknown, distinct, plan)
        _fill(_program(game, key, plan), plan, mine, distinct, results, report)
        for filled in results:
            distribute.exchange_valued(filled, mine)
    return results, plan


def _read(
    game: Game | HostGame,
    key: Key,
    distinct: Masks,
    plan: Plan | None,
    results: _Results,
    on_nonfinite: OnNonfinite,
) -> Utilities:
    """The utilities of all coalitions; what is not finite is treated as `on_nonfinite` says."""
    failed = results.nonfinite.holds(distinct)
    if not failed.any():
        return results.store.read(distinct)
    instead = results.nonfinite.read(distinct[failed])
    if on_nonfinite != "keep":
        _refuse_or_warn(game, distinct[failed], on_nonfinite)
        nobody = np.zeros_like(distinct[:1])
        instead = evaluate(game, key, nobody, plan, results.store)
    utilities = np.empty((len(distinct), *instead.shape[1:]))
    utilities[failed] = instead
    if not failed.all():
        utilities[~failed] = results.store.read(distinct[~failed])
    return utilities


def _refuse_or_warn(game: Game | HostGame, failed: Masks, on_nonfinite: OnNonfinite) -> None:
    """Refuses utilities that are not finite, or warns of them; both name the coalitions."""
    named = ", ".join(str(np.flatnonzero(mask).tolist()) for mask in failed[:NAMED_AT_MOST])
    if len(failed) > NAMED_AT_MOST:
        named += f" and {len(failed) - NAMED_AT_MOST} others"
    reason = "training diverged"
    remedy = "lower the learning rate"
    if isinstance(game, HostGame):
        reason = "the game's function gave NaN or infinity"
        remedy = "fix it"
    # V(empty) cannot stand in for itself
    if on_nonfinite == "error" or not failed.any(axis=1).all():
        raise InvalidInputError(
            f"Expected every utility to be finite, but those of coalitions {named} are not: "
            f"{reason}; {remedy}, or let them count as V(empty) by on_nonfinite='floor'."
        )
    warnings.warn(
        f"Utilities of coalitions {named} are not finite and count as V(empty): {reason}.",
        stacklevel=4,
    )


# ------------------------------------------------------------------ chunk by chunk


def _program(game: Game | HostGame, key: Key, plan: Plan) -> Program | HostGame:
    """What values chunks: a program on the plan's machine, or the host game itself."""
    if isinstance(game, HostGame):
        return game
    return Program(game, key, machine(plan))


def _fill(
    program: Program | HostGame,
    plan: Plan,
    mine: Masks,
    among: Masks,
    results: _Results,
    report: Progress,
) -> None:
    """Values the coalitions `mine`; whatever happens, what is valued by then is on disk.

    Args:
        program: what values chunks.
        plan: how `mine` is cut; its chunk is halved as long as there is no room for it.
        mine: bool[M, P], the coalitions of this process.
        among: all coalitions that were asked for, from which the chunks' shapes follow.
        results: where the utilities go.
        report: called after each chunk.
    """
    done = np.zeros(len(mine), bool)
    try:
        while not done.all():
            # cut what is left by the plan as it stands
            left = np.flatnonzero(~done)
            try:
                for rows, utilities in _chunks_valued(program, plan, mine[left], among):
                    # keep a chunk's utilities before anything else can fail
                    results.add(mine[left[rows]], utilities)
                    done[left[rows]] = True
                    report(int(done.sum()), len(mine))
                    # stop where another process is lost
                    processes.check()
            except NoRoomError as error:
                # go on with smaller chunks; those that are done stay done
                plan = _halved(plan, len(among), program, error)
    finally:
        results.store.flush()


def _chunks_valued(
    program: Program | HostGame, plan: Plan, masks: Masks, among: Masks
) -> Iterator[tuple[HostArray, Utilities]]:
    """(rows of `masks`, their utilities), chunk by chunk; on devices several at a time."""
    if isinstance(program, HostGame):
        yield from _on_host(program, plan, masks, among)
        return

    def value(prepared: tuple[list[HostArray], Coalitions]) -> Utilities:
        return program(prepared[1])

    prepared = _prepared(program, plan, masks, among)
    for (rows, _), utilities in in_flight(value, prepared, program.on.workers):
        # one array for each device, of which the first rows are no padding
        each = np.array_split(utilities, len(program.on.devices))
        yield (
            np.concatenate(rows),
            np.concatenate([one[: len(own)] for one, own in zip(each, rows)]),
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
    """The chunks of a plan, one for each device at a time, and the program compiled for them."""
    for rows, stacked in abreast(plan.cut(masks, among), len(program.on.devices)):
        program.prepare(stacked)
        yield rows, stacked


def _halved(plan: Plan, num_asked: int, program: Program | HostGame, error: NoRoomError) -> Plan:
    """The plan with half as large a chunk, or a refusal.

    Where a chunk is one coalition already, the program gets half the workers instead.
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
