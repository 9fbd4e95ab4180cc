"""Utilities exported: the same in every format, with columns that cannot be mistaken."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from stores import EVERY, WORTH, fill

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine.archive import read
from fedjax_shap.engine.export import columns, export


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
    named = read(fill(tmp_path, players=("north", "south", "east", "west")))
    assert named.players == (), "a label stays as it was written"
    assert json.loads(export([held], [""], "json", players="nesw")) == [
        {
            "members": ["nesw"[one] for one in members],
            "size": len(members),
            "utility": worth[row].tolist(),
        }
        for members, row in (([], 0), ([3], 8), ([0, 1], 3))
    ]
    with np.load(io.BytesIO(export([held], [""], "npz"))) as arrays:
        assert sorted(arrays) == ["masks", "players", "sizes", "utilities"]
        assert arrays["players"].tolist() == [f"member_{player}" for player in range(4)]
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


def test_columns_are_the_players_names(tmp_path):
    named = read(fill(tmp_path / "a", [1], players=("north", "south", "east", "west")))
    older = read(fill(tmp_path / "b", [2]))
    for archives, players in (([named], ()), ([named, older], "abcd"), ([older], named.players)):
        content = export(archives, ["x", "y"][: len(archives)], players=players).decode()
        header = next(csv.reader(io.StringIO(content)))
        assert header[-6:] == ["north", "south", "east", "west", "size", "utility"]
    other = read(fill(tmp_path / "c", [2], players=tuple("abcd")))
    with pytest.raises(InvalidInputError, match=r"north, .*west in .* and a, .*d in"):
        export([named, other], ["x", "y"])


def test_names_that_look_alike_get_the_players_numbers():
    assert columns(["a", " a", "b"]) == ("a (member_0)", "a (member_1)", "b")
    assert columns(["size", "b", ""], ["size"]) == ("size (member_0)", "b", "(member_2)")
    mean = ["a", "a ", "a (member_0)"]
    assert columns(mean) == ("member_0", "member_1", "member_2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store that does not know its players' names."""
    return read(fill(tmp_path_factory.mktemp("store"), [1, 2]))


@settings(max_examples=60)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=4, max_size=4)
)
def test_a_header_survives_whatever_the_players_are_called(folder, names):
    """Commas, quotes, line breaks, dollars and emoji come back as they were, and all differ."""
    header = columns(names, ["size", "utility"])
    assert len({name.strip() for name in (*header, "size", "utility")}) == 6
    lines = csv.reader(io.StringIO(export([folder], [""], players=names).decode(), newline=""))
    assert next(lines) == [*columns(names, ["store", "size", "utility"]), "size", "utility"]
    assert len(list(lines)) == 2
