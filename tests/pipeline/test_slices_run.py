"""A run with judges, and one with values by round: what result.json, tables and figures say."""

import json

import numpy as np
import pytest

from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.stored import stored_utilities
from fedjax_shap.report.run import write
from fedjax_shap.report.slice_tables import judges_tables

SMALL = {
    "data": {"name": "breast_cancer", "member_test": 0.2},
    "partition": {"name": "iid", "num_clients": 3},
    "local": {"learning_rate": 0.1},
    "model": {"name": "linear"},
    "algorithm": {"max_rounds": 2},
    "plan": {"chunk": 8},
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    result = run(parse({**SMALL, "game": {"judges": "members"}}), store=folder / "utilities")
    return result, folder, write(result, folder)


def test_judges_stand_in_the_result_its_json_table_and_figure(judged):
    result, folder, written = judged
    slices = result.judged
    assert slices.names == result.players and slices.values.shape == (3, 3)
    assert result.by_round is None
    np.testing.assert_allclose(slices.values @ slices.weights, result.attribution.values, atol=1e-6)
    record = json.loads((folder / "result.json").read_text())
    np.testing.assert_array_equal(record["judged"]["values"], slices.values)
    assert record["judged"]["names"] == list(result.players)
    assert folder / "judges.png" in written and "by_round" not in record
    (table,) = judges_tables(result)
    assert [column.name for column in table.columns] == ["member", *result.players, "all"]
    assert len(table.rows) == 3 and table.totals[0][-1] == "100%"


def test_the_utilities_beside_a_result_with_judges_are_those_of_all_rows(judged):
    result, folder, _ = judged
    record = json.loads((folder / "result.json").read_text())
    known = stored_utilities(record, folder / "utilities", 3)
    assert known.utilities.shape == (8,)
    everyone = known.masks.all(axis=1)
    np.testing.assert_allclose(known.utilities[everyone], float(result.attribution.grand))


def test_values_by_round_stand_in_the_result_and_its_figure(tmp_path):
    result = run(parse({**SMALL, "game": {"name": "rounds", "by_round": True}}))
    assert result.by_round.names == ("round 1", "round 2") and result.judged is None
    written = write(result, tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    assert tmp_path / "by_round.png" in written
    np.testing.assert_allclose(np.array(record["by_round"]["values"])[:, -1], record["values"])
