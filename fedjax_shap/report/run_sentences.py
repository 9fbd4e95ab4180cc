"""What the tables of a run do not say, in sentences."""

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from fedjax_shap._validate import how_many
from fedjax_shap.pipeline.resettle import is_payable, to_change
from fedjax_shap.report.names import distinct
from fedjax_shap.report.run_tables import Beside
from fedjax_shap.report.saved_run import AnyMetered, AnyRun, AnyValues
from fedjax_shap.report.tables import duration, listed, number
from fedjax_shap.typing import HostArray

MOST_ROUNDING = 1e-4  # of the values' sum: two programs that evaluate one model differ by less
MOST_PAIRS = 10  # pairs of members named in a sentence; all of them are in result.json
MOST_MEMBERS = 30  # members named in a sentence
LONGEST_NOTE = 600  # characters of a note on the settlement


def sentences(
    result: AnyRun, beside: Beside | None = None, *, waited: float | None = None
) -> list[str]:
    """What the tables do not say, one sentence each.

    Args:
        result: what a run found out.
        beside: other values of the same members, as in `members_table`.
        waited: seconds since the command began, starting up and writing files included; if None,
            those of the run itself.
    """
    said = [_utilities(result), _coverage(result), *_noise(result.attribution.notes)]
    said += _payment(result)
    if result.alike:
        said.append(_indistinguishable(result))
    if result.metered is not None:
        said.append(_on_devices(result.metered))
    for name, other in (beside or {}).items():
        said.append(_agreement(name, spearman(result.attribution, other)))
    if result.config.corruptions:
        said.append(f"Corrupted on purpose: {'; '.join(_corruptions(result))}.")
    said.append(_seconds(result.timing, waited))
    said += result.notes
    if result.settlement is not None:
        said += map(_in_short, result.settlement.notes)
    return said


def _seconds(timing: Mapping[str, float], waited: float | None) -> str:
    """How long it took."""
    parts = f"{timing['train_s']:.1f} s valuing coalitions, {timing['compile_s']:.1f} s compiling"
    if waited is None:
        return f"{timing['total_s']:.1f} s of computing: {parts}."
    return f"{waited:.1f} s in all: {parts}."


def unpaid(result: AnyRun, folder: str) -> str:
    """Why a run paid nobody, and how it can be settled all the same.

    Args:
        result: a run without a settlement.
        folder: where it was written.
    """
    record = result.to_json()
    advice = (
        f"`fedjax-shap settle {shlex.quote(folder)} --rule equal`, or another rule or policy, pays "
        "by them without training"
    )
    if not is_payable(record):
        advice = f"no rule pays by them, so {to_change(record)}"
    return (
        f"No payment was made: {result.unpaid} The values and costs are in {folder}/result.json; "
        f"{advice}."
    )


def spearman(one: AnyValues, other: AnyValues) -> float | None:
    """The rank correlation of two attributions; None where it is undefined, as for equal values."""
    # by NumPy: importing scipy.stats takes as long as all figures
    both = np.stack([one.values, other.values])
    if np.isnan(both).any():
        return None
    ranks = np.stack([_ranks(values) for values in both])
    if not ranks.std(axis=1).all():
        return None
    return float(np.corrcoef(ranks)[1, 0])


def _ranks(values: HostArray) -> HostArray:
    """float64[P], from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: HostArray = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def efficiency(attribution: AnyValues) -> str:
    """Whether the values sum to V(N) - V(empty), up to rounding, as a part of a sentence."""
    gap = abs(float(attribution.efficiency_gap))
    surplus = float(attribution.grand - attribution.empty)
    shared = float(attribution.values.sum())
    if gap <= MOST_ROUNDING * max(abs(surplus), abs(shared), 1.0):
        return f"Values sum to V(N) - V(empty) within {gap:.1e}"
    return f"Values do not sum to V(N) - V(empty) = {surplus:.4f} but to {shared:.4f}"


def _utilities(result: AnyRun) -> str:
    """V(N), V(empty), and what a model of the pooled data is worth."""
    attribution = result.attribution
    pooled = result.centralized
    if pooled is None:
        beside = "nothing is compared with pooled data"
    elif pooled["delta"] is None:
        beside = "the training on pooled data diverged"
    else:
        beside = f"pooled data {pooled['pooled']:.4f}, |V_fed - V_central| = {pooled['delta']:.4f}"
    nobody = "the initial model"
    if result.permanent is not None:
        nobody = f"{result.permanent['name']} alone"
    return (
        f"{result.label} of the federation {_worth(result, 'V(N)', attribution.grand)}, of "
        f"{nobody} {_worth(result, 'V(empty)', attribution.empty)}; {beside}."
    )


def _worth(result: AnyRun, name: str, utility: HostArray) -> str:
    """A utility; of an error, as people read it and as the values have it."""
    value = f"{name} = {number(float(utility))}"
    if result.metric_sign > 0:
        return value
    return f"{number(-float(utility))} ({value})"


def _coverage(result: AnyRun) -> str:
    """Whether values are efficient, why the estimate stopped, and how many coalitions it took."""
    counted = result.coalitions
    return (
        f"{efficiency(result.attribution)}; {result.attribution.stopped}; of "
        f"{counted['asked']:,} coalitions {counted['trained']:,} were trained and "
        f"{counted['from_store']:,} read from the store."
    )


def _agreement(name: str, correlation: float | None) -> str:
    """How far other values rank the members alike."""
    if correlation is None:
        return f"Rank agreement with {name}: Spearman undefined."
    return f"Rank agreement with {name}: Spearman {correlation:+.2f}."


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
    said = []
    if known:
        said.append(f"Noise of a value, root mean square over members: {', '.join(known)}.")
    floor = notes.get("noise_floor")
    if floor is not None:
        said.append(
            f"Noise floor: the values of two trainings differ by {floor['relative_l2']:.3f} "
            f"(relative L2) and agree in rank by Spearman {floor['spearman']:+.2f}; no estimate "
            "can be shown to be closer to the truth than that."
        )
    return said


def _payment(result: AnyRun) -> list[str]:
    """The rule, and the values that it divides by where these are not the ones in the table."""
    settled = result.settlement
    if settled is None:
        return []
    said = [f"Paid by the rule {settled.rule!r} ({settled.policy})."]
    if settled.of not in ("", "shapley"):
        names = distinct(settled.players)
        values = [f"{name} {value:.4f}" for name, value in zip(names, settled.values)]
        said.append(
            f"The rule divides by its own kind of values, {settled.of}: "
            f"{listed(values, MOST_MEMBERS)}."
        )
    return said


def _indistinguishable(result: AnyRun) -> str:
    """Which values do not differ significantly; where pairs are many, a few of them and a count."""
    pairs = result.alike
    count: int = getattr(result, "num_alike", len(pairs))  # of which a record lists some
    possible = len(result.players) * (len(result.players) - 1) // 2
    no_order = "so no payment should depend on their order"
    if count == possible > MOST_PAIRS:
        return f"No two values differ at the 95 % level, {no_order}."
    short = dict(zip(result.players, distinct(result.players)))
    named = "; ".join(
        f"{short.get(one, one)} and {short.get(other, other)}" for one, other in pairs[:MOST_PAIRS]
    )
    if count <= MOST_PAIRS:
        return f"These values do not differ at the 95 % level, {no_order}: {named}."
    return (
        f"{count:,} of {possible:,} pairs of values do not differ at the 95 % level, "
        f"{no_order}: {named}; and {count - MOST_PAIRS:,} more."
    )


def _in_short(note: str) -> str:
    """A note without its end where it names very many members."""
    if len(note) <= LONGEST_NOTE:
        return note
    return f"{note[:LONGEST_NOTE].rpartition(',')[0]}, and more, see result.json."


def _on_devices(metered: AnyMetered) -> str:
    """How long the run would take on the members' devices, and what that rests on."""
    rounds = metered.used.rounds
    sent = metered.workload.messages
    return (
        f"On the members' devices, {how_many(len(rounds), 'synchronous round')} would take "
        f"{duration(float(rounds.sum()))}, each as long as its slowest member needs; a member "
        f"sends {_bytes(sent.upload)} bytes a "
        f"round and receives {_bytes(sent.download)}. Speeds, links and prices are given or "
        "assumed, not measured."
    )


def _bytes(each: int | tuple[int, ...]) -> str:
    """Bytes a member; from the fewest to the most where they differ."""
    if isinstance(each, int):
        return f"{each:,}"
    if min(each) == max(each):
        return f"{each[0]:,}"
    return f"{min(each):,} to {max(each):,}"


def _corruptions(result: AnyRun) -> list[str]:
    """Whose data the configuration corrupts, and how."""
    said = []
    for corruption in result.config.corruptions:
        keywords = dict(corruption.keywords)
        client = keywords.pop("client", "")
        member = result.players[client] if isinstance(client, int) else client
        how = ", ".join(f"{name}={value}" for name, value in keywords.items())
        what = corruption.name.replace("_", " ") + f" ({how})" * bool(how)
        said.append(f"{member} by {what}" if member else what)
    return said
