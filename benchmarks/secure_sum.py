"""How many seconds and bytes does a secure sum take, a member and the server, by drop-outs?

Members fall silent after they have shared their keys and before they upload, which costs the server
most: it takes off the masks that they share with everybody who stayed. The sum is first compared
with that of the fixed-point numbers. Seconds are those in which a party computes, on one core; no
network is simulated. A member's are the median over those who stayed.

    python -m benchmarks.secure_sum --json secure_sum.json
    python -m benchmarks.secure_sum --quick

Three minutes on two cores; where there is a GPU, of which nothing here makes use, each sum is taken
once.

With 100 members, on two cores (benchmarks/results/secure_sum_cpu.json), a member computed for 0.03
to 0.05 seconds, 0.09 to 0.11 where members sign, and sent and received 0.43 MB, of which the vector
is 0.40; the server computed for 0.11 seconds with all there, 0.42 with 10 % gone and 0.77 with
30 %. With 500 members, 30 % of them gone (benchmarks/results/secure_sum_500_cpu.json), a member
computed for 0.27 seconds (published 0.85), the server for 16 (143), and a member sent and received
0.54 MB (0.95). With 100 members, 10 % of them gone, vectors of 10,000, 100,000 and 1,000,000
entries take a member 0.03, 0.04 and 0.19 seconds and the server 0.19, 0.42 and 1.9
(benchmarks/results/secure_sum_length_*_cpu.json).

Beside them stand the published ones (Bonawitz et al., "Practical Secure Aggregation for
Privacy-Preserving Machine Learning", CCS 2017, figure 8: vectors of 100,000 entries, 24 bits, and
500 or 1,000 members, a Java program on machines of that time). A member's seconds grow with the
number of members n, the server's with n (1 - d) + n d n (1 - d) at a part d of drop-outs, so the
rows are to be read by order of magnitude.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from rich.console import Console

from benchmarks.harness import Record, add_counts, at_least, on_device, parser_of, present, table
from fedjax_shap._validate import fraction, require
from fedjax_shap.privacy.fixed_point import encode
from fedjax_shap.protocols.secure_sum import SecureSum, secure_sum, silent_from
from fedjax_shap.protocols.sum_session import SERVER, least_threshold

BITS = 22
CLIP = 8.0
AGAINST = ("server", "server and members")
COUNTS = {
    "members": (100, "members of the sum"),
    "length": (100_000, "entries of a vector"),
    "key": (0, "seeds the vectors"),
}
REPEATS = {"cpu": 3, "elsewhere": 1}
QUICK = {"members": 5, "length": 100, "repeats": 1}
# (members, part of drop-outs, seconds of a member, seconds of the server, bytes of a member)
PUBLISHED = (
    (500, 0.0, 0.849, 2.0, 0.95e6),
    (500, 0.1, 0.849, 62.0, 0.95e6),
    (500, 0.3, 0.849, 143.0, 0.95e6),
    (1000, 0.0, 1.7, 4.9, 1.15e6),
    (1000, 0.1, 1.7, 181.0, 1.15e6),
    (1000, 0.3, 1.7, 414.0, 1.15e6),
)


def measure(options: argparse.Namespace) -> list[Record]:
    """A row for each adversary and part of drop-outs."""
    rng = np.random.default_rng(options.key)
    numbers = rng.normal(size=(options.members, options.length)).clip(-CLIP, CLIP)
    rows = []
    for against in options.against:
        least = least_threshold(options.members, against)
        for dropped in options.drop_outs:
            gone = round(dropped * options.members)
            require(
                options.members - gone >= least,
                f"Expected drop_outs={dropped!r} to leave at least {least} of {options.members} "
                "members.",
            )
            done = [_checked(numbers, gone, against) for _ in range(options.repeats)]
            rows.append(_row(done, against, dropped))
            print(f"against the {against}, {dropped:.0%} gone: done", file=sys.stderr, flush=True)
    return rows


def _checked(numbers: np.ndarray, gone: int, against: str) -> SecureSum:
    """A sum whose first `gone` members fall silent, equal to that of the fixed-point numbers."""
    silent = {f"member {place}": "upload" for place in range(1, gone + 1)}
    done = secure_sum(numbers, bits=BITS, clip=CLIP, against=against, network=silent_from(silent))
    expected = encode(numbers[gone:], BITS, CLIP).sum(axis=0)
    require(
        bool((done.words.view(np.int32) == expected).all()),
        "Expected the secure sum to equal that of the fixed-point numbers.",
    )
    return done


def _row(done: list[SecureSum], against: str, dropped: float) -> Record:
    """Medians over repetitions; of a member, over those who stayed."""
    stayed = done[0].survivors
    transcript = done[0].transcript
    members = [[one.seconds[name] for name in stayed] for one in done]
    servers = [one.seconds[SERVER] for one in done]
    last = stayed[-1]
    return {
        "against": against,
        "drop_outs": dropped,
        "survivors": len(stayed),
        "member_seconds": float(np.median(members)),
        "server_seconds": float(np.median(servers)),
        "server_runs": servers,
        "member_bytes_sent": transcript.bytes_from(last),
        "member_bytes_received": transcript.bytes_to(last),
        "messages": transcript.to_json(),
    }


def show(record: Record, console: Console) -> None:
    """The table on the terminal."""
    title = f"Secure sums of {record['members']} vectors of {record['length']:,} entries, measured"
    columns = ("members", "against the", "gone", "a member, s", "server, s", "a member, MB")
    shown = table(title, columns, left=("against the",))
    for row in record["rows"]:
        sent = (row["member_bytes_sent"] + row["member_bytes_received"]) / 1e6
        shown.add_row(
            str(record["members"]),
            row["against"],
            f"{row['drop_outs']:.0%}",
            f"{row['member_seconds']:.3f}",
            f"{row['server_seconds']:.2f}",
            f"{sent:.2f}",
        )
    for row in record["published"]:
        shown.add_row(
            str(row["members"]),
            "(published)",
            f"{row['drop_outs']:.0%}",
            f"{row['member_seconds']:.3f}",
            f"{row['server_seconds']:.2f}",
            f"{row['member_bytes'] / 1e6:.2f}",
        )
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    if options.quick:
        vars(options).update(QUICK)
    if options.repeats is None:
        options.repeats = on_device(REPEATS)
    at_least(vars(options), members=2, length=1, repeats=1, key=0)
    for dropped in options.drop_outs:
        fraction("drop_outs", dropped)
    names = ("members", "drop_outs", "member_seconds", "server_seconds", "member_bytes")
    published = [dict(zip(names, row, strict=True)) for row in PUBLISHED]
    record = {name: getattr(options, name) for name in ("members", "length", "repeats", "key")}
    return record | {
        "bits": BITS,
        "clip": CLIP,
        "rows": measure(options),
        "published": published,
    }


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.secure_sum", __doc__)
    add_counts(parser, COUNTS)
    add = parser.add_argument
    add("--repeats", type=int, help="times that each sum is taken (default: 3)")
    parts = "parts of the members that fall silent before they upload"
    add("--drop-outs", nargs="+", type=float, metavar="PART", default=[0.0, 0.1, 0.3], help=parts)
    whom = "whom the sum protects against (default: the one and the other)"
    add("--against", nargs="+", choices=AGAINST, default=AGAINST, help=whom)
    quick = "sizes at which it takes seconds and says nothing of speed"
    add("--quick", action="store_true", help=quick)
    return parser


if __name__ == "__main__":
    sys.exit(main())
