"""A page of many runs has means by what differs between them, and a row a run."""

import json

import pytest
from handmade import result_of

from fedjax_shap.pipeline.comparison import compare, compared_run
from fedjax_shap.report.page import MOST_IN_FULL, PageRun, page
from fedjax_shap.report.page_studies import MOST_MEMBERS, means, overview, values_by_run
from fedjax_shap.report.saved_run import saved_run

NAMES = ("north", "south")


def record_of(seed, alpha, values=(0.5, 0.25), names=NAMES):
    shares = {"name": "dirichlet", "num_clients": len(names), "alpha": alpha}
    raw = {"seed": seed, "partition": shares}
    result = result_of(names, list(values), title=f"skew, {seed}-{alpha}", raw=raw)
    return json.loads(json.dumps({**result.to_json(), "beside": {}}))


def shown(table):
    """The rows as text."""
    return [[cell.text for cell in row] for row in table.rows]


@pytest.fixture(scope="module")
def records():
    """Four seeds by two alphas: a seed adds 0.1 to the first member, the larger alpha 0.2."""
    return {
        f"{seed}-{alpha}": record_of(seed, alpha, (0.1 * seed + 0.2 * (alpha == 1.0), 0.25))
        for seed in range(4)
        for alpha in (0.1, 1.0)
    }


def test_means_are_over_seeds_by_the_other_fields(records):
    (metric, members), summary = means(list(records), list(records.values()))
    assert summary.value == "federated" and summary.row_fields == ("partition.alpha",)
    for row, alpha in zip(shown(metric), (0.1, 1.0), strict=True):
        reached = [float(records[f"{seed}-{alpha}"]["grand"]) for seed in range(4)]
        assert row[1].startswith(f"{sum(reached) / 4:.4f} ±")
    north, south = shown(members)
    assert north == ["north", "0.1500 ± 0.1291", "0.3500 ± 0.1291"]
    assert south == ["south", "0.2500 ± 0.0000", "0.2500 ± 0.0000"]


def test_there_are_no_means_where_only_seeds_differ(records):
    alike = [records["0-0.1"], records["1-0.1"]]
    assert means(["a", "b"], alike) == ([], None)


def test_a_page_of_many_runs_has_means_and_a_row_a_run(records):
    assert len(records) > MOST_IN_FULL
    text = page([PageRun(name, record) for name, record in records.items()])
    assert 'id="all-means"' in text and 'id="all-member-means"' in text
    assert "Value of each member in each run" in text and "<h1>skew: 8 runs</h1>" in text
    assert "95 % bootstrap intervals of the mean</figcaption>" in text and 'id="means-' in text
    few = [PageRun(name, record) for name, record in list(records.items())[:2]]
    assert 'id="all-means"' not in page(few)


def test_what_is_the_same_in_all_runs_is_said_once(records):
    labels = ["0-0.1", "1-0.1"]
    runs = [saved_run(records[label], label) for label in labels]
    table = overview(labels, runs)
    assert [head.name for head in table.heads] == ["run", "V(N)"]
    assert shown(table) == [["0-0.1", "0.2500"], ["1-0.1", "0.3500"]]
    assert table.note.startswith("In all of them: title skew, federation cross-silo, members 2,")
    other = saved_run({**records["1-0.1"], "settlement": None}, "x")
    table = overview(["a", "b"], [runs[0], other])
    assert [head.name for head in table.heads][-1] == "revenue"
    assert [row[-1].text for row in table.rows] == ["100.00", "–"]


def test_values_by_run_are_left_out_for_many_members():
    names = [f"member {place}" for place in range(MOST_MEMBERS + 1)]
    record = record_of(0, 1.0, [0.1] * len(names), names)
    compared = compare([compared_run(record, label=label) for label in "ab"])
    assert values_by_run(compared) == []
