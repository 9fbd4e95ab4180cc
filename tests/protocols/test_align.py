"""Alignments: right rows for two and more parties, what each party saw, and hostile messages."""

import hashlib
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.privacy.curve import FIELD, hash_to_curve
from fedjax_shap.privacy.hidden_tables import PRIME, look_up
from fedjax_shap.protocols.align import align, exchange
from fedjax_shap.protocols.ids import read_ids
from tests.aligned import changing, parties_of, play, with_part
from tests.summed import entropy_of

TWO = {"north": ["ann", "bob", "eve", "kim"], "south": ["eve", "zoe", "ann"]}
THREE = {
    "north": [1, 2, 3, 4, 5, 8],
    "south": [9, 3, 2, 8, 6, 7],
    "west": [4, 2, 3, 6, 9, 10, 11],
}


def drawn(seed, num_parties):
    """Ids of parties of different sizes, drawn from one population."""
    random = np.random.default_rng(seed)
    sizes = random.integers(15, 40, num_parties)
    return [random.permutation(45)[:size] - 20 for size in sizes]


@pytest.mark.parametrize("num_parties", [2, 3, 4])
@pytest.mark.parametrize("as_text", [False, True])
def test_the_rows_of_all_parties_are_those_of_the_common_ids_in_one_order(num_parties, as_text):
    ids = drawn(num_parties, num_parties)
    if as_text:
        ids = [own.astype(str) for own in ids]
    expected = sorted(set.intersection(*(set(own.tolist()) for own in ids)))
    aligned = align(ids)
    assert 0 < len(expected) < min(map(len, ids))
    for own, rows in zip(ids, aligned.rows, strict=True):
        assert own[rows].tolist() == expected
    assert aligned.names == tuple(f"party {i + 1}" for i in range(num_parties))
    assert list(aligned.sizes.values()) == [len(own) for own in ids]
    assert aligned.leader == min(aligned.sizes, key=aligned.sizes.__getitem__)
    assert aligned.refusals == ()


@pytest.mark.parametrize(
    ("ids", "common"),
    [
        ([["a"], ["a"]], 1),
        ([["a"], ["b"]], 0),
        ([["a"], ["b"], ["b"]], 0),  # the others agree, and the leader's id is another
        ([["a"], ["a"], ["a"]], 1),
        ([["a", "b"], ["c", "d"], ["c", "d"], ["c", "d"]], 0),
        ([[1, 2, 3], [1, 2, 3], [1, 2, 3]], 3),
        ([[1, 2], [2, 3], [3, 1]], 0),  # each pair has one in common
    ],
)
def test_extreme_sets_are_aligned(ids, common):
    with cautions() as said:
        aligned = align(ids)
    assert [len(rows) for rows in aligned.rows] == [common] * len(ids)
    assert all(rows.dtype == int for rows in aligned.rows)
    assert len(said) == (common == 0)
    if said:
        assert said[0].startswith("No id is common to party 1, party 2")


def test_parties_of_published_files_are_aligned_whatever_their_order(data_folder):
    parts = ("guest", "host_1", "host_2")
    tables = [pd.read_csv(data_folder / "fate" / f"motor_hetero_{part}.csv") for part in parts]
    random = np.random.default_rng(0)
    some = [table.iloc[random.permutation(300)[:200]] for table in tables]
    aligned = align([table["idx"] for table in some], parts)
    joined = some[0].merge(some[1], on="idx").merge(some[2], on="idx").sort_values("idx")
    assert 50 < aligned.num_common == len(joined)
    for table, rows in zip(some, aligned.rows, strict=True):
        taken = table.iloc[rows]
        assert taken.to_numpy().tolist() == joined[table.columns].to_numpy().tolist()


def test_what_cannot_be_aligned_is_refused():
    with pytest.raises(InvalidInputError, match="ids to be a list with the ids of each party"):
        align({"a": [1], "b": [2]})
    with pytest.raises(InvalidInputError, match="at least two parties, got 1 party"):
        align([[1, 2]])
    with pytest.raises(InvalidInputError, match="names=\\['a', 'a'\\] to be different"):
        align([[1], [2]], ["a", "a"])
    with pytest.raises(InvalidInputError, match="Expected 2 names of parties, got 1"):
        align([[1], [2]], ["a"])
    with pytest.raises(InvalidInputError, match="north has integers, south has texts"):
        align([[7], ["7"]], ["north", "south"])
    with pytest.raises(InvalidInputError, match="each id of south once"):
        align([[7], [8, 8]], ["north", "south"])


# ------------------------------------------------------------------ who could read what


@pytest.mark.parametrize("ids", [TWO, THREE])
def test_no_id_leaves_its_party_neither_plain_nor_hashed(ids):
    done = play(ids)
    everything = [seen.content for seen in done.transcript]
    for name, own in ids.items():
        encoded = read_ids(name, own).encoded()
        readable = [str(one).encode() for one in own if len(str(one)) > 2]
        secrets = [*encoded, *readable, *hash_to_curve(encoded)]
        for algorithm in ("sha256", "sha512", "blake2b"):
            secrets += [hashlib.new(algorithm, one).digest()[:16] for one in encoded]
        for secret in secrets:
            assert not any(secret in content for content in everything)
    # what is readable of a message is how many ids there are, of which kind, and a public key
    read = {(seen.kind, seen.name) for seen in done.transcript if seen.readable}
    assert read == {
        ("hello", "size"),
        ("hello", "kind"),
        ("hello", "public key"),
        ("common", "tags"),
    }


def test_all_points_are_on_the_curve_so_that_none_says_one_bit_of_its_id():
    points = [
        int.from_bytes(seen.content[start : start + 32], "little")
        for seen in play(THREE).transcript
        if seen.name == "points"
        for start in range(0, len(seen.content), 32)
    ]
    assert len(points) == 4 * 6
    for u in points:  # Euler's criterion for u^3 + 486662 u^2 + u
        assert pow(u**3 + 486662 * u * u + u, (FIELD - 1) // 2, FIELD) == 1


def test_no_two_runs_send_the_same_but_sizes_and_kinds():
    first, second = (align(list(THREE.values()), keep=True) for _ in range(2))
    contents = [
        {seen.content for seen in done.transcript if seen.name not in ("size", "kind")}
        for done in (first, second)
    ]
    assert len(contents[0]) > 6
    assert not contents[0] & contents[1]
    pieces = [
        {content[i : i + 16] for content in own for i in range(0, len(content), 16)}
        for own in contents
    ]
    assert not pieces[0] & pieces[1]


def test_messages_have_the_same_kinds_and_sizes_whatever_is_common():
    none = {"north": [1, 2, 3], "south": [4, 5, 6, 7], "west": [8, 9, 10, 11]}
    some = {"north": [1, 2, 3], "south": [1, 2, 3, 7], "west": [8, 9, 10, 11]}
    rows = [
        [row for row in play(ids).transcript.to_json() if row["kind"] != "common"]
        for ids in (none, some)
    ]
    assert rows[0] == rows[1]


def test_a_leader_of_many_cannot_tell_what_it_has_in_common_with_some():
    # north leads; half of its ids are south's, and none is west's
    north = list(range(200))
    ids = {"north": north, "south": list(range(100, 400)), "west": list(range(500, 800))}
    tables = {}

    def watching(stage, messages):
        for message in messages:
            if stage == "evaluated":
                tables[message.sender] = message
        return messages

    done = play(ids, network=watching)
    assert done.num_common == 0
    table = tables["south"]
    leader = parties_of(ids)[0]  # the same secrets again
    assert leader.name == done.leader
    keys = [one.key for one in leader._labels_of(table)]
    shares = list(look_up(table.content("table"), 300, keys))
    assert len(set(shares)) == 200
    for own in (shares[:100], shares[100:]):
        upper = sum(share > PRIME // 2 for share in own)
        assert abs(upper - 50) < 5 * np.sqrt(25)


def test_the_others_learn_nothing_of_the_leader_but_its_size_and_the_common_ids():
    done = play(THREE)
    assert done.leader == "north"
    for name in ("south", "west"):
        received = {(seen.kind, seen.sender) for seen in done.transcript.received(name)}
        others = set(THREE) - {name}
        expected = {("hello", other) for other in others}
        assert received == expected | {("blinded", "north"), ("common", "north")}
        tags = [seen for seen in done.transcript.received(name) if seen.name == "tags"]
        assert [seen.num_bytes for seen in tags] == [16 * done.num_common]
    # what south and west say of their ids goes to the leader alone
    assert {seen.receiver for seen in done.transcript if seen.kind == "evaluated"} == {"north"}


# ------------------------------------------------------------------ networks and hostile messages


@pytest.mark.parametrize("stage", ["hello", "blinded", "evaluated", "common"])
@pytest.mark.parametrize("ids", [TWO, THREE])
def test_a_party_that_stops_ends_the_alignment_in_one_sentence(stage, ids):
    parties = parties_of(ids)
    gone = changing(stage, lambda _message: [])
    with pytest.raises(InvalidInputError, match=f"Expected {stage!r} of .* has no rows") as refusal:
        exchange(parties, network=gone)
    (waiting,) = (party for party in parties if f"as {party.name} waits" in str(refusal.value))
    with pytest.raises(InvalidInputError, match=f"Expected {stage!r} of "):
        _ = waiting.rows
    with pytest.raises(InvalidInputError, match=f"Expected {stage!r} of "):
        waiting.close()


@pytest.mark.parametrize("stage", ["hello", "blinded", "evaluated", "common"])
def test_repeated_reordered_and_misdirected_messages_change_nothing(stage):
    def network(now, messages):
        if now != stage:
            return messages
        foreign = [one._replace(session="another run") for one in messages]
        astray = [one._replace(receiver="nobody") for one in messages]
        return [*foreign, *astray, *reversed(messages), *messages]

    done = play(THREE, network=network)
    assert [rows.tolist() for rows in done.rows] == [rows.tolist() for rows in play(THREE).rows]
    sentences = " ".join(done.refusals)
    for said in ("once: what comes again", "of the session 'a run'", "takes part, got nobody"):
        assert said in sentences


def test_messages_of_another_run_or_stage_end_it():
    kept = []
    play(TWO, network=changing("evaluated", lambda one: kept.append(one) or [one]), session="old")
    replay = changing("evaluated", lambda _message: kept)
    with pytest.raises(InvalidInputError, match=r"first refused message: .*session 'a run', got "):
        play(TWO, network=replay)
    early = changing("blinded", lambda message: [message._replace(kind="common")])
    with pytest.raises(InvalidInputError, match="'blinded' of this session, north got 'common'"):
        play(TWO, network=early)


def _cut_short(content):
    return content[:-1]


def _first_twice(content):
    return content[:16] + content[:16] + content[32:]


HOSTILE = [
    ("hello", "size", lambda _content: bytes(8), "has 1 to 1,000,000,000 ids, got 0"),
    ("hello", "size", lambda _content: b"\xff" * 8, "has 1 to 1,000,000,000 ids"),
    ("hello", "kind", lambda _content: b"floats", "to be integers or texts"),
    ("hello", "public key", _cut_short, "public key of"),
    ("blinded", "points", _cut_short, "points of 32 bytes of"),
    ("blinded", "points", lambda content: bytes(32) + content[32:], "of full order"),
    ("blinded", "points", lambda content: content[:32] * (len(content) // 32), "to differ"),
    ("blinded", "points", lambda content: b"\xff" * 32 + content[32:], "below 2\\^255 - 19"),
    ("evaluated", "points", lambda content: content[:-32], "points of 32 bytes of"),
    ("evaluated", "points", lambda content: b"\1" + bytes(31) + content[32:], "of full order"),
    ("evaluated", "table", lambda content: content[:-16], "table of .* to have "),
    ("common", "tags", _cut_short, "of 16 bytes, each once"),
    ("common", "tags", lambda content: content[16:] + content[:16], "each once, in their order"),
    ("common", "tags", lambda content: bytes(16) + content, "1 tag is of no id of"),
]


@pytest.mark.parametrize(("stage", "part", "change", "sentence"), HOSTILE)
@pytest.mark.parametrize("ids", [TWO, THREE])
def test_hostile_messages_end_the_alignment_in_one_sentence(stage, part, change, sentence, ids):
    network = changing(stage, with_part(part, change))
    with pytest.raises(InvalidInputError, match=sentence) as refusal:
        play(ids, network=network)
    assert "\n" not in str(refusal.value)


def test_a_public_key_by_which_nobody_can_agree_ends_the_alignment_of_three():
    def change(message):
        if message.sender != "south":
            return [message]
        return with_part("public key", lambda _content: bytes(32))(message)

    with pytest.raises(InvalidInputError, match="a public key to be a point of X25519"):
        play(THREE, network=changing("hello", change))


def test_tags_of_two_parties_that_are_not_in_order_are_refused():
    network = changing("evaluated", with_part("table", _first_twice))
    with pytest.raises(InvalidInputError, match="tags of north to be of 16 bytes, each once"):
        play(TWO, network=network)


@pytest.mark.parametrize("ids", [TWO, THREE])
@pytest.mark.parametrize("seed", range(3))
def test_wrong_points_and_tables_add_no_id(ids, seed):
    """Random points and tables take ids out of the answer and bring none in."""
    random = entropy_of(seed)
    common = set.intersection(*map(set, ids.values()))
    for name in ("points", "table"):

        def change(content, name=name):
            if name == "points":
                return b"".join(random(31) + b"\0" for _ in range(len(content) // 32))
            numbers = sorted(random(15) + b"\0" for _ in range(len(content) // 16))
            return b"".join(numbers)

        done = play(ids, network=changing("evaluated", with_part(name, change)))
        assert done.num_common == 0
    assert common


def test_ids_that_only_two_of_three_have_are_in_nobodys_rows():
    done = play(THREE)
    for (one, own), (other, others) in combinations(THREE.items(), 2):
        shared = set(own) & set(others)
        assert shared > {2, 3}, (one, other)
    for own, rows in zip(THREE.values(), done.rows, strict=True):
        assert [own[row] for row in rows] == [2, 3]
