"""The program that values a chunk of coalitions, compiled once for each shape of a chunk."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, TypeVar

import chex
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from fedjax_shap.coalitions import Chunk, Coalition
from fedjax_shap.engine.machine import Machine
from fedjax_shap.games.game import Game, precision_of
from fedjax_shap.typing import Array, HostArray, Key, PyTree

# One chunk; on a mesh, a chunk for each device, stacked.
Coalitions = Chunk | Coalition
KEPT_AS = "_fedjax_shap_valuing"
# events of `jax.monitoring`: a program for a chunk begins to be compiled, and is ready
COMPILING = "/fedjax_shap/compiling"
COMPILED = "/fedjax_shap/compiled"
A = TypeVar("A")
B = TypeVar("B")


class NoRoomError(Exception):
    """A chunk does not fit into the memory of the device, or into the plan's budget."""


class Program:
    """A game on a machine, ready to value chunks."""

    def __init__(self, game: Game, key: Key, on: Machine) -> None:
        """Puts the game's arrays on every device of the machine."""
        where: jax.Device | Sharding = on.devices[0]
        if on.mesh is not None:
            where = NamedSharding(on.mesh, PartitionSpec())
        with precision_of(game):
            world, self._key = jax.device_put((game.world, key), where)
        self._game = replace(game, world=world)
        self.on = on
        self._compiled: dict[Any, Any] = {}

    def prepare(self, coalitions: Coalitions) -> None:
        """Compiles for chunks of this shape, if that has not been done.

        Raises:
            NoRoomError: as many as there are workers would take more than the machine's memory.
        """
        if shapes(coalitions) in self._compiled:
            return
        arguments = (self._game.world, self._key, coalitions, self.on.mesh)
        with _room(), precision_of(self._game), _announced():
            compiled = _valuing(self._game).lower(*arguments).compile()
        taken = 0
        analysis = compiled.memory_analysis()
        if analysis is not None:
            taken = analysis.temp_size_in_bytes + analysis.output_size_in_bytes
        if taken * self.on.workers > self.on.memory:
            raise NoRoomError(
                f"{taken} bytes a chunk for {self.on.workers} workers, of {self.on.memory}"
            )
        self._compiled[shapes(coalitions)] = compiled

    def __call__(self, coalitions: Coalitions) -> HostArray:
        """The utilities of a chunk that was prepared for: float64[M, ...].

        Stacked chunks give theirs one after another, float64[D M, ...].

        Raises:
            NoRoomError: the device has no room for them.
        """
        valuing = self._compiled[shapes(coalitions)]
        with _room():
            utilities = np.asarray(valuing(self._game.world, self._key, coalitions), np.float64)
        if self.on.mesh is None:
            return utilities
        return utilities.reshape(-1, *utilities.shape[2:])


@contextmanager
def _announced() -> Iterator[None]:
    """Says to those who listen to `jax.monitoring` when compiling begins, and when it ends."""
    jax.monitoring.record_event(COMPILING)
    try:
        yield
    finally:
        jax.monitoring.record_event(COMPILED)


@contextmanager
def _room() -> Iterator[None]:
    """Turns the error of a device that is out of memory into `NoRoomError`."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise NoRoomError(str(error)) from error
        raise


def shapes(coalitions: Coalitions) -> Any:
    """What a program is compiled for: the layout, and the shapes of a chunk's arrays."""
    return type(coalitions), tuple(leaf.shape for leaf in jax.tree.leaves(coalitions))


def abreast(
    cut: Iterable[tuple[HostArray, Coalitions]], devices: int
) -> Iterator[tuple[list[HostArray], Coalitions]]:
    """Stacks chunks of one shape, one for each device.

    Args:
        cut: (rows, chunk), as a plan cuts them.
        devices: D; where it is 1 each chunk stays as it is.

    Returns:
        (the rows of each chunk, the stacked chunks). Where there are fewer than D chunks of a
        shape, the first fills the other devices; its repeats are not among the rows.
    """
    for _, alike in groupby(cut, key=lambda one: shapes(one[1])):
        while together := list(islice(alike, devices)):
            rows = [rows for rows, _ in together]
            chunks = [chunk for _, chunk in together]
            if devices == 1:
                yield rows, chunks[0]
                continue
            chunks += chunks[:1] * (devices - len(chunks))
            yield rows, jax.tree.map(lambda *leaves: np.stack(leaves), *chunks)


def in_flight(call: Callable[[A], B], items: Iterable[A], workers: int) -> Iterator[tuple[A, B]]:
    """(item, call(item)) in the order of `items`, as many calls at a time as there are workers."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[A, Future[B]]] = deque()
        try:
            for item in items:
                # keep every worker busy, and one call ready for the first that is free
                waiting.append((item, pool.submit(call, item)))
                if len(waiting) > workers:
                    oldest, future = waiting.popleft()
                    yield oldest, future.result()
            while waiting:
                oldest, future = waiting.popleft()
                yield oldest, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


# ------------------------------------------------------------------ what is compiled


def _valuing(game: Game) -> Any:
    """A jitted (world, key, chunk, mesh) -> float[M, ...]; on a mesh float[D, M, ...].

    Games with the same `value` share it, and it is kept on that function, so that both go together:
    JAX keeps what a jitted function compiled for as long as the function lives, and a process that
    plays thousands of games has no room for all.
    """
    kept = getattr(game.value, KEPT_AS, None)
    if kept is None or kept[0] is not game.values:
        kept = game.values, jax.jit(_value_of(game.value, game.values), static_argnums=3)
        setattr(game.value, KEPT_AS, kept)
    return kept[1]


def _value_of(
    value: Callable[..., Array], values: Callable[..., Array] | None
) -> Callable[..., Array]:
    """What `_valuing` jits; no device of a mesh waits for another."""

    def on_one(world: PyTree, key: Key, coalitions: Coalitions) -> Array:
        _assert_shapes(coalitions)
        if isinstance(coalitions, Chunk):
            assert values is not None
            utilities = values(world, key, coalitions)  # the game's own program for many
        else:
            utilities = jax.vmap(value, in_axes=(None, None, 0))(world, key, coalitions)
        chex.assert_tree_shape_prefix(utilities, coalitions.mask.shape[:1])  # [M, ...]
        return utilities

    def on_each(world: PyTree, key: Key, stacked: Coalitions) -> Array:
        return on_one(world, key, jax.tree.map(lambda leaf: leaf[0], stacked))[None]

    def valued(world: PyTree, key: Key, coalitions: Coalitions, mesh: Mesh | None) -> Array:
        # without this, GPUs round the factors of matrix products to fewer bits
        with jax.default_matmul_precision("float32"):
            if mesh is None:
                return on_one(world, key, coalitions)
            own = PartitionSpec("coalition")
            everywhere = PartitionSpec()
            specs = (everywhere, everywhere, own)
            return jax.shard_map(
                on_each, mesh=mesh, in_specs=specs, out_specs=own, check_vma=False
            )(world, key, coalitions)

    return valued


def _assert_shapes(coalitions: Coalitions) -> None:
    """Asserts mask bool[M, P]; members and present [M, S], or player [T], rows and present [T, G].

    An array without one of these axes would broadcast, and value something else.
    """
    chex.assert_rank(coalitions.mask, 2)
    chex.assert_type(coalitions.mask, bool)
    if isinstance(coalitions, Chunk):
        chex.assert_equal_shape([coalitions.rows, coalitions.present])
        chex.assert_shape(coalitions.rows, (*coalitions.player.shape, None))
    else:
        chex.assert_equal_shape([coalitions.members, coalitions.present])
        chex.assert_shape(coalitions.members, (*coalitions.mask.shape[:1], None))
