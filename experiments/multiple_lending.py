"""Multiple lending: does a client have loans elsewhere? Banks answer and do not learn of whom.

Claim: a bank learns from the other banks of its federation which of its applicants have loans with
them, as a central table of all loans would say, without such a table. The banks that are asked
learn how many applicants are asked for, and not who. Where the bank needs no more than in how many
places an applicant has loans, it learns no more than that.

A population of clients has loans with some of the banks, drawn independently; applicants come from
the population. Every answer is compared with the central table; every message is searched for
client numbers, plain or hashed, and for their points on the curve before any scalar.

Command: python -m experiments.multiple_lending --json multiple_lending.json
        --figure multiple_lending.png
Minutes: 0.3 on two cores.
Expected: no answer differs from the central table, and no message holds a client number.
"""

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.harness import Record, at_least, table
from experiments.harness import Settings, dress, overridden, parser, progress
from experiments.harness import run as run_experiment
from fedjax_shap._validate import require
from fedjax_shap.privacy.curve import hash_to_curve
from fedjax_shap.protocols.ids import read_ids
from fedjax_shap.protocols.query import Answers, Reveal, query
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, ORANGE

SETTINGS: Settings = {
    "population": 20_000,
    "banks": 5,
    "loans": 4_000,
    "applicants": 200,
    "seed": 0,
}
ASKER = "asking bank"
REVEALS: tuple[Reveal, ...] = ("members", "count")
DIGESTS = ("md5", "sha1", "sha256", "sha512")


def drawn(settings: Settings) -> tuple[list[str], dict[str, list[str]]]:
    """(the applicants' client numbers, {bank: those of the clients with a loan})."""
    rng = np.random.default_rng(settings["seed"])
    population = [f"client {number:08d}" for number in range(settings["population"])]
    loans = {
        f"bank {place}": _some(rng, population, settings["loans"])
        for place in range(1, settings["banks"] + 1)
    }
    return _some(rng, population, settings["applicants"]), loans


def _some(rng: np.random.Generator, population: Sequence[str], count: int) -> list[str]:
    """So many of the population, none twice."""
    return [population[place] for place in rng.permutation(len(population))[:count]]


def central(applicants: Sequence[str], loans: Mapping[str, Sequence[str]]) -> np.ndarray:
    """bool[Q, M], what a central table of all loans says."""
    columns = [np.isin(applicants, own) for own in loans.values()]
    return np.stack(columns, axis=1)


def asked(applicants: Sequence[str], loans: Mapping[str, Sequence[str]], reveal: Reveal) -> Record:
    """One query, compared with the central table, and what each party got."""
    answers = query(applicants, loans, asker=ASKER, reveal=reveal, keep=True)
    truth = central(applicants, loans)
    wrong = int((answers.counts != truth.sum(axis=1)).sum())
    if answers.hits is not None:
        wrong = int((answers.hits != truth).sum())
    members = [answers.seconds[name] for name in answers.members]
    return {
        "reveal": reveal,
        "applicants_with_loans": [
            int((answers.counts == count).sum()) for count in range(len(loans) + 1)
        ],
        "hits": int(answers.counts.sum()),
        "wrong": wrong,
        "ids_in_messages": ids_in_messages(answers, [applicants, *loans.values()]),
        "asker_seconds": answers.seconds[ASKER],
        "bank_seconds": float(np.median(members)),
        "parties": [_got(answers, name) for name in (ASKER, *answers.members)],
        "messages": answers.transcript.to_json(),
    }


def _got(answers: Answers, name: str) -> Record:
    """What a party got, and what of it it could read."""
    transcript = answers.transcript
    read = transcript.read(name)
    return {
        "party": name,
        "bytes": transcript.bytes_to(name),
        "readable_bytes": sum(seen.num_bytes for seen in read),
        "readable": sorted({seen.name for seen in read}),
        "senders": sorted({seen.sender for seen in transcript.received(name)}),
    }


def ids_in_messages(answers: Answers, ids: Sequence[Sequence[str]]) -> int:
    """How many client numbers a message holds: plain, hashed, or as their own points."""
    contents = [seen.content for seen in answers.transcript]
    pieces = {
        content[start : start + 16] for content in contents for start in range(0, len(content), 16)
    }
    everything = sorted({one for own in ids for one in own})
    encoded = read_ids("all", everything).encoded()
    secrets = {point[:16] for point in hash_to_curve(encoded)}
    for algorithm in DIGESTS:
        secrets |= {hashlib.new(algorithm, one).digest()[:16] for one in encoded}
        secrets |= {hashlib.new(algorithm, one.encode()).digest()[:16] for one in everything}
    plain = sum(b"client " in content for content in contents)
    return plain + len(pieces & secrets)


def figure(record: Record) -> Figure:
    """How many applicants have loans at how many banks, and what each party got."""
    drawn, (left, right) = style.panels(style.TWO, 2.6, 1, 2)
    counts = record["queries"][0]["applicants_with_loans"]
    left.bar(range(len(counts)), counts, color=BLUE, width=style.BAR, zorder=2)
    left.set_xlabel("other banks with a loan of the applicant")
    left.set_ylabel("applicants (number)")
    dress(left, "(a) what the asking bank learns", grid="y")
    names = [party["party"] for party in record["queries"][0]["parties"]]
    places = np.arange(len(names))
    for shift, color, one in zip((-0.2, 0.2), (BLUE, ORANGE), record["queries"], strict=True):
        kilobytes = [party["bytes"] / 1e3 for party in one["parties"]]
        label = {"members": "banks are named", "count": "only their number"}[one["reveal"]]
        right.bar(places + shift, kilobytes, 0.38, color=color, label=label, zorder=2)
    right.set_xticks(places, names, rotation=40, ha="right", rotation_mode="anchor")
    right.set_ylabel("received (kB)")
    style.legend(right)
    dress(right, "(b) what each party got: points and labels", grid="y")
    caption = """A bank asks which other banks lend to its applicants, by a protocol that shows no
    list: how many banks it learns of, and how much each party receives where the answer names the
    banks and where it says only how many they are."""
    return style.captioned(drawn, caption)


def show(record: Record, console: Console) -> None:
    """The tables on the terminal."""
    settings = record["settings"]
    banks = f"{settings['banks']} banks with {settings['loans']:,} loans each"
    title = f"{settings['applicants']:,} applicants, {banks}"
    columns = ("asker learns", "hits", "wrong", "ids in messages", "asker, s", "a bank, s")
    shown = table(title, columns)
    for one in record["queries"]:
        shown.add_row(
            one["reveal"],
            f"{one['hits']:,}",
            str(one["wrong"]),
            str(one["ids_in_messages"]),
            f"{one['asker_seconds']:.2f}",
            f"{one['bank_seconds']:.2f}",
        )
    console.print(shown)
    for one in record["queries"]:
        got = table(f"What each party got, reveal = {one['reveal']!r}", ("party", "bytes", "reads"))
        for party in one["parties"]:
            got.add_row(party["party"], f"{party['bytes']:,}", ", ".join(party["readable"]) or "-")
        console.print(got)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    made = parser("multiple_lending", __doc__, SETTINGS)
    return run_experiment(made, arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the settings are known to make sense."""
    settings = overridden(SETTINGS, options.set)
    at_least(settings, population=1, banks=2, loans=1, applicants=1, seed=0)
    for name in ("loans", "applicants"):
        require(
            settings[name] <= settings["population"],
            f"Expected {name}={settings[name]} to be at most the population of "
            f"{settings['population']}.",
        )
    done = progress()
    applicants, loans = drawn(settings)
    queries = []
    for reveal in REVEALS:
        queries.append(asked(applicants, loans, reveal))
        done(f"reveal = {reveal!r}")
    return {"settings": settings, "queries": queries}


if __name__ == "__main__":
    sys.exit(main())
