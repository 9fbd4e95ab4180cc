"""Trains the frozen games and writes their tables, or checks tables that were written.

    python -m experiments.frozen --out DIR
    python -m experiments.frozen --out DIR --game silo
    python -m experiments.frozen --check DIR
    python -m experiments.frozen --export DIR

A game that is in DIR already is not trained again, and one that was interrupted goes on. `--check`
compares files with the manifest beside them, and their values with those of the tables in this
repository; without DIR it checks these. `--export` writes these as JSON and trains nothing.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.harness import Record, command_line, surroundings
from experiments.frozen import games, tables
from experiments.harness import progress
from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.cache import keep_programs
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import Utilities
from fedjax_shap.valuation.repeats import noise_floor

PLAN = Plan(chunk=16, devices=1)  # fixed, so that a machine gives the same bits again
STORES = "stores"  # folder of utilities under way
SEEDS = (0, 1)  # of the table, and of the training that shows the noise
LARGEST_GAP = 0.01  # relative L2 of values trained again on another machine


def utilities_of(name: str, seed: int, folder: Path) -> Utilities:
    """float64[2^P]: the utilities of a game's coalitions, from the store as far as they are there.

    Args:
        name: of the game.
        seed: of the training.
        folder: where the stores lie.
    """
    total: Utilities = np.zeros(1)
    for place, (game, key) in enumerate(games.FROZEN[name].make(seed)):
        where = folder / STORES / f"{name}-{seed}-{place}"
        store = UtilityStore(where, fingerprint=fingerprint(game, key))
        total = total + evaluate(game, key, all_subsets(game.num_players), PLAN, store)
    return np.asarray(total, np.float64)


def freeze(name: str, folder: Path) -> tables.FrozenTable:
    """Trains a game, twice where trainings differ, and returns its table."""
    frozen = games.FROZEN[name]
    each = [utilities_of(name, seed, folder) for seed in SEEDS[: 1 + frozen.noisy]]
    floor = None
    if frozen.noisy:
        values = np.stack([shapley_values(one) for one in each], axis=1)
        floor = noise_floor(values)
    meta = {
        "name": name,
        "about": frozen.about,
        "unit": frozen.unit,
        "data": frozen.data,
        "noise_floor": floor,
    }
    return tables.frozen(each[0], meta)


def build(chosen: Sequence[str], folder: Path, command: str) -> None:
    """Trains games that are not in `folder` yet, and writes their tables and the manifest."""
    keep_programs()
    done = progress()
    for name in chosen:
        if tables.is_there(folder, name, tables.manifest_of(folder).get(name)):
            done(f"{name} is there")
            continue
        began = time.perf_counter()
        table = freeze(name, folder)
        files = tables.write(table, folder)
        entry: Record = {
            **table.meta,
            "sha256": files,
            "seconds": round(time.perf_counter() - began, 1),
            "trained": surroundings(command),
        }
        tables.note(folder, name, entry)
        done(name)


def check(folder: Path, console: Console) -> bool:
    """Prints what is wrong with the tables of a folder, and returns whether nothing is."""
    found = tables.faults(folder)
    for name in tables.manifest_of(folder):
        if (folder / f"{name}.npz").exists() and folder != tables.COMMITTED:
            found += _compared(name, folder, console)
    for sentence in found:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if not found:
        console.print(f"{len(tables.manifest_of(folder))} games, nothing wrong", highlight=False)
    return not found


def _compared(name: str, folder: Path, console: Console) -> list[str]:
    """Compares a table with the one of this repository, where there is one."""
    file = tables.COMMITTED / f"{name}.npz"
    if not file.exists():
        return []
    try:
        ours = tables.load(folder / file.name)
    except InvalidInputError:
        return []  # said already
    theirs = tables.load(file)
    if ours.masks.shape != theirs.masks.shape:
        return [f"{name} has other players than the repository's table."]
    gap = float(np.abs(ours.utilities - theirs.utilities).max())
    agreed = agreement(shapley_values(ours.utilities), shapley_values(theirs.utilities))
    off = agreed["relative_l2"]
    console.print(
        f"{name}: largest difference of a utility {gap:.1e}, of values {off:.1e} (relative L2)",
        highlight=False,
        soft_wrap=True,
    )
    if off > LARGEST_GAP:
        return [f"{name} differs from the repository's table by more than {LARGEST_GAP}."]
    return []


def export(chosen: Sequence[str], folder: Path, console: Console) -> None:
    """Writes the tables of this repository as JSON."""
    for name in chosen:
        path = tables.write_text(tables.load(tables.COMMITTED / f"{name}.npz"), folder)
        console.print(f"Wrote {path}", highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds, checks or exports; 0 if all is well, 1 if tables are not, 2 for unusable input."""
    given = sys.argv[1:]
    if arguments is not None:
        given = list(arguments)
    options = _parser().parse_args(given)
    console = Console()
    try:
        return _asked(options, given, console)
    except InvalidInputError as error:
        refusal = Console(stderr=True)
        refusal.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2


def _asked(options: argparse.Namespace, given: Sequence[str], console: Console) -> int:
    asked = [options.out, options.check, options.export]
    require(
        sum(one is not None for one in asked) == 1,
        "Expected one of --out DIR, --check [DIR] and --export DIR.",
    )
    chosen = options.game or list(games.FROZEN)
    for name in chosen:
        one_of("--game", name, games.FROZEN)
    if options.check is not None:
        return int(not check(Path(options.check), console))
    if options.export is not None:
        export(chosen, Path(options.export), console)
        return 0
    build(chosen, Path(options.out), command_line("experiments.frozen", given, options.out))
    return 0


def _parser() -> argparse.ArgumentParser:
    first = " ".join((__doc__ or "").split("\n\n")[0].split())
    parser = argparse.ArgumentParser(prog="python -m experiments.frozen", description=first)
    add = parser.add_argument
    add("--out", metavar="DIR", help="trains the games and writes their tables here")
    add("--game", nargs="+", metavar="NAME", help=f"which: {', '.join(games.FROZEN)}")
    own = str(tables.COMMITTED)
    check_help = "checks the tables of a folder, those of this repository if none is named"
    add("--check", metavar="DIR", nargs="?", const=own, help=check_help)
    add("--export", metavar="DIR", help="writes this repository's tables as JSON here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
