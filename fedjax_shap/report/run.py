"""What a run leaves behind: a table in the terminal, result.json, and the figures."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.atomic import replacing
from fedjax_shap.devices.fleet import Metered
from fedjax_shap.pipeline.result import Result
from fedjax_shap.report import run_figures
from fedjax_shap.shapley.estimator import Attribution

MOST_ROUNDING = 1e-4  # of the values' sum: two programs that evaluate one model differ by less
Beside = Mapping[str, Attribution]  # other values of the same members, by what they are called


@contextmanager
def output(folder: str | Path) -> Iterator[Path]:
    """The folder that results go into, made and probed before any work is done; not left behind
    where it stays empty.

    Raises:
        InvalidInputError: it cannot be made or written.
    """
    path = prepare(folder)
    try:
        yield path
    finally:
        with suppress(OSError):  # it is not empty, or another process took it away
            path.rmdir()


def prepare(folder: str | Path) -> Path:
    """Makes a folder, or refuses it.

    Raises:
        InvalidInputError: it cannot be made or written.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(
            f"Expected out={str(folder)!r} to be a folder that can be written: {error}."
        ) from error
    return path


def write(result: Result, folder: str | Path, beside: Beside | None = None) -> list[Path]:
    """Writes result.json and the figures, each aside first and then renamed.

    Args:
        result: what a run found out.
        folder: where to.
        beside: other values of the same members, shown next to the result's.

    Returns:
        The files written.
    """
    target = prepare(folder)
    record = result.to_json() | {
        "beside": {name: _compared(result, other) for name, other in (beside or {}).items()}
    }
    written = [target / "result.json"]
    with replacing(written[0]) as file:
        file.write((json.dumps(record, indent=1) + "\n").encode())
    figures = {
        "values": (run_figures.values(result, beside), ("png", "svg")),
        "payments": (run_figures.payments(result), ("png", "svg")),
        "curve": (run_figures.curve(result), ("png",)),
    }
    for name, (figure, kinds) in figures.items():
        for kind in kinds:
            written.append(target / f"{name}.{kind}")
            with replacing(written[-1]) as file:
                figure.savefig(file, format=kind, dpi=160)
    return written


def table(result: Result, beside: Beside | None = None) -> Table:
    """The members, one a row: data, value, cost, payment, profit."""
    beside, settled, unit = beside or {}, result.settlement, result.settlement.minor_unit
    columns = ("member", "examples", "value", *beside, "cost", "payment", "profit")
    shown = _empty_table(result.config.title, columns)
    for i, name in enumerate(settled.players):
        shown.add_row(
            name,
            str(int(result.data.sizes[i])),
            _with_error(result.attribution, i),
            *(_with_error(other, i) for other in beside.values()),
            *(
                _money(column[i], unit)
                for column in (settled.costs, settled.payments, settled.profits)
            ),
        )
    shown.add_section()
    shown.add_row(
        "together",
        str(int(result.data.sizes.sum())),
        f"{result.attribution.values.sum():.4f}",
        *(f"{other.values.sum():.4f}" for other in beside.values()),
        *(
            _money(sum(column, Decimal(0)), unit)
            for column in (settled.costs, settled.payments, settled.profits)
        ),
    )
    return shown


def _money(amount: Decimal, unit: Decimal) -> str:
    """An amount as it is shown: costs may be finer than the smallest payable unit, and stand
    exactly in the result.
    """
    places = min(unit.as_tuple().exponent, 0)  # type: ignore[type-var]
    finer = amount.as_tuple().exponent < places  # type: ignore[operator]
    return f"{amount.quantize(Decimal(1).scaleb(places)) if finer else amount:,f}"  # type: ignore[arg-type]


def devices(result: Result) -> list[Table]:
    """What the run took of the members' devices, and the parts of what that cost, one a row; none
    if not known.
    """
    if (found := result.metered) is None:
        return []
    total, bill = found.used.totals(), found.bill
    traffic = (total["uploaded"] + total["downloaded"]) / 1e6
    columns = ("member", "steps", "training s", "messages s", "idle s", "energy J", "MB")
    used = _empty_table("use of the devices", columns)
    paid = _empty_table(
        "costs of the devices", ("member", "device", "energy", "time", "traffic", "fixed")
    )
    for i, (name, profile) in enumerate(zip(result.data.names, found.profiles)):
        measured = (
            total["training"],
            total["communication"],
            total["idle"],
            total["joules"],
            traffic,
        )
        used.add_row(name, str(total["steps"][i]), *(f"{column[i]:.3g}" for column in measured))
        parts = (bill.energy, bill.time, bill.communication, bill.fixed)
        paid.add_row(name, profile.name, *(f"{part[i]:,f}" for part in parts))
    return [used, paid]


def _empty_table(title: str, columns: Sequence[str]) -> Table:
    """A table without rows, its first column members."""
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        shown.add_column(
            column, justify="left" if column in ("member", "device") else "right", no_wrap=True
        )
    return shown


def sentences(result: Result, beside: Beside | None = None) -> list[str]:
    """What the table does not say, one sentence each."""
    found, pooled, counted = result.attribution, result.centralized, result.coalitions
    said = [
        f"{result.metric} of the federation {float(found.grand):.4f}, of the untrained model "
        f"{float(found.empty):.4f}; "
        + (
            "the training on pooled data diverged."
            if pooled["delta"] is None
            else f"pooled data {pooled['pooled']:.4f}, |V_fed - V_central| = {pooled['delta']:.4f}."
        ),
        f"{_efficiency(found)}; {found.stopped}; coalitions "
        f"asked {counted['asked']}, valued {counted['trained']}, from the store "
        f"{counted['from_store']}.",
    ]
    said += _noise(found.notes)
    said.append(f"Paid by the rule {result.settlement.rule!r} ({result.settlement.policy}).")
    if result.settlement.of not in ("", "shapley"):
        figures = ", ".join(
            f"{name} {value:.4f}"
            for name, value in zip(result.data.names, result.settlement.values)
        )
        said.append(
            f"The rule divides by values of its own kind, {result.settlement.of}: {figures}."
        )
    if result.alike:
        pairs = "; ".join(" and ".join(pair) for pair in result.alike)
        said.append(
            f"Not told apart at 95 %, so that no payment should hang on their order: {pairs}."
        )
    if result.metered is not None:
        said.append(_on_devices(result.metered))
    for name, other in (beside or {}).items():
        agreement = _compared(result, other)["spearman"]
        said.append(
            f"Rank agreement with {name}: Spearman "
            f"{'undefined' if agreement is None else f'{agreement:+.2f}'}."
        )
    if result.config.corruptions:
        said.append(f"Spoilt on purpose: {'; '.join(_spoilt(result))}.")
    timing = result.timing
    said.append(
        f"{timing['total_s']:.1f} s in all: {timing['train_s']:.1f} s valuing coalitions, "
        f"{timing['compile_s']:.1f} s "
        "compiling."
    )
    return [*said, *result.settlement.notes]


def _efficiency(found: Attribution) -> str:
    """Whether the values sum to what there is to share."""
    gap, there = float(found.efficiency_gap), float(found.grand - found.empty)
    if abs(gap) <= MOST_ROUNDING * max(abs(there), abs(float(found.values.sum())), 1.0):
        return f"Values sum to V(N) - V(empty) within {abs(gap):.1e}"
    return (
        f"Values do not sum to V(N) - V(empty) = {there:.4f} but to {float(found.values.sum()):.4f}"
    )


def _noise(notes: Mapping[str, Any]) -> list[str]:
    """How much of a value is noise, where that was measured."""
    parts = {
        "training": notes.get("training_noise"),
        "sampled coalitions": notes.get("sampling_noise"),
        "the test set": notes.get("test_set_noise"),
    }
    known = [
        f"{name} {float(np.sqrt((part**2).mean())):.4f}"
        for name, part in parts.items()
        if part is not None
    ]
    floor = notes.get("noise_floor")
    said = (
        [f"Noise of a value, root mean square over members: {', '.join(known)}."] if known else []
    )
    if floor is not None:
        said.append(
            f"Noise floor: the values of two trainings differ by {floor['relative_l2']:.3f} "
            "(relative L2) and agree in "
            f"rank by Spearman {floor['spearman']:+.2f}; no estimate can be told to be nearer to "
            "the truth."
        )
    return said


def _on_devices(metered: Metered) -> str:
    """How long the run would have lasted on the members' devices, and what that rests on."""
    rounds, sent = metered.used.rounds, metered.workload.messages
    return (
        f"On their devices {len(rounds)} synchronous rounds would last {rounds.sum():.4g} s, by "
        "the slowest in each; a "
        f"member sends {sent.upload:,} bytes a round and receives {sent.download:,}. Speeds, links "
        "and prices are as "
        "given or assumed, not measured."
    )


def _compared(result: Result, other: Attribution) -> dict[str, Any]:
    from scipy.stats import spearmanr

    agreement = spearmanr(result.attribution.values, other.values).statistic
    return {
        "values": other.values.tolist(),
        "std_errors": other.std_errors.tolist(),
        "spearman": float(agreement) if isfinite(agreement) else None,
    }


def _spoilt(result: Result) -> list[str]:
    """What the configuration did to whose data."""
    return [
        f"{result.data.names[one.keywords['client']]} by {one.name.replace('_', ' ')} "
        f"({', '.join(f'{key}={value}' for key, value in one.keywords.items() if key != 'client')})"
        for one in result.config.corruptions
    ]


def _with_error(found: Attribution, index: int) -> str:
    error = found.std_errors[index]
    return f"{found.values[index]:.4f}" + (f" ± {error:.4f}" if error > 0 else "")
