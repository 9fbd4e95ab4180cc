"""From a pool to a federation: its rows are split among clients, and a validation set held out."""

import numpy as np

from fedjax_shap._validate import function_of, integer, number, of_kind, require
from fedjax_shap.data.federated import FederatedData, from_arrays
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Partition
from fedjax_shap.data.splits import validation_rows


def federate(
    pool: Pool, partition: Partition, *, seed: int, validation: float = 0.0
) -> FederatedData:
    """Gives the rows of a pool to clients.

    Args:
        pool: what a source gave.
        partition: who gets which rows; made by a factory in `PARTITIONS`.
        seed: decides the partition and, apart from it, the validation set.
        validation: the fraction of the test set that becomes the validation set (nearly the same in
            each class, and in each member where the test rows' members are known), the rest being
            the test set; if 0, the test set serves as both.

    Returns:
        The federation.

    Raises:
        InvalidInputError: a seed or a fraction out of range, or what the partition refuses.
    """
    of_kind("pool", pool, Pool, "load('digits')")
    example = "partitions.iid(num_clients=5)"
    function_of("partition", partition, ("a generator", "a pool"), example)
    integer("seed", seed, least=0)
    number("validation", validation)
    require(0 <= validation < 1, f"Expected validation={validation!r} to lie in [0, 1).")
    shares = partition(np.random.default_rng([seed, 0]), pool)
    clients = [(pool.x[rows], pool.y[rows]) for rows in shares.rows]
    x, y = pool.test
    test = (x, y)
    validated = None
    if validation > 0:
        rest, rows = validation_rows(pool, np.random.default_rng([seed, 1]), validation)
        test = (x[rest], y[rest])
        validated = (x[rows], y[rows])
    return from_arrays(
        clients,
        test,
        validated,
        names=shares.names,
        num_classes=pool.num_classes,
        quantities=pool.num_classes is None,
    )
