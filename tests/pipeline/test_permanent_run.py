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
from fedjax_shap.report.run_tables import members_table
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


@pytest.mark.parametrize(
    ("amounts", "sentence"),
    [
        ({"bank": 1, "north": 2, "suoth": 3}, "did you mean 'south'.*bank, north, south"),
        ({"bnak": 1, "north": 2, "south": 3}, "did you mean 'bank'"),
        ({"north": 2, "south": 3}, "costs.amounts to have a value for 'bank' too"),
        ({"bank": 2, "south": 3}, "it has none for north"),
    ],
)
def test_costs_by_name_name_every_member(amounts, sentence):
    economics = {"revenue": 100, "permanent": {"alone": 15}}
    costs = {"name": "given", "amounts": amounts}
    with pytest.raises(InvalidInputError, match=sentence):
        run(parse({**RAW, "costs": costs, "economics": economics}))


def test_its_cost_said_apart_goes_with_costs_by_name():
    amounts = {"north": 10, "south": 5}
    result = run(parse({**RAW, "costs": {"name": "given", "amounts": amounts}}))
    assert result.settlement == run(parse(RAW)).settlement


def test_a_chance_is_refused_by_the_metric_before_anything_is_valued(monkeypatch):
    def of_an_error(config):
        setting = table_setting(config)._replace(permanent=PermanentMember("bank"))
        return setting._replace(metric="log_loss", metric_sign=-1)

    monkeypatch.setitem(SETTINGS, "table", TABLE._replace(build=of_an_error))
    with pytest.raises(InvalidInputError, match="the log_loss of a model of chance, with a minus"):
        run(parse({**RAW, "economics": {"permanent": {"keeps": "veto"}}}), store="kept")
    with pytest.raises(InvalidInputError, match=r"chance=0\.69 to be <= 0: 'log_loss'"):
        run(parse({**RAW, "economics": {"permanent": {"keeps": "veto", "chance": 0.69}}}))
    assert not Path("kept").exists()


def test_a_cost_finer_than_the_minor_unit_is_shown_in_full():
    table = members_table(paid(permanent={"cost": "0.005", "alone": 40}))
    assert table.totals[-1][-3:] == ("0.005", "40.01", "40.005")


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
    assert "bank (in all coalitions)" in shown and "the others divide 55.00" in shown
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
    # by the run's own revenue of 40 it keeps at most what is left after its cost and theirs
    again = json.loads(said(capsys, "settle", "out", "--rule", "equal"))
    assert again["permanent"]["payment"] == "25.00" and again["payments"] == ["7.50", "7.50"]
    again = json.loads(said(capsys, "settle", "out", "--rule", "equal", "--revenue", "200"))
    assert again["permanent"]["payment"] == "110.00" and again["payments"] == ["45.00", "45.00"]


@pytest.mark.parametrize("claim", ["cost = 120", 'keeps = "veto", chance = 0.9'])
def test_where_the_claim_is_why_nobody_is_paid_another_rule_is_not_advised(claim, capsys):
    Path("table.toml").write_text(TOML.replace("cost = 20", claim))
    assert main(["run", "table.toml", "--out", "out"]) == 3
    warned = " ".join(capsys.readouterr().err.split())
    assert "--rule equal" not in warned
    assert "change economics.permanent or the revenue and run again" in warned
    refused(capsys, "settle", "out", "--rule", "equal")
    assert "Change economics.permanent or the revenue" in refused(capsys, "audit", "out")


def test_costs_are_paid_where_the_model_of_all_earns_less_than_that_of_the_member_alone():
    utilities = [0.75, 0.5, 0.875, 0.625]
    game = {**RAW["game"], "utilities": utilities}
    result = run(parse({**RAW, "game": game, "economics": {"curve": CURVE, "permanent": {}}}))
    # V(N) = .625 earns 65, V(nobody) = .75 earns 90, and the players cost 15
    assert result.settlement.permanent.payment == 50 and result.settlement.revenue == 15
    assert min(result.settlement.profits) >= 0
    assert any("less above costs than it would alone" in note for note in result.settlement.notes)


def test_a_veto_whose_means_no_run_found_pays_nobody(monkeypatch, capsys):
    """Nor does another settlement of such a run, which would leave the bank nothing."""
    monkeypatch.setattr("fedjax_shap.pipeline.run.mean_by_size", lambda *_: None)
    Path("table.toml").write_text(TOML.replace("cost = 20", 'cost = 20, keeps = "veto"'))
    assert main(["run", "table.toml", "--out", "out"]) == 3
    assert "to know what all coalitions are worth" in " ".join(capsys.readouterr().err.split())
    assert "permanent.means to be given" in refused(capsys, "settle", "out", "--rule", "equal")
