"""FedProx: local steps that are held back to the server's model (Li et al. 2020)."""

from typing import Unpack

import jax

from fedjax_shap._validate import number
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.learning.algorithms.fedavg import Schedule, fedavg
from fedjax_shap.typing import Params, PyTree


def fedprox(*, mu: float = 0.1, **schedule: Unpack[Schedule]) -> Algorithm:
    """FedAvg of clients that each minimise f_i(x) + mu / 2 |x - x_t|^2.

    Args:
        mu: weight >= 0 of the proximal term; 0 is FedAvg.
        **schedule: the keywords of `fedavg`.

    References:
        Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith 2020, "Federated optimization in heterogeneous
        networks", equation 2, with K_i local gradient steps in place of an inexact solver.
    """
    number("mu", mu, least=0)

    def direction(correction: PyTree, start: Params, params: Params, gradient: Params) -> Params:
        return jax.tree.map(lambda g, x, x_t: g + mu * (x - x_t), gradient, params, start)

    return fedavg(**schedule)._replace(direction=direction)
