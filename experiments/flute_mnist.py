"""How many minutes does a run of a thousand clients take, alone and with the values of its clients?

Claim: FLUTE's example of logistic regression on MNIST with 1,000 clients takes less time here with
all clients valued round by round than there without values.

Two runs of FedAvg: `flute`, 10 clients a round and 100 rounds, as in FLUTE's README, and `large`,
100 clients a round and 200 rounds. Batches of 10, one epoch a round, SGD 0.03. The split is that of
FedProx, which LEAF-style benchmarks, FedML and FLUTE use under the name MNIST: client u holds the
digits u mod 10 and (u + 1) mod 10, at least five images of each, and the other images of a digit
are shared out by log-normal weights of sigma 2. There 70,000 images are dealt out and a tenth of
each client's is its test set; here the 60,000 training images are, and the server has the official
test images: clients are valued on a fifth of them, the accuracy is that on the others.

Values inside the run, over all rounds: to first order (one gradient a round), and of the rounds'
games, by all coalitions of 10 participants or by `coalitions` of 100 (random joining orders).
Seconds are those of a first run with everything compiled, and of these in XLA's compiler.

Command: python -m experiments.flute_mnist --data DIR --json out.json --figure flute.png
    python -m experiments.flute_mnist --data DIR --set clients=50 --set participants=20
        --set rounds=5 --set images=5000 (a trial)
Minutes: 5 on two cores.
Expected: an accuracy of about .80 after 100 rounds of 10 clients.
Published (FLUTE's README): Flower 30:14, FedML 3:09 and FLUTE 3:20 minutes on a CPU, FLUTE 1:26 on
    four GPUs; accuracy about .80.

References:
    Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith 2020, "Federated optimization in heterogeneous
    networks" (the split). Dimitriadis, Garcia, Diaz, Manoel, Sim 2022, "FLUTE: a scalable,
    extensible framework for high-performance federated learning simulations". Wang, Rausch, Zhang,
    Jia, Song 2020, "A principled approach to data valuation for federated learning".
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from scipy.stats import spearmanr

from benchmarks.harness import Record, at_least, table
from benchmarks.timing import Seconds, compiled_anew, timed
from experiments.harness import Settings, dress, overridden, parser, progress, run
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Partition, Shares, apportion, as_shares
from fedjax_shap.data.sources import mnist
from fedjax_shap.games.rounds import Rounds, rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.participation import uniform
from fedjax_shap.learning.training import Training
from fedjax_shap.report import style
from fedjax_shap.report.style import BLUE, ORANGE
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact
from fedjax_shap.typing import HostArray, Params
from fedjax_shap.valuation.in_run import Method, estimate_rounds
from fedjax_shap.valuation.in_run_methods import taylor
from fedjax_shap.valuation.options import Options

CONFIG: Settings = {
    "clients": 1000,
    "participants": 100,  # a round of the large run
    "rounds": 200,  # of the large run
    "coalitions": 400,  # a round, where there are too many for all
    "images": 60_000,
    "seed": 0,
}
FLUTE = {"participants": 10, "rounds": 100}
TRAINING: dict[str, Any] = {"learning_rate": 0.03, "batch_size": 10, "epochs": 1}
VALIDATION = 0.2  # of the test images
OF_EACH = 5  # images of each of its two digits that a client has at least
SIGMA = 2.0
MOST_EXACT = 10  # participants of whom all coalitions are valued
PUBLISHED = {"Flower": 1814, "FedML": 189, "FLUTE": 200, "FLUTE, four GPUs": 86}  # seconds


class Case(NamedTuple):
    """A run.

    Attributes:
        participants: a round.
        rounds: R.
    """

    participants: int
    rounds: int


def power_law_digits(num_clients: int) -> Partition:
    """FedProx's split: two digits a client, log-normal numbers of images."""

    def split(rng: np.random.Generator, pool: Pool) -> Shares:
        rows: list[list[HostArray]] = [[] for _ in range(num_clients)]
        classes = int(pool.num_classes or 0)
        for digit in range(classes):
            # who holds the digit, as its first or as its second
            owners = [u for u in range(num_clients) if digit in (u % classes, (u + 1) % classes)]
            images = rng.permutation(np.flatnonzero(np.asarray(pool.y) == digit))
            weights = rng.lognormal(0.0, SIGMA, len(owners))
            spare = len(images) - OF_EACH * len(owners)
            counts = OF_EACH + apportion(weights, max(spare, 0))
            for owner, own in zip(owners, np.split(images, counts.cumsum()[:-1]), strict=True):
                rows[owner].append(own)
        return as_shares([np.concatenate(own) for own in rows])

    return split


def measure(settings: Settings, folder: str | None) -> dict[str, Any]:
    """Both runs, each alone and with values."""
    pool = mnist(folder=folder, flat=True, train_limit=settings["images"])
    data = federate(
        pool,
        power_law_digits(settings["clients"]),
        seed=settings["seed"],
        validation=VALIDATION,
    )
    done = progress()
    cases = {"flute": Case(**FLUTE), "large": Case(settings["participants"], settings["rounds"])}
    found = {}
    for name, case in cases.items():
        found[name] = _measured(settings, data, case)
        done(f"{name}: {case.participants} clients a round, {case.rounds} rounds")
    sizes = np.asarray(data.sizes)
    return {"sizes": sizes.tolist(), "runs": found}


def _run_of(settings: Settings, data: FederatedData, case: Case) -> Rounds:
    """The run, of which nothing is trained yet."""
    training = Training(
        linear(),
        local(**TRAINING),
        fedavg(max_rounds=case.rounds),
        participation=uniform(participants=case.participants),
        key=jax.random.key(settings["seed"]),
    )
    return rounds(data, training, metric="negative_loss", absent="unchanged")


def _measured(settings: Settings, data: FederatedData, case: Case) -> dict[str, Any]:
    """One run: seconds of training alone and with values, the accuracy, and the values."""
    key = jax.random.key(settings["seed"])
    models: list[Params] = []

    def train() -> list[Params]:
        """The model after each round."""
        after: list[Params] = []
        for _ in _run_of(settings, data, case).play(key, after.append):
            pass
        return jax.block_until_ready(after)

    with compiled_anew():
        models, alone = timed(train, repeats=0)
    present = _run_of(settings, data, case).present
    steps = local(**TRAINING).num_steps(np.asarray(data.sizes))
    found: dict[str, Any] = {
        **case._asdict(),
        "seconds_alone": alone,
        "member_steps": int((present @ steps).sum()),
        "accuracy": _accuracies(models, data),
        "ways": {},
    }
    for name, estimator, budget in _ways(settings, case):

        def value(
            estimator: Estimator | Method = estimator, budget: int | None = budget
        ) -> Attribution:
            whole = _run_of(settings, data, case)
            return estimate_rounds(whole, estimator, Options(budget=budget), key=key)

        with compiled_anew():
            values, seconds = timed(value, repeats=0)
        found["ways"][name] = _way(values, seconds, present, np.asarray(data.sizes))
    return found


def _ways(settings: Settings, case: Case) -> list[tuple[str, Estimator | Method, int | None]]:
    """(name, estimator, coalitions a round)."""
    if case.participants <= MOST_EXACT:
        return [("first order", taylor(), None), ("exact", exact(), None)]
    return [
        ("first order", taylor(), None),
        ("joining orders", permutation(), settings["coalitions"]),
    ]


def _way(
    found: Attribution, seconds: Seconds, present: HostArray, sizes: HostArray
) -> dict[str, Any]:
    """Seconds and values of one way; the correlation is with the images of those who took part."""
    took_part = present.any(axis=0)
    values = np.asarray(found.values)
    correlation = spearmanr(values[took_part], (present.sum(axis=0) * sizes)[took_part])
    return {
        "seconds": seconds,
        "coalitions": found.num_coalitions,
        "values": values.tolist(),
        "gain": float(found.grand - found.empty),
        "spearman_with_images": float(correlation.statistic),
    }


def _accuracies(models: Sequence[Params], data: FederatedData) -> list[float]:
    """On the test set, after each round."""
    model = linear()(data.example_shape, data.num_classes)
    x, y = data.test

    @jax.jit
    def accuracy(params: Params) -> jax.Array:
        return (model.apply(params, jnp.asarray(x)).argmax(axis=-1) == jnp.asarray(y)).mean()

    return [float(accuracy(params)) for params in models]


def figure(record: Record) -> Figure:
    """The accuracies, and the values of the large run by the images that clients trained on."""
    drawn, (left, right) = style.panels(style.TWO, 2.6, 1, 2)
    for color, (name, one) in zip((ORANGE, BLUE), record["runs"].items(), strict=True):
        rounds_done = np.arange(1, len(one["accuracy"]) + 1)
        title = {"flute": "FLUTE's"}.get(name, name)
        label = f"{title}: {one['participants']} clients a round"
        left.plot(rounds_done, one["accuracy"], color=color, label=label)
    left.set(xlabel="round", ylabel="accuracy on the test images (share)")
    style.legend(left, loc="lower right")
    dress(left, "MNIST, logistic regression")
    _values(right, record)
    caption = f"""MNIST among {record["clients"]:,} clients of two digits each. Left: accuracy by
    round, one run a line. Right: the values of the clients in the large run over all rounds, by
    {list(record["runs"]["large"]["ways"])[-1]}; a dot a client."""
    return style.captioned(drawn, caption)


def _values(axes: Axes, record: Record) -> None:
    """A dot a client."""
    name, way = list(record["runs"]["large"]["ways"].items())[-1]
    axes.plot(record["sizes"], way["values"], ".", color=BLUE, alpha=0.5, markersize=3)
    axes.set(xscale="log", xlabel="training images of a client", ylabel="value (nats)")
    dress(axes, f"values over all rounds, by {name}")


def show(record: Record, console: Console) -> None:
    """A table of minutes, and the published ones."""
    columns = ("run", "clients a round", "rounds", "accuracy", "", "seconds", "of it compiling")
    shown = table("Seconds of a first run", columns, left=("run", ""))
    for name, one in record["runs"].items():
        ways = {"training alone": one["seconds_alone"]}
        ways |= {f"with values, {way}": each["seconds"] for way, each in one["ways"].items()}
        cells = (str(one["participants"]), str(one["rounds"]), f"{one['accuracy'][-1]:.3f}")
        for place, (way, seconds) in enumerate(ways.items()):
            before = (name, *cells)
            if place:
                before = ("", "", "", "")
            shown.add_row(*before, way, f"{seconds['first']:.1f}", f"{seconds['compile']:.1f}")
    console.print(shown)
    published = ", ".join(f"{name} {seconds} s" for name, seconds in PUBLISHED.items())
    console.print(f"Published for `flute`, without values: {published}.", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the experiment; 0 for success, 2 for input that cannot be used."""
    return run(parser("flute_mnist", __doc__, CONFIG), arguments, _record, show, figure)


def _record(options: argparse.Namespace) -> Record:
    settings = overridden(CONFIG, options.set)
    at_least(settings, clients=10, participants=1, rounds=1, coalitions=1, images=1, seed=0)
    return {
        **settings,
        "training": TRAINING,
        "published_seconds": PUBLISHED,
        **measure(settings, options.data),
    }


if __name__ == "__main__":
    sys.exit(main())
