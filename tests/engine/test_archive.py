"""Stores on disk: all that is wrong with them is named."""

import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from stores import EVERY, WORTH, contents, corrupt, fill

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.engine.archive import find, find_problems, read
from fedjax_shap.engine.parts import write_part


def test_stores_are_found_wherever_they_are(tmp_path):
    for name in ("b", "a/deep", "."):
        fill(tmp_path / name, [1])
    fill(tmp_path / "unlabelled", [1])
    (tmp_path / "unlabelled" / "store.json").unlink()
    assert find(tmp_path) == [tmp_path / name for name in (".", "a/deep", "b", "unlabelled")]
    assert find(tmp_path / "b") == [tmp_path / "b"]


@pytest.mark.parametrize("name", ["nowhere", "file", "empty"])
def test_a_folder_without_stores_is_refused(name, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=f"Expected folder='.*{name}' to"):
        find(tmp_path / name)


def test_a_store_is_read_in_full_each_coalition_once_smaller_ones_first(tmp_path):
    held = read(fill(tmp_path, [15, 2, 3], [8, 2], [0]))
    assert ranks(held.masks).tolist() == [0, 2, 8, 3, 15]
    assert_array_equal(held.utilities, WORTH[[0, 2, 8, 3, 15]])
    assert held.fingerprint == "a" and len(held.parts) == 3
    assert held.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert abs(held.written - time.time()) < 60
    assert not len(held.disputed) and held.problems == find_problems(tmp_path) == ()


def test_an_empty_store_is_whole(tmp_path):
    held = read(fill(tmp_path))
    assert len(held.masks) == len(held.utilities) == len(held.parts) == held.written == 0
    assert held.problems == ()


def test_all_that_is_wrong_is_named_and_nothing_is_changed(tmp_path):
    fill(tmp_path, [1, 2], [3, 4], [5])
    first, cut, flipped = sorted(tmp_path.glob("part-*"))
    corrupt(cut)
    flipped.write_bytes(flipped.read_bytes().replace(WORTH[5].tobytes(), WORTH[6].tobytes()))
    foreign = write_part(tmp_path, "another", EVERY[[7]], WORTH[[7]])
    misfit = write_part(tmp_path, "a", all_subsets(3), np.zeros(8))
    write_part(tmp_path, "a", EVERY[[2, 6]], WORTH[[2, 6]] + 0.5)
    for name in ("notes.txt", ".part.npz-0.tmp", "part-0.broken"):
        (tmp_path / name).write_text("")
    before = contents(tmp_path)
    said = find_problems(tmp_path)
    assert contents(tmp_path) == before
    assert len(said) == 6
    for name, reason in (
        (cut.name, "not a readable part"),
        (flipped.name, "not a readable part"),
        (foreign, "belongs to another game (fingerprint another, not a)"),
        (misfit, "3 players"),
        ("notes.txt", "not a file of a store"),
        ("1 of 3 coalitions", "by up to 0.5; the first is [1]"),
    ):
        assert any(sentence.startswith(name) and reason in sentence for sentence in said), (
            name,
            said,
        )
    held = read(tmp_path)
    assert ranks(held.disputed).tolist() == [2]
    assert ranks(held.masks).tolist() == [1, 2, 6] and held.utilities[1] == WORTH[2]
    assert first in held.parts and cut not in held.parts


def test_a_damaged_or_missing_label_is_named(tmp_path):
    fill(tmp_path / "one", [1])
    (tmp_path / "one" / "store.json").write_text("{")
    fill(tmp_path / "two", [1])
    (tmp_path / "two" / "store.json").unlink()
    damaged, missing = (find_problems(folder) for folder in find(tmp_path))
    assert "readable label" in damaged[0] and "has no store.json" in missing[0]
