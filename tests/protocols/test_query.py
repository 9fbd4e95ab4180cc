"""Queries: right answers, counts that do not say of whom, and members that learn no id."""

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.curve import hash_to_curve
from fedjax_shap.protocols.ids import read_ids
from fedjax_shap.protocols.query import query
from tests.aligned import changing, with_part
from tests.summed import entropy_of

BANKS = {
    "north": ["anna", "bert", "carl"],
    "south": ["bert", "dora"],
    "west": ["bert", "emil", "dora", "fritz"],
}
ASKED = ["bert", "zoe", "dora", "anna"]
HITS = [[1, 1, 1], [0, 0, 0], [0, 1, 1], [1, 0, 0]]


def test_an_asker_learns_who_has_an_id():
    answers = query(ASKED, BANKS, asker="east")
    assert answers.hits.tolist() == np.array(HITS, bool).tolist()
    assert answers.counts.tolist() == [3, 0, 2, 1]
    assert answers.members == ("north", "south", "west")
    one = query([7], {"a": np.array([5, 7]), "b": np.array([1])})
    assert one.hits.tolist() == [[True, False]]


def test_an_asker_of_counts_learns_counts_alone():
    answers = query(ASKED, BANKS, asker="east", reveal="count", keep=True)
    assert answers.hits is None
    assert answers.counts.tolist() == [3, 0, 2, 1]
    received = answers.transcript.received("east")
    assert {(seen.sender, seen.kind) for seen in received} == {("north", "relayed")}
    # 4 ids by 3 members, and the labels of 9 ids in their order: not whose
    sizes = {seen.name: seen.num_bytes for seen in received}
    assert sizes == {"points": 4 * 3 * 32, "labels": 9 * 16}
    (labels,) = (seen.content for seen in received if seen.name == "labels")
    pieces = [labels[start : start + 16] for start in range(0, len(labels), 16)]
    assert pieces == sorted(pieces)


def test_a_relay_passes_on_the_members_of_each_id_in_an_order_of_its_own():
    ids = [f"client {i}" for i in range(60)]
    done = query(ids, BANKS, reveal="count", keep=True, entropy=entropy_of(0))
    answers = [
        seen.content for seen in done.transcript if (seen.kind, seen.name) == ("answer", "points")
    ]
    (relayed,) = (
        seen.content for seen in done.transcript if (seen.kind, seen.name) == ("relayed", "points")
    )
    orders = []
    for row in range(60):
        mine = [answer[32 * row : 32 * row + 32] for answer in answers]
        theirs = [relayed[96 * row + at : 96 * row + at + 32] for at in (0, 32, 64)]
        assert sorted(mine) == sorted(theirs)
        orders.append(tuple(mine.index(point) for point in theirs))
    # all 6 orders, each about as often: z-scores of counts of 60 draws
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert all(abs(count - 10) < 5 * np.sqrt(10 * 5 / 6) for count in counts)


@pytest.mark.parametrize("reveal", ["members", "count"])
def test_no_id_leaves_asker_or_members_and_no_two_queries_look_alike(reveal):
    runs = [query(ASKED, BANKS, reveal=reveal, keep=True) for _ in range(2)]
    contents = [{seen.content for seen in done.transcript if seen.name != "kind"} for done in runs]
    assert not contents[0] & contents[1]
    everything = b" ".join(contents[0])
    for ids in (ASKED, *BANKS.values()):
        encoded = read_ids("x", ids).encoded()
        for secret in (*map(str.encode, ids), *encoded, *hash_to_curve(encoded)):
            assert secret not in everything
    # members read the kind of the ids and nothing else
    for member in BANKS:
        assert {seen.name for seen in runs[0].transcript.read(member)} == {"kind"}


def test_members_see_the_same_whatever_is_asked():
    rows = [
        query(ids, BANKS, reveal="count").transcript.to_json()
        for ids in (["bert", "dora"], ["nobody", "else"])
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("ids", "members", "how", "sentence"),
    [
        (["a", "a"], BANKS, {}, "each id of asker once"),
        ([1], BANKS, {}, "asker to ask for texts, as the ids of north are, got integers"),
        (["a", "b"], BANKS, {"most": 1}, "at most 1 id in a query, got 2"),
        (["a"], BANKS, {"asker": "north"}, "asker='north' and the members' names to be different"),
        (["a"], BANKS, {"reveal": "all"}, "reveal='all' to be what the asker learns"),
        (["a"], BANKS, {"most": 0}, "most=0 to be an integer >= 1"),
        (["a"], {"x": ["a"]}, {"reveal": "count"}, "at least 2 members with reveal='count', got 1"),
        (["a"], {}, {}, "Expected at least 1 member who is asked, got 0\\.$"),
        (["a"], [["a"]], {}, "members to be {name: the ids it has}"),
        (["a"], BANKS, {"network": 5}, "network=5 to be a function of stage, messages"),
        (["a"], BANKS, {"keep": "no"}, "keep='no' to be True or False"),
        (["a"], {"x": []}, {}, "ids of x to be one row of integers or of texts, got none"),
    ],
)
def test_what_cannot_be_asked_is_refused(ids, members, how, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        query(ids, members, **how)


HOSTILE = [
    ("question", "points", lambda content: content[:-1], "points of 32 bytes of asker"),
    ("question", "points", lambda content: bytes(32) + content[32:], "of full order"),
    ("question", "points", lambda _content: b"", "points of 32 bytes of asker"),
    ("question", "points", lambda content: content * 300, "at most 1,000 ids in a query, "),
    ("question", "kind", lambda _content: b"\xff", "ask for texts"),
    ("answer", "points", lambda content: content[32:], "points of 32 bytes of "),
    ("answer", "labels", lambda content: content + bytes(16), "each once, in their order"),
    ("relayed", "points", lambda content: content[:32] * 12, "points of north to differ"),
    ("relayed", "labels", lambda content: content[1:], "of 16 bytes, each once"),
]


@pytest.mark.parametrize(("stage", "part", "change", "sentence"), HOSTILE)
def test_hostile_messages_end_the_query_in_one_sentence(stage, part, change, sentence):
    network = changing(stage, with_part(part, change))
    with pytest.raises(InvalidInputError, match=sentence) as refusal:
        query(ASKED, BANKS, reveal="count", network=network)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("stage", ["question", "answer", "relayed"])
def test_a_party_that_stops_ends_the_query_and_repeated_messages_do_not(stage):
    gone = changing(stage, lambda _message: [])
    with pytest.raises(InvalidInputError, match=f"Expected {stage!r} of .*, without an answer"):
        query(ASKED, BANKS, reveal="count", network=gone)
    twice = changing(stage, lambda message: [message, message])
    assert query(ASKED, BANKS, reveal="count", network=twice).counts.tolist() == [3, 0, 2, 1]
