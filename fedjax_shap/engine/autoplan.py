"""A plan by measurement: how many coalitions at once, in which layout, on the machine at hand."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import jax
import numpy as np

from fedjax_shap.atomic import replacing
from fedjax_shap.engine import cache
from fedjax_shap.engine.machine import machine
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
REMEMBERED = ("chunk", "layout", "buckets")  # what is measured, and kept in the cache folder


def autoplan(game: Game | HostGame, key: Key, masks: Masks, plan: Plan) -> Plan:
    """Completes a plan whose chunk is left open.

    The first guess is the largest power of two whose coalitions fit into the processor's cache, or
    fill a GPU. Where the game takes long enough, neighbouring plans are tried on a little of the
    same work, and the fastest is taken and remembered in the user's cache folder, by device,
    software, and the shapes of the game's arrays.

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
    if best is None:
        return guess
    _write(file, best)
    return best


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


def _fastest(game: Game, effort: Effort, key: Key, masks: Masks, guess: Plan) -> Plan | None:
    """The fastest of the plans around a guess, or the guess; None where a trial is not worth it."""
    # the whole game's work, and a trial's, in member-steps
    work = _member_steps(effort, game.world, masks) * effort.rounds
    brief = _member_steps(effort, effort.brief(game.world), masks)
    on = machine(guess)
    at_once = (guess.chunk or UNPLANNED) * on.workers * len(on.devices)
    tried = brief * min(at_once / len(masks), 1)
    if work <= MANY_TRIALS * tried:
        return None
    # measure the guess, then its neighbours
    rates: dict[Plan, float] = {}
    for plan in _around(guess):
        began = time.perf_counter()
        rates[plan] = _rate(game, effort, key, masks, plan)
        trial = time.perf_counter() - began
        # a short game takes the guess; it is remembered, so that a second run, which compiles
        # nothing, takes it too
        if plan == guess and work < WORTHWHILE * trial * rates[guess]:
            return guess
    # nothing fitted into memory
    if not any(rates.values()):
        return None
    return max(rates, key=lambda plan: rates[plan])


def _member_steps(effort: Effort, world: object, masks: Masks) -> int:
    """Local steps that the members of all coalitions take in a round."""
    return int((masks * np.asarray(effort.steps(world))).sum())


def _around(guess: Plan) -> Iterator[Plan]:
    """The guess first, then plans with smaller and larger chunks, and on GPUs the other layout."""
    chunk = guess.chunk or UNPLANNED
    yield guess
    for other in (chunk // 4, chunk * 4):
        if other:
            yield replace(guess, chunk=other)
    if jax.default_backend() != "cpu":
        yield replace(guess, layout="coalition")


def _rate(game: Game, effort: Effort, key: Key, masks: Masks, plan: Plan) -> float:
    """Member-steps a second of a plan, in a trial; 0 where it does not fit into memory."""
    on = machine(plan)
    world = effort.brief(game.world)
    program = Program(replace(game, world=world), key, on)
    # one chunk for each worker, or for each device of each worker
    trial = list(islice(abreast(plan.cut(masks, masks), len(on.devices)), on.workers))
    chunks = [stacked for _, stacked in trial]
    seconds = []
    try:
        for chunk in chunks:
            program.prepare(chunk)
        # the better of two: the first may still warm up
        for _ in range(2):
            began = time.perf_counter()
            list(in_flight(program, chunks, on.workers))
            seconds.append(time.perf_counter() - began)
    except NoRoomError:
        return 0.0
    steps = np.asarray(effort.steps(world))
    useful = sum(int((masks[np.concatenate(rows)] * steps).sum()) for rows, _ in trial)
    return useful / min(seconds)


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
