"""Tables and figures of a page show what there is to see, at every size of numbers and pages."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from handmade import curves_of, result_of

import fedjax_shap as fs
from fedjax_shap.economics.intervals import payment_intervals
from fedjax_shap.economics.settle import settle
from fedjax_shap.report import style
from fedjax_shap.report.page import _facts
from fedjax_shap.report.page_figures import REM, figures_of
from fedjax_shap.report.page_tables import by_round, configuration, curve, members, plain, titled
from fedjax_shap.report.saved_run import saved_run
from fedjax_shap.report.tables import Column, Table, text
from fedjax_shap.shapley.estimator import Slices

NAMES = ("north", "south")


def read_back(result):
    """A run as a page reads it."""
    return saved_run(json.loads(json.dumps(result.to_json())), "run")


def column(table, name):
    """The cells of a column as they are shown, its total in the end."""
    place = [head.name for head in table.heads].index(name)
    return [row[place].text for row in (*table.rows, *table.totals)]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5, -0.25], ["0.5000", "-0.2500", "0.2500"]),
        ([0.0, 0.0], ["0.0000", "0.0000", "0.0000"]),
        ([0.000321, -0.0000456], ["0.000321", "-0.000046", "0.000275"]),
        ([0.00951, 0.0], ["0.00951", "0.00000", "0.00951"]),
    ],
)
def test_small_values_have_the_decimals_that_tell_them_apart(values, shown):
    table = members(read_back(result_of(NAMES, values, unpaid="Nothing was earned.")))
    assert column(table, "value") == shown


def test_amounts_have_the_decimals_of_the_minor_unit_where_nobody_was_paid():
    result = result_of(NAMES, [0.5, 0.5], costs=["3", "0.125"], unpaid="Nothing was earned.")
    table = members(read_back(result))
    assert column(table, "cost") == ["3.00", "0.12", "3.12"]
    assert [row[-1].value for row in table.rows] == ["3", "0.125"]


def test_figures_say_how_wide_they_were_drawn_and_leave_their_titles_to_the_page():
    names = [f"member {place}" for place in range(30)]
    result = result_of(names, [1.0] * 30, title="a very long title of a run " * 3)
    for name, figure in figures_of(read_back(result), "r0").items():
        assert "very long" not in re.sub("<title.*?</title>", "", figure.html), name
        assert figure.width == f"{style.TWO * REM:g}rem" and figure.caption[0].isupper()


def test_what_was_run_names_what_was_chosen_and_leaves_out_what_was_not():
    usual = dict(_facts(read_back(result_of(NAMES, [0.5, 0.25]))))
    assert {"task", "steps", "participation", "devices", "privacy"}.isdisjoint(usual)
    raw = {
        "steps": {"name": "uniform", "low": 1, "high": 3},
        "participation": {"name": "independent", "probability": 0.5},
        "privacy": {"name": "private", "clip": 1.0, "noise": 1.0},
    }
    chosen = dict(_facts(read_back(result_of(NAMES, [0.5, 0.25], raw=raw))))
    assert chosen["steps"] == "uniform" and chosen["participation"] == "independent"
    assert chosen["privacy"] == "private" and chosen["data"] == usual["data"]


def test_a_tables_title_begins_with_a_capital_and_a_runs_name_stays():
    table = Table("use of the devices", (text("member"),), (("a",),))
    assert plain(titled(table), "k").caption == "Use of the devices"
    assert plain(table, "k").caption == "use of the devices"


def test_a_run_is_loaded_from_its_folder_or_its_file(tmp_path):
    (tmp_path / "one").mkdir()
    record = result_of(NAMES, [0.5, 0.25], title="one").to_json()
    (tmp_path / "one" / "result.json").write_text(json.dumps(record))
    for path in (tmp_path / "one", str(tmp_path / "one" / "result.json")):
        run = fs.load_run(path)
        assert run.players == NAMES and run.attribution.values.tolist() == [0.5, 0.25]
        assert run.config.title == run.record["config"]["title"] == "one"
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(fs.InvalidInputError, match="to be the result of a run"):
        fs.load_run(tmp_path / "other.json")
    with pytest.raises(fs.InvalidInputError, match="no such run"):
        fs.load_run(tmp_path / "none")


VALUES = np.array([0.5, 0.25])
ERRORS = np.array([0.1, 0.05])


@pytest.fixture(scope="module")
def whole():
    """A run with errors, other values beside, intervals of payments, and a permanent member."""
    costs = ["10", "5.005"]
    permanent = {"name": "bank", "cost": 20, "alone": 30}
    result = result_of(
        NAMES,
        VALUES,
        errors=ERRORS,
        settlement=settle(VALUES, costs, 100, players=list(NAMES), permanent=permanent),
        intervals=payment_intervals(VALUES, costs, 100, std_errors=ERRORS, players=list(NAMES)),
        curve=curves_of(2),
    )
    slices = Slices("rounds", ("1", "2"), np.zeros(0), np.eye(2), np.eye(2), np.zeros(2), VALUES)
    found = result.attribution.replace(slices=slices)
    record = json.loads(json.dumps(replace(result, attribution=found).to_json()))
    beside = {"values": [0.125, -0.75], "std_errors": [0, 0], "spearman": 1.0}
    return saved_run({**record, "beside": {"in-run value": beside}}, "run")


def in_full(table, name):
    """The numbers of a column in full."""
    place = [head.name for head in table.heads].index(name)
    return [float(row[place].value) for row in table.rows]


def test_every_column_of_the_members_has_its_own_numbers(whole):
    table = members(whole)
    settled = whole.settlement
    assert in_full(table, "value") == VALUES.tolist()
    assert in_full(table, "standard error") == ERRORS.tolist()
    assert in_full(table, "95 % from") == pytest.approx(VALUES - 1.96 * ERRORS)
    assert in_full(table, "95 % to") == pytest.approx(VALUES + 1.96 * ERRORS)
    assert in_full(table, "in-run value") == [0.125, -0.75]
    for name in ("cost", "payment", "profit"):
        column = [float(one) for one in getattr(settled, f"{name}s")]
        assert in_full(table, name) == column
        place = [head.name for head in table.heads].index(name)
        together, bank = (row[place].text for row in table.totals)
        assert float(together) == pytest.approx(sum(column), abs=0.006)
        assert float(bank) == float(getattr(settled.permanent, name))
    assert table.totals[1][0].text == "bank (in all coalitions)"
    assert in_full(table, "payment, 95 % from") == whole.intervals.low.tolist()
    assert in_full(table, "payment, 95 % to") == whole.intervals.high.tolist()


def test_tables_of_rounds_and_of_the_configuration_have_what_they_say(whole):
    curves = curve(whole.curve)
    assert in_full(curves, "round") == [1, 2, 3]
    assert in_full(curves, "federated") == whole.curve.federated.tolist()
    assert in_full(curves, "pooled data") == whole.curve.pooled.tolist()
    (rounds,) = by_round(whole)
    names = [row[0].value for row in rounds.rows]
    assert names == list(NAMES)
    for place, row in enumerate(rounds.rows):
        assert [float(cell.value) for cell in row[1:]] == whole.by_round.values[place].tolist()
    fields = {row[0].text: row[1].value for row in configuration(whole.record["config"]).rows}
    assert fields["title"] == "run" and fields["data.name"] == "digits"


def test_numbers_of_plain_tables_sort_as_numbers_and_members_left_out_are_counted():
    table = plain(Table("runs", (text("run"), Column("coalitions")), (("a, b", "1,024"),)), "k")
    assert [cell.value for cell in table.rows[0]] == ["a, b", "1024"]
    many = read_back(result_of([f"m{at}" for at in range(503)], np.linspace(0, 1, 503)))
    assert members(many).note.startswith("3 members between are left out")
