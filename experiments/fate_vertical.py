"""FATE's vertical sets: aligned privately, trained under encryption without loss, valued.

Claim: parties that hold different columns of the same people come to the model that one place with
all columns would train, though nobody sees another's columns, and each party's columns have a
value beside the label holder's.

- Breast cancer, a host of 20 columns and a guest of 10 with the labels: FATE's coordinated logistic
  regression (Taylor loss, zeros, 5 full-batch steps of RMSProp, learning rate .15 / sqrt(1 + t), L2
  .01 but for the intercept). ROC-AUC on the training rows by the protocol without encryption, and
  by one place with all columns; the largest difference of a weight between both, and between the
  encrypted and the plain protocol on the first `rows` rows.
- Default of credit cards (30,000 rows, 10 + 13 columns): logistic regression to its optimum,
  ROC-AUC on the training rows of the guest's columns, of the host's with the guest's labels, and of
  both.
- A motor's speed from two hosts' columns (3 and 4) and the guest's own (4): least squares, RMSE on
  the training rows in standard deviations of the speed, and the hosts' Shapley values of it, the
  guest in every coalition; the same on held-out rows; and three parties under encryption.

Rows are aligned by private set intersection before all that.

Command: python -m experiments.fate_vertical --data DIR --json fate_vertical.json
Minutes: 2 on two cores.
Expected: AUC .975186 as published by FATE's protocol, the same in one place; differences of weights
    of the order of the encoding's step, 2^-24; .659, .717 and .724, an asymmetric game; RMSE .2793.
Seen (2-core Intel Xeon, CPU, with other work on the cores, 2026-11-28):
    As expected: .975186 by both, whose weights differ by 1.1e-15; under encryption, of all 569
    rows, by 2.0e-8; .6586, .7170, .7242. RMSE .2793, the guest alone .8324; the hosts' values are
    .0407 and .5125 (.0209 and .4833 on held-out rows). 46 seconds of all parties under encryption.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.metrics import roc_auc_score

from benchmarks.harness import DATA, Record, at_least, parser_of, present
from experiments.harness import Settings, overridden, progress
from fedjax_shap._validate import cautions
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.aligned import aligned, columns
from fedjax_shap.data.vertical import VerticalData
from fedjax_shap.data.vertical_files import fate_hetero
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.vertical import least_squares, logistic, vertical
from fedjax_shap.privacy.paillier import LEAST_KEY
from fedjax_shap.protocols.align import align
from fedjax_shap.protocols.coordinated import Coordinated, coordinated, predict
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray

SETTINGS: Settings = {"rows": 569, "motor_rows": 100, "epochs": 5, "key_bits": LEAST_KEY}
PUBLISHED = {
    "breast_auc": 0.975186,
    "default_credit": {"guest": 0.659, "host": 0.717, "joint": 0.724},
}
SETS = {"breast": "breast", "default_credit": "default_credit", "motor": "motor_two_hosts"}
RATE = 0.15
L2 = 0.01


# ------------------------------------------------------------------ trained under encryption


def breast(settings: Settings, data: VerticalData) -> Record:
    """The published AUC, and how far encrypted, plain and centralised weights are apart."""
    steps: Any = {"epochs": settings["epochs"], "learning_rate": RATE, "l2": L2}
    plain = coordinated(data.blocks, data.y, encryption="none", names=data.names, **steps)
    outputs, _ = predict(plain, data.blocks)
    x = np.hstack([*data.blocks, np.ones((len(data.y), 1))]).astype(float)
    weights = centralised(x, data.y, settings["epochs"])
    part = [block[: settings["rows"]] for block in data.blocks]
    gap, secret = encrypted_gap(settings, part, data.y[: settings["rows"]], **steps)
    return {
        "auc": float(roc_auc_score(data.y, outputs)),
        "centralised_auc": float(roc_auc_score(data.y, x @ weights)),
        "centralised_gap": float(np.abs(joined(plain) - weights).max()),
        "encrypted_gap": gap,
        "encrypted_rows": len(part[0]),
        "step": 2.0**-secret.session.bits,
        "losses": plain.losses,
        "seconds": secret.seconds,
        "encryption_share": secret.encryption_share,
        "bytes": secret.traffic,
        "work": {name: one._asdict() for name, one in secret.work.items()},
        "messages": secret.transcript.to_json(),
    }


def centralised(x: HostArray, y: HostArray, epochs: int) -> HostArray:
    """The weights of one place with all columns, the intercept's last."""
    signs = 2.0 * y - 1
    weights = np.zeros(x.shape[1])
    square = np.zeros(x.shape[1])
    penalty = np.append(np.full(x.shape[1] - 1, L2), 0.0)
    for epoch in range(epochs):
        residual = 0.25 * (x @ weights) - 0.5 * signs
        gradient = x.T @ residual / len(y) + penalty * weights
        square = 0.99 * square + 0.01 * gradient**2
        weights = weights - RATE / np.sqrt(1 + epoch) * gradient / np.sqrt(square + 1e-6)
    return weights


def encrypted_gap(
    settings: Settings, blocks: Sequence[HostArray], y: HostArray, **how: Any
) -> tuple[float, Coordinated]:
    """The largest difference of a weight between both protocols, and the encrypted training."""
    bits = settings["key_bits"]
    secret = coordinated(blocks, y, key_bits=bits, allow_short_keys=bits < LEAST_KEY, **how)
    plain = coordinated(blocks, y, encryption="none", **how)
    return float(np.abs(joined(secret) - joined(plain)).max()), secret


def joined(trained: Coordinated) -> HostArray:
    """All weights, party by party, the intercept last."""
    parts = [trained.weights[name] for name in trained.session.parties]
    return np.concatenate([*parts, [trained.intercept]])


# ------------------------------------------------------------------ valued


def default_credit(data: VerticalData) -> dict[str, float]:
    """ROC-AUC of the guest's columns, of the host's, and of both."""
    guest, joint = _worth(data, logistic(), "roc_auc", test_fraction=0.0)
    own = data.blocks[-1]
    without = data._replace(
        blocks=(*data.blocks[:-1], own[:, :0]), features=(*data.features[:-1], ())
    )
    _, host = _worth(without, logistic(), "roc_auc", test_fraction=0.0)
    return {"guest": float(guest), "host": float(host), "joint": float(joint)}


def motor(settings: Settings, data: VerticalData) -> Record:
    """RMSE of all, values of the hosts, and how far three encrypted parties are from plain ones."""
    found: Record = {}
    for name, fraction in (("", 0.0), ("held_out", 0.25)):
        worth = _worth(data, least_squares(), "rmse", test_fraction=fraction)
        values = dict(zip(data.names, map(float, shapley_values(worth)), strict=True))
        each = {"rmse": -float(worth[-1]), "guest_rmse": -float(worth[0]), "values": values}
        if name:
            found[name] = each
        else:
            found |= each
    part = [block[: settings["motor_rows"]] for block in data.blocks]
    gap, _ = encrypted_gap(
        settings,
        part,
        data.y[: settings["motor_rows"]],
        model="linear",
        optimizer="sgd",
        epochs=2,
        learning_rate=RATE,
    )
    return found | {"encrypted_gap": gap, "encrypted_rows": len(part[0])}


def _worth(data: VerticalData, model: Any, metric: str, *, test_fraction: float) -> HostArray:
    """The utility of each coalition of hosts; on the training rows where none are held out."""
    with cautions():  # that training rows serve as test rows is said above
        game = vertical(columns(data, test_fraction=test_fraction), model, metric=metric)
        return evaluate(game, 0, all_subsets(len(data.names)))


# ------------------------------------------------------------------ the record


def _aligned(folder: str | None, which: Any) -> tuple[VerticalData, Record]:
    """A set whose rows are aligned by private set intersection, and what that took."""
    data = fate_hetero(which=which, folder=folder).data
    began = time.perf_counter()
    found = align(data.ids, data.parties)
    seconds = time.perf_counter() - began
    return aligned(data, found.rows), {"common": found.num_common, "seconds": seconds}


def show(record: Record, console: Console) -> None:
    """The numbers, one line each."""
    found = record["breast"]
    console.print(
        f"Breast cancer, AUC on training rows: {record['breast_auc']:.6f} by the protocol, "
        f"{found['centralised_auc']:.6f} in one place, published {PUBLISHED['breast_auc']}"
    )
    console.print(
        f"Largest difference of a weight: {found['centralised_gap']:.1e} between both, "
        f"{record['breast_encrypted_gap']:.1e} under encryption ({found['encrypted_rows']} rows)"
    )
    seconds = sum(found["seconds"].values())
    console.print(
        f"Under encryption: {seconds:.1f} s of all parties, {found['encryption_share']:.0%} of it "
        "spent on encryption"
    )
    for name, auc in record["default_credit"].items():
        console.print(f"Default of credit cards, AUC, {name}: {auc:.4f}")
    engine = record["motor"]
    console.print(f"Motor, RMSE: {engine['rmse']:.4f}, the guest alone {engine['guest_rmse']:.4f}")
    for name, value in engine["values"].items():
        held_out = engine["held_out"]["values"][name]
        console.print(f"Motor, value of {name}: {value:.4f} ({held_out:.4f} on held-out rows)")
    console.print(f"Motor, three parties under encryption: {engine['encrypted_gap']:.1e}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """All that is measured."""
    settings = overridden(SETTINGS, options.set)
    at_least(settings, rows=2, motor_rows=2, epochs=1, key_bits=256)
    done = progress()
    alignment: Record = {}
    sets: dict[str, VerticalData] = {}
    for name, which in SETS.items():
        sets[name], alignment[name] = _aligned(options.data, which)
        done(f"{name} is aligned")
    found = breast(settings, sets["breast"])
    done("breast")
    record: Record = {
        "settings": settings,
        "published": PUBLISHED,
        "alignment": alignment,
        "breast_auc": found["auc"],
        "breast_encrypted_gap": found["encrypted_gap"],
        "breast": found,
    }
    record["default_credit"] = default_credit(sets["default_credit"])
    done("default_credit")
    record["motor"] = motor(settings, sets["motor"])
    done("motor")
    return record


def _parser() -> argparse.ArgumentParser:
    made = parser_of("experiments.fate_vertical", __doc__)
    made.add_argument("--data", help=DATA)
    names = f"one of {', '.join(SETTINGS)}"
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=names)
    return made


if __name__ == "__main__":
    sys.exit(main())
