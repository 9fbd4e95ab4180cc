"""How much faster than a forward pass a mixture can all mixtures of a round's uploads be valued?

MNIST is dealt to the clients with Dirichlet label skew, so that their weights differ, and each
trains an MLP for an epoch of SGD. Then all 2^m coalitions of the m participants are valued on the
server's test images: by the engine, which applies first layers once to each upload and mixes their
outputs, and by the rival, which mixes the models and passes every mixture through. The rival is
jitted and mapped; of a few chunk sizes it gets the one that is fastest on a part of the coalitions.
Its log-losses are compared with ours before its clock starts. Where it would take more than
--rival-seconds, it passes a part of the mixtures, and its seconds are an extrapolation by their
number (`share_of_the_work`). Accuracies, whose near-ties tip with float reassociation, are compared
in test examples; they and the memory are left out where --seconds are over by then.

    python -m benchmarks.rounds_game --data DIR --json rounds_game.json
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks.harness import (
    DATA,
    Limit,
    Record,
    add_counts,
    add_seconds,
    at_least,
    on_device,
    parser_of,
    present,
)
from benchmarks.timing import Seconds, timed, timed_in_part
from fedjax_shap._validate import integer, number, require
from fedjax_shap.coalitions import all_subsets, chunk_of, gather
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.label_skew import dirichlet
from fedjax_shap.data.sources import mnist
from fedjax_shap.engine.autoplan import autoplan
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.game import Game
from fedjax_shap.games.rounds import rounds
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import mlp
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import HostArray, Key, Masks, Utilities

ALPHA = 0.5
LEARNING_RATE = 0.05
BATCH = 32
GAP = 1e-5  # nats by which the rival's log-losses may differ
TRIAL = 64  # coalitions on which the rival's chunk sizes are tried, or as many as a chunk has
RIVAL_CHUNKS = {"cpu": (1, 4, 16), "elsewhere": (16, 128)}  # tried for the rival
RIVAL_SECONDS = {"cpu": 60.0, "elsewhere": 4.0}
COUNTS = {
    "participants": (10, "m, clients in the round"),
    "examples": (2000, "test images"),
    "hidden": (200, "width of the hidden layer"),
    "train": (10_000, "training images of all clients"),
    "key": (0, "seeds the split and the training"),
    "repeats": (5, "timed calls once compiled"),
}


def federation(options: argparse.Namespace) -> FederatedData:
    """The clients' images, and the server's as `validation`."""
    pool = mnist(
        folder=options.data, flat=True, train_limit=options.train, test_limit=options.examples
    )
    return federate(
        pool, dirichlet(num_clients=options.participants, alpha=ALPHA), seed=options.key
    )


def game_of(options: argparse.Namespace, data: FederatedData, key: Key, metric: str) -> Game:
    """The game of the first round, its uploads trained."""
    training = local(learning_rate=LEARNING_RATE, batch_size=BATCH, epochs=1)
    model = mlp(hidden=(options.hidden,))
    run = rounds(data, Training(model, training, fedavg(max_rounds=1), key=key), metric=metric)
    return next(run.play(key)).game


def measure(options: argparse.Namespace, limit: Limit) -> Record:
    """Seconds, memory and differences of the engine and the rival."""
    data = federation(options)
    key = jax.random.key(options.key)
    game = game_of(options, data, key, "negative_loss")
    masks = all_subsets(options.participants)
    # the engine
    ours = autoplan(game, key, masks, Plan(chunk=options.chunk))
    utilities, engine = timed(lambda: evaluate(game, key, masks, ours), repeats=options.repeats)
    # the rival, at its best chunk size
    rates = _rates(options, game, key, masks)
    best = max(rates, key=lambda chunk: rates[chunk])
    theirs = Plan(chunk=best, layout="coalition", buckets=1)
    gap: list[float] = []

    def check(rows: HostArray, theirs: Utilities) -> None:
        gap.append(float(np.abs(theirs - utilities[rows]).max()))
        require(
            gap[0] <= GAP,
            f"Expected one forward pass a mixture to give our log-losses within {GAP} nats, got "
            f"{gap[0]:.1e}.",
        )

    rival = timed_in_part(
        lambda some: evaluate(game, key, some, theirs),
        masks,
        np.ones(len(masks)),
        seconds=options.rival_seconds,
        repeats=options.repeats,
        at_once=best,
        check=check,
    )
    return {
        **{name: getattr(options, name) for name in COUNTS if name != "repeats"},
        "sizes": np.asarray(data.sizes).tolist(),
        "num_coalitions": len(masks),
        "plan": asdict(ours),
        "plan_forward_per_model": asdict(theirs),
        "seconds_engine": engine,
        "seconds_forward_per_model": rival | {"chunk": best},
        "forward_per_model_coalitions_per_second": rates,
        "speed_up": rival["warm"] / engine["warm"],
        "speed_up_first": rival["first"] / engine["first"],
        "max_abs_diff": gap[0],
        **_beside(options, data, (game, key, masks), (ours, theirs), limit),
    }


def _beside(
    options: argparse.Namespace,
    data: FederatedData,
    played: tuple[Game, Key, Masks],
    plans: tuple[Plan, Plan],
    limit: Limit,
) -> dict[str, Any]:
    """Memory and accuracies of both, None where the seconds are over."""
    names = ("temporary_bytes", "accuracy_differs_in_examples", "accuracy")
    if limit.is_over():
        return dict.fromkeys(names)
    game, key, masks = played
    ours, theirs = plans
    taken = _memory(game, key, masks, int(ours.chunk or 1), int(theirs.chunk or 1))
    accuracies = game_of(options, data, key, "accuracy")
    found = _accuracies(accuracies, key, masks, plans, options.examples)
    return {"temporary_bytes": taken, **found}


def _rates(options: argparse.Namespace, game: Game, key: Key, masks: Masks) -> dict[int, float]:
    """Coalitions a second of the rival by chunk size, once compiled, on about `TRIAL` of them."""
    rates = {}
    for chunk in options.rival_chunks:
        some = masks[:: max(len(masks) // max(TRIAL, chunk), 1)]
        plan = Plan(chunk=chunk, layout="coalition", buckets=1)
        _, seconds = timed(partial(evaluate, game, key, some, plan), repeats=1)
        rates[chunk] = len(some) / seconds["warm"]
    return rates


def _memory(game: Game, key: Key, masks: Masks, ours: int, theirs: int) -> dict[str, int]:
    """Bytes that each program takes for a chunk besides its arguments."""
    chunk = chunk_of(masks[:ours], ours)
    coalitions = gather(masks[:theirs], masks.shape[1])
    mapped = jax.vmap(game.value, in_axes=(None, None, 0))
    programs: dict[str, tuple[Any, Any]] = {
        "engine": (game.values, chunk),
        "forward_per_model": (mapped, coalitions),
    }
    taken = {}
    for name, (call, given) in programs.items():
        analysis: Any = jax.jit(call).lower(game.world, key, given).compile().memory_analysis()
        taken[name] = int(analysis.temp_size_in_bytes)
    return taken


def _accuracies(
    game: Game, key: Key, masks: Masks, plans: tuple[Plan, Plan], count: int
) -> dict[str, Any]:
    """By how many of `count` test examples accuracies differ: the most, and in how many masks."""
    ours, theirs = (evaluate(game, key, masks, plan) for plan in plans)
    examples = np.rint(count * np.abs(ours - theirs))
    differs = {"most": int(examples.max()), "coalitions": int((examples > 0).sum())}
    return {
        "accuracy_differs_in_examples": differs,
        "accuracy": {"empty": ours[0], "grand": ours[-1]},
    }


def show(record: Record, console: Console) -> None:
    """The result on the terminal."""
    engine = record["seconds_engine"]
    rival = record["seconds_forward_per_model"]
    megabytes = {"engine": "", "forward_per_model": ""}
    if record["temporary_bytes"] is not None:
        megabytes = {
            name: f", {size / 1e6:.0f} MB" for name, size in record["temporary_bytes"].items()
        }
    differs = "accuracies were not compared"
    if record["accuracy_differs_in_examples"] is not None:
        most, coalitions = record["accuracy_differs_in_examples"].values()
        differs = f"accuracies by {most} test examples, in {coalitions} coalitions"
    share = ""
    if rival["share_of_the_work"] < 1:
        share = f" (extrapolated from {100 * rival['share_of_the_work']:.2g} % of the mixtures)"
    console.print(
        f"{record['num_coalitions']} mixtures of {record['participants']} uploads, MLP "
        f"784-{record['hidden']}-10, {record['examples']} test images.\n"
        f"Engine, {record['plan']['chunk']} at once: {_clock(engine)}{megabytes['engine']}.\n"
        f"A forward pass a mixture, {rival['chunk']} at once: {_clock(rival)}{share}"
        f"{megabytes['forward_per_model']}.\n"
        f"{record['speed_up']:.1f} times as fast; log-losses differ by "
        f"{record['max_abs_diff']:.1e} at most, {differs}.",
        highlight=False,
        soft_wrap=True,
    )


def _clock(seconds: Seconds) -> str:
    first = f"{seconds['first']:.2f} s with {seconds['compile']:.2f} s of compilation"
    return f"{seconds['warm']:.2f} s ({first})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> Record:
    """What is measured, once the options are known to make sense."""
    integer("participants", options.participants, least=1, most=16)
    at_least(vars(options), hidden=1, repeats=0, key=0)
    limit = Limit(options)
    for name, defaults in (("rival_chunks", RIVAL_CHUNKS), ("rival_seconds", RIVAL_SECONDS)):
        if getattr(options, name) is None:
            setattr(options, name, on_device(defaults))
    number("rival_seconds", options.rival_seconds, above=0)
    for chunk in options.rival_chunks:
        integer("rival_chunks", chunk, least=1)
    return measure(options, limit)


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("benchmarks.rounds_game", __doc__)
    add = parser.add_argument
    add("--data", help=DATA)
    add_counts(parser, COUNTS)
    chunk = "the engine's coalitions at once (default: chosen by the package)"
    add("--chunk", type=int, help=chunk)
    rival = "coalitions at once that are tried for the rival (default: 1 4 16; 16 128 on a GPU)"
    add("--rival-chunks", nargs="+", type=int, help=rival)
    seconds = "of the rival, beyond which it passes a part (default: 60; 4 on a GPU)"
    add("--rival-seconds", type=float, help=seconds)
    add_seconds(add)
    return parser


if __name__ == "__main__":
    sys.exit(main())
