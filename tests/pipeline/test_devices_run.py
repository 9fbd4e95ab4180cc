"""Devices, steps and drop-outs in a configured run: what they cost, what the record says, and what
is refused."""

import json
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from console import refused
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.cli.main import main
from fedjax_shap.devices.fleet import Metered
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.payment import pay
from fedjax_shap.pipeline.run import attribution_of
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.pipeline.toml import read_toml
from fedjax_shap.report.run_tables import device_tables
from fedjax_shap.valuation.options import Options

# Device A does 100 steps in an hour, B in a day; both draw 100 W at 0.30 a kWh.
BASE = {
    "data": {"name": "breast_cancer", "validation": 0.4},
    "partition": {"name": "quantity", "ratios": [1, 1]},
    "local": {"learning_rate": 0.1, "batch_size": 16},
    "algorithm": {"max_rounds": 3},
    "game": {"metric": "negative_loss"},
    "devices": {
        "steps_per_second": [100 / 3600, 100 / 86400],
        "power": 100.0,
        "uplink": 248.0,
        "downlink": 124.0,
    },
    "steps": {"name": "device", "seconds": 86400.0},
    "economics": {"revenue": 100},
}
MESSAGE = 4 * (30 + 1) * 2  # bytes of the linear model's 62 parameters: 1 s up, 2 s down
TOML = """
title = "two speeds"
[data]
name = "breast_cancer"
[partition]
name = "quantity"
ratios = [1, 1]
[local]
learning_rate = 0.1
batch_size = 32
[algorithm]
max_rounds = 2
[devices]
profile = ["raspberry_pi_4", "t4"]
time_price = 0.5
fixed = 2
"""


def changed(**changes: object) -> dict:
    return {**BASE, **changes}


@pytest.fixture
def config(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "devices.toml"
    path.write_text(TOML)
    return path


def paid(raw: dict, num_rounds: int = 3) -> tuple[Settlement, Metered]:
    """What a run of so many rounds pays two members of equal value, and what it took; nothing is
    trained."""
    config = parse(raw)
    found = pay(config, setting_of(config), np.ones(2), num_rounds)
    return found.settlement, found.metered


def test_a_time_budget_makes_unequal_steps_and_their_costs_are_used():
    settled, metered = paid(changed())
    assert_array_equal(metered.used.steps, [[2400, 100]] * 3)
    assert metered.workload.messages == (MESSAGE, MESSAGE)
    assert_allclose(metered.used.training, 86400, rtol=1e-12)
    assert_allclose(metered.used.communication, 3)
    assert_allclose(metered.used.rounds, 86403)
    assert (
        settled.costs == (Decimal("2.16"),) * 2
    )  # 3 days at 100 W are 7.2 kWh, whoever works faster


def test_equal_steps_cost_the_slow_device_more_and_the_fast_one_waits():
    settled, metered = paid(changed(steps={"name": "constant", "steps": 10}))
    assert_allclose(metered.used.training, [[360, 8640]] * 3)
    assert_allclose(metered.used.idle, [[8280, 0]] * 3)
    assert settled.costs == (Decimal("0.009"), Decimal("0.216"))  # 0.03 kWh and 0.72 kWh
    assert settled.payments == (
        Decimal("49.90"),
        Decimal("50.10"),
    )  # half of 100 - 0.225 each on top, in cents


def test_costs_that_are_given_come_before_those_of_the_devices():
    law = {"name": "linear", "start": 2, "slope": 3}
    settled, metered = paid(changed(steps=law, costs={"name": "per_step", "price": 1}))
    assert settled.costs == (Decimal(6), Decimal(15))
    assert metered.bill.total[0] > 0


def test_a_member_that_drops_out_pays_for_its_share():
    raw = changed(participation={"drop_out": [0.0, 1.0]}, steps={"name": "constant", "steps": 20})
    settled, metered = paid(raw)
    used = metered.used
    assert (
        (used.steps[:, 0] == 20).all() and (used.steps[:, 1] < 20).all() and used.steps[:, 1].any()
    )
    assert (used.uploaded[:, 1] == 0).all() and (used.downloaded[:, 1] == MESSAGE).all()
    assert_allclose(used.rounds, np.maximum(720 + 3, used.steps[:, 1] * 864 + 2))
    assert settled.costs[1] == Decimal(int(used.steps[:, 1].sum())) * Decimal("0.0072")


@pytest.mark.parametrize(
    "game",
    [
        pytest.param("silo", marks=pytest.mark.slow),
        "rounds",
        pytest.param("reconstructed", marks=pytest.mark.slow),
    ],
)
def test_a_member_whose_uploads_never_arrive_is_worth_nothing(game):
    law = {"name": "uniform", "low": 2, "high": 9}
    raw = changed(game={"name": game}, participation={"drop_out": [0.0, 1.0]}, steps=law)
    config = parse(raw)
    found = attribution_of(config, setting_of(config), Options())
    assert found.values[1] == pytest.approx(0, abs=1e-7) and found.values[0] > 0.01


def test_the_work_that_is_paid_for_is_that_of_the_game():
    raw = changed(
        steps={"name": "gaussian", "mean": 5.0, "variance": 4.0, "redraw": True},
        participation={"name": "independent", "probability": 0.7, "drop_out": 0.3},
        algorithm={"max_rounds": 12},
    )
    federation = federation_of(parse(raw))
    num_steps, share = federation.round_work(12)
    world = silo(federation.data, federation.training).world
    assert_array_equal(num_steps, world.num_steps)
    assert_array_equal(share == 1, world.present)
    assert ((share > 0) & (share < 1)).any() and (share == 0).any()
    shape = {"inner_rounds": 2, "everyone_first": True}
    found = rounds(federation.data, federation.training, **shape)
    num_steps, share = federation.round_work(12, **shape)
    assert_array_equal(num_steps, found.start.world[0].num_steps)
    assert_array_equal(share == 1, np.repeat(found.present, 2, axis=0))
    assert (share[:2] == 1).all()


def test_steps_that_reach_too_far_are_a_note_and_games_do_not_warn_again():
    raw = changed(algorithm={"name": "fednova"}, model={"name": "mlp", "hidden": [4]})
    federation = federation_of(parse(raw))
    (note,) = federation.notes
    assert "up to 2400 steps a round" in note and "rounds may overshoot" in note
    assert federation.training.algorithm.reach is None
    assert federation_of(parse(changed(algorithm={"name": "fednova"}))).notes == ()


def test_the_pooled_model_takes_the_steps_of_the_busiest():
    federation = federation_of(parse(changed(steps={"name": "extreme", "low": 2, "high": 9})))
    pooled = federation.data.pooled()
    world = curves(pooled, federation.pooled_training).world
    assert world.num_steps.tolist() == [[9]] * 3
    by_epochs = federation_of(parse(changed(steps={"name": "epochs", "epochs": 2})))
    pooled = by_epochs.data.pooled()
    batches = -(-int(pooled.sizes[0]) // 16)
    world = curves(pooled, by_epochs.pooled_training).world
    assert world.num_steps.tolist() == [[2 * batches]] * 3


def test_a_table_shows_what_each_device_did_and_cost():
    _, metered = paid(
        changed(
            devices={"profile": ["t4", "raspberry_pi_4"], "fixed": [0, 2.5]},
            steps={"name": "local"},
        )
    )
    members = ("hospital", "clinic")
    values = SimpleNamespace(values=np.array([0.1, 0.2]))
    result = SimpleNamespace(
        metered=metered, players=members, attribution=values, minor_unit=Decimal("0.01")
    )
    for table in device_tables(result):
        assert [row[0] for row in table.rows] == ["hospital", "clinic"]
    assert [row[1] for row in table.rows] == ["t4", "raspberry_pi_4"]
    assert [row[-1] for row in table.rows] == ["0.00", "2.50"]
    assert device_tables(SimpleNamespace(metered=None)) == []


@pytest.mark.slow
def test_a_run_prints_and_records_its_devices(config, capsys):
    assert main(["run", str(config), "--out", "out"]) == 0
    said = capsys.readouterr().out
    for words in (
        "use of the devices",
        "costs of the devices",
        "training ms",
        "messages ms",
        "raspberry_pi_4",
        "2 synchronous rounds",
    ):
        assert words in said
    record = json.loads(Path("out/result.json").read_text())
    assert record["member_devices"]["profiles"] == ["raspberry_pi_4", "t4"]
    assert record["member_devices"]["costs"]["fixed"] == ["2", "2"]
    assert record["member_devices"]["joules"][0] > 0
    assert all(Decimal(cost) > 2 for cost in record["settlement"]["costs"])
    assert len(record["member_devices"]["round_seconds"]) == 2


def test_devices_and_availability_may_come_from_files(config):
    Path("fleet.csv").write_text("profile,name,power\nt4,hospital,\nraspberry_pi_4,clinic,5\n")
    Path("there.csv").write_text("hospital,clinic\n1,1\n1,0\n")
    there = {"name": "trace_file", "path": "there.csv"}
    raw = {**read_toml(config), "devices": {"path": "fleet.csv"}, "participation": there}
    _, metered = paid(raw, 2)
    assert [one.name for one in metered.profiles] == ["hospital", "clinic"]
    assert metered.used.downloaded.sum(axis=0).tolist() == [2 * MESSAGE, MESSAGE]


def test_without_devices_nothing_is_metered():
    settled, metered = paid({key: BASE[key] for key in ("data", "partition", "local", "economics")})
    assert metered is None and settled.costs == (Decimal(0),) * 2


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["--devices.profile", "t5"], "profile='t5' to be a known name; did you mean 't4'?"),
        (
            ["--devices.profile", '["t4"]'],
            "profile=['t4'] to be one value or one for each of the 2 clients",
        ),
        (["--devices.watts", "3"], "keyword in [devices]='watts'"),
        (["--devices.power", "-3.0"], "raspberry_pi_4.power=-3.0 to be a finite number >= 0"),
        (
            ["--devices.time_price", "lots"],
            "raspberry_pi_4.time_price='lots' to be an amount of money",
        ),
        (
            ["--devices.name", "unknown", "--steps.name", "device", "--steps.seconds", "1"],
            "Expected devices to be given",
        ),
        (
            ["--steps.name", "constant", "--steps.steps", "3", "--local.epochs", "2"],
            "local.epochs to be left out",
        ),
        (
            ["--steps.name", "device", "--steps.seconds", "1e9"],
            "seconds=1000000000.0 to come to at most 2147483647",
        ),
        (["--steps.name", "gausian"], "did you mean 'gaussian'?"),
        (
            ["--participation.drop_out", "2.0"],
            "participation.drop_out=2.0 to lie in [0, 1]",
        ),
    ],
)
def test_bad_input_is_one_sentence_before_any_training(config, capsys, overrides, words):
    said = refused(capsys, "run", config, *overrides, "--out", "out")
    assert words in said and "Traceback" not in said and not Path("out").exists()


def test_devices_and_traces_that_name_the_members_go_to_these(tmp_path):
    names = federation_of(parse(BASE)).data.names
    assert names == ("client 0", "client 1")
    fleet, trace = tmp_path / "fleet.csv", tmp_path / "trace.csv"
    fleet.write_text("name,steps_per_second,time_price\nclient 1,2.0,3600\nclient 0,1.0,0\n")
    trace.write_text("client 1,client 0\n0,1\n0,1\n0,1\n")
    raw = changed(
        devices={"name": "csv", "path": str(fleet)},
        steps={"name": "device", "seconds": 5},
        participation={"name": "trace_file", "path": str(trace)},
    )
    federation = federation_of(parse(raw))
    num_steps, share = federation.round_work(3)
    assert_array_equal(num_steps, [[5, 10]] * 3)
    assert_array_equal(share, [[1, 0]] * 3)
    fleet.write_text("name,steps_per_second\nclient 1,2.0\nclient 7,1.0\n")
    with pytest.raises(
        InvalidInputError, match=r"devices\.path to name client 0, client 1, or none of them"
    ):
        federation_of(parse(raw)).round_work(3)


def test_any_optimizer_of_the_server_can_be_named():
    algorithm = {
        "name": "fedopt",
        "optimizer": "sgd",
        "server_learning_rate": 0.5,
        "options": {"momentum": 0.9},
    }
    assert not federation_of(parse(changed(algorithm=algorithm))).base.algorithm.averages_uploads
    with pytest.raises(InvalidInputError, match="optimizer='sdg'"):
        federation_of(parse(changed(algorithm={**algorithm, "optimizer": "sdg"})))
