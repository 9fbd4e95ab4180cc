"""Does our accountant give published epsilons, and secure aggregation its published thresholds?

Claim: the Renyi accountant gives the published epsilon of DP-FedAvg on EMNIST; on Reddit it gives
less than published, as today's conversion is tighter than that of 2018. The thresholds of secure
aggregation are those of its paper.

Nothing is trained. DP-FedAvg: Poisson sampling of q = 120 of 3,383 clients, noise multiplier 1.2,
100 rounds, delta 1e-5 (a tutorial of TensorFlow Federated); 1,250 of 763,430 users, noise 1, 3,000
rounds, delta 1e-9 (McMahan et al., section 3). Thresholds: floor(n / 2) + 1 against the server,
floor(2 n / 3) + 1 against the server and up to a third of the members.

Command: python -m experiments.privacy_accounts --json privacy_accounts.json
Minutes: 0.2 on two cores, with the extra `privacy`.

References:
    McMahan, Ramage, Talwar, Zhang 2018, "Learning differentially private recurrent language
    models". Bonawitz et al. 2017, "Practical secure aggregation for privacy-preserving machine
    learning", section 6.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from benchmarks.harness import Record, parser_of, present, table
from fedjax_shap.privacy.accounting import Mechanism, Sampling, epsilon_of
from fedjax_shap.protocols.sum_session import Against, least_threshold

EMNIST = Mechanism(1.2, 100, Sampling("poisson", 120 / 3383))
REDDIT = Mechanism(1.0, 3000, Sampling("poisson", 1250 / 763_430))
MEMBERS = (10, 100, 500)
AGAINST: dict[str, tuple[Against, int, int]] = {  # name -> (ours, numerator, denominator)
    "the server": ("server", 1, 2),
    "server and members": ("server and members", 2, 3),
}


def measure(options: argparse.Namespace) -> Record:
    """The record: epsilons and thresholds, published and ours."""
    epsilons = [
        _epsilon("EMNIST, 120 of 3,383, 100 rounds", EMNIST, 1e-5, 2.0, "equal when rounded"),
        _epsilon("Reddit, 1,250 of 763,430, 3,000 rounds", REDDIT, 1e-9, 1.97, "at most"),
    ]
    thresholds = [
        {
            "members": members,
            "against": name,
            "published": part * members // of + 1,
            "ours": least_threshold(members, against),
        }
        for name, (against, part, of) in AGAINST.items()
        for members in MEMBERS
    ]
    return {"epsilons": epsilons, "thresholds": thresholds}


def _epsilon(
    what: str, mechanism: Mechanism, delta: float, published: float, rule: str
) -> dict[str, Any]:
    """One epsilon: whether it is to be equal to the published one, or at most that."""
    ours = epsilon_of(mechanism, delta)
    return {"what": what, "delta": delta, "published": published, "ours": ours, "rule": rule}


def show(record: Record, console: Console) -> None:
    """Both tables on the terminal."""
    shown = table("Epsilon", ("mechanism", "delta", "published", "ours"))
    for row in record["epsilons"]:
        cells = (f"{row['delta']:g}", f"{row['published']:g}", f"{row['ours']:.4f}")
        shown.add_row(row["what"], *cells)
    console.print(shown)
    shown = table("Thresholds", ("against", "members", "published", "ours"))
    for row in record["thresholds"]:
        counts = (str(row["members"]), str(row["published"]), str(row["ours"]))
        shown.add_row(row["against"], *counts)
    console.print(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return present(parser_of("experiments.privacy_accounts", __doc__), arguments, measure, show)


if __name__ == "__main__":
    sys.exit(main())
