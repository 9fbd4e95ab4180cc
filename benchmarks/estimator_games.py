"""Six games small enough for exact values, on which estimators are compared at equal budgets.

Game A is FLCE's tic-tac-toe federation of 8 clients whose sizes differ, seed 6694. The others have
10 players. In game B they share the digits, the largest with 6.5 times as many rows as the
smallest, and client i has 5 i percent wrong labels. `accuracy` and `roc_auc` are one federation
that shares Adult with skewed labels, valued by either. `round` is the second round of one run on
the digits with skewed labels. `voting` is no federation but a weighted majority, the roughest game
that there is.
"""

from typing import Literal

import jax

from benchmarks.flce_protocol import Draws, federation, game_of
from fedjax_shap.data.corrupt import corrupt, label_noise
from fedjax_shap.data.federate import federate
from fedjax_shap.data.label_skew import dirichlet
from fedjax_shap.data.partition import quantity
from fedjax_shap.data.published import adult
from fedjax_shap.data.sources import digits
from fedjax_shap.games.closed_form import weighted_voting
from fedjax_shap.games.game import Game
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.training import Training
from fedjax_shap.typing import Key

FLCE_SEED = 6694
NUM_CLIENTS = 10
ALPHA = 2.0
WRONG_LABELS = 0.05  # of client i, times i
ROUNDS = 20
LABEL_SKEW = {"adult": 0.3, "round": 0.5}  # Dirichlet's alpha
VOTES = (9, 8, 7, 6, 5, 4, 3, 3, 2, 1)
MAJORITY = 26  # of 48 votes


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


def adult_game(data_folder: str | None, *, metric: str, seed: int = 0) -> tuple[Game, Key]:
    """Adult among 10 clients whose labels are skewed, and the key it is valued with.

    Args:
        data_folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        metric: what a coalition is worth.
        seed: decides the split and the initial weights.
    """
    split = dirichlet(num_clients=NUM_CLIENTS, alpha=LABEL_SKEW["adult"])
    data = federate(adult(folder=data_folder), split, seed=seed)
    training = local(optimizer="sgd", learning_rate=0.1, batch_size=256, steps=10)
    key = jax.random.key(seed)
    how = Training(linear(), training, fedavg(max_rounds=5), key=key)
    return silo(data, how, metric=metric), key


def round_game(*, seed: int = 0) -> tuple[Game, Key]:
    """The second round of a run on the digits with skewed labels, worth its log-loss, and its key.

    Args:
        seed: decides the split and the initial weights.
    """
    split = dirichlet(num_clients=NUM_CLIENTS, alpha=LABEL_SKEW["round"])
    data = federate(digits(), split, seed=seed)
    training = local(optimizer="sgd", learning_rate=0.1, batch_size=32, epochs=1)
    key = jax.random.key(seed)
    how = Training(mlp(hidden=(32,)), training, fedavg(max_rounds=2), key=key)
    *_, last = rounds(data, how, metric="negative_loss").play(key)
    return last.game, key


def voting_game() -> tuple[Game, Key]:
    """A weighted majority among 10 voters, and a key, of which it makes no use."""
    return weighted_voting(VOTES, MAJORITY).game, jax.random.key(0)
