"""The main job on embedded data: one federation valued twice, by training every coalition and
inside one run.
"""

import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from fedjax_shap.engine.stopwatch import Stopwatch
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.result import Result
from fedjax_shap.pipeline.run import Watch, attribution_of, run, timing, unwatched
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.pipeline.toml import override
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.valuation.options import Options


def toml() -> str:
    """The quickstart's configuration, as TOML text to start one's own from."""
    return files("fedjax_shap.pipeline").joinpath("quickstart.toml").read_text(encoding="utf-8")


def quickstart(
    *, store: str | Path | None = None, watch: Watch | None = None
) -> tuple[Result, dict[str, Attribution]]:
    """Values and pays the members of the embedded federation.

    Args:
        store: a folder in which the utilities of trained coalitions are kept, as in `run`.
        watch: stage -> where to report its progress.

    Returns:
        The cross-silo result, with the seconds of both, and the in-run values of the same
        federation, named for the table.
    """
    watch = watch or unwatched
    raw = tomllib.loads(toml())
    result = run(parse(raw), store=store, watch=watch)
    in_rounds = parse(override(raw, [("game.name", "rounds")]))
    options = Options(progress=watch("in-run coalitions"))
    with Stopwatch() as took:
        in_run = attribution_of(in_rounds, setting_of(in_rounds), options)
    also = timing(total=took, training=took)
    both = {name: round(seconds + also[name], 3) for name, seconds in result.timing.items()}
    return replace(result, timing=both), {"in-run value": in_run}
