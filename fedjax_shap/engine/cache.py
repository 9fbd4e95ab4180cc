"""What is kept between runs in the user's cache folder: compiled programs, and measured plans."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import jax

VARIABLE = "FEDJAX_SHAP_CACHE"  # names another folder; empty for none


def folder() -> Path | None:
    """The cache folder of this package; None where the user wants none."""
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    if named is not None:
        return Path(named)
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "fedjax_shap"
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "fedjax_shap"
    return home / ".cache" / "fedjax_shap"


def keep_programs() -> None:
    """Has JAX keep what it compiles, so that a second identical run compiles nothing.

    A folder that the user gave JAX (`jax_compilation_cache_dir`) stays; what JAX cannot keep is
    compiled again.
    """
    config: Any = jax.config  # its options are attributes that only JAX's own code declares
    where = folder()
    if where is None or config.jax_compilation_cache_dir is not None:
        return
    config.update("jax_compilation_cache_dir", str(where / "programs"))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # a program that was only half written is compiled again
    warnings.filterwarnings("ignore", "Error reading persistent compilation cache")
