"""The registry of federated algorithms."""

from collections.abc import Callable

from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.calibrated import calibrated
from fedjax_shap.learning.algorithms.fedagrac import fedagrac
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.algorithms.fednova import fednova
from fedjax_shap.learning.algorithms.fedprox import fedprox
from fedjax_shap.learning.algorithms.scaffold import scaffold
from fedjax_shap.learning.algorithms.server_optimizer import (
    fedadagrad,
    fedadam,
    fedopt,
    fedsgd,
    fedyogi,
)

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "calibrated",
    "fedadagrad",
    "fedadam",
    "fedagrac",
    "fedavg",
    "fednova",
    "fedopt",
    "fedprox",
    "fedsgd",
    "fedyogi",
    "scaffold",
]


ALGORITHMS: dict[str, Callable[..., Algorithm]] = {
    "fedavg": fedavg,
    "fedprox": fedprox,
    "fednova": fednova,
    "scaffold": scaffold,
    "calibrated": calibrated,
    "fedagrac": fedagrac,
    "fedopt": fedopt,
    "fedadam": fedadam,
    "fedyogi": fedyogi,
    "fedadagrad": fedadagrad,
    "fedsgd": fedsgd,
}
