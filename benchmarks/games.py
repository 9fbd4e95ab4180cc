"""The games that the engine is measured on: federations of digits or MNIST, their models, and the
work in them.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import numpy as np

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.partition import iid
from fedjax_shap.data.shares import apportion
from fedjax_shap.data.sources import digits, mnist
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import Architecture, cnn, mlp
from fedjax_shap.learning.precision import Precision
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import HostArray, Key, Masks, Params

MNIST_TRAIN, MNIST_VALIDATION = 200, 200  # images a client, and the server's
LEARNING_RATE = 0.05
LENET_PADDING = 2
FEWEST_COALITIONS = 8  # in a case that is cut


@dataclass(frozen=True, kw_only=True)
class Case:
    """One game to measure.

    Attributes:
        data_name: "digits" (1,347 examples dealt out at random) or "mnist" (200 a client).
        model: "mlp" with one hidden layer, or "cnn" (LeNet5; on MNIST).
        hidden: width of the MLP's hidden layer.
        n: clients.
        batch_size: rows a mini-batch; 0 for the full batch.
        rounds: rounds a coalition.
        steps: local steps a client and round.
        coalitions: how many of the 2^n are valued, a sample stratified by size; all if 0.
    """

    data_name: Literal["digits", "mnist"] = "digits"
    model: Literal["mlp", "cnn"] = "mlp"
    hidden: int = 200
    n: int = 8
    batch_size: int = 32
    rounds: int = 5
    steps: int = 10
    coalitions: int = 0

    def __post_init__(self) -> None:
        one_of("data_name", self.data_name, ("digits", "mnist"))
        one_of("model", self.model, ("mlp", "cnn"))
        for name, least in (
            ("hidden", 1),
            ("n", 1),
            ("rounds", 1),
            ("steps", 1),
            ("batch_size", 0),
        ):
            integer(name, getattr(self, name), least=least)

    def masks(self) -> Masks:
        """bool[M, P]: the coalitions that are valued."""
        return stratified(self.n, self.coalitions or 2**self.n)

    def architecture(self, precision: Precision = "float32") -> Architecture:
        """Its model."""
        return (
            cnn(precision=precision)
            if self.model == "cnn"
            else mlp(hidden=(self.hidden,), precision=precision)
        )

    def data(self, folder: str | None = None) -> FederatedData:
        """Its federation.

        Args:
            folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        """
        image = self.model == "cnn"
        if self.data_name == "digits":
            pool = digits(image=image)
        else:
            limit = MNIST_TRAIN * self.n
            pool = mnist(
                folder=folder, flat=not image, train_limit=limit, test_limit=MNIST_VALIDATION
            )
        return federate(pool, iid(num_clients=self.n), seed=0)

    def game(
        self,
        data: FederatedData,
        key: Key,
        *,
        initial: Params | None = None,
        precision: Precision = "float32",
    ) -> Game:
        """Its game on such data, valued by minus the log-loss; made anew, nothing of it is compiled
        yet.

        Args:
            data: what `data` gave.
            key: seeds the initial parameters.
            initial: these instead of drawn ones.
            precision: in how many bits models compute.
        """
        training = local(
            learning_rate=LEARNING_RATE, batch_size=self.batch_size or None, steps=self.steps
        )
        rounds = fedavg(max_rounds=self.rounds)
        model = self.architecture(precision)
        return silo(
            data,
            Training(model, training, rounds, key=key, initial=initial),
            metric="negative_loss",
        )

    def within(self, flops: float, limit: float) -> "Case":
        """The case cut so that its useful work of `flops` is about `limit`: fewer rounds, then
        steps, then coalitions.

        Args:
            flops: floating-point operations of the case as it is.
            limit: how many there may be.
        """
        share = limit / flops
        if share >= 1:
            return self
        rounds = max(int(self.rounds * share), 1)
        share *= self.rounds / rounds
        steps = max(int(self.steps * min(share, 1)), 1)
        share *= self.steps / steps
        count = max(int(2**self.n * share) // 2 * 2, FEWEST_COALITIONS)
        return replace(
            self, rounds=rounds, steps=steps, coalitions=0 if count >= 2**self.n else count
        )


def loops(num_players: int) -> dict[str, Plan]:
    """The honest baseline in both layouts: the same training, jitted, one coalition after another,
    members only.
    """
    return {
        "coalition": Plan(chunk=1, layout="coalition", buckets=num_players, workers=1, devices=1),
        "client": Plan(chunk=1, layout="client", workers=1, devices=1),
    }


def add_plan(add: Callable[..., Any]) -> None:
    """Adds the options of a plan to a command line by its `add_argument`."""
    add("--chunk", type=int, help="coalitions at once (default: found by measurement)")
    add("--layout", choices=("client", "coalition"), help="how a chunk is laid out")
    for name in ("buckets", "workers", "devices"):
        add(f"--{name}", type=int, help=f"{name} of the plan")


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the options of `add_plan` ask for; what they leave open, the package
    chooses.
    """
    names = ("chunk", "layout", "buckets", "workers", "devices")
    return Plan(
        **{name: getattr(options, name) for name in names if getattr(options, name) is not None}
    )


def stratified(num_players: int, count: int, *, seed: int = 0) -> Masks:
    """A sample of distinct coalitions in which sizes stand as among all 2^P, and every coalition's
    complement is too.

    So the sample is to the engine what all coalitions are, only fewer: each player is in half of
    it.

    Args:
        num_players: P.
        count: how many, even, at most 2^P.
        seed: decides which.

    Returns:
        bool[count, P]; all coalitions in the order of `all_subsets` where count is 2^P.

    Raises:
        InvalidInputError: such a count cannot be had.
    """
    every = all_subsets(num_players)
    integer("count", count, least=2, most=len(every))
    require(
        count % 2 == 0,
        f"Expected count={count} to be even, as coalitions are drawn with their complements.",
    )
    if count == len(every):
        return every
    half = every[
        : len(every) // 2
    ]  # those without the last player; their complements are the others
    sizes, rng = half.sum(axis=1), np.random.default_rng(seed)
    wanted = apportion(np.bincount(sizes), count // 2)
    rows = [
        rng.permutation(np.flatnonzero(sizes == size))[:some] for size, some in enumerate(wanted)
    ]
    drawn = half[np.sort(np.concatenate(rows))]
    return np.concatenate([drawn, ~drawn])


def member_steps(masks: Masks, steps: HostArray, rounds: int) -> int:
    """Local steps that the members of all coalitions take together.

    Args:
        masks: bool[M, P].
        steps: int[P], local steps of each client in a round.
        rounds: R.
    """
    return int(masks.sum(axis=0) @ np.asarray(steps)) * rounds


def useful_flops(case: Case, data: FederatedData, masks: Masks) -> float:
    """Floating-point operations of the game, counted by hand: what any engine must do, whatever it
    does besides.

    With MACs the multiplications of the layers' matrix products for one example: 2 MACs forward, 2
    for the gradient of the weights and 2 for that of the activations, which the first layer does
    not need; and 2 forward for each example of the validation set, once a coalition. Biases,
    activations, losses and optimisers are not counted.

    Args:
        case: what is trained.
        data: its federation.
        masks: bool[M, P], the coalitions valued.
    """
    model = case.architecture()(data.x.shape[2:], data.num_classes)
    layers = _macs(jax.eval_shape(model.init, jax.random.key(0)), data.x.shape[2])
    training = 4 * sum(layers) + 2 * sum(layers[1:])
    sizes = np.asarray(data.sizes)
    batch = np.minimum(case.batch_size, sizes) if case.batch_size else sizes
    starts = np.arange(case.steps)[:, None] % -(-sizes // batch) * batch
    seen = np.minimum(batch, sizes - starts).sum(
        axis=0
    )  # int[P], examples a round: the last batch of a pass is short
    valued = len(masks) * len(data.validation[1])
    return float(masks.sum(axis=0) @ seen) * case.rounds * training + 2.0 * sum(layers) * valued


def _macs(params: Params, side: int) -> list[int]:
    """Multiplications for one example in each layer, first to last; `side` is the height of an
    image in pixels.
    """
    found, side = [], side + 2 * LENET_PADDING
    for name in sorted(params):
        kernel = params[name]["kernel"]
        positions = 1
        if kernel.ndim == 4:
            side -= kernel.shape[0] - 1
            positions, side = side**2, side // 2  # pooled
        found.append(int(np.prod(kernel.shape)) * positions)
    return found
