"""The workload of parties that train one model together: operations of a step, and bytes.

Numbers under encryption are computed with by words: a product modulo n^2 of L words of 64 bits
takes about L^2 products and additions of words, and its reduction as many. These count as
floating-point operations, which a machine that is fast at the latter may do more slowly: give
`steps_per_second` as measured where encryption rules.
"""

from collections.abc import Sequence

import numpy as np

from fedjax_shap.devices.workload import Messages, Workload
from fedjax_shap.privacy.powers import WINDOW, num_products
from fedjax_shap.protocols.coordinated_counts import Counts, Training
from fedjax_shap.typing import HostArray

WORD = 64  # bits
UPDATE = 10  # operations of a weight's step by RMSProp, about
FACTOR_BITS = 27  # of a feature by which is multiplied: 24 after the point, and 3 before it


def coordinated_workload(
    asked: Training, counts: Sequence[Counts], moved: HostArray | None = None
) -> Workload:
    """What a coordinated training asks of parties' machines; nothing is computed.

    Args:
        asked: the training; one round of the workload is all of it.
        counts: of each party.
        moved: float[P, 2], bytes that each sends and receives besides, to align rows.
    """
    if moved is None:
        moved = np.zeros((len(counts), 2))
    operations = [_plain(asked, one) + _encrypted(asked, one) for one in counts]
    sent = tuple(one.sent + int(more) for one, more in zip(counts, moved[:, 0]))
    received = tuple(one.received + int(more) for one, more in zip(counts, moved[:, 1]))
    flops = np.array(operations, np.float64) / asked.num_steps
    return Workload(flops, Messages(sent, received))


def _plain(asked: Training, counts: Counts) -> float:
    """Operations with plain numbers: outputs, sums where these are plain, and steps."""
    products = asked.epochs * asked.num_rows * counts.columns
    outputs = 2 * products
    sums = 2 * (products + asked.epochs * asked.num_rows) * (asked.encryption == "none")
    return outputs + sums + UPDATE * asked.num_steps * counts.columns


def _encrypted(asked: Training, counts: Counts) -> float:
    """Operations with words of numbers under encryption."""
    words = 2 * asked.key_bits / WORD
    # a product and its reduction, a multiplication and an addition a pair of words
    product = 4 * words**2
    # a random power from its table, then the number and both together
    encryption = asked.key_bits / 2 / WINDOW + 2
    factor = num_products(asked.batch_size, FACTOR_BITS) / asked.batch_size
    return product * (encryption * counts.encryptions + factor * counts.products)
