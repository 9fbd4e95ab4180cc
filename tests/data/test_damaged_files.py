"""Damaged files: whatever stands in a file, it is read as a pool or refused in one sentence.

FEDJAX_SHAP_FUZZ says how many files of each kind are tried.
"""

import io
import os
import zipfile

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data.sources import load

TRIES = int(os.environ.get("FEDJAX_SHAP_FUZZ", "300"))
CHUNKS = 10  # of the tries, each a test of its own
WORDS = [
    "", "nan", "inf", "-inf", "1e400", "-999", "9" * 400, "1_000", "0,5", "$1,023.00", "12 %", "?",
    "NULL", "\0", '"', "'", ";", "\t", "|", ",", "\n", "\r", "\r\n", "🏦", "\ufeff", "[x]", "$_$",
    "x" * 200, "y" * 140_000, "1e-320", "٣", "½", "−5", "train", "test", "True", "2024-01-02",
]  # fmt: skip


def table(rng):
    """A table that can be read, as text, and the keywords that read it."""
    rows = int(rng.integers(2, 60))
    columns = {
        "site": rng.choice(["north", "south", "east"], rows),
        "age": np.round(rng.normal(size=rows), 2),
        "kind": rng.choice(["web", "shop"], rows),
        "id": np.arange(rows),
        "split": rng.choice(["train", "test"], rows),
        "sick": rng.integers(0, 2, rows),
    }
    separator = str(rng.choice([",", ",", ",", ";", "\t", "|"]))
    lines = [separator.join(map(str, row)) for row in zip(*columns.values())]
    options = {
        "client": [None, "site", "kind", "sick", "nobody"],
        "test_column": [None, None, "split", "kind"],
        "features": [None, None, ("age",), ("age", "kind"), ("split", "nobody")],
        "drop": [(), (), ("id",), ("id", "split"), ("column_1",)],
        "categories": [(), (), ("id",), ("age",)],
        "targets": ["classes", "classes", "quantities"],
        "missing": ["refuse", "mean", "median", "drop"],
        "indicator": [False, True],
        "na": [(), ("?", "-999")],
        "separator": [None, None, ",", ";"],
        "decimal": [".", ","],
        "thousands": [None, None, " ", "'"],
        "units": [(), ("$", "%")],
        "scale": ["pooled", "per_client", "unit", "none"],
        "header": [True, True, False, tuple("abcdef")],
        "encoding": ["utf-8-sig", "utf-8-sig", "latin-1", "utf-16"],
        "seed": [0, 1],
    }
    keywords = {name: values[rng.integers(len(values))] for name, values in options.items()}
    keep = rng.random(len(keywords)) < 0.12
    keywords = {name: value for (name, value), kept in zip(keywords.items(), keep) if kept}
    label = str(rng.choice(["sick"] * 6 + ["age", "kind", "column_6", "f"]))
    return separator.join(columns) + "\n" + "\n".join(lines) + "\n", {"label": label, **keywords}


def damaged_text(rng, text):
    """The bytes of a text after some damage."""
    for _ in range(rng.integers(0, 4)):
        text = damaged_once(rng, text)
    encoding = "utf-8"
    if rng.random() < 0.2:
        encoding = str(rng.choice(["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32"]))
    return damaged_bytes(rng, text.encode(encoding, "replace"))


def damaged_once(rng, text):
    """A text with one piece of damage: to a cell for the most part, else to anything."""
    word = WORDS[rng.integers(len(WORDS))]
    lines = text.split("\n")
    if rng.random() < 0.6:
        # a cell holds something else
        separator = str(rng.choice([",", ",", ";"]))
        row = int(rng.integers(len(lines)))
        cells = lines[row].split(separator)
        cells[rng.integers(len(cells))] = word
        return "\n".join([*lines[:row], separator.join(cells), *lines[row + 1 :]])
    at = int(rng.integers(len(text) + 1))
    until = min(len(text), at + int(rng.integers(0, 30)))
    return [
        text[:at],
        text[:at] + word + text[at:],
        text[:at] + text[until:],
        text[:at] + word + text[until:],
        text.replace(lines[0], ",".join(["sick"] * 6), 1),
        text.replace(lines[0], ",".join(["", *lines[0].split(",")[1:]]), 1),
        "\n".join([*lines[:2], word, *lines[2:]]),
        text.replace(",", f",{word}"[:40], int(rng.integers(1, 9))),
        text.replace("north", word[:40]),
    ][rng.integers(9)]


def damaged_bytes(rng, raw):
    """Bytes after some damage, or none."""
    raw = bytearray(raw)
    for _ in range(rng.integers(0, 3) * (rng.random() < 0.25)):
        at = int(rng.integers(len(raw) + 1))
        until = min(len(raw), at + int(rng.integers(1, 40)))
        choice = rng.integers(5)
        if choice == 0:
            del raw[at:]
        elif choice == 1:
            del raw[at:until]
        elif choice == 2:
            raw[at:until] = rng.integers(0, 256, until - at, dtype=np.uint8).tobytes()
        elif choice == 3:
            raw[at:at] = bytes(int(rng.integers(1, 20)))
        else:
            raw[:0] = [b"\x1f\x8b\x08", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf"][
                rng.integers(4)
            ]
    return bytes(raw)


def some_array(rng, rows):
    """An array of any type and shape."""
    shape = [(rows,), (rows, 3), (rows, 1), (rows, 4, 4), (rows, 3, 4, 4), (), (0,), (rows, 0)]
    shape = shape[rng.integers(len(shape))]
    size = shape[:1] + shape[1:]
    plain = rng.normal(size=size) * 10.0 ** rng.integers(-3, 3)
    kinds = [
        lambda: plain,
        lambda: plain.astype(np.float16),
        lambda: rng.integers(0, 256, size, dtype=np.uint8),
        lambda: rng.integers(0, 3, size),
        lambda: rng.integers(-(2**62), 2**62, size),
        lambda: np.where(plain > 0, np.nan, plain),
        lambda: np.where(plain > 0, 1e300, plain),
        lambda: plain > 0,
        lambda: plain.astype(complex),
        lambda: np.where(plain > 0, "a", "b é "),
        lambda: np.where(plain > 0, b"a", b"\xff"),
        lambda: np.where(plain > 0, "a", "b").astype(object),
        lambda: plain.astype("M8[s]") if not np.isnan(plain).any() else plain,
        lambda: np.zeros(size, [("a", "f4"), ("b", "i4")]),
        lambda: np.asfortranarray(plain),
        lambda: plain.astype(">f8"),
        lambda: plain.astype(np.longdouble),
    ]
    return kinds[rng.integers(len(kinds))]()


def arrays_file(rng):
    """The bytes of an npz file and the keywords that read it."""
    rows = int(rng.integers(1, 40))
    arrays = {
        "x": rng.normal(size=(rows, 3)),
        "y": rng.integers(0, 2, rows),
        "client": rng.choice(["a", "b "], rows),
        "test_x": rng.normal(size=(5, 3)),
        "test_y": rng.integers(0, 2, 5),
        "test_client": rng.choice(["a", "c"], 5),
    }
    for name in ["client", "test_client", *["test_x", "test_y"] * (rng.random() < 0.5)]:
        if rng.random() < 0.5 or name in ("test_x", "test_y"):
            del arrays[name]
    for name in list(arrays):
        if rng.random() < 0.1:
            arrays[name] = some_array(rng, rows if "test" not in name else 5)
        elif rng.random() < 0.05:
            arrays[f"{name} "[rng.integers(2) :]] = arrays.pop(name)
    if rng.random() < 0.1:
        name = list(arrays)[rng.integers(len(arrays))]
        arrays[name] = arrays[name][:-1] if arrays[name].ndim else arrays[name]
    out = io.BytesIO()
    (np.savez if rng.random() < 0.5 else np.savez_compressed)(out, **arrays)
    if rng.random() < 0.05:
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr(
                str(rng.choice(["w.npy", "readme.txt", "w"])), damaged_bytes(rng, b"hi")
            )
    options = {
        "scale": [None, "none", "unit", "pooled", "per_client"],
        "channels": [None, "last", "first", "none"],
        "targets": ["classes", "quantities"],
        "test_fraction": [0.25, 0.01, 0.99],
        "seed": [0, 1],
    }
    keywords = {name: values[rng.integers(len(values))] for name, values in options.items()}
    keep = rng.random(len(keywords)) < 0.3
    keywords = {name: value for (name, value), kept in zip(keywords.items(), keep) if kept}
    return damaged_bytes(rng, out.getvalue()), keywords


def require_a_pool_or_a_refusal(name, path, keywords):
    """Reads a file: what comes is sound, or one sentence says why it does not come."""
    try:
        with cautions() as said:
            pool = load(name, path=str(path), **keywords)
            for x, y in ((pool.x, pool.y), pool.test):
                assert x.dtype == np.float32 and np.isfinite(x).all() and len(x) == len(y) > 0
                assert x.shape[1:] == pool.x.shape[1:] and 0 not in x.shape
                assert y.dtype == (np.float32 if pool.num_classes is None else np.int32)
                assert np.isfinite(y).all()
    except InvalidInputError as error:
        sentence = str(error)
        assert sentence.startswith("Expected ") and sentence.endswith(".")
        return False
    assert all(sentence.endswith(".") for sentence in said)
    return True


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_a_damaged_file_is_read_or_refused(kind, chunk, tmp_path):
    path = tmp_path / "own"
    count = -(-TRIES // CHUNKS)
    read = 0
    for attempt in range(count):
        rng = np.random.default_rng([chunk, attempt])
        if kind == "csv":
            text, keywords = table(rng)
            path.write_bytes(damaged_text(rng, text))
        else:
            raw, keywords = arrays_file(rng)
            path.write_bytes(raw)
        try:
            read += require_a_pool_or_a_refusal(kind, path, keywords)
        except Exception as error:
            raise AssertionError(f"attempt {attempt} of chunk {chunk}: {keywords}") from error
    assert 0 < read < count
