"""Encrypted transfers for tests: what a small source and a small target bring."""

import numpy as np

from fedjax_shap.protocols.transfer_checks import Held

SHORT = {"key_bits": 512, "allow_short_keys": True, "steps": 2, "keep": True}
WIDTH = 2


def held(seed=0):
    """What a source of 8 rows and a target of 5 bring; 3 users are common."""
    rng = np.random.default_rng(seed)
    source = Held(
        rng.normal(size=(8, 3)),
        np.arange(8) % 2,
        np.array([1, 4, 6]),
        rng.normal(size=(4, WIDTH)),
    )
    target = Held(
        rng.normal(size=(5, 2)),
        np.array([1, 0]),
        np.array([2, 3, 0]),
        rng.normal(size=(3, WIDTH)),
        np.array([0, 4]),
    )
    return source, target


TOLD = np.array([1.0, 1.0, 0.0])
