"""A kind of federation of one's own is one file and one row of the registry: all above the games
takes it as it takes the others."""

import json
from pathlib import Path

import numpy as np
import pytest
from console import called, refused, said
from numpy.testing import assert_allclose
from table_setting import TABLE

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.cli.main import main
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.load import read_run
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import SETTINGS
from fedjax_shap.report.run import write
from fedjax_shap.shapley.exact import shapley_values

UTILITIES = [0.0, 0.5, 0.25, 1.0, 0.125, 0.75, 0.5, 1.5]
TOML = f"""
title = "three in a table"
[game]
name = "table"
utilities = {UTILITIES}
players = ["north", "south", "west"]
[costs]
name = "given"
amounts = [10, 5, 1]
[economics]
revenue = 100
"""
RAW = {
    "game": {"name": "table", "utilities": UTILITIES, "players": ["north", "south", "west"]},
    "costs": {"name": "given", "amounts": [10, 5, 1]},
    "economics": {"revenue": 100},
}


@pytest.fixture(autouse=True)
def registered(monkeypatch, tmp_path):
    monkeypatch.setitem(SETTINGS, "table", TABLE)
    monkeypatch.chdir(tmp_path)


def test_it_is_parsed_run_and_written_without_data_curves_or_work(tmp_path):
    config = parse(RAW)
    assert parse(config.to_dict()) == config and "data" not in config.to_dict()
    result = run(config)
    assert result.setting == "closed form" and result.players == ("north", "south", "west")
    assert_allclose(result.attribution.values, shapley_values(np.array(UTILITIES)), atol=1e-6)
    assert result.curve is result.centralized is result.metered is None
    written = write(result, tmp_path / "out")
    assert [path.name for path in written] == [
        "result.json",
        "values.csv",
        "values.png",
        "values.svg",
        "payments.png",
        "payments.svg",
        "report.html",
    ]
    record = json.loads((tmp_path / "out" / "result.json").read_text())
    assert record["setting"] == "closed form" and record["curve"] is record["centralized"] is None
    assert record["setting_notes"] == ["Utilities were read from the configuration."]


def test_the_command_line_runs_settles_and_audits_it(capsys):
    Path("table.toml").write_text(TOML)
    assert main(["run", "table.toml", "--out", "out"]) == 0
    shown = capsys.readouterr().out
    assert "north" in shown and "Utilities were read from the configuration." in shown
    record = json.loads(Path("out/result.json").read_text())
    assert record["coalitions"] == {"asked": 8, "trained": 8, "from_store": 0}
    # its values and costs, settled again from a file, give the same payments to a cent
    settled = record["settlement"]
    given = {key: settled[key] for key in ("players", "values", "costs", "revenue")}
    Path("in.json").write_text(json.dumps(given))
    again = json.loads(said(capsys, "settle", "in.json"))
    assert_allclose(
        np.array(again["payments"], float), np.array(settled["payments"], float), atol=0.011
    )
    said(capsys, "audit", "out", "--json", "found.json")
    found = json.loads(Path("found.json").read_text())
    assert found["title"] == "three in a table"
    assert "Utilities of 8 of 8 coalitions are known" in found["utilities"]
    assert_allclose(read_run("out").case.table, UTILITIES)
    # an interrupted run would go on from here
    assert main(["run", "table.toml", "--out", "out"]) == 0
    again = json.loads(Path("out/result.json").read_text())
    assert again["coalitions"] == {"asked": 8, "trained": 0, "from_store": 8}
    assert again["values"] == record["values"]


def test_its_keywords_are_listed_and_checked(capsys):
    shown = said(capsys, "list", "game")
    assert "table" in shown and "utilities:" in shown and "A game given as a table." in shown
    with pytest.raises(InvalidInputError, match="did you mean 'utilities'"):
        parse({**RAW, "game": {"name": "table", "utilitys": []}})
    with pytest.raises(InvalidInputError, match=r"game\.players to be given"):
        parse({"game": {"name": "table", "utilities": UTILITIES}})


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"model": {"name": "mlp"}}, r"\[model\] to be left out with game.name='table'"),
        ({"corrupt": [{"name": "free_rider", "client": 0}]}, r"\[corrupt\] to be left out"),
        ({"estimator": {"repeats": 2}}, "repeats=2 to be left out with game.name='table'"),
        ({"estimator": {"name": "taylor"}}, "game.name='table' to be 'rounds' with"),
        ({"costs": {"name": "devices"}}, "devices to be given with costs.name='devices'"),
        ({"economics": {"verify": "cap"}}, "devices to be given with economics.verify='cap'"),
    ],
)
def test_sections_that_it_does_not_use_are_refused(sections, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        parse({**RAW, **sections})


def test_what_a_factory_refuses_is_named_as_the_configuration_has_it():
    with pytest.raises(InvalidInputError, match=r"^Expected plan\.chunk=-1 to be an integer"):
        run(parse({**RAW, "plan": {"chunk": -1}}))


def test_costs_by_step_are_refused_where_no_steps_are_counted(capsys):
    Path("table.toml").write_text(TOML.split("[costs]")[0])
    sentence = refused(
        capsys, "run", "table.toml", "--costs.name", "per_step", "--costs.price", "1", "--out", "o"
    )
    assert "steps" in sentence and not Path("o").exists()


@pytest.mark.parametrize("rule", ["banzhaf", "leave_one_out", "least_core", "equal"])
def test_rules_that_divide_by_other_values_get_them(rule):
    result = run(parse({**RAW, "economics": {"name": rule, "revenue": 100}}))
    assert sum(result.settlement.payments) == 100
    assert result.coalitions["trained"] == 8


def test_a_rule_by_values_that_are_read_at_once_goes_with_an_estimator_that_may_stop():
    estimator = {"name": "permutation", "until": "standard_error(0.5)"}
    economics = {"name": "leave_one_out", "revenue": 100}
    result = run(parse({**RAW, "estimator": estimator, "economics": economics}))
    assert sum(result.settlement.payments) == 100


def test_values_that_cannot_be_paid_are_kept_and_can_be_settled_otherwise(capsys):
    losing = [-one for one in UTILITIES]
    Path("table.toml").write_text(TOML)
    Path("losing.toml").write_text(TOML.replace(str(UTILITIES), str(losing)))
    assert main(["run", "table.toml", "--out", "paid"]) == 0
    code, shown, wrong = called(capsys, "run", "losing.toml", "--out", "out")
    assert code == 3 and "north" in shown and "payment" not in shown.splitlines()[1]
    assert "No payment was made: Expected a sum of values > 0" in wrong
    record = json.loads(Path("out/result.json").read_text())
    assert record["settlement"] is None and record["unpaid"].startswith("Expected a sum of values")
    assert_allclose(record["values"], shapley_values(np.array(losing)), atol=1e-6)
    assert not Path("out/payments.png").exists() and Path("out/values.png").exists()
    # whoever reads it gets the reason, or says how else to pay
    said(capsys, "ledger", "init", "l.ledger")
    for command in (["audit", "out"], ["ledger", "append", "l.ledger", "out"], ["settle", "out"]):
        assert "a sum of values > 0" in refused(capsys, *command)
    again = json.loads(said(capsys, "settle", "out", "--rule", "equal", "--revenue", "90"))
    assert again["players"] == ["north", "south", "west"] and again["costs"] == [
        "10.00",
        "5.00",
        "1.00",
    ]
    assert again["payments"] == ["30.00"] * 3
    shown = said(capsys, "audit", "out", "--rule", "equal", "--json", "found.json")
    assert "Utilities of 8 of 8 coalitions are known" in shown.replace("\n", " ")
    # and a run that was paid can be settled again by another policy
    paid = json.loads(Path("paid/result.json").read_text())["settlement"]
    same = json.loads(said(capsys, "settle", "paid/result.json"))
    assert same["payments"] == paid["payments"] and same["revenue"] == paid["revenue"]
    assert json.loads(said(capsys, "settle", "paid", "--minor-unit", "1"))["minor_unit"] == "1"


def test_exit_code_3_is_explained_where_it_can_be_looked_up(capsys):
    assert "no payment could be made" in " ".join(said(capsys, "run", "--help").split())


def test_what_is_refused_whatever_the_values_is_refused_before_they_are_computed(capsys):
    Path("table.toml").write_text(TOML)
    for option in (("--economics.revenue", "0.001"), ("--economics.minor_unit", "0")):
        refused(capsys, "run", "table.toml", "--out", "out", *option)
        assert not Path("out").exists()
