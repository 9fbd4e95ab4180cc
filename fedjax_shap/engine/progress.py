"""Progress of a part of the work, reported as progress of all of it."""

from fedjax_shap.typing import Progress


def after(progress: Progress | None, before: int, expected: int = 0) -> Progress:
    """Progress of coalitions that come after others.

    Args:
        progress: is told of all; nobody is told if None.
        before: how many were done before.
        expected: how many there will be in all, at least; those known so far if fewer.
    """
    if progress is None:
        return _silent
    return lambda done, total: progress(before + done, max(before + total, expected))


def of_rounds(progress: Progress | None, place: int, num_rounds: int) -> Progress:
    """Progress of one of several rounds, each of which counts as many coalitions as this one.

    Args:
        progress: is told of all; nobody is told if None.
        place: which round it is, from 0.
        num_rounds: how many there are.
    """
    if progress is None:
        return _silent
    return lambda done, total: progress(place * total + done, num_rounds * total)


def _silent(done: int, total: int) -> None:
    """Progress that is reported to nobody."""
