"""`fedjax-shap audit`: a run is read back from its files, every audit is shown, and nonsense is
refused."""

import json
import math
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from console import refused, said
from matplotlib.image import imread

from fedjax_shap.audits.registry import AUDITS
from fedjax_shap.cli.main import main
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import settle
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.pipeline.load import read_run, saved

NAMES = ["north", "south", "[red]west"]  # the last would be a colour in rich markup
TABLE = np.array(
    [0.0, 0.30, 0.25, 0.50, -0.05, 0.28, 0.22, 0.47]
)  # row r holds player i where bit i of r is set


def naive_shapley(table: np.ndarray, players: int) -> np.ndarray:
    """Each player's mean contribution over all orders, in plain loops."""
    values = np.zeros(players)
    for order in permutations(range(players)):
        row = 0
        for player in order:
            values[player] += table[row | 1 << player] - table[row]
            row |= 1 << player
    return values / math.factorial(players)


def finished(folder: Path, **changes: object) -> dict:
    """The record of a run of three members, as `Result.to_json` writes what audits read."""
    values = naive_shapley(TABLE, 3)
    settled = settle(
        values,
        ["1.00", "2.00", "0.50"],
        10,
        players=NAMES,
        sizes=[30, 20, 10],
        rule=RULES["cost_aware"](),
    )
    record = {
        "config": {"title": "three members", "economics": {"name": "cost_aware", "revenue": 10}},
        "setting": "cross-silo",
        "players": NAMES,
        "sizes": [30, 20, 10],
        "std_errors": [0.01, 0.01, 0.01],
        "empty": 0.0,
        "grand": float(TABLE[-1]),
        "settlement": settled.to_json(),
        "member_devices": None,
        **changes,
    }
    folder.mkdir(exist_ok=True)
    (folder / "result.json").write_text(json.dumps(record))
    return record


def stored(folder: Path, masks: np.ndarray, utilities: np.ndarray) -> None:
    store = UtilityStore(folder, fingerprint="0123456789")
    store.add(masks, utilities)
    store.flush()


@pytest.fixture
def run_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    finished(tmp_path / "run")
    stored(tmp_path / "run" / "utilities", all_subsets(3), TABLE)
    return tmp_path / "run"


def test_every_audit_is_shown_with_its_sentence(run_folder, capsys):
    shown = " ".join(
        said(capsys, "audit", "run", "--json", "found.json", "--figure", "page.png").split()
    )
    found = json.loads((run_folder.parent / "found.json").read_text())
    assert [one["name"] for one in found["findings"]] == list(AUDITS)
    assert "Utilities of 8 of 8 coalitions are known" in shown and found["utilities"] in shown
    for one in found["findings"]:
        assert one["name"].replace("_", " ").split()[0] in shown and one["sentence"]
    assert {one["name"]: one["holds"] for one in found["findings"]}["budget_balance"] is True
    height, width, _ = imread(run_folder.parent / "page.png").shape
    assert width == 1400 and height > 1000, "two rows of panels, and the findings below them"


def test_the_file_and_its_folder_are_the_same_run(run_folder, capsys):
    whole = said(capsys, "audit", "run").replace("run", "")
    assert said(capsys, "audit", "run/result.json").replace("run", "") == whole


def test_a_run_is_read_back_whole(run_folder):
    found = read_run("run")
    record = json.loads((run_folder / "result.json").read_text())
    assert found.case.settlement.to_json() == record["settlement"]
    np.testing.assert_allclose(naive_shapley(found.case.table, 3), found.case.values, atol=1e-15)
    assert (
        found.title == "three members"
        and found.rule is not None
        and found.case.sizes == (30, 20, 10)
    )


def test_a_settlement_that_was_altered_is_audited_all_the_same(run_folder, capsys):
    record = json.loads((run_folder / "result.json").read_text())
    record["settlement"]["payments"][0] = str(
        Decimal(record["settlement"]["payments"][0]) + Decimal("0.02")
    )
    (run_folder / "result.json").write_text(json.dumps(record))
    said(capsys, "audit", "run", "--json", "found.json")
    findings = json.loads((run_folder.parent / "found.json").read_text())["findings"]
    assert {one["name"]: one["holds"] for one in findings}["budget_balance"] is False
    assert read_run("run").rule is None, "no rule makes these payments, so nothing can be re-priced"


def test_utilities_of_repeats_are_averaged_over_seeds(run_folder):
    noise = np.array([-0.01, 0.0, 0.01])
    own = TABLE[:, None] + noise  # [M, k]
    resampled = np.stack([own, own + 5, own - 7], axis=1)  # [M, 1 + resamples, k]
    for shape, told in (("seeds", own), ("resamples", resampled)):
        folder = run_folder.parent / shape
        record = finished(folder)
        stored(folder / "utilities" / "repeats", all_subsets(3), told)
        np.testing.assert_allclose(
            saved(record, folder / "utilities").case.table, TABLE, atol=1e-15
        )


def test_a_store_of_another_run_is_not_used(run_folder):
    record = finished(run_folder, grand=0.9)
    found = saved(record, run_folder / "utilities")
    assert found.case.utilities is None and "of another run, and was not used" in found.said


def test_a_store_of_other_members_is_not_used(run_folder):
    stored(run_folder.parent / "four", all_subsets(4), np.arange(16.0))
    assert saved(finished(run_folder), run_folder.parent / "four").case.utilities is None


def test_stores_of_rounds_are_no_table_of_a_game(run_folder):
    stored(run_folder.parent / "rounds" / "round-0001", all_subsets(3), TABLE)
    found = saved(finished(run_folder), run_folder.parent / "rounds")
    assert found.case.utilities is None and "The values are sums over rounds" in found.said


def test_the_utilities_of_a_budgeted_run_are_those_that_are_known(run_folder):
    known = [0, 1, 2, 7]
    stored(run_folder.parent / "some", all_subsets(3)[known], TABLE[known])
    found = saved(finished(run_folder), run_folder.parent / "some")
    assert (
        len(found.case.utilities) == 4
        and "4 of 8 coalitions" in found.said
        and found.case.table is None
    )


def test_without_a_store_the_audits_say_what_they_lack(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    finished(tmp_path / "run")
    assert "No utility store is beside it" in said(capsys, "audit", "run", "--json", "found.json")
    holds = {
        one["name"]: one["holds"] for one in json.loads(Path("found.json").read_text())["findings"]
    }
    assert holds["core_stability"] is None and holds["budget_balance"] is True


def test_a_settlement_alone_can_be_audited(run_folder, monkeypatch, capsys):
    monkeypatch.chdir(run_folder)
    # Of decimals two remainders are equal, and of the floats that the settlement keeps they are
    # not.
    Path("in.json").write_text(
        '{"values": [0.0774, 0.0752, 0.0176], "costs": [9960, 8880, 8600], "revenue": 60000}'
    )
    said(capsys, "settle", "in.json", "--negative", "formula", "--out", "settled.json")
    assert "This is a settlement alone" in said(
        capsys, "audit", "settled.json", "--figure", "page.svg"
    )
    found = read_run("settled.json")
    assert found.rule is not None and found.rule.policy == "formula"
    assert found.case.utilities is None, "a store in the same folder is not its own"


def test_devices_costs_come_with_their_parts(run_folder):
    parts = {"energy": ["0.25", "0", "0"], "time": ["0.75", "2", "0"], "communication": ["0"] * 3}
    bill = {"costs": parts | {"fixed": ["0", "0", "0.5"]}}
    found = saved(finished(run_folder, member_devices=bill), None)
    assert [str(cost) for cost in found.case.metered] == ["1.00", "2", "0.5"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"settlement": {}}, "it lacks the key 'players'"),
        ({"settlement": []}, "to be the result of a run or a settlement"),
        ({"sizes": [1, 2]}, "Expected sizes to have 3 entries"),
        ({"std_errors": [1, 2]}, "Expected std_errors to have 3 entries"),
        ({"std_errors": "no"}, "Expected std_errors to be a list"),
        ({"member_devices": {"costs": {}}}, "it lacks the key 'energy'"),
    ],
    ids=["empty", "list", "sizes", "errors", "text", "bill"],
)
def test_a_result_that_is_none_is_refused_in_one_sentence(
    changes, sentence, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    finished(tmp_path / "run", **changes)
    assert sentence in refused(capsys, "audit", "run")


@pytest.mark.parametrize("key", ["payments", "revenue", "costs", "values", "players", "minor_unit"])
@pytest.mark.parametrize("value", [None, "x", ["x"], {}, [[]]], ids=str)
def test_a_settlement_of_nonsense_is_refused_in_one_sentence(
    key, value, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    settlement = finished(tmp_path / "run")["settlement"]
    finished(tmp_path / "run", settlement=settlement | {key: value})
    assert "Expected" in refused(capsys, "audit", "run")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "Expected result='nowhere' to be a run's folder or its result.json, but"),
        (["."], "Expected result='.' to be a run's folder, but it holds no result.json"),
        (["run", "--figure", "page.gif"], "to end in .png, .svg or .pdf"),
        (
            ["run", "--json", "nowhere/found.json"],
            "Expected json='nowhere/found.json' to be writable",
        ),
        ([], "the following arguments are required: RESULT"),
    ],
    ids=["absent", "no result", "figure", "json", "none"],
)
def test_bad_arguments_of_audit_are_refused_in_one_sentence(
    arguments, sentence, run_folder, capsys
):
    assert sentence in refused(capsys, "audit", *arguments)


@pytest.mark.slow
def test_a_run_of_the_command_line_can_be_audited(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(
        '[data]\nname = "breast_cancer"\n[partition]\nname = "quantity"\nratios = [1, 2, 3]\n'
        "[local]\nlearning_rate = 0.1\nbatch_size = 32\n[algorithm]\nmax_rounds = 2\n"
        '[game]\nmetric = "negative_loss"\n'
    )
    assert main(["run", "small.toml", "--out", "out"]) == 0
    capsys.readouterr()
    assert "Utilities of 8 of 8 coalitions are known" in " ".join(
        said(capsys, "audit", "out").split()
    )
    found = read_run("out")
    record = json.loads(Path("out/result.json").read_text())
    np.testing.assert_allclose(naive_shapley(found.case.table, 3), record["values"], atol=1e-12)
    assert found.rule is not None
