"""Members and server of a secure sum: each refuses what the protocol does not allow."""

import numpy as np
import pytest
from summed import Unreliable, entropy_of, parties, play

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.sealing import identity
from fedjax_shap.protocols.secure_sum import exchange
from fedjax_shap.protocols.sum_member import Member
from fedjax_shap.protocols.sum_server import Server
from fedjax_shap.protocols.sum_session import SERVER, pack, plain, session, unpack
from fedjax_shap.protocols.transcript import Part

SIGNED = "server and members"


def until(stage, num=5, **how):
    """Session, members and server, and what the server sends after `stage`."""
    agreed, members, _ = parties(num, **how)
    server = Server(agreed)
    sent = [member.start() for member in members]
    for now in agreed.stages:
        for message in sent:
            server.receive(message)
        answers = server.close()
        if now == stage:
            break
        sent = [member.receive(answer) for member, answer in zip(members, answers, strict=True)]
    return agreed, members, server, answers


def with_part(message, part):
    """The message with one part changed."""
    parts = [part if one.name == part.name else one for one in message.parts]
    return message._replace(parts=tuple(parts))


def survivors_of(agreed, *places):
    """The part by which a server says who uploaded."""
    return plain("members", pack(agreed, {agreed.members[place]: b"" for place in places}))


# ------------------------------------------------------------------ members


def test_a_member_answers_once_whatever_the_server_asks_next():
    agreed, members, _, answers = until("upload")
    answer = members[0].receive(answers[0])
    assert set(unpack(agreed, answer.content("seed shares"), 33)) == set(agreed.members)
    # the server now claims that two had not uploaded: it would get shares of their keys as well
    for again in (answers[0], with_part(answers[0], survivors_of(agreed, 0, 1, 2))):
        with pytest.raises(InvalidInputError, match="Expected nothing more of this session"):
            members[0].receive(again)


def test_a_member_that_signs_answers_each_question_once_too():
    _, members, server, answers = until("agreement", against=SIGNED)
    server.receive(members[0].receive(answers[0]))
    with pytest.raises(InvalidInputError, match="Expected nothing more of this session"):
        members[0].receive(answers[0])


@pytest.mark.parametrize(
    ("places", "sentence"),
    [
        ((0, 1), "'upload' of at least 3 members, m0 sees 2"),
        ((1, 2, 3), "members whose shares m0 has, itself included"),
        ((0, 1, 2, 4), "members whose shares m0 has"),
    ],
)
def test_a_member_refuses_survivors_that_cannot_be(places, sentence):
    agreed, members, _ = parties(5)
    server = Server(agreed)
    for member in members[:4]:  # the last is silent
        server.receive(member.start())
    for _ in range(2):
        answers = server.close()
        replies = [one.receive(message) for one, message in zip(members, answers, strict=False)]
        for reply in replies:
            server.receive(reply)
    asked = with_part(server.close()[0], survivors_of(agreed, *places))
    with pytest.raises(InvalidInputError, match=sentence):
        members[0].receive(asked)


def test_a_member_refuses_keys_that_the_server_made():
    agreed, members, _, answers = until("keys")
    rows = unpack(agreed, answers[0].content("public keys"), 64)
    wrong = {
        "its own keys among all": {**rows, "m0": rows["m0"][::-1]},
        "all public keys to differ": {**rows, "m1": rows["m2"]},
        "'keys' of at least 3": {one: rows[one] for one in ("m0", "m1")},
    }
    for sentence, changed in wrong.items():
        message = with_part(answers[0], plain("public keys", pack(agreed, changed)))
        with pytest.raises(InvalidInputError, match=sentence):
            members[0].receive(message)
    members[0].receive(answers[0])  # what was refused has changed nothing


def test_signed_keys_are_those_of_the_members_known_beforehand():
    agreed, members, _, answers = until("keys", against=SIGNED)
    rows = unpack(agreed, answers[0].content("public keys"), 128)
    rows["m3"] = bytes(range(64)) + identity(entropy_of(9)).sign(b"something")
    message = with_part(answers[0], plain("public keys", pack(agreed, rows)))
    with pytest.raises(InvalidInputError, match="keys of m3 to be signed by it"):
        members[0].receive(message)


def test_sealed_shares_that_were_changed_swapped_or_sent_twice_are_refused():
    _, members, _, answers = until("shares")
    first = answers[0].parts[0]
    changed = first._replace(content=first.content[:-1] + bytes([first.content[-1] ^ 1]))
    swapped = first._replace(content=first.content[:4] + answers[0].parts[1].content[4:])
    for parts in ((changed,), (swapped,), (first, first), ()):
        with pytest.raises(InvalidInputError, match=r"Expected .*shares"):
            members[0].receive(answers[0]._replace(parts=parts))
    members[0].receive(answers[0])


def test_a_server_that_says_different_things_to_two_halves_gets_no_shares():
    """Against the server and members: half hear that all uploaded, half that m0 did not."""
    agreed, members, _, answers = until("upload", num=6, against=SIGNED)
    everybody = survivors_of(agreed, *range(6))
    without = survivors_of(agreed, *range(1, 6))
    replies = [
        member.receive(with_part(answers[at], everybody if at % 2 == 0 else without))
        for at, member in enumerate(members)
    ]
    signatures = {reply.sender: reply.content("signature") for reply in replies}
    for names in (agreed.members, agreed.members[1:]):
        part = plain("signatures", pack(agreed, {name: signatures[name] for name in names}))
        for member in members[1:]:
            message = answers[0]._replace(
                kind="all agreements", parts=(part,), receiver=member.name
            )
            with pytest.raises(InvalidInputError, match="to have signed the survivors that m"):
                member.receive(message)


def test_against_the_server_two_halves_are_too_few_for_both_shares():
    """Each member answers once: at most 2 of 5 are left to send the other share; 3 are needed."""
    agreed, members, _, answers = until("upload")
    asked = [survivors_of(agreed, *range(5))] * 3 + [survivors_of(agreed, 1, 2, 3, 4)] * 2
    shares = {"seed shares": 0, "key shares": 0}
    for member, answer, part in zip(members, answers, asked, strict=True):
        reply = member.receive(with_part(answer, part))
        for name in shares:
            shares[name] += "m0" in unpack(agreed, reply.content(name), 33)
    assert shares == {"seed shares": 3, "key shares": 2}
    assert agreed.threshold == 3


def test_a_member_takes_messages_of_its_session_and_of_the_server_only():
    _, members, _, answers = until("keys")
    wrong = {
        "of the session 'a sum', got one of 'another'": {"session": "another"},
        "a message for m0, got one for m1": {"receiver": "m1"},
        "a message of the server, got m2's": {"sender": "m2"},
        "m0 got 'survivors' of server: what comes late, early": {"kind": "survivors"},
    }
    for sentence, changed in wrong.items():
        with pytest.raises(InvalidInputError, match=sentence):
            members[0].receive(answers[0]._replace(**changed))
    with pytest.raises(InvalidInputError, match="m0 to start once"):
        members[0].start()


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("m9", np.zeros(3, np.uint32), "'m9' to be a member"),
        ("m0", np.zeros(2, np.uint32), "upload of m0 to be 3 words"),
        ("m0", np.zeros(3), "upload of m0 to be 3 words of 32 bits, got float64"),
    ],
)
def test_a_member_with_another_upload_than_the_session_says_is_refused(name, words, sentence):
    agreed, _, _ = parties(3)
    with pytest.raises(InvalidInputError, match=sentence):
        Member(agreed, name, words, entropy=entropy_of(0))


def test_who_must_sign_needs_an_identity():
    agreed, _, words = parties(3, against=SIGNED)
    with pytest.raises(InvalidInputError, match="an identity of m0"):
        Member(agreed, "m0", words[0], entropy=entropy_of(0))
    with pytest.raises(InvalidInputError, match="identities to name every member"):
        session(["a", "b"], name="s", length=1, against=SIGNED)


# ------------------------------------------------------------------ the server


def test_the_server_takes_each_message_once_and_in_its_stage():
    agreed, members, _ = parties(3)
    server = Server(agreed)
    first = [member.start() for member in members]
    server.receive(first[0])
    for message, sentence in [
        (first[0], "'keys' of m0 once"),
        (first[1]._replace(kind="upload"), "server got 'upload' of m1: what comes late, early"),
        (first[1]._replace(sender="m7"), "of a member that passed the stage before, got m7's"),
        (first[1]._replace(parts=()), "one part 'public keys', got 0"),
        (with_part(first[1], plain("public keys", b"1")), "to have 64 bytes, got 1"),
    ]:
        with pytest.raises(InvalidInputError, match=sentence):
            server.receive(message)
    server.receive(first[1])  # what was refused has changed nothing
    server.close()
    with pytest.raises(InvalidInputError, match="got 'keys' of m2: what comes late"):
        server.receive(first[2])
    with pytest.raises(InvalidInputError, match="to be done before its sum"):
        _ = server.total


def test_wrong_shares_end_the_session_instead_of_giving_a_wrong_sum():
    for what in ("seed shares", "key shares"):
        agreed, members, _ = parties(5)

        def network(stage, messages, what=what):
            if stage == "upload":
                return [one for one in messages if one.sender != "m4"]
            changed = []
            for one in messages:
                if one.kind == "unmasking" and one.sender == "m1":
                    content = bytearray(one.content(what))
                    content[-1] ^= 1
                    one = with_part(one, Part(what, "share", bytes(content)))
                changed.append(one)
            return changed

        owner = {"seed shares": "seed of m3", "key shares": "key of m4"}[what]
        with pytest.raises(InvalidInputError, match=f"shares of the {owner} to give back what m"):
            exchange(agreed, members, network=network)


def test_an_answer_to_another_question_is_refused():
    agreed, members, server, answers = until("upload")
    reply = members[0].receive(answers[0])
    rows = unpack(agreed, reply.content("seed shares"), 33)
    moved = with_part(reply, Part("seed shares", "share", pack(agreed, dict([*rows.items()][1:]))))
    with pytest.raises(InvalidInputError, match="seed shares of m0 to be those that were asked"):
        server.receive(moved)
    server.receive(reply)


def test_once_over_a_session_stays_over():
    agreed, members, _ = parties(5)
    server = Server(agreed)
    server.receive(members[0].start())
    for refused in (server.close, server.close, lambda: server.receive(members[1].start())):
        with pytest.raises(
            InvalidInputError, match="at least 3 of 5 members to send 'keys', got 1"
        ):
            refused()


def test_records_of_members_are_read_as_they_were_written_or_refused():
    agreed, _, _ = parties(3)
    rows = {"m2": b"xy", "m0": b"ab"}
    packed = pack(agreed, rows)
    assert unpack(agreed, packed, 2) == rows
    for wrong in (packed[:-1], packed + packed[:6], b"\x00\x00\x00\x03ab"):
        with pytest.raises(InvalidInputError, match="Expected records of 6 bytes"):
            unpack(agreed, wrong, 2)


def test_messages_of_one_sum_count_for_no_other():
    first = Unreliable(0)
    play(3, network=first, name="round 1")
    agreed, members, _ = parties(3, name="round 2")
    server = Server(agreed)
    for message in first.carried:
        with pytest.raises(InvalidInputError, match="session 'round 2', got one of 'round 1'"):
            if message.receiver == SERVER:
                server.receive(message)
            else:
                members[0].receive(message)
