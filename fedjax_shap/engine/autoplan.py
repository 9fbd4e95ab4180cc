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
from fedjax_shap.engine.plan import UNPLANNED, Plan
from fedjax_shap.engine.programs import NoRoomError, Program, abreast, in_flight, machine
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Effort, Game
from fedjax_shap.typing import Key, Masks

CPU_BYTES = (
    2**20
    # parameters that the coalitions of a chunk may take: half of them train at a time, in a core's
    # cache
)
CPU_CHUNKS, GPU_CHUNKS = (4, 256), (64, 4096)  # the least and the most coalitions in a first guess
UNTRAINED = 1024  # the most on CPUs where nothing is trained for each, as for mixtures
MANY_TRIALS = 50  # plans are tried where the game is so many times as much work as a trial, ...
# ... and other plans are tried where the game is so many times as long as a trial, which compiles
WORTHWHILE = 10


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
        A plan with a chunk. A game on the host, or that brings no `values`, has layout "coalition"
        and one bucket.
    """
    if isinstance(game, HostGame) or game.values is None:
        return replace(plan, chunk=plan.chunk or CPU_CHUNKS[1], layout="coalition", buckets=1)
    if plan.chunk is not None:
        return plan
    guess = replace(plan, chunk=_first_chunk(game, len(masks), plan))
    if game.effort is None:
        return guess
    remembered = _file(game, masks, plan)
    known = _read(remembered, plan)
    if known is not None:
        return known
    best = _fastest(game, game.effort, key, masks, guess)
    if best is None:
        return guess
    _write(remembered, best)
    return best


def _first_chunk(game: Game, num_masks: int, plan: Plan) -> int:
    """The largest power of two that the processor's cache holds, or that fills a GPU, of the
    coalitions there are.
    """
    on = machine(plan)
    share = -(-num_masks // (on.workers * len(on.devices)))
    least, most = CPU_CHUNKS if on.devices[0].platform == "cpu" else GPU_CHUNKS
    if on.devices[0].platform == "cpu":
        most = (
            min(max(CPU_BYTES // max(game.effort.footprint, 1), least), most)
            if game.effort
            else UNTRAINED
        )
    return _power(min(most, max(share, least)))


def _power(number: int) -> int:
    """The largest power of two that is at most `number`."""
    return 1 << (number.bit_length() - 1)


def _fastest(game: Game, effort: Effort, key: Key, masks: Masks, guess: Plan) -> Plan | None:
    """The fastest of the plans around a guess, or the guess itself; None where a trial is no
    use.
    """
    each, few = (
        int((masks * np.asarray(effort.steps(world))).sum())
        for world in (game.world, effort.brief(game.world))
    )
    work = each * effort.rounds
    on = machine(guess)
    tried = few * min((guess.chunk or UNPLANNED) * on.workers * len(on.devices) / len(masks), 1)
    if work <= MANY_TRIALS * tried:
        return None
    rates: dict[Plan, float] = {}
    for plan in _around(guess):
        began = time.perf_counter()
        rates[plan] = _rate(game, effort, key, masks, plan)
        trial = time.perf_counter() - began
        if plan == guess and work < WORTHWHILE * trial * rates[guess]:
            return (
                guess  # remembered, so that a second run, which compiles nothing, does as the first
            )
    if not any(rates.values()):
        return None
    return max(rates, key=lambda plan: rates[plan])


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
    program, steps = Program(game.replace(world=world), key, on), np.asarray(effort.steps(world))  # type: ignore[attr-defined]
    trial = list(islice(abreast(plan.cut(masks, masks), len(on.devices)), on.workers))
    chunks = [stacked for _, stacked in trial]
    try:
        for chunk in chunks:
            program.prepare(chunk)
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            list(in_flight(program, chunks, on.workers))
            seconds.append(time.perf_counter() - began)
    except NoRoomError:
        return 0.0
    useful = sum(int((masks[np.concatenate(rows)] * steps).sum()) for rows, _ in trial)
    return useful / min(seconds)


def _file(game: Game, masks: Masks, plan: Plan) -> Path | None:
    """Where the plan for games of these shapes on this device is remembered."""
    where = cache.folder()
    if where is None:
        return None
    leaves, structure = jax.tree.flatten(game.world)
    shapes = [(np.shape(leaf), str(getattr(leaf, "dtype", type(leaf)))) for leaf in leaves]
    on = machine(plan)
    named = (shapes, str(structure), _power(len(masks)), masks.shape[1], asdict(plan))
    device = (on.devices[0].device_kind, len(on.devices), on.workers, jax.__version__)
    return (
        where / "plans" / f"{hashlib.sha256(repr((named, device)).encode()).hexdigest()[:32]}.json"
    )


def _read(path: Path | None, plan: Plan) -> Plan | None:
    """A remembered plan; None where there is none that can be read."""
    try:
        found = json.loads(path.read_text()) if path is not None else {}
        return replace(
            plan, chunk=int(found["chunk"]), layout=found["layout"], buckets=found["buckets"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path | None, plan: Plan) -> None:
    """Remembers a plan; where the folder cannot be written, it is measured again another time."""
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as file:
                file.write(
                    json.dumps(
                        {name: getattr(plan, name) for name in ("chunk", "layout", "buckets")}
                    ).encode()
                )
    except OSError:
        pass
