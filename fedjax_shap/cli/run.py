"""`fedjax-shap run`: a configuration is run, shown and written into a folder."""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.cli.output import FIGURES, complain, say, warn
from fedjax_shap.cli.progress import progress_bars, watch_on

if TYPE_CHECKING:  # the rest of the package needs JAX, which help and refusals answer without
    from fedjax_shap.pipeline.config import Config
    from fedjax_shap.pipeline.result import Result
    from fedjax_shap.pipeline.run import Watch
    from fedjax_shap.report.run_tables import Beside
    from fedjax_shap.report.tracking import Tracker

UNPAID = 3  # exit code: there are values, but no payment could be made
LOST = 3  # exit code: another process was lost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `run` takes."""
    parser.description = (
        "Every field of the configuration can be set on the command line by its dotted name, such "
        "as --partition.alpha 0.3, --seed 1 or --corrupt.0.rate 0.5; `fedjax-shap list` shows what "
        "there is."
    )
    parser.epilog = (
        "Exit codes: 0 where members were valued and paid; 2 for input that cannot be used; 3 "
        "where the values were written but no payment could be made, as for values that sum to 0 "
        "or less, or where another process was lost; 130 for an interrupt."
    )
    parser.add_argument("config", help="a TOML file")
    parser.add_argument(
        "--data", help="the folder of data sets (default: the variable FEDJAX_SHAP_DATA)"
    )
    parser.add_argument("--out", help="where results go (default: runs/NAME_OF_THE_FILE)")
    parser.add_argument(
        "--plan",
        metavar="CHUNK[,LAYOUT]",
        help="how many coalitions are trained at once, and whether in the layout client or "
        "coalition",
    )
    parser.add_argument(
        "--on-nonfinite",
        choices=("error", "floor"),
        help="what a coalition whose training diverged is: an error, once all others are valued, "
        "or worth V(empty)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="train every coalition anew, in place of what OUT keeps of this configuration",
    )
    _add_logs(parser)
    _add_processes(
        parser.add_argument_group(
            "several processes, on one host or many, each with the same command"
        )
    )
    parser.set_defaults(call=_run)


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", metavar="DIR", help="write a JAX trace of the run, for TensorBoard or Perfetto"
    )
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        help="write numbers and figures for TensorBoard (needs fedjax-shap[tracking])",
    )


def show(
    result: "Result",
    folder: Path,
    waited: Callable[[], float],
    beside: "Beside | None" = None,
) -> None:
    """Writes the result of a run into a folder and prints its tables and sentences.

    Args:
        result: what a run found out.
        folder: where to.
        waited: gives the seconds since the command began.
        beside: other values of the same members, shown next to the result's.
    """
    from fedjax_shap.report import run as report
    from fedjax_shap.report.render import to_terminal
    from fedjax_shap.report.run_sentences import sentences, unpaid
    from fedjax_shap.report.run_tables import device_tables, members_table
    from fedjax_shap.report.slice_tables import judges_tables

    written = report.write(result, folder, beside)
    for table in [
        members_table(result, beside),
        *judges_tables(result),
        *device_tables(result),
    ]:
        to_terminal(table)
    for sentence in sentences(result, beside, waited=waited()):
        say(sentence)
    if result.settlement is None:
        warn(unpaid(result, str(folder)))
    say(f"Wrote {_listed(written)} to {folder}/")


def _listed(written: Sequence[Path]) -> str:
    """Files by their names, and figures once whatever their formats."""
    files = [path.name for path in written if path.suffix not in FIGURES]
    figures = list(dict.fromkeys(path.stem for path in written if path.suffix in FIGURES))
    return f"{', '.join(files)}, and figures of {', '.join(figures)}"


def _add_processes(options: argparse._ArgumentGroup) -> None:
    options.add_argument(
        "--coordinator",
        metavar="HOST:PORT",
        help="where process 0 listens; all others must reach it, and whoever reaches it can join, "
        "so use it inside a cluster. Or `slurm`, under srun: it needs no other option and gives "
        "each process on a host its own GPU (else set CUDA_VISIBLE_DEVICES)",
    )
    options.add_argument("--num-processes", type=int, metavar="N", help="how many there are")
    options.add_argument(
        "--process-id",
        type=int,
        metavar="I",
        help="which one this is, 0..N-1; 0 writes the results",
    )


def _config(known: argparse.Namespace, rest: list[str]) -> "Config":
    """The configuration of the file, as the command line changes it."""
    from fedjax_shap.pipeline.config import parse
    from fedjax_shap.pipeline.toml import SWEEP, override, read_toml, set_data_folder

    raw = override(read_toml(known.config), _assignments(rest))
    require(
        SWEEP not in raw,
        f"Expected config={known.config!r} to be one run, but it has a section [{SWEEP}]: use "
        "`fedjax-shap sweep`.",
    )
    if known.data is not None:
        set_data_folder(raw, known.data)
    _set_shorthands(raw, known)
    return parse(raw)


def _run(known: argparse.Namespace, rest: list[str]) -> int:
    config = _config(known, rest)

    from fedjax_shap.engine import processes
    from fedjax_shap.engine.folders import UTILITIES
    from fedjax_shap.pipeline.records import RESULT
    from fedjax_shap.pipeline.run import run
    from fedjax_shap.report import run as report

    require(
        not (known.fresh and known.coordinator),
        "Expected --fresh to be left out with --coordinator: the processes share what is kept.",
    )
    folder = Path(known.out or Path("runs") / Path(known.config).stem)
    _say_what_is_replaced(folder / RESULT, config)
    try:
        with (
            processes.together(known.coordinator, known.num_processes, known.process_id),
            _trace(known.profile),
            report.output(folder) as out,
        ):
            first = processes.rank() == 0
            with _tracker(known.tensorboard if first else None) as tracker:
                with progress_bars(shown=first) as bars, watch_on(bars) as stages:
                    watch = _watched(tracker, stages)
                    result = run(config, store=out / UTILITIES, fresh=known.fresh, watch=watch)
                if first:
                    show(result, out, known.waited)
                    _track(out, tracker)
            if result.settlement is None:
                return UNPAID
    except processes.PeerLostError as error:
        complain(str(error))
        return LOST
    return 0


@contextmanager
def _tracker(folder: str | None) -> "Iterator[Tracker | None]":
    """Event files for TensorBoard in a folder; nothing without one."""
    if folder is None:
        yield None
        return
    from fedjax_shap.report.tracking import tensorboard

    tracker = tensorboard(folder)
    try:
        yield tracker
    finally:
        tracker.close()


def _watched(tracker: "Tracker | None", watch: "Watch") -> "Watch":
    """A watch that tells the tracker too, where there is one."""
    if tracker is None:
        return watch
    from fedjax_shap.report.tracking import watching

    return watching(tracker, watch)


def _track(folder: Path, tracker: "Tracker | None") -> None:
    """Logs the result in a folder where there is a tracker."""
    if tracker is None:
        return
    from fedjax_shap.report.saved_run import load_run
    from fedjax_shap.report.tracking import track

    track(load_run(folder), tracker)


def _say_what_is_replaced(result: Path, config: "Config") -> None:
    """Says that a result of another configuration will be replaced, and what differs."""
    from fedjax_shap.pipeline.records import differing, read_json
    from fedjax_shap.report.tables import listed

    if not result.is_file():
        return
    try:
        record = read_json(result, "result")
    except InvalidInputError:
        return  # it is not the result of a run
    fields = differing(record.get("config"), config.to_dict())
    if fields:
        say(
            f"{result} is of another configuration (other: {listed(fields, 4)}). It is replaced "
            "when this run is done; the utilities of both stay.",
            sys.stderr,
        )


def _assignments(rest: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs (dotted name, text) from `--a.b text` and `--a.b=text`."""
    pairs = []
    waiting = list(rest)
    while waiting:
        option, equals, text = waiting.pop(0).partition("=")
        require(
            bool(re.fullmatch(r"--[\w.]+", option)),
            f"Expected an option such as --partition.alpha, got {option!r}.",
        )
        if not equals:
            require(bool(waiting), f"Expected a value after {option}.")
            text = waiting.pop(0)
        pairs.append((option[2:], text))
    return pairs


def _set_shorthands(raw: dict[str, Any], known: argparse.Namespace) -> None:
    """Sets the fields that options stand for: --plan 64,coalition and --on-nonfinite floor."""
    given: dict[str, dict[str, Any]] = {}
    if known.plan is not None:
        chunk, _, layout = known.plan.partition(",")
        require(
            chunk.isdecimal(),
            f"Expected --plan {known.plan} to be CHUNK or CHUNK,LAYOUT, such as 64,client.",
        )
        given["plan"] = {"chunk": int(chunk)}
        if layout:
            given["plan"]["layout"] = layout
    if known.on_nonfinite is not None:
        given["estimator"] = {"on_nonfinite": known.on_nonfinite}
    for name, fields in given.items():
        section = raw.setdefault(name, {})
        if isinstance(section, dict):  # what else it may be is refused in `parse`
            section.update(fields)


def _trace(folder: str | None) -> AbstractContextManager[None]:
    """A JAX trace of what the devices do; Python's calls would make it a hundred times as long."""
    if folder is None:
        return nullcontext()
    import jax

    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    return jax.profiler.trace(folder, profiler_options=options)
