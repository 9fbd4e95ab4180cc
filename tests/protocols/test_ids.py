"""Ids: what people have is read, and what could be taken for another id is refused."""

import numpy as np
import pandas as pd
import pytest

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.protocols.ids import read_ids, require_one_kind


@pytest.mark.parametrize(
    ("given", "kind", "ids"),
    [
        ([3, 1, 2], "integers", (3, 1, 2)),
        (np.array([3, -1], np.int32), "integers", (3, -1)),
        (np.array([2**64 - 1], np.uint64), "integers", (2**64 - 1,)),
        ((10**30, 2), "integers", (10**30, 2)),
        (["b", "a"], "texts", ("b", "a")),
        (np.array(["b", "\u00e9"]), "texts", ("b", "\u00e9")),
        (np.array(["b", "a"], object), "texts", ("b", "a")),
        (pd.Series(["x", "y"], index=[5, 9]), "texts", ("x", "y")),
        (pd.Series([7, 8]), "integers", (7, 8)),
    ],
)
def test_integers_and_texts_are_read_in_the_order_of_the_rows(given, kind, ids):
    read = read_ids("north", given)
    assert (read.kind, read.ids) == (kind, ids)
    assert all(type(one) in (int, str) for one in read.ids)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "one row of integers or of texts, got none: a party without ids is left out"),
        ("abc", "one row of integers or of texts, got 'abc'"),
        ({"a", "b"}, "got <set>"),
        (np.ones((2, 2), int), "of shape \\(2, 2\\)"),
        ([1, "1"], "all ids of north to be integers, as the first is, but ids\\[1\\]='1'"),
        (["1", 1], "all ids of north to be texts, as the first is, but ids\\[1\\]=1"),
        ([1, 2, 1], "each id of north once, but ids\\[2\\]=1 is also ids\\[0\\]"),
        (["a", "b", "b"], "ids\\[2\\]='b' is also ids\\[1\\]"),
        ([1.0, 2.0], "ids\\[0\\] is 1.0, of type float"),
        (pd.Series([1, None]), "of type float: leave out rows without an id"),
        (["a", None], "ids\\[1\\] is None, of type NoneType"),
        ([True, False], "ids\\[0\\] is True, of type bool"),
        ([b"a"], "ids\\[0\\] is <bytes>, of type bytes"),
        (["a", ""], "ids\\[1\\] is an empty text"),
        (["e\u0301"], "normal form C, but ids\\[0\\]='e.*normalize\\('NFC', id\\) gives that form"),
        (["a\u200b"], "printable texts"),
        (
            ["a\n"],
            "printable texts .* but ids\\[0\\]=.*: leave out characters that are not printed",
        ),
        (["\ud800"], "printable texts .* but ids\\[0\\]=.*: leave out characters"),
    ],
)
def test_what_is_no_id_or_may_be_another_one_is_refused(given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        read_ids("north", given)


def test_blanks_at_the_ends_are_said():
    with cautions() as said:
        read_ids("north", ["a ", "b", " c"])
        read_ids("south", ["a "])
    assert said[1].startswith("1 id of south begins or ends with a blank, such as 'a '")
    assert said[:1] == [
        "2 ids of north begin or end with a blank, such as 'a '; blanks count: such an id equals "
        "only one with the same blanks."
    ]


def test_different_ids_have_different_bytes_whatever_their_kind():
    texts = read_ids("a", ["7", "07", "integers:7", "\u0967"])
    integers = read_ids("b", [7, -7, 70])
    encoded = [*texts.encoded(), *integers.encoded()]
    assert len(set(encoded)) == 7


def test_rows_are_ordered_by_size_or_by_code_points():
    assert read_ids("a", [30, -5, 4]).in_order([0, 1, 2]).tolist() == [1, 2, 0]
    assert read_ids("a", ["b", "B", "10", "9"]).in_order([0, 1, 3, 2]).tolist() == [2, 3, 1, 0]


def test_parties_with_ids_of_two_kinds_are_refused():
    require_one_kind({"north": "texts", "south": "texts"})
    with pytest.raises(InvalidInputError, match="north has integers, south has texts: 7 and '7'"):
        require_one_kind({"north": "integers", "south": "texts"})
