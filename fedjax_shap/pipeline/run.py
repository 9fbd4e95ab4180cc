"""One run, from a configuration to its result: values, costs, payments, and what pooling would
give.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.pipeline.config import Config
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.payment import divided_by, payer
from fedjax_shap.pipeline.result import Result
from fedjax_shap.typing import Progress
from fedjax_shap.valuation.options import Options

Watch = Callable[[str], Progress]  # stage -> where to report its progress


def run(config: Config, *, store: str | Path | None = None, watch: Watch | None = None) -> Result:
    """Runs a configuration.

    Args:
        config: what to run.
        store: a folder in which utilities are kept and looked up; a run that was interrupted goes
            on from there.
        watch: stage -> where to report its progress.

    Raises:
        InvalidInputError: what the configuration asks for cannot be done, in one sentence.
    """
    watch = watch or (lambda stage: lambda done, total: None)
    keep_programs()
    stores: dict[str, UtilityStore] = {}

    def open_store(part: str, fingerprint: str) -> UtilityStore:
        return UtilityStore(None if store is None else Path(store) / part, fingerprint=fingerprint)

    def of_values(part: str, fingerprint: str) -> UtilityStore:
        if part not in stores:
            stores[part] = open_store(part, fingerprint)
        return stores[part]

    with Stopwatch() as total:
        federation, plan, pay = federation_of(config), config.build("plan"), payer(config)
        pay(
            federation, np.ones(federation.data.num_clients), 0
        )  # refuses bad prices before any training
        with Stopwatch() as training:
            options = Options(plan=plan, stores=of_values)
            attribution = federation.attribution(replace(options, progress=watch("coalitions")))
            basis = divided_by(
                config,
                attribution,
                partial(federation.attribution, replace(options, progress=watch("for the rule"))),
            )
        curve, num_rounds = federation.curve(
            Options(plan=plan, stores=open_store, progress=watch("curves"))
        )
        paid = pay(federation, basis, num_rounds)
    return Result(
        config=config,
        data=federation.data,
        attribution=attribution,
        settlement=paid.settlement,
        intervals=paid.intervals,
        alike=paid.alike,
        curve=curve,
        metered=paid.metered,
        coalitions={
            n: sum(getattr(s, n) for s in stores.values())
            for n in ("asked", "trained", "from_store")
        },
        timing={
            "compile_s": round(total.compiling, 3),
            "train_s": round(training.seconds - training.compiling, 3),
            "total_s": round(total.seconds, 3),
        },
    )


class Stopwatch:
    """Seconds of a `with` block, and how many of them XLA spent compiling.

    Attributes:
        seconds: wall-clock seconds in the block.
        compiling: of these, seconds in which a program was lowered and compiled, as JAX reports
            them.
        programs: how many programs were compiled, or read from JAX's persistent cache.
        cached: how many of these were read from the cache.
    """

    seconds = 0.0
    compiling = 0.0
    programs = 0
    cached = 0

    def __enter__(self) -> "Stopwatch":
        """Starts."""
        self._began = time.perf_counter()
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
