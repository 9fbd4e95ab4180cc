"""Examples as people hold them: pairs of arrays, frames, lists of pairs, map-style data sets.

All of them become a pair of arrays (x[N, ...], y[N, ...]); what cannot is refused with the words
for it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, described, require
from fedjax_shap.typing import HostArray

FEATURES = ("x", "features", "image", "img", "pixel_values", "inputs", "input_ids", "data")
TARGETS = ("y", "label", "labels", "target", "targets", "class")
WANTED = "a pair of arrays (x[N, ...], y[N])"


class Members(NamedTuple):
    """Who holds what.

    Attributes:
        examples: what each member holds, as it was given.
        names: the members' names, or None.
    """

    examples: list[Any]
    names: Sequence[str] | None


def members_of(clients: Any, names: Sequence[str] | None) -> Members:
    """The members of a federation, as a list or by name.

    Args:
        clients: examples, one entry a member: a list, any iterable, or a mapping from names.
        names: the members' names, or None; None where `clients` is a mapping.

    Raises:
        InvalidInputError: no members, or what is one member's examples.
    """
    expected = f"Expected clients={described(clients)} to hold {WANTED} for each client, such as "
    example = "[(x0, y0), (x1, y1)] or {'north': (x0, y0), 'south': (x1, y1)}"
    if isinstance(clients, Mapping):
        require(
            names is None,
            "Expected names to be left out where clients go by name, got both.",
        )
        keys = [str(name) for name in clients]
        require(
            not keys or not set(keys) <= {*FEATURES, *TARGETS},
            f"{expected}{example}, got one set of examples {keys}; write [clients] for one client.",
        )
        return Members(list(clients.values()), keys)
    iterable = isinstance(clients, Iterable) and not isinstance(clients, str | bytes)
    array = hasattr(clients, "dtype") or hasattr(clients, "columns")
    require(iterable and not array, f"{expected}{example}.")
    listed = list(clients)
    if isinstance(clients, tuple) and len(listed) == 2 and all(map(_is_array, listed)):
        require(False, f"{expected}{example}, got one pair; write [clients] for one client.")
    return Members(listed, names)


def pair_of(name: str, examples: Any) -> tuple[HostArray, HostArray]:
    """One set of examples as two arrays of as many rows.

    Args:
        name: how a refusal calls the set.
        examples: (x, y); a mapping with two entries such as "x" and "y"; a list or iterable of
            pairs (x, y), one an example; or a map-style data set (`__len__`, `__getitem__`) whose
            items are such pairs or mappings, as torch and Hugging Face have them.

    Returns:
        x[N, ...] numbers, and y[N, ...].

    Raises:
        InvalidInputError: what is none of these, or rows that differ in shape.
    """
    if isinstance(examples, Mapping):
        x, y = _by_key(name, examples)
    elif _is_pair(examples):
        x, y = examples
    elif isinstance(examples, tuple) and any(map(_is_array, examples)):
        raise InvalidInputError(
            f"Expected {name} to be {WANTED}, got {len(examples)} arrays; leave out what is "
            "neither."
        )
    else:
        x, y = _transposed(name, _items(name, examples))
    return _numbers(f"{name}.x", x), _array(f"{name}.y", y)


def _is_array(part: Any) -> bool:
    """Whether something is an array of several numbers."""
    return hasattr(part, "dtype") and getattr(part, "ndim", 0) > 0


def _is_pair(examples: Any) -> bool:
    """Whether examples are (x, y), and not a list of two examples."""
    if not isinstance(examples, tuple | list) or len(examples) != 2:
        return False
    each = [isinstance(one, tuple) and len(one) == 2 and np.ndim(one[1]) == 0 for one in examples]
    return isinstance(examples, tuple) or not all(each)


def _by_key(name: str, examples: Mapping[Any, Any]) -> tuple[Any, Any]:
    """The features and targets of a mapping that names both."""
    features = [key for key in examples if key in FEATURES]
    targets = [key for key in examples if key in TARGETS]
    if len(targets) == 1 and len(examples) == 2:
        features = [key for key in examples if key not in targets]
    require(
        len(features) == 1 and len(targets) == 1,
        f"Expected {name} to be {WANTED}, got a mapping of {list(examples)}; write (one['...'], "
        "one['...']) of its features and its targets.",
    )
    return examples[features[0]], examples[targets[0]]


def _items(name: str, examples: Any) -> list[Any]:
    """The examples of a list, an iterable or a map-style data set, one by one."""
    expected = f"Expected {name} to be {WANTED}"
    alone = hasattr(examples, "dtype") or hasattr(examples, "columns")
    require(not alone, f"{expected}, got {described(examples)} alone; write (x, y).")
    loader = getattr(examples, "dataset", None)
    require(
        loader is None,
        f"{expected}, got batches of a {described(examples)}; give its `.dataset`.",
    )
    if hasattr(examples, "__getitem__") and hasattr(examples, "__len__"):
        return [examples[index] for index in range(len(examples))]
    iterable = isinstance(examples, Iterable) and not isinstance(examples, str | bytes)
    require(iterable, f"{expected}, got {described(examples)}.")
    return list(examples)


def _transposed(name: str, items: list[Any]) -> tuple[list[Any], list[Any]]:
    """The features and the targets of examples one by one."""
    require(len(items) > 0, f"Expected {name} to hold at least one example, got none.")
    xs = []
    ys = []
    for index, item in enumerate(items):
        x, y = _one(f"{name}[{index}]", item)
        xs.append(_array(f"{name}[{index}].x", x))
        ys.append(y)
    shapes = sorted({x.shape for x in xs})
    require(
        len(shapes) == 1,
        f"Expected the examples of {name} to have one shape, got {' and '.join(map(str, shapes))}.",
    )
    return xs, ys


def _one(name: str, item: Any) -> tuple[Any, Any]:
    """The features and the target of one example."""
    if isinstance(item, Mapping):
        return _by_key(name, item)
    require(
        isinstance(item, tuple | list) and len(item) == 2,
        f"Expected {name} to be an example (x, y), got {described(item)}.",
    )
    x, y = item
    return x, y


def _array(name: str, values: Any) -> HostArray:
    """An array on the host, also of a sparse matrix; refuses what is none, such as ragged lists."""
    if hasattr(values, "toarray"):
        values = values.toarray()
    if isinstance(values, Iterator):
        values = list(values)
    try:
        return np.asarray(values)
    except Exception as error:  # torch, JAX and pandas raise errors of their own
        reason = str(error).split("\n")[0]
        raise InvalidInputError(f"Expected {name} to be an array on the host: {reason}") from error


def _numbers(name: str, values: Any) -> HostArray:
    """Features as numbers; objects that are numbers are taken, as pandas gives them."""
    array = _array(name, values)
    if np.iscomplexobj(array):
        raise InvalidInputError(
            f"Expected {name} to be real numbers, got {array.dtype}; write (x.real, x.imag)."
        )
    if array.dtype == object:
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            sentence = f"Expected {name} to be numbers: {error}"
            if hasattr(values, "columns"):
                sentence += "; sources.from_frame reads frames with text or missing cells"
            raise InvalidInputError(f"{sentence}.") from error
    return array
