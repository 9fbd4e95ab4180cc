"""`fedjax-shap quickstart`: an embedded federation is valued and paid."""

import argparse

from fedjax_shap.cli.output import say
from fedjax_shap.cli.progress import progress_bars, watch_on
from fedjax_shap.cli.run import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `quickstart` takes."""
    parser.add_argument(
        "--out", default="runs/quickstart", help="where results go (default: %(default)s)"
    )
    parser.set_defaults(call=_quickstart)


def _quickstart(known: argparse.Namespace, rest: list[str]) -> None:
    from fedjax_shap.engine.folders import UTILITIES
    from fedjax_shap.pipeline.quickstart import quickstart, toml
    from fedjax_shap.report import run as report

    with report.output(known.out) as folder:
        with progress_bars() as bars, watch_on(bars) as watch:
            result, beside = quickstart(store=folder / UTILITIES, watch=watch)
        path = folder / "quickstart.toml"
        path.write_text(toml(), encoding="utf-8")
        show(result, folder, known.waited, beside)
    say(f"Its configuration is {path}; copy it, change it, and `fedjax-shap run` the copy.")
