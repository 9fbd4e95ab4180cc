"""`fedjax-shap report`: a run, or several side by side, as one page for a browser."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fedjax_shap.atomic import writable
from fedjax_shap.cli.output import say, write

if TYPE_CHECKING:  # this needs matplotlib, which help answers without
    from fedjax_shap.report.page import PageRun


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
    parser.add_argument(
        "--figures",
        metavar="DIR",
        help="write the figures too, as PNG, SVG and PDF with their captions; a folder a run",
    )
    parser.set_defaults(call=_report)


def _report(known: argparse.Namespace, rest: list[str]) -> None:
    from fedjax_shap.report.page import page
    from fedjax_shap.report.page_runs import page_runs

    runs = page_runs(known.results)
    write(page(runs).encode(), known.out)
    say(f"Wrote {Path(known.out)}")
    if known.figures is not None:
        _write_figures(runs, Path(known.figures))
        say(f"Wrote figures to {Path(known.figures)}")


def _write_figures(runs: "list[PageRun]", folder: Path) -> None:
    """Writes the figures of runs, in a folder of their own each where they are several."""
    from fedjax_shap.report import figure_files, run_figures, slice_figures
    from fedjax_shap.report.saved_run import saved_run

    with writable("figures", folder):
        for one in runs:
            run = saved_run(one.record)
            drawn = run_figures.figures(run, run.beside) | slice_figures.figures(run)
            place = folder
            if len(runs) > 1:
                place = folder / one.label
            place.mkdir(parents=True, exist_ok=True)
            for name, figure in drawn.items():
                figure_files.save_all(figure, place / f"{name}.png")
