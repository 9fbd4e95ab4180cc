"""Federated transfer learning: sources with labels teach a target that shares few users with them.

Each party has a network of its own into one common space, u_p = Net_p(x_p) in R^d. The sources of a
coalition S carry their labels into that space as anchors, and a row of the target is classified by
its inner product with them::

    Phi_S  = sum_{s in S} sum_i y_si u_si / sum_{s in S} N_s                      [K, d]
    phi(u) = Phi_S u
    L_S    = sum_{labelled i} l(y_i phi(u_i)) + gamma sum_{s in S} sum_{pairs} a(u_s, u_B)
             + lambda / 2 (sum_{s in S} |Theta_s|^2 + |Theta_B|^2)

with y in {-1, 1}, K = 1 for two classes and one class against the rest for more. With one source it
is Liu, Chen and Yang's model; several sources meet in the one space, each row of theirs with the
same weight, whoever holds it.

References:
    Liu, Chen, Yang 2018, "Secure federated transfer learning", equations 1 to 9 (later Liu, Kang,
    Xing, Chen, Yang 2020, "A secure federated transfer learning framework").
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias, get_args

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.flatten_util import ravel_pytree

from fedjax_shap._validate import integer, number, one_of, require
from fedjax_shap.learning.architecture import Apply
from fedjax_shap.learning.class_scores import two_columns
from fedjax_shap.learning.local import optimizer_of
from fedjax_shap.typing import Array, Params, PyTree

Loss = Literal["logistic", "taylor"]
Alignment = Literal["distance", "product"]
Activation = Literal["tanh", "sigmoid", "none"]
State: TypeAlias = "tuple[Array, optax.OptState]"  # of a step


@struct.dataclass
class Parties:
    """What P sources and the target hold; all arrays of a transfer.

    Attributes:
        x: P + 1 of float[N_p, ...], the rows of the sources, then those of the target.
        signs: P of float[N_s, K], y of the sources' rows: 1 for their class, -1 for the others.
        of_source: P of int32[pairs], the rows of a source that are users of the target as well.
        of_target: P of int32[pairs], the rows of the target that are the same users.
        told: P of float[pairs], 1 where the source's label of a common user counts in the loss.
        labelled: int32[labels], the rows of the target whose labels it has.
        target_signs: float[labels, K], y of these.
        initial: the parameters at the start, see `Networks`.
        held_out: (x[T, ...], y[T]), the target's rows on which models are scored.
    """

    x: tuple[Array, ...]
    signs: tuple[Array, ...]
    of_source: tuple[Array, ...]
    of_target: tuple[Array, ...]
    told: tuple[Array, ...]
    labelled: Array
    target_signs: Array
    initial: Params
    held_out: tuple[Array, Array]


@struct.dataclass
class Networks:
    """The parameters of all parties.

    Attributes:
        parties: P + 1 pytrees, Theta_p; the target's is the last.
        head: float[K, d], read instead of anchors where there is no source: the target alone.
        bias: float[K], likewise.
    """

    parties: tuple[Params, ...]
    head: Array
    bias: Array


class Objective(NamedTuple):
    """What is minimised.

    Attributes:
        loss: l of a margin m: "logistic", log(1 + exp(-m)); "taylor", log 2 - m / 2 + m^2 / 8.
        alignment: a of a pair: "distance", |u_s - u_B|^2; "product", -u_s u_B'.
        gamma: weight of the alignment.
        penalty: lambda, weight of the squared norms of all parameters, biases too.
        activation: of the last layer, by which the common space is bounded.
    """

    loss: Loss = "logistic"
    alignment: Alignment = "distance"
    gamma: float = 0.005
    penalty: float = 0.005
    activation: Activation = "tanh"


class Fit(NamedTuple):
    """How it is minimised.

    Attributes:
        optimizer: an optax transformation.
        steps: on the loss of all rows.
    """

    optimizer: optax.GradientTransformation
    steps: int


def checked(objective: Objective) -> Objective:
    """The objective, or a refusal of a setting out of its range."""
    one_of("loss", objective.loss, get_args(Loss))
    one_of("alignment", objective.alignment, get_args(Alignment))
    one_of("activation", objective.activation, get_args(Activation))
    number("gamma", objective.gamma, least=0)
    number("penalty", objective.penalty, least=0)
    require(
        objective.alignment == "distance" or objective.activation != "none",
        "Expected activation='none' to be 'tanh' or 'sigmoid' with alignment='product', whose loss "
        "has no lower bound otherwise.",
    )
    return objective


def fit_of(optimizer: str | optax.GradientTransformation, learning_rate: float, steps: int) -> Fit:
    """How it is minimised, or a refusal of a setting out of its range."""
    integer("steps", steps, least=1)
    return Fit(optimizer_of(optimizer, learning_rate, None), steps)


def margin_loss(loss: Loss, margins: Array) -> Array:
    """The loss of margins y phi, each by itself."""
    if loss == "taylor":
        return jnp.log(2.0) - margins / 2 + margins**2 / 8
    return jax.nn.softplus(-margins)


class Transfer(NamedTuple):
    """A transfer whose arrays are passed to its methods.

    Attributes:
        nets: P + 1 of (params, x[B, ...]) -> float[B, d].
        objective: what is minimised.
        fit: how.
    """

    nets: tuple[Apply, ...]
    objective: Objective
    fit: Fit

    def encoded(self, party: int, params: Params, x: Array) -> Array:
        """float[B, d]: u_p of rows."""
        bounded = _ACTIVATIONS[self.objective.activation]
        return bounded(self.nets[party](params, x))

    def anchors(self, networks: Networks, world: Parties, mask: Array) -> Array:
        """float[K, d]: Phi_S of the sources in `mask` bool[P]; zeros for nobody."""
        return self._anchors_of(self._of_sources(networks, world), world, mask)

    def outputs(self, networks: Networks, world: Parties, mask: Array, x: Array) -> Array:
        """float[T, L]: a logit a class of rows of the target.

        For two classes they are (0, phi). Without a source the target's own head is read.
        """
        encoded = self.encoded(len(world.signs), networks.parties[-1], x)
        anchors = self.anchors(networks, world, mask)
        return _as_logits(_read(networks, anchors, mask, encoded))

    def loss(self, networks: Networks, world: Parties, mask: Array) -> Array:
        """float[]: L_S of the sources in `mask` bool[P].

        For nobody it is the logistic loss of the target's own rows by its own head, with the
        penalty on both.
        """
        objective = self.objective
        member = mask.astype(world.target_signs.dtype)
        sources = self._of_sources(networks, world)
        target = self.encoded(len(world.signs), networks.parties[-1], world.x[-1])
        anchors = self._anchors_of(sources, world, mask)
        scores = _read(networks, anchors, mask, target)
        # L1: the target's own labels, and those that members tell of common users
        own = world.target_signs * scores[world.labelled]
        total = jnp.where(
            mask.any(),
            margin_loss(objective.loss, own).sum(),
            margin_loss("logistic", own).sum(),
        )
        total += 0.5 * objective.penalty * squared_norm(networks.parties[-1])
        alone = 1 - member.max(initial=0.0)
        total += 0.5 * objective.penalty * alone * squared_norm((networks.head, networks.bias))
        for place, encoded in enumerate(sources):
            pairs = encoded[world.of_source[place]]
            met = target[world.of_target[place]]
            margins = world.signs[place][world.of_source[place]] * scores[world.of_target[place]]
            told = (margin_loss(objective.loss, margins).sum(axis=1) * world.told[place]).sum()
            apart = _ALIGNMENTS[objective.alignment](pairs, met)
            weight = 0.5 * objective.penalty * squared_norm(networks.parties[place])
            total += member[place] * (told + objective.gamma * apart + weight)
        return total

    def trained(self, world: Parties, mask: Array) -> Networks:
        """The parameters after all steps, from `world.initial`; those of absent sources stay."""
        # one long vector, so that a step of the optimiser is one operation and not one a leaf
        flat, restored = ravel_pytree(world.initial)

        def loss(flat: Array) -> Array:
            return self.loss(restored(flat), world, mask)

        def step(_: Array, state: State) -> State:
            flat, memory = state
            change, memory = self.fit.optimizer.update(jax.grad(loss)(flat), memory, flat)
            return flat + change, memory

        start = (flat, self.fit.optimizer.init(flat))
        flat, _ = jax.lax.fori_loop(0, self.fit.steps, step, start)
        networks: Networks = restored(flat)
        return networks

    def _of_sources(self, networks: Networks, world: Parties) -> list[Array]:
        """P of float[N_s, d]: u_s of all rows."""
        parties = networks.parties[:-1]
        return [self.encoded(s, params, world.x[s]) for s, params in enumerate(parties)]

    def _anchors_of(self, sources: list[Array], world: Parties, mask: Array) -> Array:
        """`anchors` of rows that are encoded already."""
        member = mask.astype(world.target_signs.dtype)
        sums = [signs.T @ encoded for signs, encoded in zip(world.signs, sources, strict=True)]
        rows = sum(member[s] * len(signs) for s, signs in enumerate(world.signs))
        total = sum(member[s] * one for s, one in enumerate(sums))
        return total / jnp.maximum(rows, 1.0)


def _read(networks: Networks, anchors: Array, mask: Array, encoded: Array) -> Array:
    """float[B, K]: scores by the sources' anchors, or by the target's head without a source."""
    alone = encoded @ networks.head.T + networks.bias[None]
    return jnp.where(mask.any(), encoded @ anchors.T, alone)


def _as_logits(scores: Array) -> Array:
    """A logit a class: of two classes (0, score), of more the scores."""
    if scores.shape[1] == 1:
        return two_columns(scores)
    return scores


def squared_norm(tree: PyTree) -> Array:
    """float[]: the sum of the squares of all numbers."""
    total: Array = optax.tree.norm(tree, squared=True)
    return total


def _apart(pairs: Array, met: Array) -> Array:
    """The sum of squared distances of pairs."""
    return ((pairs - met) ** 2).sum()


def _away(pairs: Array, met: Array) -> Array:
    """Minus the sum of inner products of pairs."""
    return -(pairs * met).sum()


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "none": lambda encoded: encoded,
}
_ALIGNMENTS: dict[str, Callable[[Array, Array], Array]] = {"distance": _apart, "product": _away}
