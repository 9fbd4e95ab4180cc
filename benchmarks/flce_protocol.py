"""FLCE's protocol for tic-tac-toe: its federations, its training, and whose random draws are used.

FLCE (PVLDB 2024) trains the 255 coalitions of 8 clients one after another: an MLP 27-16-1 with one
sigmoid output, Adam 0.008 whose state is fresh for each client and round, batches of 16 with the
last, partial one kept, 1 local epoch, 80 rounds, mean weighted by examples. V(S) is the best test
accuracy over the rounds, the first excluded; V(empty) = 0.

The published values are one draw of a noisy game, so there are two sets of draws. "published"
repeats FLCE's own: its code seeds PyTorch with the federation's seed before it builds the model,
and with that seed + 17 before each local epoch, so that every client keeps one order of its rows in
all rounds. "own" takes initial weights from a key and a new order each round, as this package does
by itself.

References:
    Chen, Li, Li, Wang 2024, "Contributions estimation in federated learning: a comprehensive
    experimental evaluation" (PVLDB 17(8)), its code and its repository's results.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from benchmarks.torch_draws import batch_order, linear_layers
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.partition import by_column
from fedjax_shap.data.published import flce
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import mlp
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import HostArray, Key, Params

Draws = Literal["published", "own"]
SEEDS = (6694, 6695, 6696, 6697, 6698, 6699)
HIDDEN = 16
ROUNDS = 80
FLCE_UTILITY: dict[str, Any] = {
    "metric": "accuracy",
    "report": "best",
    "skip_rounds": 1,
    "empty": 0.0,
}
ORDER_SEED = 17  # FLCE adds it to the federation's seed before a client shuffles its rows
# Of an exact computation, the mean over 3 seeds and 2 partitions, on FLCE's machine.
PUBLISHED_SECONDS = 2293


def federation(
    folder: str | None, partition: str, seed: int, draws: Draws
) -> tuple[FederatedData, HostArray]:
    """The clients' data, and the published values float64[P].

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        partition: "quantity" or "label".
        seed: FLCE's seed.
        draws: with "published" each client's rows stand in the order in which FLCE's loader goes
            over them.

    Raises:
        InvalidInputError: no such file, or one that is not such a federation.
    """
    pool = flce(folder=folder, task=f"tictactoe_{partition}", seed=seed)
    data = federate(pool, by_column(), seed=0)
    clients = [data.client(i) for i in range(data.num_clients)]
    if draws == "published":
        orders = [batch_order(seed + ORDER_SEED, len(y)) for _, y in clients]
        clients = [(x[rows], y[rows]) for (x, y), rows in zip(clients, orders)]
    ordered = from_arrays(clients, data.test, names=data.names, num_classes=2)
    return ordered, pool.notes["exact_shapley"]


def game_of(
    data: FederatedData,
    seed: int,
    draws: Draws,
    key: Key,
    *,
    rounds: int = ROUNDS,
    initial: Params | None = None,
    **options: Any,
) -> Game:
    """FLCE's game.

    Args:
        data: what `federation` gave.
        seed: FLCE's seed, from which the initial weights are drawn with draws="published".
        draws: whose initial weights, and whether rows keep their order.
        key: seeds the initial weights with draws="own".
        rounds: R.
        initial: initial weights, instead of those that `draws` says.
        **options: those of `silo` where they differ from FLCE's.
    """
    widths = (data.x.shape[-1], HIDDEN, 1)
    if draws == "published" and initial is None:
        initial = jax.tree.map(jnp.asarray, linear_layers(seed, widths))
    training = Training(
        mlp(hidden=(HIDDEN,), initializer="torch", output="sigmoid"),
        local(
            optimizer="adam", learning_rate=0.008, batch_size=16, epochs=1, reshuffle=draws == "own"
        ),
        fedavg(max_rounds=rounds),
        key=key,
        initial=initial,
    )
    return silo(data, training, **{**FLCE_UTILITY, **options})
