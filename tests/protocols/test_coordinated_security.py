"""Coordinated training: who could read what, and what becomes of messages that are not as sent."""

import numpy as np
import pytest
from coordinated import federation, train

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy import encrypted
from fedjax_shap.privacy.paillier import generate
from fedjax_shap.protocols.coordinated import coordinated, predict
from fedjax_shap.protocols.transcript import Part

HOSTS = ("host 1", "host 2")
PARTIES = (*HOSTS, "label holder")


@pytest.fixture(scope="module")
def keys():
    return generate(512, allow_short_keys=True)


@pytest.fixture(scope="module")
def trained(keys):
    blocks, y = federation()
    return train(blocks, y, private=keys[1])


def opened(private, part):
    """The integers modulo n in a part under encryption."""
    return encrypted.decrypt_integers(private, encrypted.from_bytes(private.public, part.content))


def true_sums(keys, trained):
    """{(party, name of a part): integers of X'd or of d times the part, a list a step}, unmasked.

    What a party with the private key and everybody's messages could compute.
    """
    public, private = keys
    blocks, _ = federation()
    columns = dict(zip(PARTIES, blocks, strict=True))
    columns["label holder"] = np.column_stack([columns["label holder"], np.ones(12)])
    found = {}
    for part in trained.transcript:
        if part.kind != "residual" or part.name == "step":
            continue
        residual = encrypted.from_bytes(public, part.content)
        for party, x in columns.items():
            if party in (part.receiver, "label holder"):
                sums = encrypted.multiply(public, residual, x)
                found.setdefault(party, []).append(encrypted.decrypt_integers(private, sums))
    return found


# ------------------------------------------------------------------ who could read what


def test_all_that_the_coordinator_reads_is_which_step_it_is(trained):
    read = {(part.kind, part.name) for part in trained.transcript.read("coordinator")}
    assert read == {("gradient", "step")}
    got = {(part.kind, part.name) for part in trained.transcript.received("coordinator")}
    assert got == {("gradient", "step"), ("gradient", "gradient"), ("gradient", "loss")}


def test_what_the_coordinator_decrypts_is_no_gradient_no_part_and_no_residual(keys, trained):
    """With its key the coordinator opens all that it gets; nothing there is what it hides."""
    _, private = keys
    seen = set()
    for part in trained.transcript.received("coordinator"):
        if part.name != "step":
            seen |= set(opened(private, part))
    hidden = set()
    for sums in true_sums(keys, trained).values():
        hidden |= {one for step in sums for one in step}
    for part in trained.transcript:  # the parts u, the residual and the sums of the loss
        if part.form == "sealed" and part.reader == "coordinator":
            assert part.receiver != "coordinator"
            hidden |= set(opened(private, part))
    assert len(seen) == 3 * (2 + 3 + 2 + 1)
    assert len(hidden) >= 100
    assert not seen & hidden
    # not even in size: what is hidden has some 100 bits of 512, either side of 0
    n = int(private.public.n)
    assert all(min(one, n - one) < 2**150 for one in hidden)
    assert sum(min(one, n - one) > n // 2**20 for one in seen) > len(seen) - 3


def test_masks_are_uniform_and_fresh_each_step_and_each_run(keys, trained):
    _, private = keys
    blocks, y = federation()
    again = train(blocks, y, private=private)
    np.testing.assert_allclose(again.weights["host 1"], trained.weights["host 1"], atol=1e-14)
    runs = [
        [
            opened(private, part)
            for part in run.transcript.received("coordinator")
            if part.name != "step"
        ]
        for run in (trained, again)
    ]
    every = [one for run in runs for part in run for one in part]
    assert len(set(every)) == len(every)
    places = np.array(every, float) / float(private.public.n)
    assert abs(places.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(places))


def test_no_ciphertext_is_sent_twice_and_none_shows_how_it_was_made(keys, trained):
    """A ciphertext of sums without fresh randomness could be made by who knows the residual's."""
    public, _ = keys
    sent = []
    for part in trained.transcript:
        if part.form in ("masked", "sealed") and part.sender != "coordinator":
            content = part.content
            sent.append((part, encrypted.from_bytes(public, content).numbers))
    fresh = [one for part, numbers in sent if part.kind != "residual" for one in numbers]
    assert len(set(fresh)) == len(fresh)
    # the randomness of a ciphertext is what it is modulo n: (1 + n m) is 1 there
    residuals = [
        encrypted.from_bytes(public, p.content)
        for p in trained.transcript
        if p.kind == "residual" and p.name != "step" and p.receiver == "host 1"
    ]
    gradients = [
        numbers for part, numbers in sent if part.sender == "host 1" and part.name == "gradient"
    ]
    x = federation()[0][0]
    for residual, numbers in zip(residuals, gradients, strict=True):
        bare = encrypted.multiply(public, residual, x)
        for one, other in zip(bare.numbers, numbers, strict=True):
            assert one % public.n != other % public.n


def test_hosts_read_nothing_but_their_own_masked_gradients(trained):
    for host in HOSTS:
        read = {(part.kind, part.name, part.form) for part in trained.transcript.read(host)}
        assert read == {
            ("start", "step", "plain"),
            ("start", "public key", "plain"),
            ("residual", "step", "plain"),
            ("opened", "step", "plain"),
            ("opened", "gradient", "sealed"),
        }
    # nor does a host get what is for another
    assert not [part for part in trained.transcript.received("host 1") if part.sender == "host 2"]


def test_no_column_and_no_label_leaves_its_party(trained):
    blocks, y = federation()
    secrets = []
    for values in (*blocks, *(block.T for block in blocks), y[None], (2 * y - 1)[None]):
        for row in np.asarray(values):
            for kind in ("<f8", "<f4", ">f8", ">f4", "<i8", "<i4", "i1"):
                content = np.ascontiguousarray(row, kind).tobytes()
                if len(content) >= 8:
                    secrets.append(content)
    assert len(secrets) > 200
    for part in trained.transcript:
        if part.sender != "coordinator":
            assert not any(secret in part.content for secret in secrets)
            assert part.form != "plain" or part.name == "step"


def test_messages_have_the_same_sizes_whatever_the_numbers_are():
    blocks, y = federation()
    others = [100 * block for block in blocks]
    sizes = [
        [(part.kind, part.name, part.num_bytes) for part in train(one, y).transcript]
        for one in (blocks, others)
    ]
    assert sizes[0] == sizes[1]


def test_a_prediction_shows_the_coordinator_nothing(keys, trained):
    _, private = keys
    blocks, _ = federation(5, rows=6)
    outputs, done = predict(trained, blocks, keep=True)
    assert {part.name for part in done.transcript.read("coordinator")} == {"step"}
    seen = [
        opened(private, part)
        for part in done.transcript.received("coordinator")
        if part.name == "outputs"
    ]
    hidden = {round(one * 2**40) % int(private.public.n) for one in outputs}
    assert len(seen[0]) == 6
    assert not set(seen[0]) & hidden
    assert {part.name for part in done.transcript.read("host 1")} == {"step", "public key"}


def test_without_encryption_the_transcript_says_that_everybody_reads():
    blocks, y = federation()
    out = train(blocks, y, encryption="none")
    assert {part.form for part in out.transcript} == {"plain"}


# ------------------------------------------------------------------ messages that are not as sent


def changed(kind, step, change):
    """A carrier that changes the messages of one kind at one step."""

    def carrier(now, at, messages):
        if (now, at) == (kind, step):
            return change(list(messages))
        return messages

    return carrier


def content(name, change):
    """A change of the content of the first message's part of this name."""

    def apply(messages):
        first = messages[0]
        parts = [
            Part(part.name, part.form, change(part.content), part.reader)
            if part.name == name
            else part
            for part in first.parts
        ]
        return [first._replace(parts=tuple(parts)), *messages[1:]]

    return apply


def refused(sentence, carrier, **how):
    """A training that ends in a sentence, and leaves no model."""
    blocks, y = federation()
    with pytest.raises(InvalidInputError, match=sentence):
        train(blocks, y, carrier=carrier, **how)


KINDS = ("start", "part", "residual", "loss", "gradient", "opened")


@pytest.mark.parametrize("kind", KINDS)
def test_a_party_that_stops_ends_the_training(kind):
    step = int(kind != "start")
    lost = changed(kind, step, lambda messages: messages[1:])
    refused(f"Expected '{kind}' of .* at step {step}, .* got nothing: the run ends here", lost)


@pytest.mark.parametrize("kind", KINDS)
def test_a_repeated_message_is_refused(kind):
    step = int(kind != "start")
    refused(
        "what comes late, early or again is refused",
        changed(kind, step, lambda messages: [*messages, messages[0]]),
    )


@pytest.mark.parametrize("kind", ["part", "loss"])
def test_a_message_that_comes_twice_before_the_others_is_refused(kind):
    twice = changed(kind, 0, lambda messages: [messages[0], messages[0], *messages[1:]])
    refused(f"Expected '{kind}' of host 2 at step 0, label holder got '{kind}' of host 1", twice)


@pytest.mark.parametrize("kind", ["part", "residual", "loss"])
def test_numbers_that_claim_other_bits_after_the_point_are_refused(kind):
    def claims(whole):
        return whole[:9] + bytes([whole[9] - 1]) + whole[10:]

    sentence = r"encrypted numbers of (40|64) bits after the point, got \d+ of (39|63)"
    refused(sentence, changed(kind, 0, content(kind, claims)))


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_message_of_an_earlier_step_is_refused(kind):
    kept = []

    def replay(now, at, messages):
        if now == kind and at == 0:
            kept.extend(messages)
        if now == kind and at == 1:
            return [kept[0], *messages[1:]]
        return messages

    refused(f"at step 1, .* got '{kind}' of .* at step 0: what comes late", replay)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_messages_out_of_order_are_refused(kind):
    """Those of one kind arrive with the turn before them, made at the step before."""
    held = []

    def reorder(now, at, messages):
        if (now, at) == (kind, 0):
            held.extend(messages)
            return messages
        if held and (now, at) != (kind, 0):
            late = held.copy()
            held.clear()
            return [*messages, *late]
        return messages

    refused("what comes late, early or again is refused", reorder)


def test_a_message_of_another_run_is_refused():
    kept = []
    blocks, y = federation()

    def keep(now, at, messages):
        kept.extend(messages)
        return messages

    train(blocks, y, carrier=keep)
    foreign = next(one for one in kept if one.kind == "residual")
    refused(
        "Expected a message of the session .* got one of",
        changed("residual", 0, lambda messages: [foreign, *messages[1:]]),
    )


@pytest.mark.parametrize("kind", KINDS[1:5])
def test_truncated_ciphertexts_are_refused(kind):
    refused(
        r"Expected \d+ numbers under encryption in \d+ bytes, got \d+ bytes",
        changed(kind, 1, content(kind, lambda whole: whole[:-1])),
    )


@pytest.mark.parametrize("kind", KINDS[1:5])
def test_missing_ciphertexts_are_refused(kind):
    """A ciphertext less, and said so."""

    def shorter(whole):
        count = int.from_bytes(whole[12:16], "big") - 1
        return whole[:12] + count.to_bytes(4, "big") + whole[16:-128]

    refused(
        r"Expected \d+ (encrypted numbers|decrypted numbers|numbers under masks)",
        changed(kind, 1, content(kind, shorter)),
    )


@pytest.mark.parametrize("kind", KINDS[1:5])
def test_ciphertexts_that_were_altered_are_refused_at_the_latest_when_masks_come_off(kind):
    def altered(whole):
        return whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]

    refused(
        "a message was damaged, or made under another key", changed(kind, 1, content(kind, altered))
    )


def test_decrypted_numbers_that_were_altered_or_cut_are_refused():
    flip = changed(
        "opened", 1, content("gradient", lambda whole: bytes([whole[0] ^ 64]) + whole[1:])
    )
    refused("a message was damaged, or made under another key", flip)
    cut = changed("opened", 1, content("gradient", lambda whole: whole[:-1]))
    refused("Expected 2 decrypted numbers in 128 bytes, got 127", cut)


@pytest.mark.parametrize("kind", KINDS[1:5])
def test_numbers_under_a_wrong_key_are_refused(kind):
    other, _ = generate(512, allow_short_keys=True)

    def foreign(whole):
        count = int.from_bytes(whole[12:16], "big")
        return encrypted.to_bytes(other, encrypted.encrypt(other, np.zeros(count)))

    refused(
        "Expected numbers under the key [0-9a-f]{16}, got some under",
        changed(kind, 1, content(kind, foreign)),
    )


def test_a_public_key_that_is_too_short_or_none_is_refused(keys):
    refused(
        "Expected the bytes of a public key",
        changed("start", 0, content("public key", lambda whole: whole[:-2])),
    )
    blocks, y = federation()
    with pytest.raises(InvalidInputError, match="key of at least 2,048 bits, got bits=512"):
        coordinated(blocks, y, private=keys[1])


def test_a_party_that_got_another_key_ends_the_training():
    """One host encrypts for somebody else's key: the label holder notices."""
    from fedjax_shap.privacy.paillier import public_bytes

    other, _ = generate(512, allow_short_keys=True)
    refused(
        "Expected numbers under the key",
        changed("start", 0, content("public key", lambda _: public_bytes(other))),
    )


def test_a_message_to_or_from_nobody_is_refused():
    to = changed("part", 0, lambda messages: [messages[0]._replace(receiver="nobody")])
    refused("receiver='nobody' to be a party that takes part", to)
    by = changed("gradient", 0, lambda messages: [messages[0]._replace(sender="nobody")])
    refused("Expected a message of host 1 or host 2 or label holder, coordinator got one", by)
    whose = changed("part", 0, lambda messages: [messages[0]._replace(sender="coordinator")])
    refused("Expected 'part' of host 1 or host 2 at step 0, label holder got", whose)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("residual", "Expected 12 numbers in 96 bytes, got 95"),
        ("gradient", "Expected 2 numbers in 16 bytes, got 15"),
    ],
)
def test_plain_messages_that_are_cut_are_refused(kind, sentence):
    cut = changed(kind, 0, content(kind, lambda whole: whole[:-1]))
    refused(sentence, cut, encryption="none")


def test_weights_are_given_at_the_end_only():
    from fedjax_shap.protocols.coordinated_columns import Columns
    from fedjax_shap.protocols.coordinated_coordinator import ByKey
    from fedjax_shap.protocols.coordinated_parties import Host

    blocks, y = federation()
    session = train(blocks, y, encryption="none").session
    begin = ByKey(encrypted=False, bits=24, allow_short_keys=True)
    host = Host(session, "host 1", blocks[0], begin)
    with pytest.raises(InvalidInputError, match="weights at the end; it awaits 'start'"):
        host.weights()
    with pytest.raises(InvalidInputError, match="to have got 'start' of the coordinator first"):
        host.work()
    assert Columns(session, blocks[0]).count == 2
