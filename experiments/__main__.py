"""Lists what the experiments claim, runs them, and fills docs/evidence.md from their records.

    python -m experiments
    python -m experiments --run heart_disease fate_vertical --data DIR --out runs/experiments
    python -m experiments --all-short --data DIR
    python -m experiments --page
    python -m experiments --figures
    python -m experiments --figures --out figures

Each runs by the first command of its docstring, in a process of its own; its record and its figure
go to --out. One that fails is named, and the rest goes on. `--figures` draws all figures from the
records: docs/ gets PNG; a folder given with --out gets PNG, SVG, PDF and the captions as text.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks.harness import DATA, ROOT, WIDTH, table
from experiments.claims import DATA_FOLDER, SHORT, Claim, claims, records_of
from experiments.evidence import PAGE, filled_in
from experiments.figures import DOCS, IN_DOCS, redraw
from fedjax_shap._validate import InvalidInputError, one_of, require

OUT = "runs/experiments"
FILES = {
    "--json": ".json",
    "--figure": ".png",
    "--out": "",
    "--store": "_store",
}  # options that name a file or folder


def arguments_of(claim: Claim, out: Path, data: str | None) -> list[str]:
    """What an experiment is called with: its files go to `out`.

    Raises:
        InvalidInputError: it reads data, and no folder is given.
    """
    require(
        data is not None or not claim.needs_data,
        f"Expected --data DIR for {claim.name}, which reads data sets.",
    )
    given: list[str] = []
    for word in claim.arguments:
        if given and given[-1] in FILES:
            given.append(str(out / f"{claim.name}{FILES[given[-1]]}"))
        elif word == DATA_FOLDER:
            given.append(str(Path(data or "").resolve()))
        else:
            given.append(word)
    return given


def run_all(chosen: Sequence[Claim], out: Path, data: str | None) -> list[str]:
    """Runs experiments one after another, and returns the names of those that failed."""
    calls = {claim.name: arguments_of(claim, out.resolve(), data) for claim in chosen}
    out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, arguments in calls.items():
        began = time.monotonic()
        command = [sys.executable, "-m", f"experiments.{name}", *arguments]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        what = "done" if not code else f"failed with exit code {code}"
        print(f"{name}: {what}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if code:
            failed.append(name)
    return failed


def show(found: Sequence[Claim], console: Console) -> None:
    """One table of all experiments."""
    shown = table("Experiments", (), left=())
    for column in ("experiment", "asks", "minutes", "data", "last record"):
        shown.add_column(column, overflow="fold")
    for claim in found:
        minutes = "" if claim.minutes is None else f"{claim.minutes:g}"
        last = [
            f"{record['date'][:10]}, {record['commit']}"
            for record in records_of(claim.name).values()
        ]
        data = "needed" if claim.needs_data else ""
        shown.add_row(claim.name, escape(claim.asks), minutes, data, "\n".join(last) or "none")
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Lists or runs; 0 if all succeeded, 1 if one failed, 2 for input that cannot be used."""
    options = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        return _asked(options, console)
    except InvalidInputError as error:
        refusal = Console(stderr=True)
        refusal.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2


def _asked(options: argparse.Namespace, console: Console) -> int:
    if options.page:
        PAGE.write_text(filled_in(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        console.print(f"Wrote the tables of {PAGE.relative_to(ROOT)}", highlight=False)
        return 0
    if options.figures:
        where = (DOCS, IN_DOCS) if options.out is None else (Path(options.out), ())
        for file in redraw(*where):
            console.print(f"Wrote {file}", highlight=False, soft_wrap=True)
        return 0
    known = claims()
    for name in options.run or ():
        one_of("--run", name, known)
    chosen = [known[name] for name in options.run or ()]
    if options.all_short:
        chosen += [claim for claim in known.values() if claim.short and claim not in chosen]
    if not chosen:
        show(list(known.values()), console)
        return 0
    failed = run_all(chosen, Path(options.out or OUT), options.data)
    if failed:
        console.print(f"Failed: {', '.join(failed)}", highlight=False)
    return int(bool(failed))


def _parser() -> argparse.ArgumentParser:
    first = " ".join((__doc__ or "").split("\n\n")[0].split())
    parser = argparse.ArgumentParser(prog="python -m experiments", description=first)
    add = parser.add_argument
    add("--run", nargs="+", metavar="NAME", help="runs these experiments")
    add("--all-short", action="store_true", help=f"runs those of less than {SHORT:g} minutes")
    add("--data", default=os.environ.get("FEDJAX_SHAP_DATA"), help=DATA)
    add("--out", metavar="DIR", help=f"where records and figures go (default: {OUT})")
    add(
        "--page", action="store_true", help="writes the tables of docs/evidence.md from the records"
    )
    add("--figures", action="store_true", help="draws all figures from the records")
    return parser


if __name__ == "__main__":
    sys.exit(main())
