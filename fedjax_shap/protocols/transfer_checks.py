"""What the two parties bring to an encrypted transfer, checked before a key is made."""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import numpy as np

from fedjax_shap._validate import (
    InvalidInputError,
    caution,
    how_many,
    listed,
    number,
    of_kind,
    one_of,
    require,
    texts,
)
from fedjax_shap.protocols.given import real, real_numbers, shown
from fedjax_shap.protocols.transfer_sides import Activation, Alignment, Terms
from fedjax_shap.typing import HostArray


class Held(NamedTuple):
    """What a party brings.

    Attributes:
        x: float[N, F], its rows.
        y: int[N] of the source, int[labels] of the target: classes 0 and 1, or -1 and 1.
        pairs: int[pairs], its rows of common users, in the order of both.
        theta: float[F + 1, d], its network at the start; the last row is the bias.
        labelled: int[labels], of the target, the rows whose labels it has; None of the source.
    """

    x: HostArray
    y: HostArray
    pairs: HostArray
    theta: HostArray
    labelled: HostArray | None = None


def names_of(names: Sequence[str]) -> tuple[str, str]:
    """The names of source and target, or a refusal."""
    given = texts("names", names)
    require(
        len(given) == 2 and len(set(given)) == 2 and all(given),
        f"Expected names={given} to be two names that differ, none empty.",
    )
    return given[0], given[1]


def checked_terms(terms: Terms) -> Terms:
    """The terms of the loss, or a refusal of one out of its range."""
    one_of("alignment", terms.alignment, get_args(Alignment))
    one_of("activation", terms.activation, get_args(Activation))
    number("gamma", terms.gamma, least=0)
    number("penalty", terms.penalty, least=0)
    return terms


def checked(names: tuple[str, str], source: Held, target: Held) -> tuple[Held, Held]:
    """What both bring, as float64 and row numbers, labels as -1 and 1.

    Args:
        names: of both.
        source: what the source brings.
        target: what the target brings.

    Raises:
        InvalidInputError: something is missing, or does not go together.
    """
    source = _network_of("source", names[0], source)
    target = _network_of("target", names[1], target)
    require(
        source.theta.shape[1] == target.theta.shape[1],
        f"Expected both networks to lead into one space, got widths {source.theta.shape[1]} and "
        f"{target.theta.shape[1]}.",
    )
    source = source._replace(
        y=_signs(names[0], source.y), pairs=_row_numbers(f"pairs of {names[0]!r}", source, "pairs")
    )
    require(
        len(source.y) == len(source.x) > 0,
        f"Expected {names[0]!r} to have a label for each of {len(source.x)} rows, and a row, got "
        f"{len(source.y)}.",
    )
    target = target._replace(
        y=_signs(names[1], target.y), pairs=_row_numbers(f"pairs of {names[1]!r}", target, "pairs")
    )
    require(
        target.labelled is not None and np.shape(target.labelled) == target.y.shape,
        f"Expected {names[1]!r} to say of which rows its {len(target.y)} labels are.",
    )
    target = target._replace(labelled=_row_numbers(f"labelled of {names[1]!r}", target, "labelled"))
    _require_users(names, source, target)
    return source, target


def told_of(told: Any, names: tuple[str, str], target: Held) -> HostArray:
    """float64[pairs]: where the source's label of a common user counts in the loss.

    Where the target has the label itself it would count twice; it is not told there, as in the
    game.

    Args:
        told: 0 or 1 for each common user, or None for nowhere.
        names: of both.
        target: what the target brings, checked.
    """
    num_pairs = len(target.pairs)
    if told is None:
        return np.zeros(num_pairs)
    weights = real_numbers(told)
    if weights is None or weights.shape != (num_pairs,) or not np.isin(weights, (0, 1)).all():
        raise InvalidInputError(
            f"Expected told to be 0 or 1 for each of {how_many(num_pairs, 'common user')}, got "
            f"{shown(told)}."
        )
    has_own = np.isin(target.pairs, np.asarray(target.labelled))
    twice = int((weights * has_own).sum())
    if twice:
        caution(
            f"{how_many(twice, 'label')} of {names[0]!r} that told names are of users whose label "
            f"{names[1]!r} has: they are not told, so that none counts twice."
        )
    return np.where(has_own, 0.0, weights.astype(float))


def require_lesson(names: tuple[str, str], source: Held, target: Held, terms: Terms) -> None:
    """Refuses a training in which nothing is learned but small parameters."""
    aligned = terms.gamma > 0 and len(target.pairs) > 0
    require(
        len(target.y) > 0 or aligned or bool(terms.told.any()),
        f"Expected {names[1]!r} to have a label, a common user with gamma > 0, or one whose label "
        f"is told; got none, so that nothing of {names[0]!r} would reach it.",
    )
    require(
        terms.activation != "tanh" or bool(source.theta.any() or target.theta.any()),
        "Expected a network to start elsewhere than at theta=0, from where neither would move.",
    )


# ------------------------------------------------------------------ one party


def _network_of(argument: str, name: str, held: Held) -> Held:
    """Rows and network of a party as float64."""
    of_kind(argument, held, Held, "fs.protocols.Held(x, y, pairs, theta)")
    x = real(f"x of {name!r}", held.x, "[N, F]")
    theta = real(f"theta of {name!r}", held.theta, "[F + 1, d]")
    require(
        x.shape[1] > 0 and theta.shape[1] > 0 and len(theta) == x.shape[1] + 1,
        f"Expected {name!r} to bring rows x[N, F] and a network theta[F + 1, d], F and d at least "
        f"1, got shapes {list(x.shape)} and {list(theta.shape)}.",
    )
    return held._replace(x=x, theta=theta)


def _row_numbers(name: str, held: Held, which: str) -> HostArray:
    """int[n]: numbers of rows, or a refusal of what are none."""
    given = getattr(held, which)
    count = len(held.x)
    rows = real_numbers(given)
    expected = f"Expected {name} to be row numbers 0..{count - 1}"
    if rows is None or rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise InvalidInputError(f"{expected}, got {shown(given)}.")
    outside = rows[(rows < 0) | (rows >= count)].tolist()
    require(not outside, f"{expected}, got {listed(outside, quoted=False)}.")
    return rows.astype(int)


def _require_users(names: tuple[str, str], source: Held, target: Held) -> None:
    """Refuses common users that are not the same at both, and rows that count twice."""
    require(
        len(source.pairs) == len(target.pairs),
        f"Expected the same common users at both, got {len(source.pairs)} rows and "
        f"{len(target.pairs)}.",
    )
    for which in ("pairs", "labelled"):
        again = _again(getattr(target, which))
        require(
            not again,
            f"Expected {which} of {names[1]!r} to be different rows, but it names row "
            f"{listed(again, quoted=False)} more than once.",
        )
    shared = _again(source.pairs)
    if shared:
        caution(
            f"pairs of {names[0]!r} names row {listed(shared, quoted=False)} for more than one "
            "common user: it counts for each of them."
        )


def _again(rows: HostArray | None) -> list[int]:
    """The rows that are named more than once."""
    kinds, counts = np.unique(np.asarray(rows), return_counts=True)
    again: list[int] = kinds[counts > 1].tolist()
    return again


def _signs(name: str, y: Any) -> HostArray:
    """float64[N]: two classes as -1 and 1."""
    expected = f"Expected labels of {name!r} to be 0 and 1, or -1 and 1, one a row"
    labels = real_numbers(y)
    if labels is None or labels.ndim != 1:
        raise InvalidInputError(f"{expected}, got {shown(y)}.")
    kinds = set(np.unique(labels).tolist())
    require(
        kinds <= {0, 1} or kinds <= {-1, 1},
        f"{expected}, got {listed(sorted(kinds), 5, quoted=False)}.",
    )
    signs: HostArray = np.where(labels > 0, 1.0, -1.0)
    return signs
