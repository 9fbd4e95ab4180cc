"""Stores merged: nothing is lost, whenever the merge is cut short, and no two games are mixed."""

import os
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from stores import EVERY, WORTH, contents, corrupt, fill

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine.archive import find_problems, read
from fedjax_shap.engine.folders import place
from fedjax_shap.engine.merging import merge
from fedjax_shap.engine.store import UtilityStore


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


def test_the_stores_of_two_runs_are_merged_part_by_part(tmp_path):
    by_round = np.arange(32.0).reshape(16, 2)
    for run, rows in (("one", [1, 2]), ("two", [2, 3])):
        stores = tmp_path / run / "utilities"
        fill(stores, rows, players=("north", "south", "east", "west"))
        fill(stores / "curves", rows, worth=by_round, fingerprint="curves of a")
        fill(stores / "further-game", rows, worth=WORTH + 1, fingerprint="further-game of b")
    merged = merge([tmp_path / "one", tmp_path / "two" / "utilities"], into=tmp_path / "all")
    assert [one.coalitions for one in merged] == [3, 3, 3]
    assert_array_equal(read(tmp_path / "all").utilities, WORTH[[1, 2, 3]])
    assert read(tmp_path / "all").players == ("north", "south", "east", "west")
    assert_array_equal(read(tmp_path / "all" / "curves").utilities, by_round[[1, 2, 3]])
    assert_array_equal(read(tmp_path / "all" / "further-game").utilities, WORTH[[1, 2, 3]] + 1)


def test_two_configurations_in_one_folder_stay_apart_when_merged(tmp_path):
    root = tmp_path / "one" / "utilities"
    for fingerprint, more in (("a" * 32, 0), ("b" * 32, 1)):
        fill(place(root, "", fingerprint), [1, 2], worth=WORTH + more, fingerprint=fingerprint)
    fill(tmp_path / "two", [3], worth=WORTH + 1, fingerprint="b" * 32)
    merge([tmp_path / "one", tmp_path / "two"], into=tmp_path / "all")
    assert_array_equal(read(place(tmp_path / "all", "", "a" * 32)).utilities, WORTH[[1, 2]])
    assert_array_equal(read(place(tmp_path / "all", "", "b" * 32)).utilities, WORTH[[1, 2, 3]] + 1)
    fill(tmp_path / "three", [3], fingerprint="c" * 32)
    with pytest.raises(InvalidInputError, match="to be of one game"):
        merge([tmp_path / "three"], into=tmp_path / "all")
