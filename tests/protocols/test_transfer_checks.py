"""What parties of an encrypted transfer bring is used as it is meant, or refused in a sentence."""

import numpy as np
import pytest
from transfers import SHORT, TOLD, WIDTH, held

from fedjax_shap import protocols
from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.protocols.transfer import encrypted_transfer
from fedjax_shap.protocols.transfer_checks import Held
from fedjax_shap.protocols.transfer_prediction import predict_transfer


@pytest.mark.parametrize(
    ("of_source", "of_target", "how", "said"),
    [
        ({}, {}, {"key_bits": 1024, "allow_short_keys": False}, "at least 2,048 bits"),
        ({"y": np.arange(8)}, {}, {}, "0 and 1, or -1 and 1"),
        ({"y": np.zeros(7, int)}, {}, {}, "a label for each of 8 rows"),
        ({"pairs": np.array([1, 4])}, {}, {}, "got 2 rows and 3"),
        ({"pairs": np.array([1, 4, 8])}, {}, {}, "row numbers 0..7"),
        ({"theta": np.zeros((3, WIDTH))}, {}, {}, "theta"),
        ({"theta": np.zeros((4, WIDTH + 1))}, {}, {}, "into one space"),
        ({}, {"labelled": None}, {}, "of which rows its 2 labels"),
        ({}, {"x": np.full((5, 2), np.inf)}, {}, "finite"),
        ({}, {}, {"told": np.array([0.5, 0, 1])}, "told to be 0 or 1"),
        ({}, {}, {"learning_rate": 1e300, "optimizer": "sgd", "encryption": "none"}, "too large"),
        ({}, {}, {"alignment": "distances"}, "did you mean 'distance'"),
        ({}, {}, {"steps": 0}, "steps=0"),
        ({}, {"pairs": np.array([3, 3, 0])}, {}, "pairs of 'target' .* names row 3 more than once"),
        ({}, {"labelled": np.array([4, 4])}, {}, "labelled of 'target' .* row 4 more than once"),
        ({"y": np.zeros((8, 1))}, {}, {}, "labels of 'source' .* got float64\\[8, 1\\]"),
        ({"y": ["a"] * 8}, {}, {}, "labels of 'source' to be 0 and 1.* got texts\\[8\\]"),
        ({"y": None}, {}, {}, "labels of 'source' .* got None"),
        ({"x": [["a"] * 3] * 8}, {}, {}, "x of 'source' to be real numbers .* got texts\\[8, 3\\]"),
        ({}, {"x": None}, {}, "x of 'target' to be real numbers \\[N, F\\], got None"),
        ({"theta": np.full((4, WIDTH), np.nan)}, {}, {}, "theta of 'source' to be finite"),
        ({"pairs": None}, {}, {}, "pairs of 'source' to be row numbers 0..7, got None"),
        ({"pairs": [1.0, 4.0, 6.0]}, {}, {}, "pairs of 'source' .*, got float64\\[3\\]"),
        ({"pairs": [-1, 4, 6]}, {}, {}, "pairs of 'source' to be row numbers 0..7, got -1"),
        ({}, {}, {"names": ("a", "b", "b")}, "to be two names that differ"),
        ({}, {}, {"names": "ab"}, "to be two names that differ"),
        ({}, {}, {"names": ("a", "")}, "none empty"),
        ({}, {}, {"names": None}, "Expected names=None to be texts"),
        ({}, {}, {"told": "yes"}, "told to be 0 or 1 for each of 3 common users, got 'yes'"),
        ({}, {}, {"keep": "no"}, "keep='no' to be True or False"),
        ({}, {}, {"allow_short_keys": 1}, "allow_short_keys=1 to be True or False"),
    ],
)
def test_what_does_not_go_together_is_refused(of_source, of_target, how, said):
    source, target = held()
    with pytest.raises(InvalidInputError, match=said):
        encrypted_transfer(
            source._replace(**of_source), target._replace(**of_target), **{**SHORT, **how}
        )


NOBODY = np.zeros(0, int)
SOURCE, TARGET = held()
EMPTY = SOURCE._replace(x=SOURCE.x[:0], y=NOBODY, pairs=NOBODY)
APART = TARGET._replace(pairs=NOBODY)
UNLABELLED = TARGET._replace(labelled=NOBODY, y=NOBODY)
AT_ZERO = [one._replace(theta=0 * one.theta) for one in (SOURCE, TARGET)]


@pytest.mark.parametrize(
    ("source", "target", "how", "said"),
    [
        (EMPTY, APART, {}, "a label for each of 0 rows, and a row, got 0"),
        (SOURCE, UNLABELLED, {"gamma": 0}, "so that nothing of 'source' would reach it"),
        (*AT_ZERO, {}, "elsewhere than at theta=0"),
        (SOURCE, TARGET._replace(x=np.zeros((5, 0)), theta=np.ones((1, 2))), {}, "at least 1"),
        (SOURCE, TARGET._replace(theta=np.ones((3, 0))), {}, "F and d at least 1"),
    ],
)
def test_nothing_is_trained_by_nothing(source, target, how, said):
    with pytest.raises(InvalidInputError, match=said):
        encrypted_transfer(source, target, **SHORT, **how)


def test_what_is_not_held_is_refused():
    source, target = held()
    with pytest.raises(InvalidInputError, match="source=<tuple> to be of type Held, such as"):
        encrypted_transfer(tuple(source), target)
    with pytest.raises(InvalidInputError, match="target=None to be of type Held"):
        encrypted_transfer(source, None)


def test_a_label_that_the_target_has_is_not_told_as_well():
    """TOLD and the user of row 0, whose label the target has: the game leaves it out too."""
    plain = encrypted_transfer(*held(), told=TOLD, encryption="none", **SHORT)
    with cautions() as said:
        out = encrypted_transfer(*held(), told=np.ones(3), encryption="none", **SHORT)
    np.testing.assert_array_equal(out.source, plain.source)
    np.testing.assert_array_equal(out.target, plain.target)
    assert said == [
        "1 label of 'source' that told names are of users whose label 'target' has: they are not "
        "told, so that none counts twice."
    ]


def test_a_source_row_of_several_users_counts_for_each_and_this_is_said():
    source, target = held()
    with cautions() as said:
        encrypted_transfer(source._replace(pairs=[6, 6, 1]), target, encryption="none", **SHORT)
    assert said == [
        "pairs of 'source' names row 6 for more than one common user: it counts for each of them."
    ]


def test_lists_and_a_training_without_labels_or_without_users_go_through():
    source, target = held()
    how = {"encryption": "none", **SHORT}
    lists = encrypted_transfer(
        Held(*(part.tolist() for part in source[:4])), Held(*map(np.ndarray.tolist, target)), **how
    )
    arrays = encrypted_transfer(source, target, **how)
    np.testing.assert_array_equal(lists.target, arrays.target)
    alone = target._replace(labelled=[], y=[])
    assert np.any(encrypted_transfer(source, alone, **how).target != target.theta)
    apart = encrypted_transfer(source._replace(pairs=[]), target._replace(pairs=[]), **how)
    assert np.any(apart.target != target.theta)


def test_predictions_and_bills_are_asked_by_their_public_names():
    plain = encrypted_transfer(*held(), encryption="none", **SHORT)
    x = held()[1].x
    np.testing.assert_array_equal(
        protocols.predict_transfer(plain, x)[0], predict_transfer(plain, x)[0]
    )
    with pytest.raises(InvalidInputError, match="predict_transfer is for transfers"):
        protocols.predict(plain, [x])
    for trained, rows, said in (
        (None, x, "trained=None to be of type Trained"),
        (plain, [["a", "b"]], "x to be real numbers .* got texts"),
        (plain, x[:, :1], "rows of the target, got shape"),
        (plain, np.full((1, 2), np.nan), "x to be finite"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            predict_transfer(trained, rows)
    bill = protocols.billed(plain, time_price=3600, traffic_price=10**9)
    assert [float(one) for one in bill.time] == pytest.approx(
        [plain.seconds["source"], plain.seconds["target"]], abs=1e-8
    )
    assert bill.communication == (plain.traffic["source"], plain.traffic["target"])
    assert protocols.billed(plain, "target", fixed=2).total == (2,)
