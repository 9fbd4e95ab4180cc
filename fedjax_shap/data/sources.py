"""Sources of data by name: from scikit-learn, images, published tables, and your own files."""

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fedjax_shap._validate import integer, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.banks import bank_marketing, credit_default
from fedjax_shap.data.fate import motor, student, vehicle
from fedjax_shap.data.frames import from_frame
from fedjax_shap.data.own_files import csv, npz
from fedjax_shap.data.patients import parkinsons, tcga_brca
from fedjax_shap.data.pool import Pool, hold_out, standardise
from fedjax_shap.data.published import a9a, adult, flce, heart_disease
from fedjax_shap.data.sensors import landmine, wisdm
from fedjax_shap.data.stations import beijing_air
from fedjax_shap.data.text import tinyshakespeare
from fedjax_shap.typing import HostArray

__all__ = [
    "SOURCES",
    "Pool",
    "a9a",
    "adult",
    "bank_marketing",
    "beijing_air",
    "breast_cancer",
    "credit_default",
    "csv",
    "digits",
    "fashion_mnist",
    "flce",
    "from_frame",
    "heart_disease",
    "landmine",
    "load",
    "mnist",
    "motor",
    "npz",
    "parkinsons",
    "student",
    "tcga_brca",
    "tinyshakespeare",
    "vehicle",
    "wisdm",
]


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
    required = [key for key, setting in settings.items() if setting.default is setting.empty]
    missing = [key for key in required if key not in keywords]
    named = ", ".join(missing)
    require(not missing, f"Expected source {name!r} to be given {named}, but it was not.")
    return SOURCES[name](**keywords)


def digits(*, image: bool = False, test_fraction: float = 0.25, seed: int = 0) -> Pool:
    """Handwritten digits (comes with scikit-learn), 1,797 images of 8 by 8 in [0, 1], ten classes.

    Args:
        image: False for 64 features a row, True for [8, 8, 1].
        test_fraction: the fraction of rows drawn for the test set, nearly the same in each class.
        seed: decides which.
    """
    table = _table_of_digits()
    y = table[:, -1].astype(int)
    x = (table[:, :-1] / 16).astype(np.float32)
    if image:
        x = x.reshape(-1, 8, 8, 1)
    return _with_drawn_test_set(x, y, test_fraction, seed, {"labels": tuple("0123456789")})


def _table_of_digits() -> HostArray:
    """float64[1797, 65]: 64 pixels and the class of each image, from scikit-learn's own file."""
    installed = find_spec("sklearn")  # to import it takes longer than a small run
    for folder in (installed and installed.submodule_search_locations) or ():
        if (file := Path(folder, "datasets/data/digits.csv.gz")).is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    return np.column_stack(load_digits(return_X_y=True))


def breast_cancer(*, test_fraction: float = 0.25, seed: int = 0) -> Pool:
    """Breast cancer diagnosis (comes with scikit-learn), 569 rows of 30 features, two classes.

    Features are standardised by the training rows.

    Args:
        test_fraction: the fraction of rows drawn for the test set, nearly the same in each class.
        seed: decides which.
    """
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    notes = {"features": bunch.feature_names.tolist(), "labels": tuple(bunch.target_names.tolist())}
    pool = _with_drawn_test_set(bunch.data, bunch.target, test_fraction, seed, notes)
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
    """MNIST handwritten digits, 60,000 training and 10,000 test images in [0, 1], ten classes.

    Args:
        folder: the folder of data sets, with the idx files in its folder mnist or in itself; None
            for the environment variable FEDJAX_SHAP_DATA.
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
    """Fashion-MNIST clothing, 60,000 training and 10,000 test images in [0, 1], ten classes.

    Args:
        folder: the folder of data sets, with the idx files in its folder fashion_mnist or in
            itself; None for the environment variable FEDJAX_SHAP_DATA.
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
    "heart_disease": heart_disease,
    "adult": adult,
    "a9a": a9a,
    "flce": flce,
    "bank_marketing": bank_marketing,
    "credit_default": credit_default,
    "beijing_air": beijing_air,
    "parkinsons": parkinsons,
    "landmine": landmine,
    "wisdm": wisdm,
    "tcga_brca": tcga_brca,
    "student": student,
    "vehicle": vehicle,
    "motor": motor,
    "tinyshakespeare": tinyshakespeare,
    "csv": csv,
    "npz": npz,
}


def _with_drawn_test_set(
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
    for position, (part, setting) in enumerate((("train", "train_limit"), ("t10k", "test_limit"))):
        x, y = _images_and_labels(name, folder, origin, part)
        # each set has a generator of its own
        rng = np.random.default_rng([seed, position])
        rows = _chosen(rng, y, limits[position], balanced, setting)
        shape = (*x.shape[1:], 1)
        if flat:
            shape = (-1,)
        images = x[rows].astype(np.float32).reshape(len(rows), *shape) / np.float32(255)
        sets.append((images, y[rows].astype(np.int32)))
    (x, y), test = sets
    return Pool(x=x, y=y, test=test, num_classes=NUM_IMAGE_CLASSES)


def _images_and_labels(
    name: str, folder: str | None, origin: str, part: str
) -> tuple[HostArray, HostArray]:
    """Images uint8[T, 28, 28] and labels uint8[T] of one of the two sets, "train" or "t10k"."""
    paths = {}
    for kind, dimensions in (("images", 3), ("labels", 1)):
        known = [f"{part}-{kind}{mark}idx{dimensions}-ubyte" for mark in "-."]
        paths[kind] = files.locate(folder, name, known, origin=origin)
    x = files.idx(paths["images"], dimensions=3)
    y = files.idx(paths["labels"], dimensions=1)
    require(
        len(x) == len(y),
        f"Expected {paths['labels']} to hold a label for each of {len(x)} images, got {len(y)}.",
    )
    require(
        len(y) > 0 and y.max() < NUM_IMAGE_CLASSES,
        f"Expected {paths['labels']} to hold labels, each of them in 0..9.",
    )
    return x, y


def _chosen(
    rng: np.random.Generator, y: HostArray, limit: int | None, balanced: bool, name: str
) -> HostArray:
    """The rows to keep in their order: all, `limit` at random, or equally many of each class."""
    if limit is not None:
        integer(name, limit, least=1, most=len(y))
    if balanced:
        return _chosen_by_class(rng, y, limit, name)
    if limit is None:
        return np.arange(len(y))
    return np.sort(rng.permutation(len(y))[:limit])


def _chosen_by_class(
    rng: np.random.Generator, y: HostArray, limit: int | None, name: str
) -> HostArray:
    """Equally many rows of each class, `limit` in all or as many as the rarest class allows."""
    rarest = int(np.bincount(y, minlength=NUM_IMAGE_CLASSES).min())
    each = rarest
    if limit is not None:
        each = limit // NUM_IMAGE_CLASSES
        require(
            limit % NUM_IMAGE_CLASSES == 0 and each <= rarest,
            f"Expected {name}={limit} with balanced=True to be a multiple of {NUM_IMAGE_CLASSES} "
            f"of at most {NUM_IMAGE_CLASSES * rarest}, equally many of each class.",
        )
    # the first of each class in random order
    rows = [
        rng.permutation(np.flatnonzero(y == label))[:each] for label in range(NUM_IMAGE_CLASSES)
    ]
    return np.sort(np.concatenate(rows))
