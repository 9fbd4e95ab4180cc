"""Corruptions of one client's data or conduct, to see whether a method notices."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fedjax_shap._validate import (
    caution,
    finite,
    fraction,
    function_of,
    integer,
    number,
    of_kind,
    one_of,
    require,
)
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.streams import CORRUPTION, stream
from fedjax_shap.typing import HostArray

__all__ = [
    "CORRUPTIONS",
    "Corruption",
    "corrupt",
    "duplicate",
    "feature_noise",
    "free_rider",
    "label_noise",
]


class Corruption(Protocol):
    """What is done to a federation; made by the factories in `CORRUPTIONS`, or your own."""

    def __call__(self, rng: np.random.Generator, data: FederatedData, /) -> FederatedData:
        """Corrupts a federation.

        Args:
            rng: decides everything that is drawn.
            data: the federation, which stays as it is.

        Returns:
            The corrupted federation; the server's sets are as they were.

        Raises:
            InvalidInputError: a client that the federation does not have.
        """


def corrupt(data: FederatedData, corruptions: Sequence[Corruption], *, seed: int) -> FederatedData:
    """Applies corruptions in order.

    Args:
        data: the federation.
        corruptions: made by the factories in `CORRUPTIONS`.
        seed: with a corruption's position, decides what it draws.

    Returns:
        The corrupted federation; the server's sets are as they were.

    Raises:
        InvalidInputError: a client that the federation does not have.

    Guarantees:
        Corruptions at different positions draw independently, also those of one kind, and one more
        at the end changes no earlier one. They draw independently of the partition, too.
    """
    integer("seed", seed, least=0)
    of_kind("data", data, FederatedData, "from_arrays(clients, test) or federate(pool, partition)")
    example = "[corruptions.label_noise(client=0, rate=0.3)]"
    of_kind("corruptions", corruptions, list | tuple, example)
    for one in corruptions:
        function_of("a corruption", one, ("a generator", "a federation"), example[1:-1])
    for position, corruption in enumerate(corruptions):
        data = corruption(stream(seed, CORRUPTION, position), data)
    return data


def label_noise(*, client: int | str, rate: float, deviation: float | None = None) -> Corruption:
    """Wrong labels: round(rate * size) of a client's rows get another class, uniformly at random.

    Where rows have quantities, Gaussian noise is added to those of these rows.

    Args:
        client: whose rows, by id or name.
        rate: the fraction of rows, in [0, 1].
        deviation: the standard deviation of noise on quantities, in units of that of all training
            rows' quantities; 1 if None. To be left out where rows have classes.

    Raises:
        InvalidInputError: a rate outside [0, 1]; later, a client that is not there, or a deviation
            of classes.

    References:
        Song, Tong, Wei 2019, "Profit allocation for federated learning", setting 4.
    """
    _check("client", client)
    fraction("rate", rate)
    if deviation is not None:
        number("deviation", deviation, least=0)

    def apply(rng: np.random.Generator, data: FederatedData) -> FederatedData:
        place = _place(data, "client", client)
        x, y = data.client(place)
        rows = rng.permutation(len(y))[: round(rate * len(y))]
        if data.num_classes is None:
            return data.with_client(place, (x, _noisy(rng, data, y, rows, deviation)))
        require(
            deviation is None,
            f"Expected deviation={deviation} to be left out where rows have classes.",
        )
        require(
            data.classes > 1,
            f"Expected num_classes={data.classes} to be at least 2 for a wrong label.",
        )
        order = _order(data)
        after = (order[y[rows]] + rng.integers(1, data.classes, size=len(rows))) % data.classes
        y = y.copy()
        y[rows] = np.argsort(order)[after]
        return data.with_client(place, (x, y))

    return apply


def feature_noise(
    *, client: int | str, variance: float, low: float | None = None, high: float | None = None
) -> Corruption:
    """Noisy features: independent Gaussian noise is added to all features of a client's rows.

    Args:
        client: whose rows, by id or name.
        variance: of the noise, in the features' units squared.
        low: noisy features below are set to it (0 for images in [0, 1]); no bound if None.
        high: noisy features above are set to it; no bound if None.

    Raises:
        InvalidInputError: a negative variance, or low > high; later, a client that is not there, or
            features that float32 cannot hold.

    References:
        Song, Tong, Wei 2019, "Profit allocation for federated learning", setting 5.
    """
    _check("client", client)
    number("variance", variance, least=0)
    for name, bound in (("low", low), ("high", high)):
        if bound is not None:
            number(name, bound)
    require(
        low is None or high is None or low <= high, f"Expected low={low} to be at most high={high}."
    )

    def apply(rng: np.random.Generator, data: FederatedData) -> FederatedData:
        place = _place(data, "client", client)
        x, y = data.client(place)
        noisy = x + np.sqrt(variance) * rng.standard_normal(x.shape, dtype=np.float32)
        if low is not None or high is not None:
            noisy = np.clip(noisy, low, high)
        with np.errstate(over="ignore"):  # refused in the next line
            noisy = noisy.astype(np.float32)
        finite(f"features of {data.names[place]} with noise of variance={variance!r}", noisy)
        return data.with_client(place, (noisy, y))

    return apply


def duplicate(*, client: int | str, of: int | str) -> Corruption:
    """A copy: a client holds the same rows as another in the same order, and is idle if that is.

    Args:
        client: who becomes the copy, by id or name.
        of: who is copied, likewise.

    Raises:
        InvalidInputError: a client as a copy of itself; later, one that is not there.
    """
    _check("client", client)
    _check("of", of)
    require(client != of, f"Expected client={client} to be a copy of another, got of={of}.")

    def apply(rng: np.random.Generator, data: FederatedData) -> FederatedData:
        place = _place(data, "client", client)
        copied = _place(data, "of", of)
        require(
            place != copied, f"Expected client={client!r} to be a copy of another, got of={of!r}."
        )
        return data.with_client(place, data.client(copied), idle=bool(data.idle[copied]))

    return apply


def free_rider(*, client: int | str, how: str = "zero_update") -> Corruption:
    """A free rider: a client without labels of its own, or one that returns the model as it came.

    Args:
        client: who, by id or name.
        how: "random_labels" gives all its rows uniformly random labels (of quantities, those of
            random training rows of the federation), "zero_update" makes it idle: it uploads the
            model it received.

    Raises:
        InvalidInputError: another `how`; later, a client that is not there.
    """
    _check("client", client)
    one_of("how", how, ("random_labels", "zero_update"))

    def apply(rng: np.random.Generator, data: FederatedData) -> FederatedData:
        place = _place(data, "client", client)
        x, y = data.client(place)
        if how == "zero_update":
            return data.with_client(place, (x, y), idle=True)
        if data.num_classes is None:
            return data.with_client(place, (x, rng.choice(np.asarray(data.y), size=len(y))))
        drawn = rng.integers(0, data.classes, size=len(y), dtype=np.int32)
        return data.with_client(place, (x, np.argsort(_order(data))[drawn].astype(np.int32)))

    return apply


CORRUPTIONS: dict[str, Callable[..., Corruption]] = {
    "label_noise": label_noise,
    "feature_noise": feature_noise,
    "duplicate": duplicate,
    "free_rider": free_rider,
}


def _order(data: FederatedData) -> HostArray:
    """int[L], the place of each class among all: draws do not depend on how classes are called."""
    if data.class_order:
        return np.array(data.class_order)
    return np.arange(data.classes)


def _noisy(
    rng: np.random.Generator,
    data: FederatedData,
    y: HostArray,
    rows: HostArray,
    deviation: float | None,
) -> HostArray:
    """Quantities y[N, ...], those of `rows` with noise; `deviation` as in `label_noise`."""
    if deviation is None:
        deviation = 1.0
    unit = np.asarray(data.y).std(axis=0, dtype=np.float64)
    noise = deviation * unit * rng.standard_normal(y[rows].shape)
    noisy = y.astype(np.float64)
    noisy[rows] += noise
    return noisy.astype(np.float32)


def _check(argument: str, client: int | str) -> None:
    """Refuses what is neither an id nor a name."""
    if not isinstance(client, str):
        integer(argument, client, least=0)


def _place(data: FederatedData, argument: str, client: int | str) -> int:
    """The id of a client given by its id or its name, or a refusal if there is none."""
    if isinstance(client, str):
        one_of(argument, client, data.names, "a client's name")
        return data.names.index(client)
    last = data.num_clients - 1
    require(
        client <= last,
        f"Expected {argument}={client} to be one of 0..{last} ({data.names[0]} to "
        f"{data.names[last]}).",
    )
    if str(client) in data.names and data.names[client] != str(client):
        caution(
            f"{argument}={client} was taken for the place, counted from 0, of the client called "
            f"{data.names[client]!r}; write {argument} = '{client}' for the one of that name."
        )
    return client
