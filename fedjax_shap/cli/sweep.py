"""`fedjax-shap sweep`: a configuration is run for every combination of settings."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedjax_shap._validate import how_many, integer, listed, require
from fedjax_shap.cli.output import say, warn, write
from fedjax_shap.cli.progress import one_bar, progress_bars

if TYPE_CHECKING:
    from fedjax_shap.studies.axes import Axis
    from fedjax_shap.studies.cells import Cell
    from fedjax_shap.studies.engines.engine import Engine, Outcome
    from fedjax_shap.studies.sweep import Pending, Report
    from fedjax_shap.typing import Progress

FAILED = 3  # exit code: some cells have no result
TABLE = "study.csv"
PARQUET = "study.parquet"
CLUSTERS = ("slurm", "ray")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `sweep` takes."""
    parser.description = (
        "Runs a configuration for every combination of the values of some fields, each into a "
        "folder of DIR that is named by what differs, and writes study.csv. A cell that is done is "
        "not run again, and one that was interrupted goes on from its utility store. The fields "
        "may stand in the file as well, in a section [sweep]."
    )
    parser.epilog = (
        "Values are a list, 0.1,0.3,1, or a range of whole numbers with both ends, 0..4. Exit "
        "codes: 0 where all cells are done; 2 for input that cannot be used, before anything is "
        "trained; 3 where cells failed, which are named; 130 for an interrupt."
    )
    add = parser.add_argument
    add("config", help="a TOML file")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="values of one field, such as partition.alpha=0.1,0.3,1; may be given several times",
    )
    add(
        "--zip",
        action="append",
        nargs="+",
        default=[],
        metavar="NAME=VALUES",
        help="values of several fields that change together",
    )
    add(
        "--random",
        nargs="+",
        metavar="N NAME=LAW",
        help="N draws of some fields: uniform(a,b), log_uniform(a,b), integers(a,b), or a list",
    )
    add("--random-seed", type=int, default=0, metavar="SEED", help="of the draws (default: 0)")
    add("--data", help="the folder of data sets (default: the variable FEDJAX_SHAP_DATA)")
    add("--out", metavar="DIR", help="where results go (default: runs/NAME_OF_THE_FILE)")
    add("--dry-run", action="store_true", help="say what there is to do, and about how long it is")
    add("--fresh", action="store_true", help="run all cells again and train every coalition anew")
    add("--parquet", action="store_true", help=f"write {PARQUET} as well")
    _add_engines(parser.add_argument_group("where cells run (default: in this process)"))
    parser.set_defaults(call=_sweep)


def _add_engines(where: argparse._ArgumentGroup) -> None:
    where.add_argument("--jobs", type=int, metavar="N", help="in N processes of this machine")
    where.add_argument("--engine", choices=CLUSTERS, help="as jobs of Slurm, or tasks of Ray")
    where.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the engine, such as timeout_min=60 or slurm_partition=gpu (submitit's "
        "parameters), address=auto or num_cpus=4 (Ray's)",
    )


def _sweep(known: argparse.Namespace, rest: list[str]) -> int:
    from fedjax_shap.pipeline.toml import SWEEP, read_toml
    from fedjax_shap.studies.cells import cells_of

    raw = read_toml(known.config)
    axes = _axes(raw.get(SWEEP, {}), known)
    _check_engine(known)
    if known.parquet:
        from fedjax_shap.studies.frames import require_pyarrow

        require_pyarrow()
    folder = Path(known.out or Path("runs") / Path(known.config).stem)
    # all configurations are refused here, before the first cell trains
    cells = cells_of(raw, axes, data=known.data)

    from fedjax_shap.studies.sweep import pending

    todo = pending(cells, folder, fresh=known.fresh)
    _say_todo(todo, folder)
    if known.dry_run:
        _say_forecast(todo, folder)
        return 0
    return _run(cells, todo, folder, known)


def _run(cells: "Sequence[Cell]", todo: "Pending", folder: Path, known: argparse.Namespace) -> int:
    """Runs what is left, and writes the table of all."""
    from fedjax_shap.report.run import prepare
    from fedjax_shap.studies.sweep import sweep

    prepare(folder)
    if todo.left:
        engine = _engine(folder, known)
        with progress_bars() as bars:
            report = _reporting(one_bar(bars, "cells", unit=""), todo)
            outcomes = sweep(cells, folder, engine, fresh=known.fresh, report=report)
    else:
        outcomes = []
    failed = [outcome for outcome in outcomes if outcome.failed]
    if len(failed) < len(cells):
        _write_tables(folder, parquet=known.parquet)
    unpaid = [outcome.name for outcome in outcomes if outcome.unpaid]
    if unpaid:
        warn(f"Nobody could be paid in {how_many(len(unpaid), 'cell')}: {listed(unpaid)}.")
    for outcome in failed:
        warn(f"{outcome.name} failed: {outcome.failed}")
    say(
        f"{how_many(len(cells) - len(failed), 'cell')} of {len(cells):,} done; `fedjax-shap study "
        f"{folder} --rows FIELD --columns FIELD` shows them."
    )
    return FAILED if failed else 0


def _write_tables(folder: Path, *, parquet: bool) -> None:
    """Writes the results of all cells into one table."""
    from fedjax_shap.report.render import to_csv
    from fedjax_shap.report.study_tables import study_table
    from fedjax_shap.studies.study import load_study

    study = load_study(folder)
    write(to_csv(study_table(study)).encode(), str(folder / TABLE))
    if parquet:
        from fedjax_shap.studies.frames import write_parquet

        write_parquet(study, folder / PARQUET)


def _axes(section: Any, known: argparse.Namespace) -> "list[Axis]":
    """The axes of the file, and those of the command line, which replace fields of the file."""
    from fedjax_shap.studies.axes import axes_of, drawn, split, zipped

    given = [axes_of(dict([split(word)])) for word in known.set]
    own = [axis for axes in given for axis in axes]
    own += [zipped(dict(map(split, words))) for words in known.zip]
    if known.random is not None:
        count, *laws = known.random
        require(count.isdecimal(), f"Expected --random {count} to begin with how many draws.")
        own.append(drawn(int(count), known.random_seed, dict(map(split, laws))))
    named = {name for axis in own for name in axis.names}
    return [axis for axis in axes_of(section) if not named.issuperset(axis.names)] + own


def _check_engine(known: argparse.Namespace) -> None:
    """Refuses options that do not go together."""
    if known.jobs is not None:
        integer("--jobs", known.jobs, least=1)
    require(
        known.jobs is None or known.engine is None,
        f"Expected --jobs to be left out with --engine {known.engine}, which runs cells elsewhere.",
    )
    require(
        not known.option or known.engine is not None,
        f"Expected --option to come with --engine {' or '.join(CLUSTERS)}.",
    )


def _engine(folder: Path, known: argparse.Namespace) -> "Engine":
    """The engine that the command line asks for."""
    from fedjax_shap.pipeline.toml import value_of
    from fedjax_shap.studies.axes import split
    from fedjax_shap.studies.engines.registry import engine_of

    name = known.engine or "here"
    if known.jobs is not None and known.jobs > 1:
        name = "processes"
    options = {key: value_of(text) for key, text in map(split, known.option)}
    return engine_of(name, folder.resolve(), jobs=known.jobs or 1, options=options)


def _say_todo(todo: "Pending", folder: Path) -> None:
    """How many cells there are, and how many of them are done."""
    total = len(todo.done) + len(todo.left)
    say(
        f"{how_many(total, 'cell')} in {folder}: {len(todo.done):,} done, {len(todo.left):,} to "
        "run.",
        sys.stderr,
    )
    if todo.replaced:
        names = [cell.name for cell in todo.replaced]
        say(
            f"In {how_many(len(names), 'folder')} the result of another configuration is "
            f"replaced: {listed(names)}.",
            sys.stderr,
        )


def _say_forecast(todo: "Pending", folder: Path) -> None:
    """What is left to do, and about how long it takes."""
    from fedjax_shap.report.tables import duration
    from fedjax_shap.studies.forecast import forecast

    found = forecast(todo, folder)
    atmost = "at most " * found.at_most
    say(f"{how_many(len(todo.left), 'cell')} to run, {atmost}{found.coalitions:,} coalitions.")
    if not todo.left:
        return
    if found.rate is None or found.seconds is None:
        say("No cell is done yet, so how long they take is not known.")
        return
    compiling = ""
    if found.rate.once:
        compiling = f", {duration(found.rate.once)} of compiling once"
    say(
        f"About {duration(found.seconds)} one after another: {duration(found.rate.coalition)} a "
        f"coalition, {duration(found.rate.overhead)} a cell besides{compiling}, "
        f"{found.rate.source}."
    )


def _reporting(bar: "Progress", todo: "Pending") -> "Report":
    """Says one line for each cell, and counts those that were done before."""
    before = len(todo.done)
    bar(before, before + len(todo.left))

    def report(outcome: "Outcome", done: int, total: int) -> None:
        what = "failed" if outcome.failed else "done"
        counted = f"[{before + done}/{before + total}]"
        say(f"{counted} {outcome.name}: {what} in {outcome.seconds:.1f} s", sys.stderr)
        bar(before + done, before + total)

    return report
