"""Where a run's stores lie: a folder for each part of its valuation, and inside it one for each
further game, where several configurations were run into one folder.

    OUT/utilities                  what coalitions are worth, of the first configuration
    OUT/utilities/4f0e5c1a9b27     the same of another, by the beginning of its fingerprint
    OUT/utilities/curves           another part of the valuation
"""

import re
from pathlib import Path

from fedjax_shap._validate import a_path
from fedjax_shap.engine.parts import LABEL, owner

UTILITIES = "utilities"  # the folder of a run's stores, beside its result
# what stores hold: parts of a run's valuation, by the name of their folder
WHOLE = ""  # one game
REPEATS = "repeats"  # the same under several seeds
ROUND = "round-"  # the game of one round, whose number follows
CURVES = "curves"  # what learning curves show: no value is read off them, nor off the next two
ALONE = "alone"  # each member alone
POOLED = "pooled"  # one model on all data
DIGITS = 12  # of a fingerprint, in the name of a folder


def stores_folder(folder: str | Path) -> Path:
    """The folder of a run's stores, of a run's folder; any other folder as it is."""
    path = a_path("folder", folder)
    if (path / UTILITIES).is_dir() and not (path / LABEL).exists():
        return path / UTILITIES
    return path


def place(root: Path, part: str, fingerprint: str) -> Path:
    """The folder of one game's store; none is made.

    Args:
        root: the folder of the run's stores.
        part: which part of the valuation the game is, see `valuation.options.Stores`.
        fingerprint: names the game.

    Returns:
        The part's own folder if it is free or the game's, else a folder for this game inside it.

    Raises:
        InvalidInputError: the label there cannot be read.
    """
    first = root / part
    own = further(first, fingerprint)
    if (own / LABEL).exists() or owner(first) not in (None, fingerprint):
        return own
    return first


def further(first: Path, fingerprint: str) -> Path:
    """The folder of a game inside that of its part, which belongs to another game."""
    return first / re.sub("[^0-9A-Za-z_-]", "_", fingerprint[:DIGITS])


def part_of(store: Path, root: Path, fingerprint: str) -> str:
    """Which part of a run's valuation a store below `root` holds: the inverse of `place`."""
    if store != root and store == further(store.parent, fingerprint):
        store = store.parent
    return "/".join(store.relative_to(root).parts)
