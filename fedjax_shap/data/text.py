"""Text: the next character of what a role of Shakespeare's says."""

import re

import numpy as np

from fedjax_shap._validate import integer, number, require
from fedjax_shap.data import files
from fedjax_shap.data.parts import parted
from fedjax_shap.data.pool import Pool
from fedjax_shap.typing import HostArray

LENGTH = 80  # characters before the one to predict, as in LEAF
LEAST_TEXT = 1000  # characters of a role that takes part
SPEECH = re.compile(r"([^\n]+):\n(.*)", re.DOTALL)


def tinyshakespeare(
    *,
    folder: str | None = None,
    roles: int | None = None,
    stride: int = 20,
    test_fraction: float = 0.2,
) -> Pool:
    """Shakespeare by role (char-rnn's excerpt), 80 characters and the next one, 65 characters.

    A row is 80 successive characters of one role, x as numbers 0 to 64 (`notes["labels"]` has the
    characters in this order), y the character that follows. The natural federation is by speaking
    role, as in LEAF and TensorFlow Federated, from the 40,000 lines that char-rnn uses; a name that
    several plays have, such as GLOUCESTER, is one role. Roles with fewer than 1,000 characters are
    left out (141 of 299 remain), as are the names before the speeches. The test set is the last
    part of each role's text; no test row shares a character with a training row. x are tokens: use
    a model that embeds them. Licence: public domain.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        roles: how many roles take part, those that say most; None for all.
        stride: how many characters a row begins after the one before; 1 gives all rows, as LEAF
            does.
        test_fraction: the fraction of each role's text, its last, that is the test set.

    Raises:
        InvalidInputError: no such file, more roles than there are, or a fraction that leaves a role
            too little text.

    References:
        Caldas et al. 2018, "LEAF: a benchmark for federated settings", arXiv 1812.01097; McMahan et
        al. 2017, arXiv 1602.05629; Karpathy 2015, github.com/karpathy/char-rnn.
    """
    integer("stride", stride, least=1)
    number("test_fraction", test_fraction)
    path = files.locate(
        folder,
        "tinyshakespeare",
        ["input.txt"],
        origin="github.com/karpathy/char-rnn (data/tinyshakespeare)",
    )
    text = files.text(path)
    spoken = _spoken(text)
    names = _chosen(spoken, roles, str(path))
    alphabet = sorted(set(text))
    code = {character: number for number, character in enumerate(alphabet)}
    parts = []
    for name in names:
        tokens = np.array([code[character] for character in spoken[name]], np.uint8)
        # the cut between training and test text; both must be long enough for one row
        cut = round((1 - test_fraction) * len(tokens))
        require(
            LENGTH < cut < len(tokens) - LENGTH,
            f"Expected test_fraction={test_fraction!r} to leave {LENGTH + 1} characters on both "
            f"sides of {name}'s {len(tokens)}.",
        )
        for train, own in ((True, tokens[:cut]), (False, tokens[cut:])):
            x, y = _rows(own, stride)
            parts.append((name, train, x, y))
    counts = [len(y) for _, _, _, y in parts]
    return parted(
        np.concatenate([x for _, _, x, _ in parts]),
        np.concatenate([y for _, _, _, y in parts]),
        np.repeat([train for _, train, _, _ in parts], counts),
        columns={"role": np.repeat([name for name, _, _, _ in parts], counts)},
        natural="role",
        num_classes=len(alphabet),
        notes={"labels": tuple(alphabet)},
    )


def _spoken(text: str) -> dict[str, str]:
    """What each role says, its speeches joined by line ends, in their order."""
    spoken: dict[str, list[str]] = {}
    for block in text.split("\n\n"):
        speech = SPEECH.fullmatch(block.strip("\n"))
        if speech is not None:
            spoken.setdefault(speech[1], []).append(speech[2])
    return {name: "\n".join(speeches) for name, speeches in spoken.items()}


def _chosen(spoken: dict[str, str], roles: int | None, path: str) -> list[str]:
    """The roles that take part, in the order of the plays."""
    known = [name for name in spoken if len(spoken[name]) >= LEAST_TEXT]
    require(
        len(known) > 0, f"Expected {path} to hold a role with {LEAST_TEXT} characters, but none is."
    )
    if roles is None:
        return known
    integer("roles", roles, least=1, most=len(known))
    most = sorted(known, key=lambda name: len(spoken[name]), reverse=True)[:roles]
    return [name for name in known if name in most]


def _rows(tokens: HostArray, stride: int) -> tuple[HostArray, HostArray]:
    """Windows x[T, 80] that begin every `stride` characters, and the character after each, y[T]."""
    windows = np.lib.stride_tricks.sliding_window_view(tokens, LENGTH + 1)[::stride]
    return windows[:, :-1], windows[:, -1]
