"""Two federations small enough for exact values, on which estimators are compared at equal budgets.

Game A is FLCE's tic-tac-toe federation of 8 clients whose sizes differ, seed 6694. Game B is ours:
10 clients share the digits, the largest with 6.5 times as many rows as the smallest, and client i
has 5 i percent wrong labels.
"""

from typing import Literal

import jax

from benchmarks.flce_protocol import Draws, federation, game_of
from fedjax_shap.data.corrupt import corrupt, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import quantity
from fedjax_shap.data.sources import digits
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import mlp
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import Key

FLCE_SEED = 6694
NUM_CLIENTS = 10
ALPHA = 2.0
WRONG_LABELS = 0.05  # of client i, times i
ROUNDS = 20


def game_a(
    data_folder: str | None,
    *,
    partition: Literal["quantity", "label"] = "quantity",
    seed: int = FLCE_SEED,
    draws: Draws = "published",
) -> tuple[Game, Key]:
    """FLCE's tic-tac-toe game of 8 clients, and the key that it is valued with.

    A coalition is worth its best test accuracy, and V(empty) = 0.

    Args:
        data_folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        partition: how FLCE split the rows.
        seed: FLCE's seed.
        draws: whose initial weights and batch orders, see `benchmarks.flce_protocol`.
    """
    data, _ = federation(data_folder, partition, seed, draws)
    key = jax.random.key(0)
    return game_of(data, seed, draws, key), key


def game_b(*, metric: str = "accuracy", seed: int = 0) -> tuple[Game, Key]:
    """Digits among 10 clients of unequal size and label quality, and the key it is valued with.

    Args:
        metric: what a coalition is worth.
        seed: decides sizes, rows, wrong labels and initial weights.
    """
    data = federate(
        digits(), quantity(num_clients=NUM_CLIENTS, alpha=ALPHA, min_size=20), seed=seed
    )
    wrong = [
        label_noise(client=client, rate=WRONG_LABELS * client) for client in range(NUM_CLIENTS)
    ]
    data = corrupt(data, wrong, seed=seed)
    training = local(optimizer="sgd", learning_rate=0.1, batch_size=32, epochs=1)
    key = jax.random.key(seed)
    how = Training(mlp(hidden=(32,)), training, fedavg(max_rounds=ROUNDS), key=key)
    return silo(data, how, metric=metric), key
