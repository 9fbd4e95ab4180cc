"""A small vertical federation for tests: three parties and a label holder with a column."""

import numpy as np

from fedjax_shap.data.vertical import Columns

OWNERS = np.array([0, 2, 1, 2, -1, 0])
NAMES = ("bank", "shop", "clinic")


def examples(count, seed, num_classes):
    """Rows of six columns, and their classes or quantities."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, len(OWNERS))).astype(np.float32)
    score = x @ np.array([1.0, -2.0, 0.5, 1.5, 1.0, 0.0]) + rng.normal(size=count)
    if num_classes is None:
        return x, (3.0 + score).astype(np.float32)
    edges = np.quantile(score, np.arange(1, num_classes) / num_classes)
    return x, np.searchsorted(edges, score).astype(np.int32)


def small(num_classes=2, count=60, owners=OWNERS):
    """Columns of three parties; the label holder has one, and one party's does not matter."""
    x, y = examples(count, 0, num_classes)
    held_out = examples(40, 1, num_classes)
    features = [np.flatnonzero(owners == party) for party in (0, 1, 2, -1)]
    return Columns(
        x=x,
        y=y,
        owners=owners,
        names=NAMES,
        label_holder="insurer",
        features=tuple(tuple(f"f{column}" for column in own) for own in features),
        validation=held_out,
        test=held_out,
        num_classes=num_classes,
    )


def renamed(columns, order):
    """The same federation with its parties named in another order."""
    place = np.append(np.argsort(order), -1)
    owners = place[columns.owners]
    by_owner = np.argsort(np.where(owners < 0, len(order), owners), kind="stable")
    x, y = columns.validation
    return columns._replace(
        x=columns.x[:, by_owner],
        owners=owners[by_owner],
        names=tuple(columns.names[party] for party in order),
        features=tuple(columns.features[party] for party in (*order, -1)),
        validation=(x[:, by_owner], y),
        test=(x[:, by_owner], y),
    )


def seen_by(mask, owners=OWNERS):
    """bool[F], the columns of a coalition and the label holder."""
    return np.append(mask, True)[owners]
