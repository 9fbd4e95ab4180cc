"""Fleets: who has which device, and what a training takes of them."""

import json

import jax
import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.devices.device import Profile
from fedjax_shap.devices.fleet import FLEETS, csv, metered, profiles, unknown
from fedjax_shap.devices.profiles import PROFILES, named
from fedjax_shap.devices.workload import workload
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.algorithms.scaffold import scaffold
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training

SETTINGS = {"unknown": {}, "profiles": {"profile": "t4"}, "csv": {"path": "devices.csv"}}


@pytest.mark.parametrize("name", FLEETS)
def test_a_fleet_has_a_device_for_each_client_or_none(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices.csv").write_text("profile\nt4\nt4\nt4\n")
    assert FLEETS[name](**SETTINGS[name])(3) == (() if name == "unknown" else (PROFILES["t4"],) * 3)


def test_profiles_and_numbers_are_for_all_clients_or_one_each():
    assert profiles(profile=("t4", "a100"), power=(1.0, 2.0), fixed="3")(2) == (
        named("t4", power=1.0, fixed="3"),
        named("a100", power=2.0, fixed="3"),
    )
    assert profiles(steps_per_second=(0.5, 2.0), power=40.0)(2) == (
        Profile(name="device 0", steps_per_second=0.5, power=40.0),
        Profile(name="device 1", steps_per_second=2.0, power=40.0),
    )


def test_a_training_is_metered_by_its_operations_and_messages():
    data = federation((10, 20, 30))
    devices = (Profile(name="x", flops=1e6, efficiency=1.0, uplink=100.0, downlink=1000.0),) * 3
    steps, share = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 1, 0], [1, 0.5, 1]])
    plain, varied = (
        metered(devices, workload(data, Training(linear(), algorithm=rule)), steps, share)
        for rule in (fedavg(), scaffold())
    )
    size = 4 * (FEATURES + 1) * CLASSES
    assert plain.workload.messages == (size, size) and varied.workload.messages == (
        2 * size,
        2 * size,
    )
    assert_allclose(
        plain.used.training, plain.workload.flops_per_step / 1e6 * [[1, 2, 0], [4, 2, 6]]
    )
    assert_allclose(varied.used.communication, 2 * plain.used.communication)
    assert_allclose(plain.used.communication[1], size / 1000 + np.array([1, 0, 1]) * size / 100)
    assert_allclose(
        np.diff(plain.workload.flops_per_step, 2), 0, atol=1e-9
    )  # as the full batches of 10, 20, 30 examples


def test_a_record_of_what_was_metered_is_json():
    data = federation((10, 20, 30))
    devices = profiles(profile="raspberry_pi_4")(3)
    asked = workload(data, Training(linear()))
    record = metered(devices, asked, np.ones((2, 3), int), np.ones((2, 3))).to_json()
    assert json.loads(json.dumps(record)) == record
    assert record["profiles"] == ["raspberry_pi_4"] * 3 and record["steps"] == [2, 2, 2]
    assert set(record["costs"]) == {"energy", "time", "communication", "fixed"}
    assert len(record["round_seconds"]) == 2 and len(record["idle"]) == 3
    assert jax.tree.all(jax.tree.map(lambda leaf: leaf is not None, record))


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: profiles(profile="t5"), "profile='t5' to be a known name; did you mean 't4'"),
        (
            lambda: profiles(profile=("t4", "a100"))(3),
            r"profile=\['t4', 'a100'\] to be one value or one for each of the 3",
        ),
        (
            lambda: profiles(profile="t4", power=(1.0,))(2),
            r"power=\[1.0\] to be one value or one for each of the 2",
        ),
        (
            lambda: profiles(power=3.0)(2),
            "one of steps_per_second=None and flops=None of device 'device 0'",
        ),
        (lambda: csv(path="absent.csv"), "path='absent.csv' to be a file"),
    ],
)
def test_a_fleet_that_does_not_fit_is_refused(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()


def test_a_file_for_another_number_of_clients_is_refused(tmp_path):
    (tmp_path / "devices.csv").write_text("profile\nt4\n")
    with pytest.raises(InvalidInputError, match="to hold a row for each of the 2 clients, got 1"):
        csv(path=str(tmp_path / "devices.csv"))(2)
    assert unknown()(2) == ()
