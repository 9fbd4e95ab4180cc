"""Coordinated training loses nothing: encrypted, plain and centralised give the same model."""

import csv

import numpy as np
import pytest
from coordinated import SHORT, centralised, federation, joined, train
from sklearn.metrics import roc_auc_score

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.protocols.coordinated import coordinated, predict

WAYS = [
    {},
    {"optimizer": "sgd", "decay": False, "l2": 0.3},
    {"optimizer": "adam", "epochs": 5},
    {"batch_size": 5, "seed": 3},
    {"intercept": False, "l2": 0.0},
]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("model", ["logistic", "linear"])
def test_the_plain_protocol_trains_as_one_place_would(model, how):
    blocks, y = federation(model=model)
    out = train(blocks, y, model=model, encryption="none", **how)
    weights, losses = centralised(blocks, y, model=model, **how)
    np.testing.assert_allclose(joined(out), weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(out.losses, losses, rtol=0, atol=1e-12)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("model", ["logistic", "linear"])
def test_the_encrypted_protocol_is_exact_but_for_the_rounding_of_what_goes_in(model, how):
    blocks, y = federation(model=model)
    out = train(blocks, y, model=model, bits=20, **how)
    weights, losses = centralised(blocks, y, model=model, bits=20, **how)
    np.testing.assert_allclose(joined(out), weights, rtol=0, atol=1e-13)
    np.testing.assert_allclose(out.losses, losses, rtol=0, atol=1e-4)


@pytest.mark.parametrize("bits", [12, 24, 36])
def test_encrypted_and_plain_models_differ_by_the_step_of_the_encoding(bits):
    """SGD moves weights by at most (rate x steps) x the gradient's error."""
    blocks, y = federation(1)
    how = {"optimizer": "sgd", "epochs": 4, "learning_rate": 0.1}
    encrypted = train(blocks, y, bits=bits, **how)
    plain = train(blocks, y, encryption="none", **how)
    gap = np.abs(joined(encrypted) - joined(plain)).max()
    largest = max(np.abs(block).max() for block in blocks)
    assert gap <= 4 * 0.1 * 2.0**-bits * (1 + 3 * largest)
    assert gap > 2.0**-bits / 1000 or bits == 36


@pytest.mark.parametrize("columns", [(1, 1), (2, 0), (1, 2, 1, 0)])
def test_any_number_of_hosts_trains_and_the_label_holder_needs_no_column(columns):
    blocks, y = federation(2, columns=columns)
    out = train(blocks, y)
    weights, losses = centralised(blocks, y, bits=24)
    np.testing.assert_allclose(joined(out), weights, rtol=0, atol=1e-13)
    np.testing.assert_allclose(out.losses, losses, atol=1e-6)
    assert [len(out.weights[name]) for name in out.session.parties] == list(columns)


def test_many_steps_reach_the_minimum_of_the_taylor_loss():
    blocks, y = federation(3, rows=40)
    how = {"optimizer": "sgd", "decay": False, "epochs": 300, "learning_rate": 2.0, "l2": 0.05}
    out = coordinated(blocks, y, encryption="none", loss=False, **how)
    x = np.hstack([*blocks, np.ones((40, 1))])
    signs = np.where(y > 0, 1.0, -1.0)
    penalty = np.diag([0.05] * (x.shape[1] - 1) + [0.0])
    best = np.linalg.solve(x.T @ x / 160 + penalty, x.T @ signs / 80)
    np.testing.assert_allclose(joined(out), best, atol=1e-9)
    assert out.losses == ()


def test_the_loss_costs_a_column_and_changes_no_weight():
    blocks, y = federation()
    both = [train(blocks, y, loss=loss) for loss in (True, False)]
    np.testing.assert_array_equal(joined(both[0]), joined(both[1]))
    with_loss, without = (out.work["host 2"].products for out in both)
    assert (with_loss, without) == (3 * 12 * 4, 3 * 12 * 3)
    assert len(both[0].losses) == 3
    assert both[1].losses == ()


@pytest.mark.parametrize("encryption", ["paillier", "none"])
def test_predictions_are_made_by_all_parties_together(encryption):
    blocks, y = federation()
    out = train(blocks, y, encryption=encryption)
    others, _ = federation(9, rows=7)
    outputs, _ = predict(out, others)
    expected = np.hstack([*others, np.ones((7, 1))]) @ joined(out)
    np.testing.assert_allclose(outputs, expected, atol=1e-10)
    with pytest.raises(InvalidInputError, match=r"block of host 2 to have 7 rows and 3 columns"):
        predict(out, [others[0], others[0], others[2]])
    with pytest.raises(InvalidInputError, match="Expected 3 blocks, got 2"):
        predict(out, others[:2])


def test_labels_may_be_written_either_way():
    blocks, y = federation()
    plain = [train(blocks, one, encryption="none") for one in (y, 2 * y - 1)]
    np.testing.assert_array_equal(joined(plain[0]), joined(plain[1]))


def test_the_same_seed_gives_the_same_plain_model_and_another_seed_another():
    blocks, y = federation()
    same = [train(blocks, y, encryption="none", batch_size=4, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(joined(same[0]), joined(same[1]))
    assert np.abs(joined(same[0]) - joined(same[2])).max() > 1e-3


def test_work_and_traffic_are_counted():
    blocks, y = federation()
    out = train(blocks, y)
    # a part a row and step; a mask a column; the loss once a step at hosts, once at the holder
    assert out.work["host 1"].encryptions == 3 * (12 + 2 + 1)
    assert out.work["label holder"].encryptions == 3 * (12 + 2 + 1)
    assert out.work["host 1"].products == 3 * 12 * 3
    assert out.work["coordinator"].decryptions == 3 * (2 + 3 + 2 + 1)
    assert 0 < out.encryption_share < 1
    width = 512 // 8 * 2
    to_host = out.transcript.bytes_to("host 1")
    # a key; 12 ciphertexts of d and 2 decrypted numbers a step, with heads and numbers of steps
    assert to_host == (64 + 128 + 4) + 3 * (12 * width + 16 + 4 + 2 * width // 2 + 4)
    assert out.traffic["host 1"] == to_host + out.transcript.bytes_from("host 1")


def breast(folder):
    """FATE's hosts and guest, rows in the order of their ids."""
    tables = []
    for party in ("host", "guest"):
        with (folder / "fate" / f"breast_hetero_{party}.csv").open() as file:
            rows = np.array(list(csv.reader(file))[1:], float)
        tables.append(rows[np.argsort(rows[:, 0])])
    host, guest = tables
    np.testing.assert_array_equal(host[:, 0], guest[:, 0])
    return [host[:, 1:], guest[:, 2:]], guest[:, 1]


def test_fates_breast_cancer_has_the_published_auc(data_folder):
    blocks, y = breast(data_folder)
    out = coordinated(blocks, y, encryption="none", epochs=5)
    outputs, _ = predict(out, blocks)
    assert round(roc_auc_score(y, outputs), 6) == 0.975186
    weights, _ = centralised(blocks, y, epochs=5, learning_rate=0.15)
    np.testing.assert_allclose(joined(out), weights, rtol=0, atol=1e-12)


def test_a_part_of_fates_breast_cancer_is_the_same_encrypted(data_folder):
    blocks, y = breast(data_folder)
    part = [block[:30, :4] for block in blocks]
    encrypted = coordinated(part, y[:30], epochs=5, **SHORT)
    plain = coordinated(part, y[:30], epochs=5, encryption="none")
    assert np.abs(joined(encrypted) - joined(plain)).max() < 1e-6


# ------------------------------------------------------------------ refusals


X = np.ones((4, 2)) * [1, -2]
Y = [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("blocks", "y", "how", "sentence"),
    [
        ([X, X], [0, 1, 2, 1], {}, r"y to hold 0 and 1, or -1 and 1, for the logistic model, got"),
        ([X, X], [0, 0, 0, 0], {}, r"y to hold 0 and 1, or -1 and 1, for the logistic"),
        ([X, X], [0, 1, np.nan, 1], {}, r"y to be finite, but y\[\(2,\)\]=nan"),
        ([X, X], [0, 1], {}, r"Expected y\[N\] of 4 real numbers, got int64\[2\]"),
        ([X, X[:3]], Y, {}, "Expected 4 rows of every party, label holder has 3: rows are aligned"),
        ([X], Y, {}, "blocks of a host and the label holder, got 1"),
        ([X[:, :0], X], Y, {}, "Expected host 1 to have a column, got none"),
        ([X[0], X], Y, {}, r"blocks\[0\] to be real numbers \[N, F\], got float64\[2\]"),
        ([X * 1e9, X], Y, {}, "column 0 of host 1 to stay below 2\\^24, got 1e\\+09"),
        ([X, X * 1e-6], Y, {}, "column 0 of label holder to reach 5.96046e-05, got 1e-06"),
        ([X * np.inf, X], Y, {}, r"blocks\[0\] to be finite"),
        ([X[:0], X[:0]], [], {}, "Expected blocks with rows, got none"),
        ([X, X], Y, {"names": ["a", "b"]}, "Expected 1 names of hosts, got 2"),
        ([X, X], Y, {"names": ["label holder"]}, "names of the parties to differ"),
        ([X, X], Y, {"names": ["coordinator"]}, "none to be 'coordinator'"),
        ([X, X], Y, {"label_holder": 3}, "label_holder=3 to be a text"),
        ([X, X], Y, {"label_holder": ""}, "names of the parties to differ.*label_holder=''"),
        ([X, X], Y, {"label_holder": "coordinator"}, "none to be 'coordinator' or empty, got"),
        ([X, X], Y, {"label_holder": "host 1"}, "got 'host 1' and label_holder='host 1'"),
        ([X, X], Y, {"decay": "no"}, "Expected decay='no' to be True or False"),
        ([X, X], Y, {"intercept": "no"}, "Expected intercept='no' to be True or False"),
        ([X, X], Y, {"loss": None}, "Expected loss=None to be True or False"),
        ([X, X], Y, {"keep": 1}, "Expected keep=1 to be True or False"),
        ([X, X], Y, {"allow_short_keys": "no"}, "allow_short_keys='no' to be True or False"),
        ([X, X], Y, {"private": 1}, "Expected private=1 to be of type PrivateKey or None"),
        ([X, X], Y, {"carrier": 3}, "Expected carrier=3 to be a function of kind, step, messages"),
        (np.array(3), Y, {}, "Expected blocks=<ndarray> to be a list of arrays"),
        (None, Y, {}, "Expected blocks=None to be a list of arrays"),
        ({"a": X, "b": X}, Y, {}, "Expected blocks=<dict> to be a list of arrays"),
        (
            [[[1, 2], [3]], X],
            Y,
            {},
            r"blocks\[0\] to be .*, got <list> with rows of several lengths",
        ),
        ([X.astype(str), X], Y, {}, r"blocks\[0\] to be real numbers \[N, F\], got texts\[4, 2\]"),
        ([X, X], None, {}, r"Expected y\[N\] of 4 real numbers, got None"),
        ([X, X], [[0], [1, 0], [1], [0]], {}, r"y\[N\] of 4 .*, got <list> with rows of several"),
        ([X, X], Y, {"model": "poisson"}, "model='poisson' to be a known name; known: linear"),
        ([X, X], Y, {"encryption": "palier"}, "encryption='palier' to be a known name; did you"),
        ([X, X], Y, {"optimizer": "rms"}, "optimizer='rms' to be a known name"),
        ([X, X], Y, {"learning_rate": 0}, "learning_rate=0 to be a finite number > 0"),
        ([X, X], Y, {"l2": -1}, "l2=-1 to be a finite number >= 0"),
        ([X, X], Y, {"epochs": 0}, "epochs=0 to be an integer >= 1"),
        ([X, X], Y, {"batch_size": 0}, "batch_size=0 to be an integer >= 1"),
        ([X, X], Y, {"bits": 40}, "bits=40 to be an integer >= 8 and <= 38"),
        ([X, X], Y, {"allow_short_keys": False}, "key of at least 2,048 bits, got bits=512"),
        (
            [X, X],
            [0, 1, 1, 1],
            {"optimizer": "sgd", "learning_rate": 1e9, "epochs": 9},
            "numbers between -2\\^24 and 2\\^24, got one of size",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(blocks, y, how, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        train(blocks, y, **how)


def test_predictions_are_asked_of_what_was_trained():
    trained = train([X, X], Y, encryption="none")
    for blocks in (None, {"a": X, "b": X}):
        with pytest.raises(InvalidInputError, match="to be a list of arrays"):
            predict(trained, blocks)
    with pytest.raises(InvalidInputError, match="keep='no' to be True or False"):
        predict(trained, [X, X], keep="no")
    with pytest.raises(InvalidInputError, match="trained=None to be of type Coordinated"):
        predict(None, [X, X])


@pytest.mark.parametrize("epochs", [3, 9])
def test_a_plain_training_that_diverges_is_refused(epochs):
    how = {"optimizer": "sgd", "learning_rate": 1e80, "encryption": "none", "decay": False}
    with pytest.raises(
        InvalidInputError, match=r"to stay finite, but it diverged|what was sent to be finite"
    ):
        train([X, X], [0, 1, 1, 1], epochs=epochs, **how)
