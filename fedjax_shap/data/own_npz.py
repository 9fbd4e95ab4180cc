"""The pool of a user's own arrays."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from fedjax_shap._validate import caution, integer, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.members import member_names, texts_of
from fedjax_shap.data.npz_file import read_npz
from fedjax_shap.data.own_targets import RowTargets, decoded, targets_of
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.scaling import SCALES, say_alone, scaled
from fedjax_shap.data.splits import draw_test, say_shared, say_untaught, say_untrained, strata_of
from fedjax_shap.typing import HostArray

Channels = Literal["last", "first", "none"]
CHANNELS = ("last", "first", "none")
USUAL_CHANNELS = (1, 3, 4)  # of images: grey, colours, colours and transparency
BYTE = np.float32(255)
# each array and that which it must have a row for each of
PARTNERS = {
    "x": "y",
    "y": "y",
    "client": "y",
    "test_x": "test_y",
    "test_y": "test_y",
    "test_client": "test_y",
}


def pool_of_arrays(
    path: str,
    *,
    scale: str | None,
    channels: str | None,
    targets: str,
    test_fraction: float,
    seed: int,
) -> Pool:
    """Reads arrays of one's own.

    Args:
        path: the file.
        scale: see `scaling.scaled`; None for bytes divided by 255 and all else as it is.
        channels: where the channels of images stand; None for behind, where there are any.
        targets: "classes" or "quantities".
        test_fraction: of the rows to draw, where the file has no test set.
        seed: decides which.

    Raises:
        InvalidInputError: what cannot be read, or cannot be used without a doubt.
    """
    integer("seed", seed, least=0)
    one_of("scale", scale or "none", SCALES)
    one_of("channels", channels or "none", CHANNELS)
    arrays = read_npz(files.given(path), ["x", "y"])
    _require_rows(path, arrays)
    # the file's own test set stands behind the training rows
    own = len(arrays["y"])
    x = _images(path, _joined(path, arrays, "x"), channels)
    target = targets_of(_joined(path, arrays, "y"), f"y of {path}", targets)
    members = _members(path, arrays)
    if "test_x" in arrays:
        train = np.arange(own)
        test = np.arange(own, len(x))
    else:
        strata = strata_of(target.y, target.num_classes)
        train, test = draw_test(seed, members, strata, test_fraction)
    is_training = np.zeros(len(x), bool)
    is_training[train] = True
    say_untaught(path, target.labels, target.y[train])
    if members is not None:
        say_untrained(path, members, is_training)
    x = _scaled(path, x, is_training, scale, members)
    pool = _pool(x, target, train, test, members)
    if "test_x" in arrays:
        say_shared(path, pool.x, pool.test[0])
    return pool


def _pool(
    x: HostArray, target: RowTargets, train: HostArray, test: HostArray, members: HostArray | None
) -> Pool:
    """The pool of features, targets and members of all rows."""
    columns = {}
    test_columns = {}
    natural = None
    if members is not None:
        natural = "client"
        columns[natural] = members[train]
        if members[test].all():
            test_columns[natural] = members[test]
    notes: dict[str, Any] = {}
    if target.labels:
        notes["labels"] = target.labels
    return Pool(
        x=x[train],
        y=target.y[train],
        test=(x[test], target.y[test]),
        num_classes=target.num_classes,
        columns=columns,
        test_columns=test_columns,
        natural=natural,
        class_order=target.order,
        notes=notes,
    )


def _require_rows(path: str, arrays: Mapping[str, HostArray]) -> None:
    """Refuses arrays that differ in their rows, or half a test set."""
    require(
        ("test_x" in arrays) == ("test_y" in arrays),
        f"Expected {path} to hold test_x and test_y, or neither.",
    )
    require(
        "test_client" not in arrays or {"client", "test_x"} <= arrays.keys(),
        f"Expected {path} to hold client and test_x beside test_client.",
    )
    for name, partner in PARTNERS.items():
        if name in arrays:
            shape = arrays[name].shape
            rows = arrays[partner].shape[:1]
            require(
                shape[:1] == rows and len(rows) == 1 and rows[0] > 0,
                f"Expected {name} of {path} to have a row for each of {partner}, got shapes "
                f"{shape} and {arrays[partner].shape}.",
            )


def _joined(path: str, arrays: Mapping[str, HostArray], name: str) -> HostArray:
    """An array and its test rows, where the file holds these."""
    own = _known(path, name, arrays[name])
    if f"test_{name}" not in arrays:
        return own
    test = _known(path, f"test_{name}", arrays[f"test_{name}"])
    require(
        test.shape[1:] == own.shape[1:],
        f"Expected rows of test_{name} of {path} to have shape {own.shape[1:]}, got "
        f"{test.shape[1:]}.",
    )
    alike = test.dtype == own.dtype or np.uint8 not in (test.dtype, own.dtype)
    require(
        alike and (test.dtype.kind == "U") == (own.dtype.kind == "U"),
        f"Expected test_{name} of {path} to be of the same type as {name}, got {test.dtype} and "
        f"{own.dtype}.",
    )
    return np.concatenate([own, test])


def _known(path: str, name: str, values: HostArray) -> HostArray:
    """An array of real numbers, or of words where these may be."""
    if name in ("x", "test_x"):
        require(
            values.dtype.kind in "biuf",
            f"Expected {name} of {path} to be real numbers, got {values.dtype}.",
        )
        require(
            0 not in values.shape[1:],
            f"Expected {name} of {path} to have features, got shape {values.shape}.",
        )
    if values.dtype.kind == "S":
        return decoded(values, f"{name} of {path}")
    require(
        values.dtype.kind in "biufU",
        f"Expected {name} of {path} to be numbers or words, got {values.dtype}.",
    )
    return values


def _members(path: str, arrays: Mapping[str, HostArray]) -> HostArray | None:
    """Whose each row is, str[T], "" for test rows of nobody; None where the file does not say."""
    if "client" not in arrays:
        return None
    own = texts_of(arrays["client"], f"client of {path}")
    rest = 0
    if "test_client" in arrays:
        test = texts_of(arrays["test_client"], f"test_client of {path}")
        own = np.concatenate([own, test])
    elif "test_y" in arrays:
        rest = len(arrays["test_y"])
    return np.concatenate([member_names(own, f"client of {path}"), np.full(rest, "")])


def _images(path: str, x: HostArray, channels: str | None) -> HostArray:
    """The features, of images the channels behind: [T, H, W, channels]."""
    wanted = {"first": 4, "none": 3}.get(channels or "", x.ndim)
    require(
        x.ndim == wanted,
        f"Expected x of {path} to have {wanted} axes where channels={channels!r}, got shape "
        f"{x.shape}.",
    )
    if channels == "first":
        return np.moveaxis(x, 1, -1)
    if channels == "none" or (channels is None and x.ndim == 3 and x.dtype == np.uint8):
        return x[..., None]
    if channels is None and x.ndim == 4:
        leads = x.shape[1] in USUAL_CHANNELS and x.shape[-1] not in USUAL_CHANNELS
        if leads:
            caution(
                f"{path}: images of shape {x.shape[1:]} were taken to have {x.shape[-1]} channels "
                'in the last axis; write channels = "first", if the channels stand in front.'
            )
    return x


def _scaled(
    path: str, x: HostArray, train: HostArray, scale: str | None, members: HostArray | None
) -> HostArray:
    """The features on their scale, float32[T, ...]."""
    is_bytes = x.dtype == np.uint8 and x.max() > 1
    if is_bytes and scale in (None, "unit"):
        if scale is None:
            caution(
                f"{path}: x holds bytes up to {x.max()}, which were divided by 255 (rows of shape "
                f'{x.shape[1:]}); write scale = "none" to use them as they are.'
            )
        return x.astype(np.float32) / BYTE
    if scale is None and x.ndim > 2 and _like_bytes(x):
        caution(
            f"{path}: x holds whole numbers up to {x.max():g}, which were used as they are; write "
            'scale = "unit" to take them to [0, 1].'
        )
    say_alone(path, scale or "none", train, members)
    return scaled(f"x of {path}", x, train, scale or "none", members)


def _like_bytes(x: HostArray) -> bool:
    """Whether images hold 0 to 255, written as another type."""
    with np.errstate(invalid="ignore"):
        return bool(2 < x.max() <= 255 and x.min() >= 0 and (x == np.round(x)).all())
