"""Utility stores on disk, made by hand: 16 coalitions of four players."""

import numpy as np

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.parts import claim, write_part

EVERY = all_subsets(4)
WORTH = np.arange(16) ** 2 / 7


def fill(folder, *parts, worth=WORTH, fingerprint="a", players=()):
    """A store with one part for each list of rows; the folder."""
    claim(folder, fingerprint, players)
    for rows in parts:
        write_part(folder, fingerprint, EVERY[rows], worth[rows])
    return folder


def contents(folder):
    """What is in a folder, byte for byte."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def corrupt(part):
    """Cuts the end of a file off."""
    part.write_bytes(part.read_bytes()[:-30])
