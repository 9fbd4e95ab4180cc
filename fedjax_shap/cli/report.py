"""`fedjax-shap report`: a run, or several side by side, as one page for a browser."""

import argparse
from pathlib import Path

from fedjax_shap.cli.output import say, write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `report` takes."""
    parser.description = (
        "One HTML file that needs no network: what was run, values with intervals, payments, "
        "audits, learning curves, and payments at other revenues and by other rules."
    )
    parser.add_argument(
        "results",
        nargs="+",
        metavar="RUN",
        help="folders of runs or their result.json; or a folder whose subfolders are runs",
    )
    parser.add_argument(
        "--out", metavar="FILE", default="report.html", help="where to (default: %(default)s)"
    )
    parser.set_defaults(call=_report)


def _report(known: argparse.Namespace, rest: list[str]) -> None:
    from fedjax_shap.report.page import page
    from fedjax_shap.report.page_runs import page_runs

    runs = page_runs(known.results)
    write(page(runs).encode(), known.out)
    say(f"Wrote {Path(known.out)}")
