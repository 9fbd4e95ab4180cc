"""Devices: seconds, joules, bytes and money of known work, by hand; profiles, and what is
refused."""

from decimal import Decimal

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.devices.device import Profile, bill, steps_per_second, usage
from fedjax_shap.devices.profiles import PROFILES, named, profiles_from_csv

HOUR = 3600.0
# A does 100 steps in an hour, B in a day.
A = Profile(
    name="A",
    steps_per_second=100 / HOUR,
    power=100.0,
    uplink=1e6,
    downlink=2e6,
    energy_price="0.30",
    time_price=2,
    traffic_price="0.05",
    fixed=1,
)
B = Profile(
    name="B",
    steps_per_second=100 / (24 * HOUR),
    power=50.0,
    uplink=1e6,
    downlink=2e6,
    energy_price="0.30",
    time_price="0.5",
    traffic_price="0.05",
)
MESSAGES = {"upload_bytes": 36e6, "download_bytes": 72e6}  # 36 s each way


def used(share, steps=((100, 100),), profiles=(A, B), **messages):
    """The usage of the example's devices, with FLOPs that neither needs."""
    given = {**MESSAGES, **messages}
    return usage(profiles, np.array(steps), np.array(share), flops_per_step=1.0, **given)


def test_the_example_of_an_hour_and_a_day_by_hand():
    took = used([[True, True]])
    assert_allclose(took.training, [[3600, 86400]], rtol=1e-12)
    assert_allclose(took.communication, [[72, 72]], rtol=1e-12)
    assert_allclose(took.joules, [[360_000, 4_320_000]], rtol=1e-12)  # 0.1 kWh and 1.2 kWh
    assert_array_equal(took.uploaded, [[36e6, 36e6]])
    assert_array_equal(took.downloaded, [[72e6, 72e6]])
    assert_allclose(took.rounds, [86_472], rtol=1e-12)
    assert_allclose(took.idle, [[82_800, 0]], atol=1e-9)
    costs = bill((A, B), took)
    assert costs.energy == (Decimal("0.03"), Decimal("0.36"))
    assert costs.time == (Decimal("2.04"), Decimal("12.01"))  # 1.02 h at 2, 24.02 h at 0.5
    assert costs.communication == (Decimal("0.0054"), Decimal("0.0054"))  # 0.108 GB
    assert costs.fixed == (Decimal(1), Decimal(0))
    assert costs.total == (Decimal("3.0754"), Decimal("12.3754"))


def test_a_client_that_drops_out_did_its_share_and_sent_nothing():
    took = used([[1.0, 0.255]])
    assert took.steps.tolist() == [[100, 25]]
    assert took.uploaded.tolist() == [[36e6, 0]]
    assert took.downloaded.tolist() == [[72e6, 72e6]]
    assert_allclose(took.training, [[3600, 21_600]], rtol=1e-12)
    assert_allclose(took.rounds, [21_636], rtol=1e-12)
    assert_allclose(took.idle, [[21_636 - 3672, 0]], rtol=1e-12)


def test_a_client_that_dropped_out_does_not_wait_for_a_slower_one():
    took = used([[0.5, 1.0], [0.5, 0.999]], steps=[[100, 100], [100, 100]])
    assert_allclose(took.rounds[0], 86_472, rtol=1e-12)
    assert_array_equal(took.idle, 0)


def test_an_absent_client_takes_nothing_and_nobody_waits_for_it():
    took = used([[1, 0], [0, 0], [1, 1]], steps=[[100, 100], [100, 100], [10, 10]])
    for part in (
        took.steps,
        took.training,
        took.communication,
        took.joules,
        took.uploaded,
        took.idle,
    ):
        assert_array_equal(np.asarray(part)[[0, 1, 1], [1, 0, 1]], 0)
    assert_allclose(took.rounds, [3672, 0, 8712], rtol=1e-12)
    assert_allclose(took.idle[0], 0)
    totals = took.totals()
    assert totals["steps"].tolist() == [110, 10]
    assert_allclose(totals["rounds"], 12_384)


def test_a_client_with_no_steps_still_sends_and_receives():
    took = used([[1, 1]], steps=[[0, 100]])
    assert took.training[0, 0] == took.joules[0, 0] == 0
    assert_allclose(took.communication[0], 72)


def test_a_fixed_cost_is_there_without_a_round():
    nothing = usage((A, B), np.zeros((0, 2), int), np.zeros((0, 2)), flops_per_step=1.0, **MESSAGES)
    assert bill((A, B), nothing).total == (Decimal(1), Decimal(0))


def test_flops_and_efficiency_make_a_speed():
    one = Profile(name="x", flops=2e9, efficiency=0.25)
    assert_allclose(steps_per_second((one, A), np.array([1e6, 7.0])), [500, 100 / HOUR])


@pytest.mark.parametrize("name", PROFILES)
def test_every_named_profile_says_where_its_numbers_are_from(name):
    profile = PROFILES[name]
    assert profile.name == name and len(profile.source) > 20
    assert profile.flops > 1e9 and 1 <= profile.power <= 1000
    assert named(name) == profile


def test_one_speed_replaces_the_other():
    assert named("t4", steps_per_second=3.0).flops is None
    assert named("t4", flops=1e12).steps_per_second is None
    assert named("t4", power=60.0).flops == PROFILES["t4"].flops


def test_profiles_are_read_from_a_csv_file(tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text(
        "name,profile,steps_per_second,power,energy_price\n"
        "clinic,t4,,65,0.1\n"
        "phone,raspberry_pi_4,2.5,,\n"
        ",a100,,,\n"
        ",,4,10,\n"
    )
    clinic, phone, server, last = profiles_from_csv(str(path))
    assert clinic == named("t4", name="clinic", power=65.0, energy_price="0.1")
    assert phone == named("raspberry_pi_4", name="phone", steps_per_second=2.5)
    assert server == PROFILES["a100"]
    assert last == Profile(name="device 3", steps_per_second=4.0, power=10.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("power,power\n1,2\n", "to name each column once"),
        ("profile\n", "a row for each client below its line of names"),
        ("profil\nt4\n", "a column of .*='profil' to be a known name; did you mean 'profile'"),
        (
            "profile\nt4\nt5\n",
            "line 3 of .* to describe a device: Expected profile='t5' .* did you mean 't4'",
        ),
        ("profile,power\nt4,much\n", "line 2 of .*: Expected power='much' to be a number"),
        (
            "profile,power\nt4,-3\n",
            "line 2 of .*: Expected t4.power=-3.0 to be a finite number >= 0",
        ),
        (
            "profile,power\nt4,nan\n",
            "line 2 of .*: Expected t4.power=nan to be a finite number >= 0",
        ),
        (
            "profile,fixed\nt4,ten\n",
            "line 2 of .*: Expected t4.fixed='ten' to be an amount of money",
        ),
        (
            "power\n5\n",
            "line 2 of .*: Expected one of steps_per_second=None and flops=None of device 'device "
            "0'",
        ),
        ("profile,power\nt4\n", "line 2 of .* to have 2 cells, but it has 1"),
        ("", "to hold at least one line, but it is empty"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(text, sentence, tmp_path):
    path = tmp_path / "devices.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=sentence):
        profiles_from_csv(str(path))


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            lambda: Profile(name="x"),
            "one of steps_per_second=None and flops=None of device 'x' to be given",
        ),
        (
            lambda: Profile(name="x", flops=1e9, steps_per_second=1.0),
            "one of steps_per_second=1.0 and flops=",
        ),
        (lambda: Profile(name="x", flops=0.0), "x.flops=0.0 to be a finite number > 0"),
        (lambda: Profile(name="x", flops=1e9, efficiency=1.5), "x.efficiency=1.5 to be at most 1"),
        (
            lambda: Profile(name="x", flops=1e9, uplink=0.0),
            "x.uplink=0.0 to be a finite number > 0",
        ),
        (
            lambda: Profile(name="x", flops=1e9, time_price=-1),
            "x.time_price=-1 to be an amount of money",
        ),
        (lambda: named("t4", watts=3), "attribute of a device='watts' to be a known name"),
        (lambda: profiles_from_csv("no/such.csv"), "path='no/such.csv' to be a file"),
        (
            lambda: used([[1, 1]], steps=[[1, 2, 3]]),
            r"\[R, C\] with C=2 devices, got shapes \(1, 3\) and \(1, 2\)",
        ),
        (lambda: used([[1, 1.5]]), r"share to lie in \[0, 1\]"),
        (lambda: used([[1, 1]], steps=[[-1, 2]]), "num_steps to be >= 0"),
        (lambda: used([[1, 1]], upload_bytes=-1.0), "upload_bytes=-1.0 to be finite and >= 0"),
        (
            lambda: used([[1, 1]], upload_bytes=np.ones(3)),
            "upload_bytes to be one number or one for each of 2",
        ),
        (
            lambda: steps_per_second((PROFILES["t4"],), 0.0),
            "flops_per_step=0.0 to be a finite number > 0",
        ),
    ],
)
def test_what_no_machine_has_is_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
