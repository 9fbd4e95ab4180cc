"""What is kept between runs in the user's cache folder: compiled programs, and plans that were
measured.
"""

import os
import sys
import warnings
from pathlib import Path

import jax

VARIABLE = "FEDJAX_SHAP_CACHE"  # names another folder; empty for none


def folder() -> Path | None:
    """The cache folder of this package; None where the user wants none."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "fedjax_shap"
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home
        return None
    return (
        home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    ) / "fedjax_shap"


def keep_programs() -> None:
    """Has JAX keep what it compiles, so that a second identical run compiles nothing.

    A folder that the user gave JAX (`jax_compilation_cache_dir`) stays; what JAX cannot keep is
    compiled again.
    """
    where = folder()
    if where is None or jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    jax.config.update("jax_compilation_cache_dir", str(where / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    warnings.filterwarnings(
        "ignore", "Error reading persistent compilation cache"
    )  # half written: compiled again
