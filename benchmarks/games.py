"""The games that the engine is measured on: federations, their models, and the work in them."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import numpy as np

from benchmarks.harness import at_least
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

MNIST_TRAIN = 200  # images a client
MNIST_VALIDATION = 200  # images of the server
LEARNING_RATE = 0.05
LENET_PADDING = 2
FEWEST_COALITIONS = 8  # in a case that is cut
LAYOUTS = ("client", "coalition")


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
        at_least(vars(self), hidden=1, n=1, rounds=1, steps=1, batch_size=0)

    def masks(self) -> Masks:
        """bool[M, P]: the coalitions that are valued."""
        return stratified(self.n, self.coalitions or 2**self.n)

    def architecture(self, precision: Precision = "float32") -> Architecture:
        """Its model."""
        if self.model == "cnn":
            return cnn(precision=precision)
        return mlp(hidden=(self.hidden,), precision=precision)

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
        architecture: Architecture | None = None,
    ) -> Game:
        """Its game on such data, valued by minus the log-loss; nothing of it is compiled yet.

        Args:
            data: what `data` gave.
            key: seeds the initial parameters.
            initial: these instead of drawn ones.
            precision: in how many bits models compute.
            architecture: another model than the case's.
        """
        training = local(
            learning_rate=LEARNING_RATE, batch_size=self.batch_size or None, steps=self.steps
        )
        rounds = fedavg(max_rounds=self.rounds)
        model = architecture or self.architecture(precision)
        return silo(
            data,
            Training(model, training, rounds, key=key, initial=initial),
            metric="negative_loss",
        )

    def within(self, flops: float, limit: float) -> "Case":
        """The case with fewer rounds, then steps, then coalitions, so that the work is limited.

        Args:
            flops: floating-point operations of the case as it is.
            limit: about how many there may be.
        """
        part = limit / flops
        if part >= 1:
            return self
        rounds = max(int(self.rounds * part), 1)
        part *= self.rounds / rounds
        steps = max(int(self.steps * min(part, 1)), 1)
        part *= self.steps / steps
        count = max(int(2**self.n * part) // 2 * 2, FEWEST_COALITIONS)
        if count >= 2**self.n:
            count = 0
        return replace(self, rounds=rounds, steps=steps, coalitions=count)


def loops(num_players: int) -> dict[str, Plan]:
    """The honest baseline in both layouts: the same training, jitted, one coalition at a time."""
    return {
        "coalition": Plan(chunk=1, layout="coalition", buckets=num_players, workers=1, devices=1),
        "client": Plan(chunk=1, layout="client", workers=1, devices=1),
    }


def add_models(add: Callable[..., Any]) -> None:
    """Adds the options of data and model to a command line by its `add_argument`."""
    images = "whose images (default: %(default)s)"
    add("--data-name", choices=("digits", "mnist"), default="digits", help=images)
    layers = "one hidden layer, or LeNet5 (default: %(default)s)"
    add("--model", choices=("mlp", "cnn"), default="mlp", help=layers)


def add_plan(add: Callable[..., Any]) -> None:
    """Adds the options of a plan to a command line by its `add_argument`."""
    add("--chunk", type=int, help="coalitions at once (default: measured)")
    add("--layout", choices=LAYOUTS, help="how a chunk is laid out")
    for name in ("buckets", "workers", "devices"):
        add(f"--{name}", type=int, help=f"{name} of the plan")


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the options of `add_plan` ask for; the package chooses what they leave open."""
    names = ("chunk", "layout", "buckets", "workers", "devices")
    asked = {name: getattr(options, name) for name in names}
    return Plan(**{name: value for name, value in asked.items() if value is not None})


def stratified(num_players: int, count: int, *, seed: int = 0) -> Masks:
    """A sample of distinct coalitions with their complements, stratified by size.

    So the sample is to the engine what all coalitions are, only fewer: sizes are as frequent as
    among all 2^P, and each player is in half of it.

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
    # the coalitions without the last player; their complements are the others
    half = every[: len(every) // 2]
    sizes = half.sum(axis=1)
    rng = np.random.default_rng(seed)
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
    """Floating-point operations of the game, counted by hand: what any engine must do.

    With MACs the multiplications of the layers' matrix products for one example: 2 MACs forward, 2
    for the gradient of the weights and 2 for that of the activations, which the first layer does
    not need; and 2 forward for each example of the validation set, once a coalition. Biases,
    activations, losses and optimisers are not counted.

    Args:
        case: what is trained.
        data: its federation.
        masks: bool[M, P], the coalitions valued.
    """
    model = case.architecture()(data.example_shape, data.num_classes)
    layers = _macs(jax.eval_shape(model.init, jax.random.key(0)), data.example_shape[0])
    training = 4 * sum(layers) + 2 * sum(layers[1:])
    sizes = np.asarray(data.sizes)
    batch = sizes
    if case.batch_size:
        batch = np.minimum(case.batch_size, sizes)
    # int[P], examples a client sees in a round: the last batch of a pass is short
    starts = np.arange(case.steps)[:, None] % -(-sizes // batch) * batch
    seen = np.minimum(batch, sizes - starts).sum(axis=0)
    valued = len(masks) * len(data.validation[1])
    return float(masks.sum(axis=0) @ seen) * case.rounds * training + 2.0 * sum(layers) * valued


def _macs(params: Params, side: int) -> list[int]:
    """Multiplications for one example in each layer, first to last.

    Args:
        params: of the model.
        side: the height of an image in pixels.
    """
    counts = []
    side += 2 * LENET_PADDING
    for name in sorted(params):
        kernel = params[name]["kernel"]
        positions = 1
        if kernel.ndim == 4:
            side -= kernel.shape[0] - 1
            positions = side**2
            side //= 2  # pooled
        counts.append(int(np.prod(kernel.shape)) * positions)
    return counts
