"""How do time, memory and trainings a second grow with the number of clients, and what do more
devices cost?

All coalitions of 4 to 14 clients of digits (MLP 64-32-10, 2 rounds of 5 steps of 32 rows) are
trained, each number of clients in a process of its own, so that its memory is its own. Then 10
clients on 1, 2 and 4 virtual CPU devices, which share the cores of one processor: that shows what
spreading costs, and no speed-up.

    python -m benchmarks.scaling --json scaling.json --figure scaling.png
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.harness import ROOT, present
from fedjax_shap._validate import integer, require
from fedjax_shap.report.run_figures import BLUE, GREY, ORANGE

CLIENTS, DEVICES, CLIENTS_ON_DEVICES = tuple(range(4, 15)), (1, 2, 4), 10
KEPT = (
    "n",
    "num_coalitions",
    "member_steps",
    "seconds_engine",
    "seconds_engine_cold",
    "compile_s",
    "num_programs",
    "useful_fraction",
    "peak_memory_mb",
    "plan",
)


def measure(
    options: argparse.Namespace, num_clients: int, devices: int | None = None
) -> dict[str, Any]:
    """One game, played by `benchmarks.coalition_engine` in a process of its own.

    Args:
        options: the command line.
        num_clients: n.
        devices: virtual CPU devices over which it is spread; if None the machine's own, as the plan
            takes them.

    Raises:
        InvalidInputError: that process failed.
    """
    environment = dict(os.environ)
    if devices is not None:
        environment["JAX_PLATFORMS"] = "cpu"
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        settings = {
            "n": num_clients,
            "hidden": 32,
            "rounds": options.rounds,
            "steps": options.steps,
        }
        settings |= {"repeats": options.repeats, "json": out} | (
            {} if devices is None else {"devices": devices}
        )
        command = [
            sys.executable,
            "-m",
            "benchmarks.coalition_engine",
            "--no-loop",
            "--no-vmap",
            "--no-torch",
        ]
        command += [f"--{name}={value}" for name, value in settings.items()]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        require(
            done.returncode == 0,
            f"Expected the game of n={num_clients} clients to be played, but its process said: "
            f"{done.stderr[-500:]}",
        )
        record = json.loads(out.read_text())
    trainings = record["num_coalitions"] - 1  # the empty one trains nothing
    found = {name: record[name] for name in KEPT} | {"devices": devices, "device": record["device"]}
    return found | {"trainings_per_second": trainings / record["seconds_engine"]}


def figure(record: dict[str, Any]) -> Figure:
    """Time, memory and rate against the number of clients, and time against the number of virtual
    devices.
    """
    drawn = Figure(figsize=(11.0, 6.4), layout="constrained")
    ((time, memory), (rate, devices)) = drawn.subplots(2, 2)
    rows, clients = record["rows"], [row["n"] for row in record["rows"]]
    time.semilogy(
        clients, [row["seconds_engine"] for row in rows], "o-", color=BLUE, label="once compiled"
    )
    time.semilogy(
        clients,
        [row["seconds_engine_cold"] for row in rows],
        "s--",
        color=GREY,
        label="first call: planned and compiled",
    )
    time.legend(frameon=False)
    for axes in (time, memory, rate):
        axes.set_xticks(clients)
    memory.plot(clients, [row["peak_memory_mb"] for row in rows], "o-", color=BLUE)
    memory.set_ylim(bottom=0)
    rate.semilogy(clients, [row["trainings_per_second"] for row in rows], "o-", color=BLUE)
    spread = record["devices_rows"]
    places = range(len(spread))
    devices.bar(
        places, [row["seconds_engine"] for row in spread], color=ORANGE, width=0.62, zorder=2
    )
    devices.set_xticks(places, [str(row["devices"]) for row in spread])
    _labelled(time, "seconds", "all coalitions trained", "clients n")
    _labelled(memory, "MiB", "peak memory beyond that at the start", "clients n")
    _labelled(rate, "trainings a second", "coalitions trained a second", "clients n")
    told = f"{spread[0]['n']} clients; the devices share {record['cores']} cores:" if spread else ""
    _labelled(devices, "seconds", f"{told}\nthis is overhead, not speed-up", "virtual CPU devices")
    return drawn


def _labelled(axes: Axes, upwards: str, title: str, along: str) -> None:
    axes.set(xlabel=along, ylabel=upwards)
    axes.set_title(title, loc="left")
    axes.grid(alpha=0.3, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def show(record: dict[str, Any], console: Console) -> None:
    """The table on the terminal."""
    table = Table(
        title="Digits, MLP 64-32-10, all coalitions", title_justify="left", title_style="bold"
    )
    for column in (
        "clients",
        "devices",
        "seconds",
        "first call, s",
        "compilation, s",
        "peak MiB",
        "trainings / s",
    ):
        table.add_column(column, justify="right")
    for row in (*record["rows"], *record["devices_rows"]):
        shape = (str(row["n"]), "-" if row["devices"] is None else f"{row['devices']} virtual")
        clocks = [
            f"{row[name]:.2f}" for name in ("seconds_engine", "seconds_engine_cold", "compile_s")
        ]
        table.add_row(
            *shape, *clocks, f"{row['peak_memory_mb']:.0f}", f"{row['trainings_per_second']:,.0f}"
        )
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    for name in ("rounds", "steps", "repeats"):
        integer(name, getattr(options, name), least=1)
    rows = [measure(options, count) for count in options.clients]
    spread = [
        measure(options, options.clients_on_devices, devices=count) for count in options.devices
    ]
    return {"rounds": options.rounds, "steps": options.steps, "rows": rows, "devices_rows": spread}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add(
        "--clients",
        nargs="*",
        type=int,
        default=CLIENTS,
        help="numbers of clients (default: 4 to 14)",
    )
    add(
        "--devices",
        nargs="*",
        type=int,
        default=DEVICES,
        help="numbers of virtual devices (default: 1 2 4)",
    )
    add(
        "--clients-on-devices",
        type=int,
        default=CLIENTS_ON_DEVICES,
        help="their clients (default: %(default)s)",
    )
    add("--rounds", type=int, default=2, help="rounds a coalition (default: %(default)s)")
    add(
        "--steps", type=int, default=5, help="local steps a client and round (default: %(default)s)"
    )
    add("--repeats", type=int, default=3, help="timed calls once compiled (default: %(default)s)")
    add("--json", help="where the record goes")
    add("--figure", help="where the figure goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
