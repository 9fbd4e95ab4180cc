"""Privacy in a configuration: what a result says of it, and what is refused before training."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.clipped import clipped_updates
from fedjax_shap.learning.train import learner
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.privacy_record import sentences
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.privacy.accounting import Mechanism, Sampling, epsilon_of

pytest.importorskip("dp_accounting", reason="the extra `privacy` is not installed")
BASE = {
    "data": {"name": "breast_cancer", "validation": 0.4},
    "partition": {"name": "quantity", "ratios": [1, 2, 3]},
    "local": {"learning_rate": 0.1},
    "algorithm": {"max_rounds": 2},
    "game": {"metric": "negative_loss"},
}
HALF = {"name": "independent", "probability": 0.5}
WORDS = {"bits": 22, "clip": 8}


def test_epsilon_is_stated_for_whom_and_with_what_it_does_not_cover():
    raw = {**BASE, "privacy": {"clip": 0.05, "noise": 1.5}, "participation": HALF}
    record = federation_of(parse(raw)).privacy(_Valued(8))
    said = record.to_json()
    epsilon = epsilon_of(Mechanism(1.5, 2, Sampling("poisson", 0.5)), 1e-5)
    assert_allclose(said["epsilon"], epsilon)
    assert said["unit"] == "member" and said["neighbours"] == "add or remove one member"
    assert said["clipped"][2] == 1.0  # the largest member's updates are the longest
    text = " ".join(sentences(record))
    assert f"({epsilon:.4g}, 1e-05)-differentially private" in text
    assert "are not covered by any epsilon here" in text
    assert "in secret" in text and "The same epsilon holds" in text


@pytest.mark.slow
def test_a_result_has_it_as_json_and_among_its_notes():
    result = run(parse({**BASE, "privacy": {"clip": 0.05, "noise": 1.5}, "participation": HALF}))
    said = result.to_json()["privacy"]
    json.dumps(said)
    epsilon = epsilon_of(Mechanism(1.5, 2, Sampling("poisson", 0.5)), 1e-5)
    assert_allclose(said["epsilon"], epsilon)
    assert said["delta"] == 1e-5
    assert said["sampling"]["how"] == "poisson" and said["sampling"]["rate"] == 0.5
    assert said["values"] is None
    text = " ".join(result.to_json()["setting_notes"])
    assert f"({epsilon:.4g}, 1e-05)-differentially private" in text
    assert "are not covered by any epsilon here" in text


def test_values_are_charged_as_one_sum_of_all_coalitions_a_member_is_in():
    privacy = {"clip": 0.05, "noise": 1.5, "charge_values": True}
    federation = federation_of(parse({**BASE, "privacy": privacy, "participation": HALF}))
    # three members: each is in 4 of 8 coalitions, whose sums together move by 2 C
    charged = federation.privacy(_Valued(8)).charge
    wanted = epsilon_of(Mechanism(0.75, 2, Sampling("poisson", 0.5)), 1e-5)
    assert charged.trainings == 4
    assert_allclose(charged.epsilon, wanted)
    assert federation.privacy(_Valued(3)).charge.trainings == 3


def test_values_inside_one_run_show_who_took_part_so_nothing_is_gained_by_drawing_in_secret():
    privacy = {"clip": 0.05, "epsilon": 8.0, "charge_values": True}
    game = {"name": "rounds"}
    config = parse({**BASE, "privacy": privacy, "participation": HALF, "game": game})
    record = setting_of(config).privacy(_Valued(8))
    noise = federation_of(config).privacy(_Valued(8)).protection.mechanism.noise
    assert_allclose(record.epsilon, epsilon_of(Mechanism(noise, 2, Sampling("known")), 1e-5))
    wanted = epsilon_of(Mechanism(noise / 2, 2, Sampling("known")), 1e-5)
    assert_allclose(record.charge.epsilon, wanted)
    text = " ".join(sentences(record))
    assert "whose part in a round everybody may know" in text
    assert "more than epsilon = 8, which was asked for" in text


class _Valued:
    """What of an attribution is asked for here."""

    def __init__(self, coalitions):
        self.num_coalitions = coalitions


def test_a_fixed_number_of_members_is_private_for_everyone_and_less_so_for_fewer():
    sampled = {"name": "uniform", "participants": 1}
    privacy = {"clip": 0.05, "noise": 4.0}
    federation = federation_of(parse({**BASE, "privacy": privacy, "participation": sampled}))
    record = federation.privacy(_Valued(8))
    assert record.epsilon < record.of_coalitions
    wanted = epsilon_of(Mechanism(2.0, 2, Sampling("known")), 1e-5)
    assert_allclose(record.of_coalitions, wanted)


def test_a_delta_that_means_nothing_is_called_so():
    privacy = {"clip": 0.05, "noise": 4.0, "delta": 0.4}
    federation = federation_of(parse({**BASE, "privacy": privacy}))
    said = " ".join(sentences(federation.privacy(_Valued(8))))
    assert "delta = 0.4 is no less than 1 / 3" in said


def test_updates_are_counted_as_clipped_where_they_are_longer():
    def shares(clip):
        federation = federation_of(parse({**BASE, "privacy": {"clip": clip}}))
        learning = learner(federation.data, federation.training)
        return clipped_updates(learning, federation.key)

    assert_array_equal(shares(1e-6), np.ones((2, 3)))
    assert_array_equal(shares(1e6), np.zeros((2, 3)))


def test_records_get_noise_of_their_own_and_nothing_else_changes():
    noise = {"law": "laplace", "clip": 10.0, "epsilon": 20.0}
    plain = federation_of(parse(BASE)).data
    noisy = federation_of(parse({**BASE, "privacy": {"records": noise}}))
    again = federation_of(parse({**BASE, "privacy": {"records": noise}})).data
    assert_array_equal(noisy.data.x, again.x)
    assert_array_equal(noisy.data.validation[0], plain.validation[0])
    for client in range(3):
        x, y = plain.client(client)
        drawn, labels = noisy.data.client(client)
        assert_array_equal(labels, y)
        length = np.abs(x).sum(axis=1, keepdims=True)
        added = drawn - x * np.minimum(1, 10 / length)
        assert_allclose(np.abs(added).mean(), 1.0, rtol=0.1)  # b = 2 x 10 / 20
    record = noisy.privacy(_Valued(8))
    assert record.to_json()["records"]["scale"] == 1.0
    assert noisy.base.privacy is None


def test_pooled_data_are_compared_without_privacy():
    federation = federation_of(parse({**BASE, "privacy": {"clip": 0.1}}))
    assert federation.training.privacy is not None
    assert federation.pooled_training.privacy is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"privacy": {"clip": 0}}, r"^Expected privacy\.clip=0\.0 to be a finite number > 0\.$"),
        ({"privacy": {"clip": 1.0, "accountant": "moment"}}, r"privacy\.accountant='moment'"),
        ({"privacy": {"records": {"law": "laplace", "clip": 1.0}}}, "law, clip and epsilon"),
        ({"privacy": {"records": {"law": "laplac", "clip": 1, "epsilon": 1}}}, "'laplace'"),
        (
            {"privacy": {"clip": 1.0}, "algorithm": {"name": "scaffold"}},
            "sends one update a round with privacy",
        ),
        (
            {"privacy": {"clip": 1.0, "noise": 1.0}, "algorithm": {"tol": 0.1}},
            r"^Expected algorithm\.tol=0\.1 to be left out with noise",
        ),
        (
            {"privacy": {"secure_sum": WORDS}, "game": {"name": "rounds"}},
            "reveal_subset_sums=True to be given with secure_sum and game='rounds'",
        ),
        ({"privacy": {"clip": 1.0}, "game": {"name": "reconstructed"}}, "adds up single uploads"),
    ],
)
def test_what_cannot_be_is_refused_before_data_are_loaded(changes, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        parse({**BASE, **changes})


def test_an_epsilon_that_cannot_be_met_is_refused_before_training():
    config = parse({**BASE, "privacy": {"clip": 1.0, "epsilon": 1e-4}})
    with pytest.raises(InvalidInputError, match=r"privacy\.epsilon=0\.0001 to be larger"):
        run(config)
