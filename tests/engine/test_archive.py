"""Stores on disk: all that is wrong with them is named, merging and exporting lose nothing."""

import csv
import io
import json
import os
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, ranks
from fedjax_shap.engine.archive import find, find_problems, merge, read
from fedjax_shap.engine.export import export
from fedjax_shap.engine.parts import claim, write_part
from fedjax_shap.engine.store import UtilityStore

EVERY = all_subsets(4)
WORTH = np.arange(16) ** 2 / 7


def fill(folder, *parts, worth=WORTH, fingerprint="a"):
    """A store with one part for each list of rows; the folder."""
    claim(folder, fingerprint)
    for rows in parts:
        write_part(folder, fingerprint, EVERY[rows], worth[rows])
    return folder


def contents(folder):
    """What is in a folder, byte for byte."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def corrupt(part):
    part.write_bytes(part.read_bytes()[:-30])


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


# ------------------------------------------------------------------ merging


def test_the_parts_of_a_store_become_one_with_the_same_utilities(tmp_path):
    worth = np.random.default_rng(0).normal(size=(16, 2, 3))
    fill(tmp_path, [4, 1, 2], [9], [2, 15], worth=worth)
    (merged,) = merge([tmp_path])
    assert (merged.coalitions, merged.parts, merged.removed, merged.problems) == (5, 3, 3, ())
    assert len(list(tmp_path.iterdir())) == 2
    store = UtilityStore(tmp_path, fingerprint="a")
    assert len(store) == 5
    assert_array_equal(store.read(EVERY[[1, 2, 4, 9, 15]]), worth[[1, 2, 4, 9, 15]])
    before = contents(tmp_path)
    assert merge([tmp_path])[0].removed == 0
    assert contents(tmp_path) == before


def test_each_store_is_merged_for_itself(tmp_path):
    for index in range(3):
        fill(tmp_path / f"round-{index}", [index], [index + 1], fingerprint=f"game {index}")
    assert [merged.coalitions for merged in merge([tmp_path])] == [2, 2, 2]
    assert len(list(tmp_path.rglob("part-*.npz"))) == 3


def test_merging_keeps_the_oldest_of_disputed_utilities_and_says_so(tmp_path):
    fill(tmp_path, [1, 2])
    fill(tmp_path, [2, 3], worth=WORTH + 1)
    (merged,) = merge([tmp_path])
    assert "1 of 3 coalitions have different utilities" in merged.problems[0]
    late = fill(tmp_path, [1], worth=WORTH + 2)
    assert_array_equal(read(late).utilities, [WORTH[1], WORTH[2], WORTH[3] + 1])


def test_a_merged_part_is_as_old_as_its_oldest(tmp_path):
    fill(tmp_path, [1], [2])
    oldest = min(path.name for path in tmp_path.glob("part-*"))
    merge([tmp_path])
    (part,) = tmp_path.glob("part-*")
    assert part.name[:25] == oldest[:25] and part.name != oldest


def test_merging_leaves_broken_parts_where_they_are_and_names_them(tmp_path):
    fill(tmp_path, [1], [2], [3])
    broken = sorted(tmp_path.glob("part-*"))[1]
    corrupt(broken)
    (merged,) = merge([tmp_path])
    assert merged.coalitions == 2 and broken.name in merged.problems[0] and broken.exists()


@pytest.mark.parametrize("step", range(4))
def test_a_merge_that_is_cut_short_loses_nothing(step, tmp_path, monkeypatch):
    fill(tmp_path, [1, 2], [3], [4])
    calls = []

    def cut(operate):
        def operated(*args, **options):
            calls.append(args)
            if len(calls) > step:
                raise KeyboardInterrupt
            return operate(*args, **options)

        return operated

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink"):
            patch.setattr(os, name, cut(getattr(os, name)))
        with pytest.raises(KeyboardInterrupt):
            merge([tmp_path])
    assert len(calls) > step
    held = UtilityStore(tmp_path, fingerprint="a")
    assert_array_equal(held.read(EVERY[[1, 2, 3, 4]]), WORTH[[1, 2, 3, 4]])
    assert find_problems(tmp_path) == ()
    assert merge([tmp_path])[0].coalitions == 4
    assert len(list(tmp_path.glob("part-*.npz"))) == 1


def test_only_what_a_dead_writer_left_is_removed(tmp_path):
    fill(tmp_path, [1])
    for name, age in ((".part-1.npz-0.tmp", 25), (".part-2.npz-0.tmp", 1), (".other", 25)):
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - age * 3600,) * 2)
    find_problems(tmp_path)
    assert (tmp_path / ".part-1.npz-0.tmp").exists()
    assert merge([tmp_path])[0].removed == 1
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".other", ".part-2.npz-0.tmp"]


@pytest.mark.parametrize("there", [False, True])
def test_stores_of_one_game_are_merged_into_one_and_stay(there, tmp_path):
    fill(tmp_path / "a", [1, 2])
    fill(tmp_path / "b" / "deep", [2, 3], [4], worth=WORTH + 1)
    target = tmp_path / "target"
    if there:
        fill(target, [4, 5], [6], worth=WORTH + 2)
    before = [contents(tmp_path / name) for name in "ab"]
    (merged,) = merge([tmp_path / "a", tmp_path / "b"], into=target)
    assert (
        len(merged.problems) == 1
        and f"{2 if there else 1} of {len(read(target).masks)} coal" in merged.problems[0]
    )
    assert [contents(tmp_path / name) for name in "ab"] == before
    expected = {1: WORTH[1], 2: WORTH[2], 3: WORTH[3] + 1, 4: WORTH[4] + 1}
    expected |= {row: WORTH[row] + 2 for row in (4, 5, 6)} if there else {}
    store = UtilityStore(target, fingerprint="a")
    assert len(store) == merged.coalitions == len(expected)
    assert_array_equal(store.read(EVERY[list(expected)]), list(expected.values()))
    assert len(list(target.iterdir())) == 2
    after = contents(target)
    merge([tmp_path / "a", target], into=target)
    assert contents(target) == after


@pytest.mark.parametrize("late", ["source", "target"])
def test_stores_of_different_games_are_not_merged(late, tmp_path):
    fill(tmp_path / "a", [1])
    fill(tmp_path / ("b" if late == "source" else "target"), [2], fingerprint="another game")
    before = contents(tmp_path)
    with pytest.raises(InvalidInputError, match=r"to be of one game, but .* has fingerprint"):
        merge(
            [tmp_path / "a", *([tmp_path / "b"] if late == "source" else [])],
            into=tmp_path / "target",
        )
    assert contents(tmp_path) == before


def test_stores_of_different_shapes_are_not_merged(tmp_path):
    fill(tmp_path / "a", [1])
    fill(tmp_path / "b", [2], worth=np.zeros((16, 2)))
    with pytest.raises(InvalidInputError, match="same players and shape"):
        merge([tmp_path / "a", tmp_path / "b"], into=tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_target_that_is_a_file_is_refused(tmp_path):
    fill(tmp_path / "a", [1])
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match=r"Expected into=.*file' to be a folder"):
        merge([tmp_path / "a"], into=tmp_path / "file")


# ------------------------------------------------------------------ exporting


def test_a_csv_has_a_row_for_each_coalition(tmp_path):
    held = read(fill(tmp_path, [15, 2], [0, 3]))
    header, *rows = csv.reader(io.StringIO(export([held], ["one"]).decode()))
    assert header == ["member_0", "member_1", "member_2", "member_3", "size", "utility"]
    assert [row[:5] for row in rows] == [list("00000"), list("01001"), list("11002"), list("11114")]
    assert [float(row[5]) for row in rows] == WORTH[[0, 2, 3, 15]].tolist()


def test_trailing_axes_become_columns_and_stores_are_named(tmp_path):
    worth = np.random.default_rng(0).normal(size=(16, 2, 2))
    archives = [
        read(fill(tmp_path / name, [row], worth=worth)) for name, row in (("x", 1), ("y", 8))
    ]
    header, *rows = csv.reader(io.StringIO(export(archives, ["x", "y"]).decode()))
    assert header[0] == "store" and header[-5:] == [
        "size",
        "utility_0",
        "utility_1",
        "utility_2",
        "utility_3",
    ]
    assert [row[0] for row in rows] == ["x", "y"]
    assert_array_equal(np.array([row[-4:] for row in rows], float), worth[[1, 8]].reshape(2, 4))


def test_json_and_npz_hold_the_same_as_csv(tmp_path):
    worth = np.random.default_rng(0).normal(size=(16, 3))
    held = read(fill(tmp_path, [3, 0], [8], worth=worth))
    assert json.loads(export([held], [""], "json")) == [
        {"members": members, "size": len(members), "utility": worth[row].tolist()}
        for members, row in (([], 0), ([3], 8), ([0, 1], 3))
    ]
    with np.load(io.BytesIO(export([held], [""], "npz"))) as arrays:
        assert sorted(arrays) == ["masks", "sizes", "utilities"]
        assert_array_equal(arrays["masks"], EVERY[[0, 8, 3]])
        assert_array_equal(arrays["sizes"], [0, 1, 2])
        assert_array_equal(arrays["utilities"], worth[[0, 8, 3]])
    with np.load(io.BytesIO(export([held, held], ["x", "y"], "npz"))) as arrays:
        assert arrays["store"].tolist() == ["x"] * 3 + ["y"] * 3
    assert {row["store"] for row in json.loads(export([held, held], ["x", "y"], "json"))} == {
        "x",
        "y",
    }


def test_what_cannot_be_exported_is_refused(tmp_path):
    one, other = (
        fill(tmp_path / name, [1], worth=np.zeros((16, *axes)))
        for name, axes in (("a", ()), ("b", (2,)))
    )
    with pytest.raises(InvalidInputError, match="same players and shape"):
        export([read(one), read(other)], ["a", "b"])
    with pytest.raises(
        InvalidInputError, match=r"Expected a store with utilities to export, but empty is empty\."
    ):
        export([read(fill(tmp_path / "empty"))], ["empty"])
    with pytest.raises(InvalidInputError, match="Expected kind='xlsx'"):
        export([read(one)], ["a"], "xlsx")
