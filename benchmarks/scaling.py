"""How do time and memory grow with the number of clients, and what do more devices cost?

All coalitions of 4 to 14 clients of digits (MLP 64-32-10, 2 rounds of 5 steps of 32 rows) are
trained, each number of clients in a process of its own, so that its memory is its own. Then 10
clients on 1, 2 and 4 virtual CPU devices, which share the cores of one processor: that shows what
spreading costs, and no speed-up. On a GPU, where each process takes long to start, fewer numbers
are played and no virtual devices, and after --seconds none is begun (`left_out`).

    python -m benchmarks.scaling --json scaling.json --figure scaling.png

Three minutes on two cores.
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

from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import (
    ROOT,
    Limit,
    Record,
    add_counts,
    add_seconds,
    at_least,
    on_device,
    parser_of,
    present,
    table,
)
from fedjax_shap._validate import require
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, GREY

CLIENTS = {"cpu": tuple(range(4, 15)), "elsewhere": (8, 10, 12)}
DEVICES: dict[str, tuple[int, ...]] = {"cpu": (1, 2, 4), "elsewhere": ()}
COUNTS = {
    "clients_on_devices": (10, "clients on virtual devices"),
    "rounds": (2, "rounds a coalition"),
    "steps": (5, "local steps a client and round"),
    "repeats": (3, "timed calls once compiled"),
}
COLUMNS = (
    "clients",
    "devices",
    "seconds",
    "first call, s",
    "compilation, s",
    "peak MiB",
    "trainings / s",
)
WHOLE_MEMORY = "XLA_PYTHON_CLIENT_PREALLOCATE"  # whether a process takes a GPU's memory at once
WITHOUT_RIVALS = ("--no-loop", "--no-vmap", "--no-torch")
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
        devices: virtual CPU devices over which it is spread; if None, the machine's own.

    Raises:
        InvalidInputError: that process failed.
    """
    environment = dict(os.environ)
    environment.pop(WHOLE_MEMORY)
    settings = {
        "n": num_clients,
        "hidden": 32,
        "rounds": options.rounds,
        "steps": options.steps,
        "repeats": options.repeats,
    }
    if devices is not None:
        environment["JAX_PLATFORMS"] = "cpu"
        environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
        settings["devices"] = devices
    command = [sys.executable, "-m", "benchmarks.coalition_engine", *WITHOUT_RIVALS]
    command += [f"--{name}={value}" for name, value in settings.items()]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command.append(f"--json={out}")
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        require(
            done.returncode == 0,
            f"Expected the game of n={num_clients} clients to be played, but its process said: "
            f"{done.stderr[-500:]}",
        )
        record = json.loads(out.read_text())
    return _row(record, devices)


def _row(record: Record, devices: int | None) -> dict[str, Any]:
    """What is kept of one game's record."""
    trainings = record["num_coalitions"] - 1  # the empty one trains nothing
    return {
        **{name: record[name] for name in KEPT},
        "devices": devices,
        "device": record["device"],
        "trainings_per_second": trainings / record["seconds_engine"],
    }


def figure(record: Record) -> Figure:
    """Time and rate against the number of members."""
    drawn, (time, rate) = style.panels(style.ONE, 2.3, 1, 2)
    rows = record["rows"]
    members = [row["n"] for row in rows]
    warm = [row["seconds_engine"] for row in rows]
    cold = [row["seconds_engine_cold"] for row in rows]
    looks: dict[str, Any] = {"markersize": 3, "linewidth": 1.2}
    time.semilogy(members, warm, "o-", color=BLUE, label="once compiled", **looks)
    time.semilogy(members, cold, "s--", color=GREY, label="first call, compiled in it", **looks)
    rates = [row["trainings_per_second"] for row in rows]
    rate.plot(members, rates, "o-", color=BLUE, **looks)
    time.set_ylabel("time of all coalitions (s)")
    rate.set_ylabel("coalitions a second")
    rate.set_ylim(bottom=0)
    style.amounts_on_y(rate)
    for axes in (time, rate):
        axes.set_xlabel("members n")
        axes.set_xticks(members[::2])
    style.legend_below(drawn, columns=2)
    caption = f"""Time to train all 2^n coalitions of n members (digits, MLP 64-32-10,
    {record["rounds"]} rounds of {record["steps"]} steps) and how many are trained in a second, once
    compiled. Times are medians of repeated calls on {record["device"]}."""
    return style.captioned(drawn, caption)


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    shown = table("Digits, MLP 64-32-10, all coalitions", COLUMNS, left=())
    for row in (*record["rows"], *record["devices_rows"]):
        devices = "-"
        if row["devices"] is not None:
            devices = f"{row['devices']} virtual"
        shown.add_row(
            str(row["n"]),
            devices,
            f"{row['seconds_engine']:.2f}",
            f"{row['seconds_engine_cold']:.2f}",
            f"{row['compile_s']:.2f}",
            f"{row['peak_memory_mb']:.0f}",
            f"{row['trainings_per_second']:,.0f}",
        )
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    os.environ[WHOLE_MEMORY] = "false"  # the games have processes of their own, which need it
    return present(_parser(), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    at_least(vars(options), rounds=1, steps=1, repeats=1)
    limit = Limit(options)
    clients = options.clients
    if clients is None:
        clients = on_device(CLIENTS)
    devices = options.devices
    if devices is None:
        devices = on_device(DEVICES)
    wanted: list[tuple[int, int | None]] = [(count, None) for count in clients]
    wanted += [(options.clients_on_devices, count) for count in devices]
    done: list[dict[str, Any]] = []
    for count, spread in wanted:
        if done and limit.is_over():
            break
        done.append(measure(options, count, devices=spread))
    return {
        "rounds": options.rounds,
        "steps": options.steps,
        "left_out": wanted[len(done) :],
        "rows": [row for row in done if row["devices"] is None],
        "devices_rows": [row for row in done if row["devices"] is not None],
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.scaling", __doc__)
    add = parser.add_argument
    clients = "numbers of clients (default: 4 to 14; 8, 10 and 12 on a GPU)"
    add("--clients", nargs="*", type=int, help=clients)
    devices = "numbers of virtual devices (default: 1 2 4; none on a GPU)"
    add("--devices", nargs="*", type=int, help=devices)
    add_seconds(add)
    add_counts(parser, COUNTS)
    add("--figure", help="where the figure goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
