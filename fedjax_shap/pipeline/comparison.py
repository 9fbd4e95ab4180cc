"""Runs over the same members side by side: what they say the members are worth and are paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, listed, require
from fedjax_shap.pipeline.records import RESULT, read_json, result_file
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.typing import HostArray

MOST_NAMED = 6  # members that a sentence names


class ComparedRun(NamedTuple):
    """What is compared of one run.

    Attributes:
        label: what it is called.
        members: the P members' names.
        values: float64[P].
        std_errors: float64[P], NaN where not known.
        metric: what the values are measured in; "" where the record does not say.
        payments: P amounts; None where nobody was paid.
        revenue: what was divided; None where nobody was paid.
    """

    label: str
    members: tuple[str, ...]
    values: HostArray
    std_errors: HostArray
    metric: str
    payments: tuple[Decimal, ...] | None
    revenue: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs over the same members, in one order.

    Attributes:
        runs: R runs, each with the same P members.
        agreements: of each run but the first with the first, see `shapley.agreement`; None where
            there is none: no member is worth anything in the first.
        notes: what a reader should know, one sentence each.
    """

    runs: tuple[ComparedRun, ...]
    agreements: tuple[dict[str, float] | None, ...]
    notes: tuple[str, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """The P members' names, in the order of the first run."""
        return self.runs[0].members


def compare_files(paths: Sequence[str | Path]) -> Comparison:
    """Compares runs, or settlements, as they lie on disk.

    Args:
        paths: folders of runs, their result.json, or what `settle` wrote as JSON; each is called
            by the last part of its path where these differ.

    Raises:
        InvalidInputError: fewer than two, one given twice, no such run, or no member in common.
    """
    require(len(paths) > 1, f"Expected at least two runs to compare, got {len(paths)}.")
    files = [result_file(path).resolve() for path in paths]
    twice = [str(path) for path, file in zip(paths, files) if files.count(file) > 1]
    require(not twice, f"Expected different runs to compare, got {' and '.join(twice)}.")
    labels = _labels([str(path) for path in paths], files)
    return compare(
        [compared_run(read_json(file, "result"), label=label) for file, label in zip(files, labels)]
    )


def compared_run(record: Mapping[str, Any], *, label: str) -> ComparedRun:
    """What is compared of one run.

    Args:
        record: what `Result.to_json` or `Settlement.to_json` gives.
        label: what the run is called.

    Raises:
        InvalidInputError: a record that is neither, or whose values are not one number a member.
    """
    settled = record
    if "settlement" in record:
        settled = record["settlement"] or {}
    expected = f"Expected result={label!r} to be the result of a run or a settlement, but "
    members = record.get("players")
    values = record.get("values")
    require(
        isinstance(members, list) and isinstance(values, list),
        f"{expected}it has no 'players' and 'values'.",
    )
    try:
        numbers = np.array([float(value) for value in values or ()])
        errors = np.array(
            [np.nan if error is None else float(error) for error in record.get("std_errors") or ()]
        )
        payments, revenue = _paid(settled)
    except (ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInputError(
            f"{expected}its values are not one number for each member: {error}."
        ) from error
    if not len(errors):
        errors = np.full(len(numbers), np.nan)
    names = tuple(map(str, members or ()))
    lengths = {len(numbers), len(errors)}
    if payments is not None:
        lengths.add(len(payments))
    require(
        bool(names) and lengths == {len(names)},
        f"{expected}its columns do not have one entry for each of its {len(names)} members.",
    )
    return ComparedRun(label, names, numbers, errors, _metric(record), payments, revenue)


def compare(runs: Sequence[ComparedRun]) -> Comparison:
    """Runs side by side, for the members that all of them have, matched by their names.

    Args:
        runs: at least two; the first is what the others are held against.

    Raises:
        InvalidInputError: no member is in all of them.
    """
    shared = [name for name in runs[0].members if all(name in other.members for other in runs[1:])]
    named = listed(runs[0].members, MOST_NAMED, quoted=False)
    require(
        bool(shared),
        f"Expected runs with members in common, but none of {named} of {runs[0].label!r} is in all "
        "others.",
    )
    aligned = tuple(_of(run, shared) for run in runs)
    first, *others = aligned
    agreements: list[dict[str, float] | None] = [None for _ in others]
    if np.any(first.values):
        agreements = [agreement(other.values, first.values) for other in others]
    notes = [*_left_out(runs, shared), *_other_units(aligned), *_unpaid(aligned)]
    notes += _other_revenues(aligned)
    return Comparison(runs=aligned, agreements=tuple(agreements), notes=tuple(notes))


def ranks(values: HostArray) -> list[int]:
    """Each member's place by its value, 1 for the highest; equal values share the best place."""
    return [int((values > value).sum()) + 1 for value in values]


def _of(run: ComparedRun, members: Sequence[str]) -> ComparedRun:
    """A run with some of its members, in another order."""
    places = [run.members.index(name) for name in members]
    payments = run.payments
    if payments is not None:
        payments = tuple(payments[place] for place in places)
    return run._replace(
        members=tuple(members),
        values=run.values[places],
        std_errors=run.std_errors[places],
        payments=payments,
    )


def _paid(settled: Mapping[str, Any]) -> tuple[tuple[Decimal, ...] | None, Decimal | None]:
    """(payments, revenue) of a settlement's record; (None, None) where there is none."""
    if "payments" not in settled:
        return None, None
    payments = tuple(Decimal(str(amount)) for amount in settled["payments"])
    return payments, Decimal(str(settled.get("revenue", sum(payments))))


def _metric(record: Mapping[str, Any]) -> str:
    """What a run's values are measured in, as far as its record says so."""
    for place in (record, record.get("centralized"), record.get("config")):
        if isinstance(place, Mapping):
            game = place.get("game", place)
            if isinstance(game, Mapping) and isinstance(game.get("metric"), str):
                return str(game["metric"])
    return ""


def _left_out(runs: Sequence[ComparedRun], shared: Sequence[str]) -> list[str]:
    """A sentence for each run with members that others do not have."""
    sentences = []
    for run in runs:
        others = [name for name in run.members if name not in shared]
        if others:
            named = listed(others, MOST_NAMED, quoted=False)
            sentences.append(f"Left out, since not every run has them: {named} of {run.label}.")
    return sentences


def _other_units(runs: Sequence[ComparedRun]) -> list[str]:
    """A sentence where values are measured in different units."""
    metrics = {run.label: run.metric for run in runs if run.metric}
    if len(set(metrics.values())) < 2:
        return []
    said = ", ".join(f"{metric} in {label}" for label, metric in metrics.items())
    return [f"The values are in different units, so that only ranks compare: {said}."]


def _unpaid(runs: Sequence[ComparedRun]) -> list[str]:
    """A sentence where some runs paid their members and others did not."""
    unpaid = [run.label for run in runs if run.payments is None]
    if not unpaid or len(unpaid) == len(runs):
        return []
    return [f"No payments were made in {' and '.join(unpaid)}."]


def _other_revenues(runs: Sequence[ComparedRun]) -> list[str]:
    """A sentence where the runs divide different revenues."""
    revenues = {run.label: run.revenue for run in runs if run.revenue is not None}
    if len(set(revenues.values())) < 2:
        return []
    said = ", ".join(f"{revenue:,f} in {label}" for label, revenue in revenues.items())
    return [f"The payments divide different revenues: {said}."]


def _labels(paths: Sequence[str], files: Sequence[Path]) -> list[str]:
    """What runs are called: by their folders' names, or by their paths where these are alike."""
    names = [file.parent.name for file in files]
    for place, file in enumerate(files):
        if file.name != RESULT:
            names[place] = file.stem
    if len(set(names)) < len(names) or not all(names):
        return list(paths)
    return names
