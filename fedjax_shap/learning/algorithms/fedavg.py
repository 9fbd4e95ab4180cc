"""Federated averaging, what every other algorithm differs from (McMahan et al. 2017)."""

from typing import Literal, TypedDict

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import integer, number, one_of, require
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, HostArray, Params, PyTree

Weights = Literal["examples", "uniform"] | tuple[float, ...]


class Schedule(TypedDict, total=False):
    """The keywords of `fedavg`, which every algorithm takes."""

    weights: Weights
    max_rounds: int
    tol: float | None
    patience: int


def fedavg(
    *,
    weights: Weights = "examples",
    max_rounds: int = 20,
    tol: float | None = None,
    patience: int = 3,
) -> Algorithm:
    """Federated averaging: the server's next model is the weighted mean of the members' models.

    Args:
        weights: "examples" (by number of examples), "uniform" (plain mean), or one weight >= 0 for
            each client. A coalition whose weights are all 0 leaves the model as it was.
        max_rounds: R >= 1.
        tol: where given, a coalition whose training loss changes by at most `tol` times its value
            in `patience` successive rounds stops there.
        patience: >= 1.

    References:
        McMahan, Moore, Ramage, Hampson, Arcas 2017, "Communication-efficient learning of deep
        networks from decentralized data", algorithm 1.
    """
    integer("max_rounds", max_rounds, least=1)
    integer("patience", patience, least=1)
    if tol is not None:
        number("tol", tol, least=0)
    if isinstance(weights, str):
        one_of("weights", weights, ("examples", "uniform"))
    else:
        for weight in weights:
            number("weights", weight, least=0)

    def of_clients(sizes: HostArray) -> HostArray:
        if weights == "examples":
            return sizes.astype(np.float32)
        if weights == "uniform":
            return np.ones(len(sizes), np.float32)
        require(
            len(weights) == len(sizes),
            f"Expected weights={list(weights)} to have one entry for each of the {len(sizes)} "
            "clients.",
        )
        return np.asarray(weights, np.float32)

    return Algorithm(of_clients, max_rounds, tol, patience)


def correcting(schedule: Schedule) -> Algorithm:
    """FedAvg whose clients add a correction to each gradient of a round.

    Its server keeps and broadcasts the mean of what clients send beside their models, at first 0.
    """

    def server_update(
        params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
    ) -> tuple[Params, PyTree]:
        return upload, extra

    return fedavg(**schedule)._replace(
        init_server=zeros,
        broadcast=lambda server: server,
        direction=_corrected,
        server_update=server_update,
        sends="more",
    )


def _corrected(correction: Params, start: Params, params: Params, gradient: Params) -> Params:
    """The direction of algorithms that add a correction to each gradient of a round."""
    return jax.tree.map(jnp.add, gradient, correction)
