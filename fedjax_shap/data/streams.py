"""The streams of random numbers that make a federation of a pool, each apart from the others."""

import numpy as np

PARTITION = 0  # who gets which rows
VALIDATION = 1  # the validation set, out of the server's test rows
CORRUPTION = 2  # one more stream for each corruption, by its position
MEMBER_TESTS = 3  # the members' own test rows
RECORDS = 4  # noise on a member's records, by its id
VALIDATION_USERS = 5  # the members who never train


def stream(seed: int, *numbers: int) -> np.random.Generator:
    """The generator of one stream.

    NumPy takes zeros at the end of a seed for nothing: (CORRUPTION, 0) is the stream CORRUPTION.
    So a number above is used with a position behind it, or without, never in both ways.

    Args:
        seed: of the federation.
        numbers: one of the numbers above, and perhaps a position.
    """
    return np.random.default_rng([seed, *numbers])
