"""What every pool promises, and rows of a published file read once more without the package."""

import csv
import gzip
import io

import numpy as np


def sound(pool):
    """The pool, after its promises were checked."""
    for x, y in ((pool.x, pool.y), pool.test):
        assert x.dtype == np.float32 and len(x) == len(y) > 0
        assert x.shape[1:] == pool.x.shape[1:] and np.isfinite(x).all() and np.isfinite(y).all()
        if pool.num_classes is None:
            assert y.dtype == np.float32
        else:
            assert y.dtype == np.int32 and y.min() >= 0 and y.max() < pool.num_classes
    assert all(len(cells) == pool.num_rows for cells in pool.columns.values())
    assert all(len(cells) == len(pool.test[1]) for cells in pool.test_columns.values())
    assert pool.natural is None or pool.natural in pool.columns
    return pool


def covering(pool):
    """A sound pool each of whose members has training and test rows of its own."""
    sound(pool)
    members = set(pool.columns[pool.natural])
    assert members == set(pool.test_columns[pool.natural])
    return pool


def rows_by_member(pool):
    """{member: training rows and test rows}."""
    both = np.concatenate([pool.columns[pool.natural], pool.test_columns[pool.natural]])
    names, counts = np.unique(both, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist()))


def published(path, delimiter=","):
    """The rows of a file with a line of names, as dictionaries."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        raw = gzip.decompress(raw)
    return list(csv.DictReader(io.StringIO(raw.decode()), delimiter=delimiter))
