"""Noise on single records at the members, before anything is learned of them: local privacy."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import integer, number, one_of, require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.data.streams import RECORDS, stream
from fedjax_shap.privacy.noise import Law, noisy_records, record_scale

LAWS = {"gaussian": "L2", "laplace": "L1"}  # of noise -> the norm of a record that is bounded
DELTA = 1e-5


class Records(NamedTuple):
    """The noise on a record's features.

    Attributes:
        law: "gaussian" or "laplace".
        clip: the bound of a record's norm, L2 or L1.
        epsilon: of one record's features.
        delta: of Gaussian noise; 0 for Laplace noise.
        scale: of the noise: the standard deviation, or b of Laplace noise.
    """

    law: Law
    clip: float
    epsilon: float
    delta: float
    scale: float


def records(given: Mapping[str, Any]) -> Records:
    """The noise that a table asks for, such as {law = "laplace", clip = 1.0, epsilon = 2.0}.

    Args:
        given: law, clip, epsilon, and for Gaussian noise perhaps delta, 1e-5 unless given.

    Raises:
        InvalidInputError: a keyword that is missing or unknown, or out of its range.
    """
    for name in given:
        one_of("keyword of records", name, ("law", "clip", "epsilon", "delta"))
    require(
        {"law", "clip", "epsilon"} <= set(given),
        f"Expected records={dict(given)} to have law, clip and epsilon, such as "
        "{law = 'laplace', clip = 1.0, epsilon = 2.0}.",
    )
    one_of("records.law", given["law"], LAWS)
    number("records.clip", given["clip"], above=0)
    number("records.epsilon", given["epsilon"], above=0)
    delta = given.get("delta", 0.0)
    if "delta" not in given and LAWS[given["law"]] == "L2":
        delta = DELTA
    scale = record_scale(given["law"], given["clip"], given["epsilon"], delta)
    return Records(given["law"], given["clip"], given["epsilon"], delta, scale)


def with_noisy_records(data: FederatedData, noise: Records, *, seed: int) -> FederatedData:
    """The federation whose members use noisy records instead of their own.

    Features are clipped and get noise, once; labels and the server's sets stay as they are, so
    epsilon is that of a record's features alone.

    Args:
        data: the federation.
        noise: as `records` gives.
        seed: with the client's id, decides what is drawn.

    Raises:
        InvalidInputError: features that are no real numbers, such as tokens.
    """
    integer("seed", seed, least=0)
    require(
        np.issubdtype(np.asarray(data.x).dtype, np.floating),
        "Expected records to be given with features that are real numbers, got "
        f"{np.asarray(data.x).dtype}.",
    )
    for client in range(data.num_clients):
        x, y = data.client(client)
        rng = stream(seed, RECORDS, client)
        noisy = noisy_records(rng, x, law=noise.law, clip=noise.clip, scale=noise.scale)
        data = data.with_client(client, (noisy, y))
    return data
