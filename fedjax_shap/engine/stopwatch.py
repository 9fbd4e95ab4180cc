"""Seconds of a piece of work, and those that XLA spent compiling in it."""

import time
from typing import Any

import jax

from fedjax_shap.engine.programs import COMPILED, COMPILING


class Stopwatch:
    """Seconds of a `with` block, and how many of them XLA spent compiling.

    Attributes:
        seconds: wall-clock seconds in the block.
        compiling: of these, seconds in which a program was lowered and compiled, as JAX reports
            them.
        programs: how many programs were compiled, or read from JAX's persistent cache.
        cached: how many of these were read from the cache.
        preparing: seconds in which programs of chunks were traced, lowered and compiled.
    """

    seconds = 0.0
    compiling = 0.0
    programs = 0
    cached = 0
    preparing = 0.0

    def __enter__(self) -> "Stopwatch":
        """Starts."""
        self._began = self._prepares = time.perf_counter()
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        jax.monitoring.register_event_listener(self._hit)
        return self

    def __exit__(self, *error: Any) -> None:
        """Stops."""
        jax.monitoring.unregister_event_duration_listener(self._listen)
        jax.monitoring.unregister_event_listener(self._hit)
        self.seconds = time.perf_counter() - self._began

    def _listen(self, event: str, duration_secs: float, **_: Any) -> None:
        if event in (
            "/jax/core/compile/backend_compile_duration",
            "/jax/core/compile/jaxpr_to_mlir_module_duration",
        ):
            self.compiling += duration_secs
            self.programs += event == "/jax/core/compile/backend_compile_duration"

    def _hit(self, event: str, **_: Any) -> None:
        self.cached += event == "/jax/compilation_cache/cache_hits"
        if event == COMPILING:
            self._prepares = time.perf_counter()
        elif event == COMPILED:
            self.preparing += time.perf_counter() - self._prepares
