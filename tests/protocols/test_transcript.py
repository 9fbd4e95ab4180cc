"""Transcripts: who got what from whom, and what of it could be read."""

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.protocols.transcript import Message, Part, Transcript

PARTS = (
    Part("name", "plain", b"abc"),
    Part("box", "sealed", b"12345", "b"),
    Part("box", "sealed", b"1234567", "c"),
    Part("numbers", "masked", b"00"),
    Part("share", "share", b"1"),
)
MESSAGE = Message("s", "a", "b", "first", PARTS)


def test_who_reads_a_part_is_said_by_its_form():
    transcript = Transcript()
    transcript.record(MESSAGE)
    transcript.record(MESSAGE._replace(receiver="c"))
    transcript.record(MESSAGE._replace(receiver="d"))
    read = {
        party: [(part.name, part.num_bytes) for part in transcript.read(party)]
        for party in ("a", "b", "c", "d")
    }
    assert read == {
        "a": [],
        "b": [("name", 3), ("box", 5), ("share", 1)],
        "c": [("name", 3), ("box", 7), ("share", 1)],
        "d": [("name", 3), ("share", 1)],
    }


def test_bytes_are_counted_for_both_ends():
    transcript = Transcript()
    transcript.record(MESSAGE)
    transcript.record(MESSAGE._replace(sender="b", receiver="a", kind="second"))
    assert MESSAGE.num_bytes == 18
    ends = ("a", "b", "c")
    assert [transcript.bytes_from(one) for one in ends] == [18, 18, 0]
    assert [transcript.bytes_to(one) for one in ends] == [18, 18, 0]
    rows = transcript.to_json()
    assert sum(row["bytes"] for row in rows) == 36
    assert rows[1] == {
        "kind": "first",
        "messages": 1,
        "part": "box",
        "form": "sealed",
        "parts": 2,
        "bytes": 12,
    }


def test_contents_are_kept_only_when_asked_for():
    for keep, contents in ((False, {b""}), (True, {part.content for part in PARTS})):
        transcript = Transcript(keep=keep)
        transcript.record(MESSAGE)
        assert {part.content for part in transcript} == contents
        assert len(transcript) == len(PARTS)


def test_a_part_is_read_by_its_name_where_it_is_there_once():
    assert MESSAGE.content("name") == b"abc"
    for name in ("box", "nothing"):
        with pytest.raises(InvalidInputError, match=f"one part {name!r}, got "):
            MESSAGE.content(name)
