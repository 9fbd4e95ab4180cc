"""A permanent member from a configuration to result, report, settlement, audits and ledger."""

import json
from pathlib import Path

import numpy as np
import pytest
from console import refused, said
from numpy.testing import assert_allclose
from table_setting import TABLE, table_setting

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.cli.main import main
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.load import read_run
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import SETTINGS
from fedjax_shap.pipeline.settings.setting import PermanentMember
from fedjax_shap.shapley.exact import shapley_values

UTILITIES = [0.5, 0.75, 0.625, 0.875]
RAW = {
    "game": {"name": "table", "utilities": UTILITIES, "players": ["north", "south"]},
    "costs": {"name": "given", "amounts": [10, 5]},
    "economics": {"revenue": 100, "permanent": {"cost": 20, "alone": 15}},
}
CURVE = [[0.5, 40], [1.0, 140]]
TOML = f"""
[game]
name = "table"
utilities = {UTILITIES}
players = ["north", "south"]
[costs]
name = "given"
amounts = [10, 5]
[economics]
curve = {CURVE}
permanent = {{cost = 20}}
"""


def with_bank(config):
    return table_setting(config)._replace(permanent=PermanentMember("bank", chance=0.25))


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    monkeypatch.setitem(SETTINGS, "table", TABLE._replace(build=with_bank))
    monkeypatch.chdir(tmp_path)


def paid(**economics):
    return run(parse({**RAW, "economics": {"revenue": 100, **economics}}))


def test_players_are_valued_without_it_and_divide_what_it_leaves():
    result = run(parse(RAW))
    values = shapley_values(np.array(UTILITIES))
    assert_allclose(result.attribution.values, values)
    due = np.array([10, 5]) + values / values.sum() * (100 - 20 - 15 - 15)
    assert_allclose(np.array(result.settlement.payments, float), due, atol=0.011)
    record = result.to_json()
    assert record["permanent"] == {"name": "bank", "cost": "20", "keeps": "rest", "alone": 15}
    line = record["settlement"]["permanent"]
    assert (line["payment"], line["profit"], line["revenue"]) == ("35.00", "15.00", "100.00")


def test_it_keeps_what_the_curve_says_of_its_model_alone():
    result = run(parse({**RAW, "economics": {"curve": CURVE, "permanent": {"cost": 20}}}))
    # V(N) = .875 earns 115, V(nobody) = .5 earns 40
    assert result.settlement.permanent.payment == 60 and result.settlement.revenue == 55
    with pytest.raises(InvalidInputError, match="alone to be left out with economics"):
        run(parse({**RAW, "economics": {"curve": CURVE, "permanent": {"alone": 1}}}))


def test_its_cost_may_stand_among_those_of_the_players():
    costs = {"name": "given", "amounts": {"south": 5, "bank": 20, "north": 10}}
    economics = {"revenue": 100, "permanent": {"alone": 15}}
    result = run(parse({**RAW, "costs": costs, "economics": economics}))
    assert result.settlement == run(parse(RAW)).settlement
    with pytest.raises(InvalidInputError, match="cost to be left out with costs"):
        run(parse({**RAW, "costs": costs}))


def test_a_veto_is_worth_the_mean_over_sizes_above_chance():
    result = paid(permanent={"keeps": "veto", "cost": 20})
    means = np.array([0.5, (0.75 + 0.625) / 2, 0.875]) - 0.25
    due = 20 + (100 - 35) * means.mean() / means[-1]
    assert float(result.settlement.permanent.payment) == pytest.approx(due, abs=0.011)
    assert result.permanent["means"] == [0.5, 0.6875, 0.875] and result.permanent["chance"] == 0.25


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"economics": {"permanent": {"keeps": "vetoes"}}}, "did you mean 'veto'"),
        ({"economics": {"permanent": {"name": "shop"}}}, "the member's name is 'bank'"),
        ({"economics": {"permanent": {"keeps": "veto", "means": [1]}}}, "to have no means"),
        ({"economics": {"revenue": 10, "permanent": {"cost": 11}}}, "to cover the cost of 'bank'"),
        (
            {
                "economics": {"permanent": {"keeps": "veto"}},
                "estimator": {"name": "permutation", "budget": 3},
            },
            "estimator.name='permutation' to be 'exact'",
        ),
    ],
)
def test_what_cannot_be_paid_is_refused_before_anything_is_valued(sections, sentence, capsys):
    with pytest.raises(InvalidInputError, match=sentence):
        run(parse({**RAW, **sections}), store="kept")
    assert not Path("kept").exists()


def test_a_claim_where_all_are_players_is_refused(monkeypatch):
    monkeypatch.setitem(SETTINGS, "table", TABLE)
    with pytest.raises(InvalidInputError, match="where every member is a player"):
        run(parse(RAW))


def test_the_command_line_runs_settles_audits_and_records_it(capsys):
    Path("table.toml").write_text(TOML)
    shown = said(capsys, "run", "table.toml", "--out", "out")
    assert "bank (in all coalitions)" in shown and "the players divide 55.00" in shown
    # settled again by another revenue, the keep stays and the rest goes to the players
    again = json.loads(said(capsys, "settle", "out", "--revenue", "200"))
    assert again["permanent"]["payment"] == "60.00" and again["revenue"] == "140.00"
    assert sum(map(float, again["payments"])) == 140
    table = said(capsys, "settle", "out", "--format", "csv")
    assert table.splitlines()[-1].startswith("bank,,,20.00,60.00,40.00")
    # audits count it: budgets balance, and no coalition earns alone what the bank is paid
    shown = said(capsys, "audit", "out", "--json", "found.json")
    findings = json.loads(Path("found.json").read_text())["findings"]
    found = {one["name"]: one for one in findings}
    assert found["budget_balance"]["holds"] and found["budget_balance"]["numbers"]["paid"] == 115
    assert "Every coalition is one with 'bank'" in found["core_stability"]["sentence"]
    curve = read_run("out").case.revenue
    assert curve(0.5) == 40 - 60 and curve(0.875) == 55
    # the ledger keeps it, and refuses one that does not balance
    said(capsys, "ledger", "init", "l.ledger")
    said(capsys, "ledger", "append", "l.ledger", "out")
    assert "115.00" in said(capsys, "ledger", "show", "l.ledger")
    said(capsys, "ledger", "export", "l.ledger", "l.csv")
    assert ",bank,,,,20.00,60.00,40.00," in Path("l.csv").read_text()
    record = json.loads(Path("out/result.json").read_text())
    record["settlement"]["permanent"]["payment"] = "70.00"
    record["settlement"]["permanent"]["profit"] = "50.00"
    Path("forged.json").write_text(json.dumps(record))
    assert "permanent.revenue" in refused(capsys, "ledger", "append", "l.ledger", "forged.json")


def test_values_that_pay_nobody_leave_the_claim_for_another_rule(capsys):
    Path("table.toml").write_text(TOML.replace(str(UTILITIES), "[0.75, 0.5, 0.5, 0.25]"))
    assert main(["run", "table.toml", "--out", "out"]) == 3
    capsys.readouterr()
    record = json.loads(Path("out/result.json").read_text())
    assert record["settlement"] is None and record["permanent"]["alone"] == "90.00"
    again = json.loads(said(capsys, "settle", "out", "--rule", "equal", "--revenue", "200"))
    assert again["permanent"]["payment"] == "110.00" and again["payments"] == ["45.00", "45.00"]
