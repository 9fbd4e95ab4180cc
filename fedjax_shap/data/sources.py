"""Sources of data by name: two that come with scikit-learn, images from idx files, published
tables, your own files.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.data import files, published, tables
from fedjax_shap.data.pool import Pool, hold_out, standardise
from fedjax_shap.typing import HostArray

NUM_IMAGE_CLASSES = 10


def load(name: str, /, **keywords: Any) -> Pool:
    """The pool of the source called `name`.

    Args:
        name: a name in `SOURCES`.
        **keywords: that source's own settings.

    Raises:
        InvalidInputError: an unknown name or setting, a setting left out, or what the source
            refuses.
    """
    one_of("source", name, SOURCES)
    settings = inspect.signature(SOURCES[name]).parameters
    for keyword in keywords:
        one_of(f"a setting of source {name!r}", keyword, settings)
    needed = [
        key
        for key, value in settings.items()
        if value.default is value.empty and key not in keywords
    ]
    require(
        not needed, f"Expected source {name!r} to be given {', '.join(needed)}, but it was not."
    )
    return SOURCES[name](**keywords)


def digits(*, image: bool = False, test_fraction: float = 0.25, seed: int = 0) -> Pool:
    """Handwritten digits (comes with scikit-learn), 1,797 images of 8 by 8 in [0, 1], ten classes.

    Args:
        image: False for 64 features a row, True for [8, 8, 1].
        test_fraction: the share of rows drawn for the test set, nearly the same in each class.
        seed: decides which.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32).reshape(-1, *((8, 8, 1) if image else (64,)))
    return _drawn(x, y, test_fraction, seed, {"labels": tuple("0123456789")})


def breast_cancer(*, test_fraction: float = 0.25, seed: int = 0) -> Pool:
    """Breast cancer diagnosis (comes with scikit-learn), 569 rows of 30 standardised features, two
    classes.

    Args:
        test_fraction: the share of rows drawn for the test set, nearly the same in each class.
        seed: decides which.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    notes = {"features": bunch.feature_names.tolist(), "labels": tuple(bunch.target_names.tolist())}
    pool = _drawn(bunch.data, bunch.target, test_fraction, seed, notes)
    x, test_x = standardise(pool.x, pool.test[0])
    return Pool(x=x, y=pool.y, test=(test_x, pool.test[1]), num_classes=2, notes=notes)


def mnist(
    *,
    folder: str | None = None,
    flat: bool = False,
    train_limit: int | None = None,
    test_limit: int | None = None,
    balanced: bool = False,
    seed: int = 0,
) -> Pool:
    """MNIST handwritten digits from idx files, 60,000 training and 10,000 test images in [0, 1],
    ten classes.

    Args:
        folder: the folder of data sets, the files in its folder mnist or in itself; None for the
            environment variable FEDJAX_SHAP_DATA.
        flat: False for [28, 28, 1], True for 784 features a row.
        train_limit: how many training images to draw; all if None.
        test_limit: how many test images to draw; all if None.
        balanced: whether each class gives equally many (of the limit, or as many as the rarest
            class has: 5,421 in training and 892 in the test set).
        seed: decides which are drawn.

    Raises:
        InvalidInputError: no such file, a damaged one, or a limit beyond what is there.

    References:
        LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """
    origin = "yann.lecun.com/exdb/mnist, or OpenML's set mnist_784 written as idx"
    return _images("mnist", folder, origin, flat, (train_limit, test_limit), balanced, seed)


def fashion_mnist(
    *,
    folder: str | None = None,
    flat: bool = False,
    train_limit: int | None = None,
    test_limit: int | None = None,
    balanced: bool = False,
    seed: int = 0,
) -> Pool:
    """Fashion-MNIST articles of clothing from idx files, 60,000 training and 10,000 test images in
    [0, 1], ten classes.

    Args:
        folder: the folder of data sets, the files in its folder fashion_mnist or in itself; None
            for the environment variable FEDJAX_SHAP_DATA.
        flat: False for [28, 28, 1], True for 784 features a row.
        train_limit: how many training images to draw; all if None.
        test_limit: how many test images to draw; all if None.
        balanced: whether each class gives equally many (of the limit, or as many as the rarest
            class has).
        seed: decides which are drawn.

    Raises:
        InvalidInputError: no such file, a damaged one, or a limit beyond what is there.

    References:
        Xiao, Rasul, Vollgraf 2017, "Fashion-MNIST", arXiv 1708.07747.
    """
    origin = "github.com/zalandoresearch/fashion-mnist"
    return _images("fashion_mnist", folder, origin, flat, (train_limit, test_limit), balanced, seed)


SOURCES: dict[str, Callable[..., Pool]] = {
    "digits": digits,
    "breast_cancer": breast_cancer,
    "mnist": mnist,
    "fashion_mnist": fashion_mnist,
    "heart_disease": published.heart_disease,
    "adult": published.adult,
    "a9a": published.a9a,
    "flce": published.flce,
    "csv": tables.csv,
    "npz": tables.npz,
}


def _drawn(
    x: HostArray, y: HostArray, test_fraction: float, seed: int, notes: dict[str, Any]
) -> Pool:
    """A pool whose test set is drawn from its rows."""
    integer("seed", seed, least=0)
    train, test = hold_out(np.random.default_rng(seed), y, test_fraction, "test_fraction")
    y = y.astype(np.int32)
    return Pool(
        x=x[train], y=y[train], test=(x[test], y[test]), num_classes=int(y.max()) + 1, notes=notes
    )


def _images(
    name: str,
    folder: str | None,
    origin: str,
    flat: bool,
    limits: tuple[int | None, int | None],
    balanced: bool,
    seed: int,
) -> Pool:
    """The pool of a data set in MNIST's four files."""
    integer("seed", seed, least=0)
    sets = []
    for i, (part, limit) in enumerate(zip(("train", "t10k"), limits)):
        held = []
        for kind, dimensions in (("images", 3), ("labels", 1)):
            known = [f"{part}-{kind}{mark}idx{dimensions}-ubyte" for mark in "-."]
            path = files.locate(folder, name, known, origin=origin)
            held.append((path, files.idx(path, dimensions=dimensions)))
        (_, x), (path, y) = held
        require(
            len(x) == len(y),
            f"Expected {path} to hold a label for each of {len(x)} images, got {len(y)}.",
        )
        require(
            len(y) > 0 and y.max() < NUM_IMAGE_CLASSES,
            f"Expected {path} to hold labels, each of them in 0..9.",
        )
        rng = np.random.default_rng([seed, i])
        chosen = _chosen(rng, y, limit, balanced, ("train_limit", "test_limit")[i])
        shape = (-1,) if flat else (*x.shape[1:], 1)
        sets.append(
            (x[chosen].astype(np.float32).reshape(len(chosen), *shape) / np.float32(255), y[chosen])
        )
    (x, y), (test_x, test_y) = sets
    test = (test_x, test_y.astype(np.int32))
    return Pool(x=x, y=y.astype(np.int32), test=test, num_classes=NUM_IMAGE_CLASSES)


def _chosen(
    rng: np.random.Generator, y: HostArray, limit: int | None, balanced: bool, name: str
) -> HostArray:
    """The rows to keep in their order: all, `limit` at random, or equally many of each class."""
    counts = np.bincount(y, minlength=NUM_IMAGE_CLASSES)
    if limit is not None:
        integer(name, limit, least=1, most=len(y))
    if not balanced:
        return np.arange(len(y)) if limit is None else np.sort(rng.permutation(len(y))[:limit])
    each = int(counts.min()) if limit is None else limit // NUM_IMAGE_CLASSES
    require(
        limit is None or (limit % NUM_IMAGE_CLASSES == 0 and each <= counts.min()),
        f"Expected {name}={limit} with balanced=True to be a multiple of {NUM_IMAGE_CLASSES} of at "
        "most "
        f"{NUM_IMAGE_CLASSES * counts.min()}, equally many of each class.",
    )
    rows = [
        rng.permutation(np.flatnonzero(y == label))[:each] for label in range(NUM_IMAGE_CLASSES)
    ]
    return np.sort(np.concatenate(rows))
