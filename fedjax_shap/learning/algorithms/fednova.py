"""FedNova: updates by the step, so that fast clients do not pull harder (Wang et al. 2020)."""

from math import log
from typing import Unpack

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import number, require
from fedjax_shap.learning.algorithm import Algorithm, Done, Round
from fedjax_shap.learning.algorithms.fedavg import Schedule, fedavg
from fedjax_shap.typing import Array, HostArray, Params, PyTree

MOST_REACH = 1.2  # parts of the way that a round covers: up to 1.15 worked, from 1.26 some did not


def fednova(*, momentum: float = 0.0, **schedule: Unpack[Schedule]) -> Algorithm:
    """Normalised averaging: x_{t+1} = x_t - tau sum_i w_i (x_t - x_{t, K_i}) / |a_i|.

    |a_i| is the weight that the K_i gradients have together in the client's update: K_i for
    gradient descent, more with momentum. The effective number of steps tau = sum_i w_i |a_i| is
    the members' mean.

    The mean step of a slow client, taken near x_t, is thus repeated tau times. Along the steepest
    direction, where k steps of gradient descent cover the part 1 - (1 - eta h)^k of the way to the
    minimum, a round covers tau sum_i w_i (1 - (1 - eta h)^K_i) / K_i of it: at most 1 with equal
    K_i, however many. A network with a hidden layer learned about as well as by FedAvg up to 1.15,
    fell behind it from 1.26 and learned nothing at 2 (on the settings that `fedagrac` names). h is
    estimated as in `learning.reach`, which warns from 1.2. A smaller eta, or K_i closer to each
    other, helps.

    Args:
        momentum: rho in [0, 1), that of local SGD, which is to be given to the local optimiser as
            well: |a_i| = (K_i - rho (1 - rho^K_i) / (1 - rho)) / (1 - rho).
        **schedule: the keywords of `fedavg`.

    References:
        Wang, Liu, Liang, Joshi, Poor 2020, "Tackling the objective inconsistency problem in
        heterogeneous federated optimization", equations 9 to 11 and section 4.
    """
    number("momentum", momentum, least=0)
    require(momentum < 1, f"Expected momentum={momentum} to lie in [0, 1).")

    def length(steps: Array) -> Array:
        if not momentum:
            return steps
        faded = -jnp.expm1(steps * log(momentum))  # 1 - momentum**steps, which would cancel
        return (steps - momentum * faded / (1 - momentum)) / (1 - momentum)

    def upload(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
        taken = length(at.num_steps.astype(jax.tree.leaves(at.start)[0].dtype))
        divisor = jnp.where(taken > 0, taken, 1.0)
        change = jax.tree.map(lambda x_t, x: (x_t - x) / divisor, at.start, done.params)
        return change, taken, at.state

    def server_update(
        params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
    ) -> tuple[Params, PyTree]:
        return jax.tree.map(lambda x, change: x - extra * change, params, upload), server

    def reach(num_steps: HostArray, weights: HostArray, step: float) -> float:
        covered = 1 - (1 - min(step, 1.0)) ** num_steps
        each = covered / np.maximum(num_steps, 1)
        return float((weights @ num_steps) * (weights @ each) / MOST_REACH)

    return fedavg(**schedule)._replace(
        upload=upload,
        server_update=server_update,
        averages_uploads=False,
        sends="more",
        reach=reach,
    )
