"""Encrypted transfer: without loss, unreadable to the other side, and ended by what is odd."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from transfer_loops import linear
from transfers import SHORT, TOLD, WIDTH, held

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.transfer import Fit, Networks, Objective, Parties, Transfer
from fedjax_shap.protocols.transfer import encrypted_transfer
from fedjax_shap.protocols.transfer_prediction import predict_transfer


def in_the_plain(objective, optimizer, steps):
    """The same training by `learning.transfer`, in float64."""
    source, target = held()

    def parameters(theta):
        return {"w": theta[:-1], "b": theta[-1]}

    def signs(y):
        return np.where(y > 0, 1.0, -1.0)[:, None]

    world = Parties(
        x=(source.x, target.x),
        signs=(signs(source.y),),
        of_source=(source.pairs,),
        of_target=(target.pairs,),
        told=(TOLD,),
        labelled=target.labelled,
        target_signs=signs(target.y),
        initial=Networks(
            (parameters(source.theta), parameters(target.theta)),
            np.zeros((1, WIDTH)),
            np.zeros(1),
        ),
        held_out=(target.x, np.zeros(5, int)),
    )
    with jax.enable_x64(True):
        learning = Transfer((linear, linear), objective, Fit(optimizer, steps))
        trained = jax.jit(learning.trained)
        found = trained(jax.tree.map(jnp.asarray, world), jnp.array([True]))
        return [
            np.concatenate([np.asarray(one["w"]), np.asarray(one["b"])[None]])
            for one in found.parties
        ]


@pytest.mark.parametrize(
    ("alignment", "activation", "name", "optimizer"),
    [("distance", "tanh", "adam", optax.adam), ("product", "sigmoid", "sgd", optax.sgd)],
)
def test_encrypted_and_plain_messages_and_gradients_in_one_place_give_one_model(
    alignment, activation, name, optimizer
):
    how = {
        "alignment": alignment,
        "activation": activation,
        "optimizer": name,
        "learning_rate": 0.05,
        "gamma": 0.3,
        "penalty": 0.1,
        "told": TOLD,
    }
    objective = Objective("taylor", alignment, 0.3, 0.1, activation)
    expected = in_the_plain(objective, optimizer(0.05), 2)
    plain = encrypted_transfer(*held(), encryption="none", **SHORT, **how)
    np.testing.assert_allclose(plain.source, expected[0], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(plain.target, expected[1], rtol=1e-10, atol=1e-12)
    sealed = encrypted_transfer(*held(), **SHORT, **how)
    # factors are rounded to 2^-24: a handful of them a gradient, for two steps
    np.testing.assert_allclose(sealed.source, plain.source, rtol=0, atol=1e-6)
    np.testing.assert_allclose(sealed.target, plain.target, rtol=0, atol=1e-6)
    assert np.abs(sealed.source - held()[0].theta).max() > 0.01


@pytest.fixture(scope="module")
def sealed():
    return encrypted_transfer(*held(), told=TOLD, **SHORT)


@pytest.fixture(scope="module")
def plain():
    return encrypted_transfer(*held(), told=TOLD, encryption="none", **SHORT)


def test_predictions_are_those_of_both_networks_in_one_place(sealed, plain):
    x = np.random.default_rng(5).normal(size=(4, 2))
    source, _ = held()
    u = np.tanh(source.x @ plain.source[:-1] + plain.source[-1])
    anchor = np.where(source.y > 0, 1, -1) @ u / len(u)
    expected = np.tanh(x @ plain.target[:-1] + plain.target[-1]) @ anchor
    outputs, _ = predict_transfer(plain, x)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12)
    outputs, done = predict_transfer(sealed, x, keep=True)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    # the source reads nothing of what it decrypts, the target neither anchor nor key
    assert not done.transcript.read("source")[1:]
    assert {seen.name for seen in done.transcript.read("target")} == {
        "step",
        "public key",
        "outputs",
    }


def test_each_side_reads_its_own_gradients_and_nothing_else(sealed):
    for name in ("source", "target"):
        read = {(seen.kind, seen.name) for seen in sealed.transcript.read(name)}
        named = {"step", "public key"}
        assert {part for _, part in read} - named == {"gradient"}
        assert ("gradient", "gradient") not in read  # masked
        assert ("opened", "gradient") in read


def test_traffic_and_work_are_counted(sealed):
    sizes = sum(seen.num_bytes for seen in sealed.transcript)
    assert sealed.traffic == {"source": sizes, "target": sizes}
    # two steps; a gradient of 4 x 2 numbers decrypted for the source, of 3 x 2 for the target
    assert sealed.work["target"].decryptions == 2 * 4 * WIDTH
    assert sealed.work["source"].decryptions == 2 * 3 * WIDTH
    assert sealed.work["source"].encryptions > 2 * WIDTH * (WIDTH + 1 + 3)


def raw_numbers():
    """Bytes of the numbers that must not leave a party, in any fixed point of the protocol."""
    source, target = held()
    found = []
    for part in (source.x, target.x, source.theta, target.theta):
        found += [one.astype("<f8").tobytes() for one in part.ravel()]
    return found


def test_no_feature_and_no_parameter_is_among_the_bytes_that_are_sent(sealed, plain):
    contents = b"".join(seen.content for seen in sealed.transcript)
    assert len(contents) > 10_000
    assert not [one for one in raw_numbers() if one in contents]
    # the same search finds what a plain run sends, u of common users
    _, target = held()
    u = np.tanh(target.x @ target.theta[:-1] + target.theta[-1])
    said = b"".join(seen.content for seen in plain.transcript)
    assert u[2, 0].astype("<f8").tobytes() in said
    assert u[2, 0].astype("<f8").tobytes() not in contents


def test_what_is_decrypted_for_the_other_side_is_uniform_and_new_each_time(sealed):
    again = encrypted_transfer(*held(), told=TOLD, **SHORT)
    np.testing.assert_allclose(again.source, sealed.source, rtol=0, atol=1e-9)

    def opened(trained):
        return [
            seen.content[at : at + 64]
            for seen in trained.transcript
            if seen.kind == "opened" and seen.name == "gradient"
            for at in range(0, len(seen.content), 64)
        ]

    first = opened(sealed)
    second = opened(again)
    assert len(first) == len(second) == 2 * (4 + 3) * WIDTH
    assert not set(first) & set(second)
    # the upper half of integers modulo n: without a mask all would be near 0 or near n
    tops = np.array([one[0] for one in first + second])
    assert 20 < tops.mean() < 235
    assert len(set(tops.tolist())) > len(tops) / 3


def lost(kind, step, messages):
    return messages[:-1] if kind == "gradient" else messages


def repeated(kind, step, messages):
    return [*messages, messages[0]] if kind == "terms" else messages


class Replay:
    """A carrier that delivers the terms of the first step again in the second."""

    def __init__(self):
        self.old = None

    def __call__(self, kind, step, messages):
        if kind != "terms":
            return messages
        if self.old is None:
            self.old = messages
            return messages
        return self.old


def changed(change):
    def carrier(kind, step, messages):
        if kind != "terms":
            return messages
        return [
            one._replace(parts=(one.parts[0], one.parts[1]._replace(content=change(one))))
            for one in messages
        ]

    return carrier


@pytest.mark.parametrize(
    ("carrier", "said"),
    [
        (lost, "'gradient' of target at step 0, source got nothing"),
        (repeated, "late, early or again"),
        (Replay(), "at step 1"),
        (changed(lambda one: one.content("terms")[:-1]), "numbers under encryption in"),
        (changed(lambda one: b"\0" * 8 + one.content("terms")[8:]), "numbers under the key"),
        (changed(lambda one: one.content("terms")[:16]), "numbers under encryption in 16 bytes|"),
    ],
)
def test_what_is_lost_repeated_old_or_damaged_ends_the_run_in_a_sentence(carrier, said):
    with pytest.raises(InvalidInputError, match=said):
        encrypted_transfer(*held(), **SHORT, carrier=carrier)


def test_a_message_of_another_run_is_refused():
    kept = []

    def keep(kind, step, messages):
        kept.extend(one for one in messages if kind == "terms")
        return messages

    encrypted_transfer(*held(), encryption="none", **SHORT, carrier=keep)
    with pytest.raises(InvalidInputError, match="a message of the session"):
        encrypted_transfer(
            *held(),
            encryption="none",
            **SHORT,
            carrier=lambda kind, step, messages: kept[:2] if kind == "terms" else messages,
        )
