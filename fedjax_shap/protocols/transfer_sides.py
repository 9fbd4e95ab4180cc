"""The two sides of an encrypted transfer: what each sends of its network, and takes of the other's.

With the Taylor loss the gradient of a network is a sum of products of what the other side sends and
of numbers that it has itself, coordinate by coordinate of the common space (Liu, Chen, Yang 2018,
equations 8 to 10). For the network u = a([x, 1] Theta), a' its slope and coordinate k it is::

    source   T_k h_k + sum_l T_k Phi_l Q_kl + sum_pairs (-told y T_k / 2 - gamma' x a'_k) u_Bk
    target   sum_l (sum_i u_il a'_ik x_i / 4) M_kl - (sum_own y_i a'_ik x_i / 2) Phi_k
             + sum_pairs a'_k x c_k

plus what a side knows itself, with T_k = sum_j x_j a'_jk y_j / N. The source sends M = Phi Phi',
Phi, and c = -told y Phi / 2 - gamma' u_A of each common user; the target sends Q = sum u u' / 4
over the rows that are labelled, h = -sum_own y u / 2, and u_B of each common user. gamma' is
2 gamma for distances and gamma for products.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import numpy as np

from fedjax_shap.typing import HostArray

Alignment = Literal["distance", "product"]
Activation = Literal["tanh", "sigmoid"]


class Terms(NamedTuple):
    """What both sides know of the loss.

    Attributes:
        alignment: of common users: "distance", |u_A - u_B|^2, or "product", -u_A u_B'.
        gamma: weight of the alignment.
        penalty: lambda, weight of half the squared norm of all parameters.
        activation: of both networks.
        told: float64[pairs], 1 where the source's label of a common user counts in the loss.
    """

    alignment: Alignment
    gamma: float
    penalty: float
    activation: Activation
    told: HostArray

    @property
    def pull(self) -> float:
        """The factor gamma' of the other side's u."""
        if self.alignment == "distance":
            return 2 * self.gamma
        return self.gamma


class Side(Protocol):
    """A side's numbers at its parameters of the moment."""

    theta: HostArray  # float64[F + 1, d], the last row is added to every row's features

    def sent(self) -> HostArray:
        """float64[d, d + 1 + pairs]: what the other side takes of this one, a row a coordinate."""

    def factors(self) -> HostArray:
        """float64[d, d + 1 + pairs, F + 1]: by what the other side's numbers are multiplied."""

    def own(self) -> HostArray:
        """float64[F + 1, d]: the part of the gradient that this side knows itself."""


class Source:
    """The side with all labels."""

    def __init__(
        self, x: HostArray, y: HostArray, pairs: HostArray, theta: HostArray, terms: Terms
    ) -> None:
        """A source.

        Args:
            x: float[N, F].
            y: float[N], -1 or 1.
            pairs: int[pairs], its rows of common users.
            theta: float[F + 1, d], its parameters at the start.
            terms: of the loss.
        """
        self.theta = np.asarray(theta, float)
        self._x = _with_one(x)
        self._y = np.asarray(y, float)
        self._pairs = pairs
        self._terms = terms

    def anchor(self) -> HostArray:
        """float64[d]: Phi."""
        anchor: HostArray = self._y @ self._encoded() / len(self._y)
        return anchor

    def sent(self) -> HostArray:
        """M, Phi and c; see `Side`."""
        anchor = self.anchor()
        told = self._told_labels()
        met = self._encoded()[self._pairs]
        of_pairs = -told[:, None] * anchor[None] / 2 - self._terms.pull * met
        return np.concatenate([np.outer(anchor, anchor), anchor[:, None], of_pairs.T], axis=1)

    def factors(self) -> HostArray:
        """For Q, h and u_B; see `Side`."""
        anchor = self.anchor()
        slopes = self._slopes()
        told = self._told_labels()
        found = []
        for slope in slopes.T:
            of_anchor = (slope * self._y / len(self._y)) @ self._x
            met = self._x[self._pairs] * slope[self._pairs, None]
            of_pairs = -np.outer(told, of_anchor) / 2 - self._terms.pull * met
            found.append(np.concatenate([np.outer(anchor, of_anchor), of_anchor[None], of_pairs]))
        return np.array(found)

    def own(self) -> HostArray:
        """Of the alignment and the penalty; see `Side`."""
        rows = self._pairs
        return _own_part(
            self._terms, self._x[rows], self._encoded()[rows], self._slopes()[rows], self.theta
        )

    def _encoded(self) -> HostArray:
        """float64[N, d]: u_A."""
        return _ACTIVATIONS[self._terms.activation](self._x @ self.theta)

    def _slopes(self) -> HostArray:
        """float64[N, d]: a' of u_A."""
        return _SLOPES[self._terms.activation](self._encoded())

    def _told_labels(self) -> HostArray:
        """float64[pairs]: labels of common users, 0 where they are not told."""
        told: HostArray = self._terms.told * self._y[self._pairs]
        return told


class Target:
    """The side that learns to classify its rows."""

    def __init__(
        self,
        x: HostArray,
        labelled: HostArray,
        y: HostArray,
        pairs: HostArray,
        theta: HostArray,
        terms: Terms,
    ) -> None:
        """A target.

        Args:
            x: float[N, F].
            labelled: int[labels], its rows whose labels it has.
            y: float[labels], -1 or 1.
            pairs: int[pairs], its rows of common users.
            theta: float[F + 1, d], its parameters at the start.
            terms: of the loss.
        """
        self.theta = np.asarray(theta, float)
        self._labels = np.asarray(y, float)
        self._pairs = pairs
        self._terms = terms
        # its labelled rows, then those of common users
        self._rows = _with_one(x)[np.concatenate([labelled, pairs]).astype(int)]
        self._judged = np.concatenate([np.ones(len(labelled)), terms.told])

    def sent(self) -> HostArray:
        """Q, h and u_B; see `Side`."""
        encoded = self._encoded()
        own = len(self._labels)
        square = (encoded * self._judged[:, None]).T @ encoded / 4
        first = -self._labels @ encoded[:own] / 2
        return np.concatenate([square, first[:, None], encoded[own:].T], axis=1)

    def factors(self) -> HostArray:
        """For M, Phi and c; see `Side`."""
        encoded = self._encoded()
        own = len(self._labels)
        found = []
        for slope in self._slopes().T:
            steep = self._rows * slope[:, None]
            of_square = (encoded * self._judged[:, None]).T @ steep / 4
            of_anchor = -self._labels @ steep[:own] / 2
            found.append(np.concatenate([of_square, of_anchor[None], steep[own:]]))
        return np.array(found)

    def own(self) -> HostArray:
        """Of the alignment and the penalty; see `Side`."""
        own = len(self._labels)
        met = slice(own, None)
        return _own_part(
            self._terms, self._rows[met], self._encoded()[met], self._slopes()[met], self.theta
        )

    def encoded(self, x: HostArray) -> HostArray:
        """float64[M, d]: u_B of other rows."""
        return _ACTIVATIONS[self._terms.activation](_with_one(x) @ self.theta)

    def _encoded(self) -> HostArray:
        """float64[labels + pairs, d]: u_B."""
        return _ACTIVATIONS[self._terms.activation](self._rows @ self.theta)

    def _slopes(self) -> HostArray:
        """float64[labels + pairs, d]: a' of u_B."""
        return _SLOPES[self._terms.activation](self._encoded())


def _own_part(
    terms: Terms, x: HostArray, encoded: HostArray, slopes: HostArray, theta: HostArray
) -> HostArray:
    """float64[F + 1, d]: the part of a gradient for which nothing of the other side is needed."""
    penalty: HostArray = terms.penalty * theta
    if terms.alignment == "product":
        return penalty
    own: HostArray = penalty + 2 * terms.gamma * x.T @ (encoded * slopes)
    return own


def _with_one(x: HostArray) -> HostArray:
    """float64[N, F + 1]: rows with a feature that is 1."""
    rows = np.asarray(x, float)
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=1)


def _tanh(z: HostArray) -> HostArray:
    """The hyperbolic tangent."""
    bent: HostArray = np.tanh(z)
    return bent


def _sigmoid(z: HostArray) -> HostArray:
    """1 / (1 + exp(-z)), without overflow."""
    half: HostArray = 0.5 * (1 + np.tanh(z / 2))
    return half


def _slope_of_tanh(u: HostArray) -> HostArray:
    """Of tanh, at its value."""
    slope: HostArray = 1 - u**2
    return slope


def _slope_of_sigmoid(u: HostArray) -> HostArray:
    """Of the sigmoid, at its value."""
    slope: HostArray = u * (1 - u)
    return slope


_ACTIVATIONS: dict[Activation, Callable[[HostArray], HostArray]] = {
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}
_SLOPES: dict[Activation, Callable[[HostArray], HostArray]] = {
    "tanh": _slope_of_tanh,
    "sigmoid": _slope_of_sigmoid,
}
