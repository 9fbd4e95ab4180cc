"""Secure sums: right bit for bit, or refused; and what the server sees of an upload."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from summed import Unreliable, entropy_of, parties, play

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.fixed_point import encode
from fedjax_shap.privacy.masking import add_mask, expand, pair_of, pair_sign
from fedjax_shap.privacy.shamir import recover, weights_at_zero
from fedjax_shap.protocols.secure_sum import exchange, secure_sum, silent_from
from fedjax_shap.protocols.sum_session import STAGES

BOTH = ["server", "server and members"]


def summed(words, survivors):
    """The sum of some members' words modulo 2^32, by Python's integers."""
    rows = [words[int(name[1:])].tolist() for name in survivors]
    return [sum(column) % 2**32 for column in zip(*rows, strict=True)]


# ------------------------------------------------------------------ the sum


@pytest.mark.parametrize("against", BOTH)
def test_the_sum_is_that_of_the_fixed_point_numbers_bit_for_bit(against):
    x = np.random.default_rng(0).uniform(-8, 8, (5, 2, 3))
    out = secure_sum(x, against=against)
    words = encode(x, 22, 8.0)
    np.testing.assert_array_equal(out.words.view(np.int32), words.sum(0))
    np.testing.assert_array_equal(out.total, words.sum(0) * (8.0 / 2**21))
    assert np.abs(out.total - x.sum(0)).max() <= 5 * 8.0 / 2**22
    assert out.survivors == tuple(f"member {i}" for i in range(1, 6))
    assert out.refusals == ()


def test_a_traced_sum_of_words_is_that_of_masked_messages_bit_for_bit():
    """What is left inside a compiled training, where masks cancel: fixed-point words added up."""
    x = np.random.default_rng(1).normal(0, 4, (6, 50)).clip(-8, 8).astype(np.float32)
    traced = jax.jit(lambda x: encode(x, 22, 8.0, xp=jnp).sum(0))(x)
    np.testing.assert_array_equal(secure_sum(x).words.view(np.int32), np.asarray(traced))


@pytest.mark.parametrize("against", BOTH)
@pytest.mark.parametrize("stage", STAGES)
def test_members_may_fall_silent_at_every_stage(stage, against):
    out, words = play(7, against=against, network=silent_from({"m1": stage, "m5": stage}))
    survivors = {f"m{i}" for i in range(7)}
    if stage in ("keys", "shares", "upload"):
        survivors -= {"m1", "m5"}
    assert set(out.survivors) == survivors
    assert out.words.tolist() == summed(words, out.survivors)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "agreement"])
def test_below_the_threshold_the_sum_is_refused(stage):
    for gone, refused in ((2, False), (3, True)):
        network = silent_from({f"m{i}": stage for i in range(gone)})
        if not refused:
            play(5, network=network)
            continue
        with pytest.raises(InvalidInputError, match=f"at least 3 of 5 members to send '{stage}', "):
            play(5, network=network)


def schedules(count):
    """Sums on unreliable networks: all that come about are right. (sums, refused sums)"""
    foreign = Unreliable(0)
    play(4, network=foreign, name="another sum")
    refused = 0
    for seed in range(count):
        random = np.random.default_rng(seed)
        network = Unreliable(
            seed,
            loss=random.choice([0.0, 0.02, 0.1]),
            delay=random.choice([0.0, 0.02, 0.1]),
            repeat=random.choice([0.0, 0.3]),
            foreign=foreign.carried,
        )
        num = int(random.integers(2, 6))
        against = BOTH[seed % 2]
        agreed, members, words = parties(num, seed=seed, against=against, length=2)
        try:
            out = exchange(agreed, members, network=network)
        except InvalidInputError as error:
            assert str(error).endswith("nothing can be recovered of what was sent.")
            refused += 1
        else:
            assert len(out.survivors) >= agreed.threshold
            assert out.words.tolist() == summed(words, out.survivors), f"schedule {seed}"
    return count - refused, refused


def test_on_unreliable_networks_a_sum_is_right_or_refused():
    right, refused = schedules(60)
    assert right > 15
    assert refused > 10


@pytest.mark.slow
def test_a_thousand_schedules_are_right_or_refused():
    right, refused = schedules(1000)
    assert right > 250
    assert refused > 150


# ------------------------------------------------------------------ what the server sees


@pytest.mark.parametrize("against", BOTH)
def test_the_server_reads_no_upload_and_no_sealed_share(against):
    out, words = play(5, against=against, network=silent_from({"m2": "upload"}))
    read = {(part.kind, part.name) for part in out.transcript.read("server")}
    expected = {
        ("keys", "public keys"),
        ("shares", "seed digest"),
        ("unmasking", "seed shares"),
        ("unmasking", "key shares"),
    }
    if against != "server":
        expected |= {("keys", "signature"), ("agreement", "signature")}
    assert read == expected
    # and no part that the server got, read or not, holds a member's words
    for part in out.transcript.received("server"):
        for own in words:
            assert own.tobytes() not in part.content


def test_of_each_member_the_server_gets_shares_of_the_seed_or_of_the_key():
    out, _ = play(6, network=silent_from({"m1": "upload", "m4": "shares"}))
    shares = {"seed shares": set(), "key shares": set()}
    for part in out.transcript.received("server"):
        if part.form == "share":
            rows = range(0, len(part.content), 37)
            shares[part.name] |= {int.from_bytes(part.content[at : at + 4], "big") for at in rows}
    assert shares == {"seed shares": {0, 2, 3, 5}, "key shares": {1}}


def random_looking(words):
    """Whether words pass as uniform: their bytes, at each place, and neighbours' correlation."""
    content = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 4)
    for place in range(4):
        if stats.chisquare(np.bincount(content[:, place], minlength=256)).pvalue < 1e-4:
            return False
    scaled = words / 2**32 - 0.5
    serial = (scaled[1:] * scaled[:-1]).mean() * 12 * np.sqrt(len(words) - 1)
    return bool(abs(serial) < 4 and stats.kstest(scaled + 0.5, "uniform").pvalue > 1e-4)


def uploads(out):
    """{member: the words of its upload, as the server got them}"""
    return {
        part.sender: np.frombuffer(part.content, "<u4")
        for part in out.transcript
        if part.kind == "upload"
    }


@pytest.mark.parametrize("value", [0, 2**31 - 1, -1])
def test_a_single_upload_looks_uniform_whatever_it_holds(value):
    words = np.full((3, 20_000), value).astype(np.uint32)
    assert not random_looking(words[0])
    out, _ = play(3, words=words)
    seen = uploads(out)
    assert all(random_looking(upload) for upload in seen.values())
    # nor do two together say anything; all three do, once their own masks are off
    for one, other in combinations(seen.values(), 2):
        assert random_looking(one + other)
        assert random_looking(one - other)
    assert out.words[0] == 3 * value % 2**32


def test_an_upload_that_comes_too_late_stays_hidden_though_its_key_is_known():
    """The server has recovered the late member's key by then; its own mask is still on."""
    late = []

    def network(stage, messages):
        arriving = [one for one in messages if (one.kind, one.sender) != ("upload", "m0")]
        late.extend(one for one in messages if one not in arriving)
        if stage == "unmasking" and messages:
            return [*late, *arriving]
        return arriving

    words = np.zeros((5, 20_000), np.uint32)
    out, _ = play(5, words=words, network=network)
    assert out.survivors == ("m1", "m2", "m3", "m4")
    assert any("'upload' of m0: what comes late" in sentence for sentence in out.refusals)
    # what the server can do with all it got: give back m0's key, and take off the masks of pairs
    agreed, _, _ = parties(5, words=words)
    shares = {
        agreed.point(part.sender): part.content[4:]
        for part in out.transcript.received("server")
        if part.name == "key shares"
    }
    key = pair_of(recover(shares, weights_at_zero([2, 3, 4])))
    upload = uploads(out)["m0"].copy()
    for part in out.transcript.received("server"):
        if part.name == "public keys" and part.sender != "m0":
            seed = key.agree(part.content[32:], agreed.pair("mask", "m0", part.sender))
            sign = pair_sign(0, agreed.place(part.sender))
            add_mask(upload, expand(seed, len(upload)), -sign)
    assert random_looking(upload)


def test_shares_below_the_threshold_give_back_no_seed():
    """All uploads arrive, and two of three shares of every seed: the server tries all pairs."""
    agreed, members, words = parties(5, length=4)
    kept = []

    def network(stage, messages):
        if stage == "unmasking" and messages:
            kept.extend(messages[:2])
            return messages[:2]
        kept.extend(messages)
        return messages

    with pytest.raises(InvalidInputError, match="got 2: the session is over, and nothing can be"):
        exchange(agreed, members, network=network)
    masked = sum(
        np.frombuffer(one.content("words"), "<u4") for one in kept if one.kind == "upload"
    ).astype(np.uint32)
    answers = [one for one in kept if one.kind == "unmasking"]
    assert len(answers) == 2
    guesses = []
    for points in ((1,), (2,), (1, 2)):
        for row in range(0, 5 * 37, 37):
            shares = {
                agreed.point(one.sender): one.content("seed shares")[row + 4 : row + 37]
                for one in answers
            }
            guesses.append((row // 37, recover(shares, weights_at_zero(points))))
    for owner, guess in guesses:
        assert guess is None or guess != members[owner]._seed
    total = words.sum(0, dtype=np.uint32)
    assert (masked != total).all()


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("numbers", "how", "sentence"),
    [
        ([[9.0], [0.0]], {}, r"numbers to lie in \[-8, 8\], but numbers\[0, 0\]=9"),
        ([[1.0], [np.nan]], {}, r"numbers\[1, 0\]=nan"),
        (np.zeros((100, 1)), {"bits": 26}, "bits=26 to be <= 25: the sum of 100 numbers"),
        ([[1.0], [0.0]], {"clip": 0}, "clip=0 to be a finite number > 0"),
        ([[1.0]], {}, "at least 2 members, got 1"),
        (np.zeros((5, 1)), {"threshold": 2}, "threshold=2 to be >= 3: with fewer of 5 members"),
        (np.zeros((6, 1)), {"threshold": 4, "against": BOTH[1]}, "threshold=4 to be >= 5"),
        (np.zeros((5, 1)), {"threshold": 6}, "threshold=6 to be at most the 5 members"),
        (np.zeros((2, 0)), {}, r"to hold a number of each member, got shape \(2, 0\)"),
        (np.zeros((0, 3)), {}, r"to hold a number of each member, got shape \(0, 3\)"),
        (np.ones((4, 2)) * 1j, {}, "to be an array of real numbers"),
        ([[1.0], [1.0, 2.0]], {}, "to be an array of real numbers"),
        ([["a"], ["b"]], {}, "to be an array of real numbers"),
        (np.zeros((2, 1)), {"members": "ab"}, "members='ab' to be a list of 2 names"),
        (np.zeros((2, 1)), {"members": [1, 2]}, "members to hold texts, got 1"),
        (np.zeros((2, 1)), {"members": ["", "a"]}, "to have a name each"),
        (np.zeros((2, 1)), {"network": silent_from({"zz": "upload"})}, "silent member='zz'"),
        (np.zeros((2, 1)), {"members": ["a", "a"]}, "names to be different"),
        (np.zeros((2, 1)), {"members": ["a", "server"]}, "none to be 'server'"),
        (np.zeros((2, 1)), {"members": ["a"]}, "Expected 2 names, got 1"),
        (np.zeros((2, 1)), {"against": "clients"}, "against='clients' to be a known name"),
        (1.0, {}, "one row a member"),
    ],
)
def test_what_cannot_be_summed_is_refused_in_a_sentence(numbers, how, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        secure_sum(numbers, **how)


def test_a_stage_that_is_none_is_refused():
    with pytest.raises(InvalidInputError, match=r"stages\['a'\]='uplaod' to be a stage; did you"):
        silent_from({"a": "uplaod"})


def test_the_same_random_bytes_give_the_same_messages():
    x = np.zeros((3, 2))
    sizes = []
    for _ in range(2):
        out = secure_sum(x, entropy=entropy_of(0), keep=True)
        sizes.append([part.content for part in out.transcript])
    assert sizes[0] == sizes[1]


def test_what_carries_no_message_is_refused():
    with pytest.raises(InvalidInputError, match="network=5 to be a function of stage, messages"):
        secure_sum(np.ones((3, 2)), network=5)
    with pytest.raises(InvalidInputError, match=r"stages=5 to be \{member: the first stage"):
        silent_from(5)
