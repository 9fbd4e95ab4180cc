"""Federations for transfer by name: bank to shop, images to images, hospital to hospital, person
to person.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, one_of, require
from fedjax_shap.data.banks import credit_default
from fedjax_shap.data.federate import federate
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.data.partition import by_column
from fedjax_shap.data.sensors import wisdm
from fedjax_shap.data.sources import digits, load, mnist
from fedjax_shap.data.transfer import TransferData, checked
from fedjax_shap.data.transfer_splits import between, by_columns, matched
from fedjax_shap.typing import HostArray

NUM_DIGITS = 10
DEMOGRAPHICS = ("LIMIT_BAL", "AGE", "sex", "education", "marriage")


def credit_transfer(
    *,
    folder: str | None = None,
    overlap: int = 1000,
    labels: int = 100,
    rows: int | None = None,
    balanced: bool = True,
    seed: int = 0,
) -> TransferData:
    """Default of credit cards (UCI) from a bank to a shop: histories and bills with labels at the
    "bank", demographics at the "shop", who defaults next month.

    As in Liu, Chen and Yang, section 5: the bank is the source; the shop is the target and knows
    credit limit, age, sex, education and marriage, 11 features.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        overlap: users whom both know.
        labels: users of the shop alone whose labels it has.
        rows: users of the bank, common ones included; all others if None.
        balanced: whether as many users who pay are kept as there are who default, in training and
            test rows: else 78 % pay.
        seed: decides who is drawn for training, and who is whose; test users are always the same.

    Raises:
        InvalidInputError: no such file, or fewer users than asked for.
    """
    integer("seed", seed, least=0)
    require(isinstance(balanced, bool), f"Expected balanced={balanced!r} to be True or False.")
    pool = credit_default(folder=folder, client="sex")
    train = _with_column(pool.x, pool.columns["sex"])
    test = _with_column(pool.test[0], pool.test_columns["sex"])
    names = [*pool.notes["features"], "sex", "sex"]
    own = [place for place, name in enumerate(names) if name.partition("=")[0] in DEMOGRAPHICS]
    others = [place for place in range(len(names)) if place not in own]
    kept = _balanced(pool.y, balanced, seed)
    tested = _balanced(pool.test[1], balanced, 0)
    return by_columns(
        train[kept],
        pool.y[kept],
        (test[tested], pool.test[1][tested]),
        {"bank": others, "shop": own},
        target="shop",
        overlap=overlap,
        labels=labels,
        rows=rows,
        seed=seed,
    )


def mnist_to_digits(
    *,
    folder: str | None = None,
    sources: int = 3,
    rows: int = 1000,
    labels: int = 20,
    seed: int = 0,
) -> TransferData:
    """Handwritten digits of MNIST, 28 by 28, to those of scikit-learn, 8 by 8; ten classes.

    Pixels are centred, and all divided by one number. MNIST's images are divided at random among
    the sources. No image is common: each training digit is paired with the image of each source
    that is most similar at 8 by 8, whatever its contrast; 7 of 10 pairs are of one class.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        sources: how many, >= 1.
        rows: images of each source.
        labels: images of the target whose labels it has.
        seed: decides who gets which.

    Raises:
        InvalidInputError: no such file, or fewer images than asked for.
    """
    integer("sources", sources, least=1)
    integer("rows", rows, least=1)
    integer("seed", seed, least=0)
    target = digits(seed=seed)
    integer("labels", labels, least=1, most=target.num_rows)
    pool = mnist(folder=folder, flat=True, train_limit=sources * rows, balanced=True, seed=seed)
    order = np.random.default_rng([seed, sources]).permutation(pool.num_rows)
    shares = np.array_split(order, sources)
    images = pool.x.reshape(pool.num_rows, -1)
    (centred,) = _centred(images)
    x, test_x = _centred(target.x, target.test[0])
    labelled = np.arange(labels)
    test = (test_x, target.test[1])
    made = TransferData(
        names=tuple(f"source {number}" for number in range(sources)),
        target="digits",
        x=(*(centred[own] for own in shares), x),
        y=(*(pool.y[own] for own in shares), target.y),
        labelled=labelled,
        pairs=tuple(matched(_at_eight(images[own]), _contrasted(target.x)) for own in shares),
        validation=test,
        test=test,
        num_classes=NUM_DIGITS,
        said=("No image is common: each of the target is paired with the most similar ones.",),
    )
    return checked(made)


def hospital_transfer(
    *, folder: str | None = None, target: str = "VA", labels: int = 20, seed: int = 0
) -> TransferData:
    """Heart disease (UCI) from three hospitals to the fourth, 13 features, two classes.

    Features are standardised by all hospitals' training patients; the target's own test patients
    are those of FLamby's split. Hospitals have no patient in common, see `between`.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        target: "Cleveland", "Hungary", "Switzerland" or "VA".
        labels: of its training patients whose labels it has.
        seed: decides which.

    Raises:
        InvalidInputError: no such file or hospital, or fewer patients than labels.
    """
    source = {"name": "heart_disease", "folder": folder}
    return member_transfer(source=source, target=target, labels=labels, seed=seed)


def wisdm_transfer(
    *,
    folder: str | None = None,
    target: str = "user 33",
    sources: int = 5,
    labels: int = 12,
    seed: int = 0,
) -> TransferData:
    """Activities by telephone (WISDM) from some people to another one, six activities.

    The sources are the people with most rows. The target's test rows are those of the source of
    data. People have no row in common, see `between`.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        target: the person who learns, such as "user 33".
        sources: how many others.
        labels: of the target's training rows whose labels it has.
        seed: decides which.

    Raises:
        InvalidInputError: no such file or person, or fewer rows or people than asked for.
    """
    pool = wisdm(folder=folder)
    people, counts = np.unique(pool.columns["user"], return_counts=True)
    one_of("target", target, people.tolist())
    integer("sources", sources, least=1, most=len(people) - 1)
    by_rows = people[np.argsort(-counts, kind="stable")]
    chosen = [*by_rows[by_rows != target][:sources].tolist(), target]
    rows = {one: pool.columns["user"] == one for one in chosen}
    own = pool.test_columns["user"] == target
    test = (pool.test[0][own], pool.test[1][own])
    data = from_arrays(
        {one: (pool.x[held], pool.y[held]) for one, held in rows.items()},
        test,
        num_classes=pool.classes,
    )
    return between(data, target, labels=labels, test=test, seed=seed)


def member_transfer(
    *, source: dict[str, Any], target: str, labels: int = 20, seed: int = 0
) -> TransferData:
    """One member of a federation by rows learns from the others, from any source of data.

    The members are the natural ones of the source, such as those of the column `client` of a file
    of one's own. They have no row in common, see `between`; the target's test rows are its own
    among those of the source.

    Args:
        source: {name, and its keywords}, as the section [data] has them otherwise.
        target: the member that learns.
        labels: of its training rows whose labels it has.
        seed: decides which.

    Raises:
        InvalidInputError: a source without natural members or without test rows of the target's, or
            what the source or `between` refuses.
    """
    require(
        isinstance(source, Mapping),
        f"Expected source={source!r} to map keywords, such as {{'name': 'csv', 'path': 'a.csv'}}.",
    )
    given = dict(source)
    require("name" in given, f"Expected source={source!r} to have a name, such as 'csv'.")
    pool = load(given.pop("name"), **given)
    natural = pool.natural
    if natural is None:
        raise InvalidInputError(
            f"Expected source={source!r} to have members of its own, such as by a column `client`."
        )
    data = federate(pool, by_column(column=natural), seed=seed)
    one_of("target", target, data.names, "a member")
    own = pool.test_columns.get(natural, np.array([])) == target
    require(
        bool(own.any()),
        f"Expected target={target!r} to have test rows among those of source={source!r}, but it "
        "has none.",
    )
    test = (pool.test[0][own], pool.test[1][own])
    return between(data, target, labels=labels, test=test, seed=seed)


TRANSFERS: dict[str, Callable[..., TransferData]] = {
    "credit_transfer": credit_transfer,
    "hospital_transfer": hospital_transfer,
    "member_transfer": member_transfer,
    "mnist_to_digits": mnist_to_digits,
    "wisdm_transfer": wisdm_transfer,
}


# ------------------------------------------------------------------ parts


def _with_column(x: HostArray, cells: HostArray) -> HostArray:
    """Features with a column of two categories one-hot at their end."""
    kinds = ("female", "male")
    require(
        set(cells.tolist()) <= set(kinds),
        f"Expected sex to be one of {kinds}, got {sorted(set(cells.tolist()))}.",
    )
    return np.concatenate([x, cells[:, None] == np.array(kinds)], axis=1).astype(np.float32)


def _balanced(y: HostArray, balanced: bool, seed: int) -> HostArray:
    """int[...]: rows in random order, equally many of each class where asked for."""
    rng = np.random.default_rng([seed, len(y)])
    order = rng.permutation(len(y))
    if not balanced:
        return order
    kinds, counts = np.unique(y, return_counts=True)
    kept = [order[y[order] == kind][: counts.min()] for kind in kinds]
    return rng.permutation(np.concatenate(kept))


def _centred(reference: HostArray, *others: HostArray) -> list[HostArray]:
    """Pixels less their means, over the standard deviation of all, by `reference`."""
    mean = reference.mean(axis=0, dtype=np.float64)
    scale = float((reference - mean).std())
    return [((part - mean) / scale).astype(np.float32) for part in (reference, *others)]


def _at_eight(x: HostArray) -> HostArray:
    """float32[N, 64]: the inner 20 by 20 of images of 28 by 28, at 8 by 8, contrasts made equal."""
    inner: Any = x.reshape(-1, 28, 28)[:, 4:24, 4:24]
    # each of the 8 by 8 is the mean of 5 by 5 halves of a pixel
    doubled = inner.repeat(2, axis=1).repeat(2, axis=2)
    return _contrasted(doubled.reshape(-1, 8, 5, 8, 5).mean(axis=(2, 4)).reshape(-1, 64))


def _contrasted(x: HostArray) -> HostArray:
    """Images less their mean, of length 1."""
    centred = x - x.mean(axis=1, keepdims=True)
    made: HostArray = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return made
