"""An optimiser on the server, for which a round's mean update is a gradient; and FedSGD."""

from collections.abc import Callable
from typing import Any, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax

from fedjax_shap._validate import fraction, number
from fedjax_shap.learning.algorithm import Algorithm, Done, Round
from fedjax_shap.learning.algorithms.fedavg import Schedule, fedavg
from fedjax_shap.learning.local import optimizer_of
from fedjax_shap.trees import zeros
from fedjax_shap.typing import Array, Params, PyTree

Second = Callable[[Array, Array], Array]  # (v, squared change) -> the next v


class _Moments(NamedTuple):
    """m and v of Reddi et al. 2021, algorithm 2."""

    m: Params
    v: Params


def fedopt(
    *,
    optimizer: str | optax.GradientTransformation = "sgd",
    server_learning_rate: float = 1.0,
    options: dict[str, Any] | None = None,
    **schedule: Unpack[Schedule],
) -> Algorithm:
    """Any optax optimiser on the server, given x_t - mean(x_{t, K_i}) as its gradient.

    With "sgd" and {"momentum": 0.9} it is FedAvgM.

    Args:
        optimizer: an optax transformation, or the name of one in optax.
        server_learning_rate: its step size, > 0; unused where `optimizer` is a transformation.
        options: further keywords of the optax optimiser.
        **schedule: the keywords of `fedavg`.

    References:
        Reddi, Charles, Zaheer, Garrett, Rush, Konecny, Kumar, McMahan 2021, "Adaptive federated
        optimization", algorithm 1.
    """
    rule = optimizer_of(optimizer, server_learning_rate, options, rate_name="server_learning_rate")

    def server_update(
        params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
    ) -> tuple[Params, PyTree]:
        change, server = rule.update(jax.tree.map(jnp.subtract, params, upload), server, params)
        return optax.apply_updates(params, change), server

    return fedavg(**schedule)._replace(
        init_server=rule.init, server_update=server_update, averages_uploads=False
    )


def fedadam(
    *,
    server_learning_rate: float = 0.01,
    b1: float = 0.9,
    b2: float = 0.99,
    eps: float = 1e-3,
    initial_accumulator: float | None = None,
    **schedule: Unpack[Schedule],
) -> Algorithm:
    """FedAdam: x_{t+1} = x_t + eta_s m / (sqrt(v) + eps), with no bias correction.

    v = b2 v + (1 - b2) Delta^2, and m = b1 m + (1 - b1) Delta is the momentum of the mean update
    Delta. `fedopt(optimizer="adam")` is the same with bias correction.

    Args:
        server_learning_rate: eta_s > 0.
        b1: in [0, 1].
        b2: in [0, 1].
        eps: tau > 0, how adaptive the steps are.
        initial_accumulator: v before the first round, >= 0; eps^2 where None.
        **schedule: the keywords of `fedavg`.

    References:
        Reddi et al. 2021, algorithm 2.
    """
    fraction("b2", b2)
    return _adaptive(
        lambda v, square: b2 * v + (1 - b2) * square,
        server_learning_rate,
        b1,
        eps,
        initial_accumulator,
        schedule,
    )


def fedyogi(
    *,
    server_learning_rate: float = 0.01,
    b1: float = 0.9,
    b2: float = 0.99,
    eps: float = 1e-3,
    initial_accumulator: float | None = None,
    **schedule: Unpack[Schedule],
) -> Algorithm:
    """FedYogi: as `fedadam` with v = v - (1 - b2) Delta^2 sign(v - Delta^2).

    Args:
        server_learning_rate: eta_s > 0.
        b1: in [0, 1].
        b2: in [0, 1].
        eps: tau > 0, how adaptive the steps are.
        initial_accumulator: v before the first round, >= 0; eps^2 where None.
        **schedule: the keywords of `fedavg`.

    References:
        Reddi et al. 2021, algorithm 2.
    """
    fraction("b2", b2)

    def second(v: Array, square: Array) -> Array:
        return v - (1 - b2) * square * jnp.sign(v - square)

    return _adaptive(second, server_learning_rate, b1, eps, initial_accumulator, schedule)


def fedadagrad(
    *,
    server_learning_rate: float = 0.1,
    b1: float = 0.0,
    eps: float = 1e-3,
    initial_accumulator: float | None = None,
    **schedule: Unpack[Schedule],
) -> Algorithm:
    """FedAdagrad: as `fedadam` with v = v + Delta^2.

    Args:
        server_learning_rate: eta_s > 0.
        b1: in [0, 1]; 0 in the paper's experiments.
        eps: tau > 0, how adaptive the steps are.
        initial_accumulator: v before the first round, >= 0; eps^2 where None.
        **schedule: the keywords of `fedavg`.

    References:
        Reddi et al. 2021, algorithm 2.
    """
    return _adaptive(
        lambda v, square: v + square, server_learning_rate, b1, eps, initial_accumulator, schedule
    )


def fedsgd(
    *, learning_rate: float = 0.1, momentum: float = 0.0, **schedule: Unpack[Schedule]
) -> Algorithm:
    """FedSGD: each member sends one gradient at x_t, and the server descends along their mean.

    Whatever K_i says, a member takes one gradient a round, of its full batch or of one mini-batch;
    none where K_i is 0.

    Args:
        learning_rate: that of the server, > 0; the local one plays no part.
        momentum: of the server, in [0, 1].
        **schedule: the keywords of `fedavg`.

    References:
        McMahan, Moore, Ramage, Hampson, Arcas 2017, "Communication-efficient learning of deep
        networks from decentralized data", section 2.
    """
    number("learning_rate", learning_rate, above=0)
    fraction("momentum", momentum)
    rule = optax.sgd(learning_rate, momentum=momentum or None)

    def upload(at: Round, done: Done) -> tuple[Params, PyTree, PyTree]:
        return done.first, (), at.state

    def server_update(
        params: Params, upload: Params, extra: PyTree, server: PyTree, share: Array
    ) -> tuple[Params, PyTree]:
        change, server = rule.update(upload, server, params)
        return optax.apply_updates(params, change), server

    algorithm = fedavg(**schedule)._replace(records=("first",), most_steps=1, upload=upload)
    return algorithm._replace(
        init_server=rule.init,
        server_update=server_update,
        averages_uploads=False,
        sends="gradient",
    )


def _adaptive(
    second: Second, rate: float, b1: float, eps: float, initial: float | None, schedule: Schedule
) -> Algorithm:
    """Reddi et al. 2021, algorithm 2, for one law of v."""
    number("server_learning_rate", rate, above=0)
    fraction("b1", b1)
    number("eps", eps, above=0)
    if initial is not None:
        number("initial_accumulator", initial, least=0)
    at_first = eps**2
    if initial is not None:
        at_first = initial

    def init(params: Params) -> _Moments:
        return _Moments(
            zeros(params), jax.tree.map(lambda leaf: jnp.full_like(leaf, at_first), params)
        )

    def update(
        gradient: Params, state: _Moments, params: Params | None = None
    ) -> tuple[Params, _Moments]:
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.m, gradient)
        v = jax.tree.map(lambda v, g: second(v, g * g), state.v, gradient)
        change = jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + eps), m, v)
        return change, _Moments(m, v)

    return fedopt(optimizer=optax.GradientTransformation(init, update), **schedule)
