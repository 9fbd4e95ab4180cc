"""A plan by measurement: how many coalitions at once, in which layout, on the machine at hand."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from fedjax_shap.atomic import replacing
from fedjax_shap.engine import cache
from fedjax_shap.engine.machine import machine, num_cores
from fedjax_shap.engine.plan import UNPLANNED, Plan
from fedjax_shap.engine.programs import NoRoomError, Program, abreast, in_flight
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Effort, Game
from fedjax_shap.typing import Key, Masks

# Bytes that the parameters of a chunk's coalitions may take; half of them train at a time, and
# these fit into a core's cache.
CPU_BYTES = 2**20
# The least and the most coalitions in a first guess.
CPU_CHUNKS = (4, 256)
GPU_CHUNKS = (64, 4096)
UNTRAINED = 1024  # the most on CPUs where nothing is trained for each, as for mixtures
# Plans are tried where the game is so many times as much work as a trial, ...
MANY_TRIALS = 50
# ... and more than the guess where it takes so many times as long as a trial, which compiles.
WORTHWHILE = 10
REPEATS = 4  # runs of each plan's trial, of which the fastest counts, ...
LONG_ENOUGH = 2.0  # ... and seconds after which two are enough
# Another plan than the guess is taken where it is faster by so much, ...
AHEAD = 1.1
# ... on a CPU of which the process gets so much of what it asks for, or more.
CALM = 0.8
REMEMBERED = ("chunk", "layout", "buckets")  # what is measured, and kept in the cache folder


def autoplan(game: Game | HostGame, key: Key, masks: Masks, plan: Plan) -> Plan:
    """Completes a plan whose chunk is left open.

    The first guess is the largest power of two whose coalitions fit into the processor's cache, or
    fill a GPU. Where the game takes long enough, neighbouring plans are tried on a little of the
    same work, in turn and several times. One that is clearly faster than the guess is taken, and
    what was found is remembered in the user's cache folder, by device, software, and the shapes of
    the game's arrays. On a machine that is busy with other work the guess is taken, with one
    program compiled, and nothing is remembered.

    Args:
        game: the game.
        key: its key.
        masks: bool[M, P], the coalitions that are asked for.
        plan: what is fixed already; its chunk, if given, and then everything stays as it is.

    Returns:
        A plan with a chunk. A game on the host, or one without `values`, has layout "coalition" and
        one bucket.
    """
    if isinstance(game, HostGame) or game.values is None:
        return replace(plan, chunk=plan.chunk or CPU_CHUNKS[1], layout="coalition", buckets=1)
    if plan.chunk is not None:
        return plan
    guess = replace(plan, chunk=_first_chunk(game, len(masks), plan))
    if game.effort is None:
        return guess
    file = _file(game, masks, plan)
    known = _read(file, plan)
    if known is not None:
        return known
    best = _fastest(game, game.effort, key, masks, guess)
    if best.remembered:
        _write(file, best.plan)
    return best.plan


def _first_chunk(game: Game, num_masks: int, plan: Plan) -> int:
    """The largest power of two that fits into the processor's cache, or fills a GPU.

    It leaves work for every worker of every device.
    """
    on = machine(plan)
    each = -(-num_masks // (on.workers * len(on.devices)))
    least, most = GPU_CHUNKS
    if on.devices[0].platform == "cpu":
        least, most = CPU_CHUNKS
        if game.effort is None:
            most = UNTRAINED
        else:
            most = min(max(CPU_BYTES // max(game.effort.footprint, 1), least), most)
    return _power(min(most, max(each, least)))


def _power(number: int) -> int:
    """The largest power of two that is at most `number`."""
    return 1 << (number.bit_length() - 1)


class _Choice(NamedTuple):
    """A plan, and whether it is remembered."""

    plan: Plan
    remembered: bool


class _Now(NamedTuple):
    """The time: of the clock on the wall, and what this process has had of all processors."""

    wall: float
    processors: float


class _Trial(NamedTuple):
    """A plan that is ready to do a little of the work.

    Attributes:
        run: does it.
        useful: member-steps in it.
        cores: which it keeps busy on a CPU that it has for itself; 0 elsewhere.
    """

    run: Callable[[], None]
    useful: int
    cores: int


def _now() -> _Now:
    return _Now(time.perf_counter(), time.process_time())


def _fastest(game: Game, effort: Effort, key: Key, masks: Masks, guess: Plan) -> _Choice:
    """The fastest of the plans around a guess, or the guess where trials are not worth it."""
    as_guessed = _Choice(guess, remembered=False)
    # the whole game's work, and a trial's, in member-steps
    work = _member_steps(effort, game.world, masks) * effort.rounds
    brief = _member_steps(effort, effort.brief(game.world), masks)
    on = machine(guess)
    at_once = (guess.chunk or UNPLANNED) * on.workers * len(on.devices)
    tried = brief * min(at_once / len(masks), 1)
    if work <= MANY_TRIALS * tried:
        return as_guessed
    # measure the guess; a short game takes it, and it is remembered, so that a second run, which
    # compiles nothing, takes it too
    began = _now()
    trials = {guess: _trial(game, effort, key, masks, guess)}
    seconds, calm = _measured(trials)
    if guess in seconds:
        rate = trials[guess].useful / seconds[guess]
        if work < WORTHWHILE * (_now().wall - began.wall) * rate:
            return _Choice(guess, remembered=True)
        # others use the processors: what is measured now says little of the plans
        if not calm:
            return as_guessed
    # measure its neighbours beside it
    trials |= {plan: _trial(game, effort, key, masks, plan) for plan in _around(guess)}
    seconds, calm = _measured(trials)
    rates = {plan: trials[plan].useful / seconds[plan] for plan in seconds}
    best = max(rates, key=lambda plan: rates[plan], default=guess)
    if guess in rates and (not calm or rates[best] < AHEAD * rates[guess]):
        best = guess
    return _Choice(best, remembered=calm and bool(rates))


def _measured(trials: dict[Plan, _Trial]) -> tuple[dict[Plan, float], bool]:
    """The least seconds of each plan's trial, and whether the process had its processors to itself.

    The plans take turns, so that what else the machine does slows all of them alike. Those that do
    not fit into memory are left out.
    """
    runs: dict[Plan, list[float]] = {plan: [] for plan in trials}
    wanted = 0.0
    had = 0.0
    for turn in range(REPEATS):
        for plan, trial in trials.items():
            began = _now()
            try:
                trial.run()
            except NoRoomError:
                continue
            now = _now()
            runs[plan].append(now.wall - began.wall)
            # the first run compiles and warms up
            if turn > 0:
                wanted += trial.cores * (now.wall - began.wall)
                had += now.processors - began.processors
        # long trials need no more turns
        if turn > 0 and sum(map(sum, runs.values())) > LONG_ENOUGH:
            break
    fitting = {plan: min(each) for plan, each in runs.items() if len(each) > turn}
    return fitting, had >= CALM * wanted


def _member_steps(effort: Effort, world: object, masks: Masks) -> int:
    """Local steps that the members of all coalitions take in a round."""
    return int((masks * np.asarray(effort.steps(world))).sum())


def _around(guess: Plan) -> Iterator[Plan]:
    """Plans with smaller and larger chunks than the guess, and on GPUs with the other layout."""
    chunk = guess.chunk or UNPLANNED
    for other in (chunk // 4, chunk * 4):
        if other:
            yield replace(guess, chunk=other)
    if jax.default_backend() != "cpu":
        yield replace(guess, layout="coalition")


def _trial(game: Game, effort: Effort, key: Key, masks: Masks, plan: Plan) -> _Trial:
    """A plan's trial: a chunk for each worker, or for each device of each worker."""
    on = machine(plan)
    world = effort.brief(game.world)
    program = Program(replace(game, world=world), key, on)
    trial = list(islice(abreast(plan.cut(masks, masks), len(on.devices)), on.workers))
    chunks = [stacked for _, stacked in trial]

    def run() -> None:
        for chunk in chunks:
            program.prepare(chunk)  # which compiles for the first of each shape
        list(in_flight(program, chunks, on.workers))

    steps = np.asarray(effort.steps(world))
    useful = sum(int((masks[np.concatenate(rows)] * steps).sum()) for rows, _ in trial)
    cores = 0
    if on.devices[0].platform == "cpu":
        cores = min(len(chunks), num_cores())
    return _Trial(run, useful, cores)


# ------------------------------------------------------------------ what is remembered


def _file(game: Game, masks: Masks, plan: Plan) -> Path | None:
    """Where the plan for games of these shapes on this device is remembered."""
    folder = cache.folder()
    if folder is None:
        return None
    leaves, structure = jax.tree.flatten(game.world)
    shapes = [(np.shape(leaf), str(getattr(leaf, "dtype", type(leaf)))) for leaf in leaves]
    on = machine(plan)
    asked = (shapes, str(structure), _power(len(masks)), masks.shape[1], asdict(plan))
    device = (on.devices[0].device_kind, len(on.devices), on.workers, jax.__version__)
    name = hashlib.sha256(repr((asked, device)).encode()).hexdigest()[:32]
    return folder / "plans" / f"{name}.json"


def _read(file: Path | None, plan: Plan) -> Plan | None:
    """A remembered plan; None where there is none that can be read."""
    if file is None:
        return None
    try:
        kept = json.loads(file.read_text())
        return replace(
            plan, chunk=int(kept["chunk"]), layout=kept["layout"], buckets=kept["buckets"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(file: Path | None, plan: Plan) -> None:
    """Remembers a plan; where the folder cannot be written, the next run measures again."""
    if file is None:
        return
    content = json.dumps({name: getattr(plan, name) for name in REMEMBERED})
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as opened:
            opened.write(content.encode())
    except OSError:
        pass
