"""Tables of docs/ that need more columns than headline numbers have: by benchmark and name."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.harness import Record


class Table(NamedTuple):
    """One table.

    Attributes:
        columns: their names.
        rows: a cell for each column.
    """

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def _rivals(record: Record) -> Table:
    """The engine beside its rivals on the first game of the record."""
    row = record["rows"][0]
    words = {
        "engine": "engine",
        "jitted_loop": "the same jitted training, one coalition at a time (the better layout)",
        "vmap_all": "one `vmap` over all coalitions, outsiders trained along",
        "torch_loop": "PyTorch, one coalition at a time, the same batches",
    }
    rows = []
    for name, what in words.items():
        part = row["parts"].get(name)
        if part is None:
            continue
        if "threads" in part:
            what += f", threads {part['threads']} (the faster number)"
        times = part["warm"] / row["seconds_engine"]
        seconds = (f"{part[of]:.3g}" for of in ("warm", "first", "compile"))
        rows.append((what, *seconds, f"{times:.1f}"))
    columns = ("", "once compiled, s", "first call, s", "of it compiling, s", "engine = 1")
    return Table(columns, rows)


def _ways(record: Record) -> Table:
    """Milliseconds a model-step: a row for each number of models, a column for each way."""
    ways = list(dict.fromkeys(row["way"] for row in record["rows"]))
    found = {(row["models"], row["way"]): row["ms_a_model_step"] for row in record["rows"]}
    rows = [
        (str(models), *(f"{found[models, way]:.3g}" for way in ways))
        for models in dict.fromkeys(row["models"] for row in record["rows"])
    ]
    return Table(("models at once", *ways), rows)


def _runs(record: Record) -> Table:
    """Seconds, programs and seconds of compiling of each run of a command."""
    words = {
        "first": "a first run",
        "again": "again into another folder, which trains again",
        "stored": "again into the same folder, which trains nothing",
    }
    rows = [
        (words[name], f"{run['seconds']:.1f}", *_compiled(run["total"]))
        for name, run in record["runs"].items()
    ]
    for row in record["sweep"]:
        seconds = f"{row['seconds']:.1f}, of which {row['training']:.1f} training"
        rows.append((f"seed {row['seed']} of a sweep", seconds, *_compiled(row["total"])))
    columns = ("", "seconds", "programs", "of them from the cache", "compiling, s")
    return Table(columns, rows)


def _compiled(total: Record) -> tuple[str, str, str]:
    """Programs, how many of them the cache had, and seconds of compiling."""
    return str(total["programs"]), str(total["cached"]), f"{total['compiling']:.1f}"


def _ratios(record: Record) -> Table:
    """Seconds beside those of FedAvg, of one run and of all coalitions, and memory."""
    one, many = record["one_run"]["algorithms"], record["coalitions"]["algorithms"]
    rows = [
        (
            name,
            f"{one[name]['ratio']:.2f}",
            f"{row['ratio']:.2f}",
            f"{row['peak_bytes'] / 1e6:.0f}",
        )
        for name, row in many.items()
        if name in one
    ]
    clients = f"one run of {record['one_run']['clients']} clients"
    coalitions = f"{record['coalitions']['num_coalitions']} coalitions"
    return Table(("seconds, FedAvg's = 1", clients, coalitions, "memory of a chunk, MB"), rows)


def _study(record: Record) -> Table:
    """Minutes of a study by each engine, and by a shell's loop."""
    words = {
        "here": "in one process",
        "jobs": "`--jobs 2`",
        "ray": "`--engine ray --option num_cpus=1`, a local cluster",
    }
    timed = {words[name]: one["seconds"] for name, one in record["engines"].items()}
    if "loop" in record:
        runs = len(record["loop"]["cells"])
        what = f"a shell's loop of `fedjax-shap run`, by its first {runs} runs"
        timed[what] = record["loop"]["seconds"]
    cells = next(iter(record["engines"].values()))["cells"]
    rows = [(what, f"{one / 60:.1f}", f"{one / cells:.1f}") for what, one in timed.items()]
    return Table(("", "minutes", "seconds a cell"), rows)


TABLES: dict[str, dict[str, Callable[[Record], Table]]] = {
    "algorithms": {"ratios": _ratios},
    "coalition_engine": {"rivals": _rivals},
    "compilation": {"runs": _runs},
    "convolutions": {"ways": _ways},
    "study": {"engines": _study},
}
