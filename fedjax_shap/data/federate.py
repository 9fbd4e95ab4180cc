"""From a pool to a federation: rows split among clients, and part of the server's test set held out
for validation.
"""

import numpy as np

from fedjax_shap._validate import integer, number, require
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.partition import Partition
from fedjax_shap.data.pool import Pool, hold_out


def federate(
    pool: Pool, partition: Partition, *, seed: int, validation: float = 0.0
) -> FederatedData:
    """Gives the rows of a pool to clients.

    Args:
        pool: what a source gave.
        partition: who gets which rows; made by a factory in `PARTITIONS`.
        seed: decides the partition and, apart from it, the validation set.
        validation: the share of the test set that becomes the validation set (nearly the same in
            each class), the rest being the test set; 0 for a validation set that is the test set.

    Returns:
        The federation.

    Raises:
        InvalidInputError: a seed or a share out of range, or what the partition refuses.
    """
    integer("seed", seed, least=0)
    number("validation", validation)
    require(0 <= validation < 1, f"Expected validation={validation!r} to lie in [0, 1).")
    shares = partition(np.random.default_rng([seed, 0]), pool)
    clients = [(pool.x[rows], pool.y[rows]) for rows in shares.rows]
    valued, (x, y) = None, pool.test
    if validation > 0:
        rest, held = hold_out(np.random.default_rng([seed, 1]), y, validation, "validation")
        valued, x, y = (x[held], y[held]), x[rest], y[rest]
    return from_arrays(clients, (x, y), valued, names=shares.names, num_classes=pool.num_classes)
