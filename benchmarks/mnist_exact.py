"""How long do exact Shapley values take by training all 1,024 coalitions of ten clients of MNIST?

The game is that of the project flirds (read from its published results): LeNet5, 10 clients, 10
rounds, 5 local epochs, batches of 64, SGD 0.01, validated on 2,000 of the official test images. It
took 41,168 s there, on a data-centre GPU. How its clients divide the 60,000 training images is not
published; here each has 6,000 at random, and the work hardly depends on it.

A part of it runs, unless --whole: on a CPU coalitions sampled by size together with their
complements, elsewhere all of them; one round of one epoch. The member-steps a second (once
compiled) then give what the whole would take: `seconds_extrapolated` is an extrapolation from
`fraction_run` of the member-steps. `useful_fraction` is that of this game;
`useful_fraction_of_settings` has that of the same training on each of the five settings of
`benchmarks.mnist_settings`.

    python -m benchmarks.mnist_exact --data DIR --json mnist_exact.json
    python -m benchmarks.mnist_exact --data DIR --coalitions 64 --rounds 2 --epochs 5
    python -m benchmarks.mnist_exact --data DIR --whole

Two minutes on two cores.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict

import jax
import numpy as np
from rich.console import Console

from benchmarks.ceilings import PeakMemory
from benchmarks.games import add_plan, member_steps, plan_of, stratified
from benchmarks.harness import DATA, Record, on_device, parser_of, present
from benchmarks.mnist_settings import SETTINGS, mnist_pool, mnist_setting
from benchmarks.timing import Seconds, compiled_anew, timed
from fedjax_shap._validate import integer
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.partition import iid
from fedjax_shap.data.sources import mnist
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan, useful_fraction
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import Local, local
from fedjax_shap.learning.model import cnn
from fedjax_shap.learning.training import Training
from fedjax_shap.shapley.exact import shapley_values
from fedjax_shap.typing import HostArray, Key, Utilities

PUBLISHED_SECONDS = 41_168
CLIENTS = 10
ROUNDS = 10
EPOCHS = 5
IMAGES = 60_000
VALIDATION = 0.2  # of the 10,000 test images
PARTS = {
    "cpu": {"coalitions": 32, "rounds": 1, "epochs": 1},
    "elsewhere": {"coalitions": 2**CLIENTS, "rounds": 1, "epochs": 1},
}
WHOLE = {"coalitions": 2**CLIENTS, "rounds": ROUNDS, "epochs": EPOCHS}


def training(epochs: int) -> Local:
    """How a client trains."""
    return local(learning_rate=0.01, batch_size=64, epochs=epochs)


def game_of(data: FederatedData, key: Key, *, rounds: int, epochs: int) -> Game:
    """The game, of so many rounds and local epochs."""
    model = cnn(initializer="torch")
    return silo(
        data,
        Training(model, training(epochs), fedavg(max_rounds=rounds), key=key),
        metric="accuracy",
    )


def measure(options: argparse.Namespace, part: dict[str, int]) -> Record:
    """Plays the part of the game.

    Args:
        options: the command line.
        part: how many coalitions, rounds and epochs.
    """
    pool = mnist(folder=options.data, train_limit=options.images)
    data = federate(pool, iid(num_clients=CLIENTS), seed=0, validation=VALIDATION)
    key = jax.random.key(0)
    masks = stratified(CLIENTS, part["coalitions"])
    game = game_of(data, key, rounds=part["rounds"], epochs=part["epochs"])
    with compiled_anew(), PeakMemory() as memory:
        plan, planning = timed(lambda: autoplan(game, key, masks, plan_of(options)), repeats=0)
        utilities, seconds = timed(lambda: evaluate(game, key, masks, plan), repeats=0)
    steps = training(part["epochs"]).num_steps(np.asarray(data.sizes))
    steps_of_whole = training(EPOCHS).num_steps(np.full(CLIENTS, IMAGES // CLIENTS))
    done = member_steps(masks, steps, part["rounds"])
    whole = member_steps(all_subsets(CLIENTS), steps_of_whole, ROUNDS)
    settings = {}
    if not options.no_settings:
        settings = of_settings(options.data, plan)
    return {
        **part,
        "images": options.images,
        "plan": asdict(plan),
        "member_steps": done,
        "fraction_run": done / whole,
        "member_steps_per_second": done / seconds["warm"],
        "seconds_planning": planning["first"],
        "seconds_run": seconds["first"],
        "compile_s": planning["compile"] + seconds["compile"],
        "num_programs": planning["programs"] + seconds["programs"],
        **_seconds(planning, seconds, done / whole),
        "published_seconds": PUBLISHED_SECONDS,
        "peak_memory_mb": memory.megabytes,
        "accuracy_range": [float(utilities.min()), float(utilities.max())],
        "values": _values(utilities, done == whole),
        "useful_fraction": useful_fraction(plan, masks, steps),
        "useful_fraction_of_settings": settings,
    }


def _seconds(planning: Seconds, seconds: Seconds, part: float) -> dict[str, float | None]:
    """What the whole game took, or would take by an extrapolation from a part."""
    took = planning["first"] + seconds["first"]
    if part == 1:
        return {"seconds_exact": took, "seconds_extrapolated": None}
    whole = took - seconds["warm"] + seconds["warm"] / part
    return {"seconds_exact": None, "seconds_extrapolated": whole}


def _values(utilities: Utilities, complete: bool) -> list[float] | None:
    """The Shapley values; None where coalitions, rounds or epochs are missing."""
    if not complete:
        return None
    values: list[float] = shapley_values(utilities).tolist()
    return values


def of_settings(folder: str | None, plan: Plan) -> dict[str, float]:
    """The useful fraction of the same training on all coalitions of each of the five settings."""
    pool = mnist_pool(folder)
    masks = all_subsets(CLIENTS)
    fractions = {}
    for number in SETTINGS:
        sizes = np.asarray(mnist_setting(pool, number).sizes)
        steps: HostArray = training(EPOCHS).num_steps(sizes)
        fractions[str(number)] = useful_fraction(plan, masks, steps)
    return fractions


def show(record: Record, console: Console) -> None:
    """What the record says, in sentences."""
    ran = (
        f"{record['coalitions']} coalitions, {record['rounds']} round(s) of "
        f"{record['epochs']} epoch(s): {record['seconds_planning']:.1f} s to make a plan and "
        f"{record['seconds_run']:.1f} s to carry it out, {record['compile_s']:.1f} s of "
        f"compilation in both; {record['member_steps_per_second']:,.0f} member-steps a second once "
        "compiled."
    )
    if record["seconds_exact"] is None:
        whole = (
            f"Extrapolated from {100 * record['fraction_run']:.3g} % of the member-steps: the "
            f"whole game would take {record['seconds_extrapolated']:,.0f} s here"
        )
    else:
        whole = f"That is the whole game: {record['seconds_exact']:,.0f} s"
    fractions = [f"Useful fraction: {record['useful_fraction']:.3f}"]
    for number, fraction in record["useful_fraction_of_settings"].items():
        fractions.append(f"setting {number} ({SETTINGS[int(number)]}) {fraction:.3f}")
    published = f"published: {record['published_seconds']:,} s."
    console.print(f"{ran}\n{whole}; {published}\n{'; '.join(fractions)}.", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    part = dict(on_device(PARTS))
    if options.whole:
        part = dict(WHOLE)
    for name, most in WHOLE.items():
        asked = getattr(options, name)
        if asked is not None:
            part[name] = asked
        integer(name, part[name], least=1, most=most)
    return measure(options, part)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.mnist_exact", __doc__)
    add = parser.add_argument
    add("--data", help=DATA)
    for name, whole in WHOLE.items():
        usual = " or ".join(str(count) for count in dict.fromkeys(p[name] for p in PARTS.values()))
        some = f"how many of the {whole} {name} (default: {usual}, by the device)"
        add(f"--{name}", type=int, help=some)
    add("--whole", action="store_true", help="all coalitions, rounds and epochs: a day on a CPU")
    images = "fewer training images, for a trial (default: all)"
    add("--images", type=int, default=IMAGES, help=images)
    add("--no-settings", action="store_true", help="leave out the five settings")
    add_plan(add)
    return parser


if __name__ == "__main__":
    sys.exit(main())
