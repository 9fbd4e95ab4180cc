"""`fedjax-shap quickstart`: an embedded federation is valued and paid."""

import argparse

from fedjax_shap.cli.output import progress_bars, say, watch_on
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
        with progress_bars() as bars:
            result, beside = quickstart(store=folder / UTILITIES, watch=watch_on(bars))
        path = folder / "quickstart.toml"
        path.write_text(toml(), encoding="utf-8")
        show(result, folder, beside)
    say(f"Its configuration is {path}; copy it, change it, and `fedjax-shap run` the copy.")
