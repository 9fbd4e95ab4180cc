"""How long does it take to value all mixtures of one round's uploads, against one forward pass a
mixture?

The clients share MNIST by Dirichlet label skew, so that their weights differ, and each trains an
MLP for an epoch of SGD. Then all 2^m coalitions of the m participants are valued on the server's
test images: by the engine, which applies first layers once to each upload and mixes what they give,
and by the rival, which mixes the models and passes every mixture through. The rival is jitted and
mapped; of a few chunk sizes it gets the one that is fastest on a part of the coalitions. Its
log-losses are held against ours before its clock starts. Accuracies, whose near-ties tip with float
reassociation, are compared in test examples.

    python -m benchmarks.rounds_game --data DIR --json rounds_game.json
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
from rich.console import Console

from benchmarks.harness import Seconds, present, timed
from fedjax_shap._validate import integer, require
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
from fedjax_shap.typing import Key, Masks, Utilities

ALPHA, LEARNING_RATE, BATCH = 0.5, 0.05, 32
GAP = 1e-5  # nats by which the rival's log-losses may differ
TRIAL = 64  # coalitions on which the rival's chunk sizes are tried


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


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds, memory and differences of the engine and the rival, as the record without its
    surroundings.
    """
    data, key = federation(options), jax.random.key(options.key)
    game, masks = game_of(options, data, key, "negative_loss"), all_subsets(options.participants)
    ours = autoplan(game, key, masks, Plan(chunk=options.chunk))
    utilities, engine = timed(lambda: evaluate(game, key, masks, ours), repeats=options.repeats)
    rates = _rates(options, game, key, masks)
    best = max(rates, key=lambda chunk: rates[chunk])
    theirs, gap = Plan(chunk=best, layout="coalition", buckets=1), []

    def check(found: Utilities) -> None:
        gap.append(float(np.abs(found - utilities).max()))
        require(
            gap[0] <= GAP,
            f"Expected one forward pass a mixture to give our log-losses within {GAP} nats, got "
            f"{gap[0]:.1e}.",
        )

    _, rival = timed(
        lambda: evaluate(game, key, masks, theirs), repeats=options.repeats, check=check
    )
    named = ("participants", "examples", "hidden", "train", "key")
    found = {name: getattr(options, name) for name in named} | {
        "sizes": np.asarray(data.sizes).tolist()
    }
    found |= {
        "num_coalitions": len(masks),
        "plan": asdict(ours),
        "plan_forward_per_model": asdict(theirs),
    }
    found |= {"seconds_engine": engine, "seconds_forward_per_model": rival | {"chunk": best}}
    found |= {
        "forward_per_model_coalitions_per_second": rates,
        "speed_up": rival["warm"] / engine["warm"],
    }
    found |= {"speed_up_first": rival["first"] / engine["first"], "max_abs_diff": gap[0]}
    found |= {"temporary_bytes": _memory(game, key, masks, int(ours.chunk or 1), best)}
    return found | _accuracies(options, data, key, masks, (ours, theirs))


def _rates(options: argparse.Namespace, game: Game, key: Key, masks: Masks) -> dict[int, float]:
    """Coalitions a second of the rival by chunk size, once compiled, on about `TRIAL` of them."""
    some, rates = masks[:: max(len(masks) // TRIAL, 1)], {}
    for chunk in options.rival_chunks:
        plan = Plan(chunk=chunk, layout="coalition", buckets=1)
        _, seconds = timed(lambda plan=plan: evaluate(game, key, some, plan), repeats=1)  # type: ignore[misc]
        rates[chunk] = len(some) / seconds["warm"]
    return rates


def _memory(game: Game, key: Key, masks: Masks, ours: int, theirs: int) -> dict[str, int]:
    """Bytes that each program takes for a chunk besides its arguments."""
    chunk, coalitions = chunk_of(masks[:ours], ours), gather(masks[:theirs], masks.shape[1])
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
    options: argparse.Namespace,
    data: FederatedData,
    key: Key,
    masks: Masks,
    plans: tuple[Plan, Plan],
) -> dict[str, Any]:
    """By how many test examples the accuracies differ: the most, and in how many coalitions."""
    game = game_of(options, data, key, "accuracy")
    ours, theirs = (evaluate(game, key, masks, plan) for plan in plans)
    examples = np.rint(options.examples * np.abs(ours - theirs))
    found = {"most": int(examples.max()), "coalitions": int((examples > 0).sum())}
    return {
        "accuracy_differs_in_examples": found,
        "accuracy": {"empty": ours[0], "grand": ours[-1]},
    }


def show(record: dict[str, Any], console: Console) -> None:
    """The result on the terminal."""
    engine, rival = record["seconds_engine"], record["seconds_forward_per_model"]

    def told(seconds: Seconds) -> str:
        return f"{seconds['warm']:.2f} s ({seconds['first']:.2f} s with {seconds['compile']:.2f} s of compilation)"

    megabytes = {name: size / 1e6 for name, size in record["temporary_bytes"].items()}
    differs = record["accuracy_differs_in_examples"]
    console.print(
        f"{record['num_coalitions']} mixtures of {record['participants']} uploads, MLP "
        f"784-{record['hidden']}-10, "
        f"{record['examples']} test images.\n"
        f"Engine, {record['plan']['chunk']} at once: {told(engine)}, {megabytes['engine']:.0f} "
        "MB.\n"
        f"A forward pass a mixture, {rival['chunk']} at once: {told(rival)}, "
        f"{megabytes['forward_per_model']:.0f} MB.\n"
        f"{record['speed_up']:.1f} times as fast; log-losses differ by "
        f"{record['max_abs_diff']:.1e} at most, "
        f"accuracies by {differs['most']} test examples, in {differs['coalitions']} coalitions.",
        highlight=False,
        soft_wrap=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 for success, 2 for input that cannot be used."""
    return present(_parser(), arguments, _record, show)


def _record(options: argparse.Namespace) -> dict[str, Any]:
    """What is measured, once the options are known to make sense."""
    integer("participants", options.participants, least=1, most=16)
    for name, least in (("hidden", 1), ("repeats", 0), ("key", 0)):
        integer(name, getattr(options, name), least=least)
    for chunk in options.rival_chunks:
        integer("rival_chunks", chunk, least=1)
    return measure(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rounds_game", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("--data", help="the folder of data sets (default: the variable FEDJAX_SHAP_DATA)")
    add(
        "--participants",
        type=int,
        default=10,
        help="m, clients in the round (default: %(default)s)",
    )
    add("--examples", type=int, default=2000, help="test images (default: %(default)s)")
    add("--hidden", type=int, default=200, help="width of the hidden layer (default: %(default)s)")
    add(
        "--train",
        type=int,
        default=10_000,
        help="training images of all clients (default: %(default)s)",
    )
    add(
        "--key", type=int, default=0, help="seeds the split and the training (default: %(default)s)"
    )
    add(
        "--chunk", type=int, help="the engine's coalitions at once (default: chosen by the package)"
    )
    rival = "coalitions at once that are tried for the rival (default: %(default)s)"
    add("--rival-chunks", nargs="+", type=int, default=[1, 4, 16], help=rival)
    add("--repeats", type=int, default=5, help="timed calls once compiled (default: %(default)s)")
    add("--json", help="where the record goes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
