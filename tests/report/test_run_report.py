"""What a run says of itself: sentences that are true, and figures that show its numbers."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from html import escape
from types import SimpleNamespace

import numpy as np
import pytest
from handmade import curves_of, result_of
from matplotlib import rc_context
from scipy.stats import spearmanr

from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.rules import equal
from fedjax_shap.economics.settle import settle
from fedjax_shap.report import run as run_files
from fedjax_shap.report import run_figures, style
from fedjax_shap.report.render import to_text
from fedjax_shap.report.run import write
from fedjax_shap.report.run_sentences import MOST_PAIRS, efficiency, sentences, spearman
from fedjax_shap.report.run_tables import device_tables, members_table

RAW = {
    "title": "a $run$ of [/b] money",
    "corrupt": [{"name": "label_noise", "client": 1, "rate": 0.5}],
}
NAMES = ("Hospital [north]", "$10-$20 band", "a $_$ b", "<west> & co")


@pytest.fixture(scope="module")
def result():
    """A result whose members' names are markup of rich and of matplotlib."""
    return result_of(
        NAMES,
        [0.5, 0.3, 0.1, -0.1],
        errors=[0.1, 0.05, 0.2, 0.02],
        costs=[10, 5, 30, 2],
        raw=RAW,
        curve=curves_of(4),
    )


def attribution(values, grand=1.0, empty=0.0):
    """Values with what they should sum to."""
    values = np.asarray(values)
    gap = values.sum() - (grand - empty)
    return SimpleNamespace(values=values, grand=grand, empty=empty, efficiency_gap=gap)


def words_of(figure) -> str:
    """All texts of a figure, as they are drawn."""
    content = io.BytesIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(content, format="svg")
    return content.getvalue().decode()


@pytest.mark.parametrize("gap", [0.0, 9e-5, -9e-5])
def test_values_that_sum_to_the_surplus_but_for_rounding_are_said_to_do_so(gap):
    said = efficiency(attribution([0.25, 0.75 + gap]))
    assert said == f"Values sum to V(N) - V(empty) within {abs(gap):.1e}"


@pytest.mark.parametrize("gap", [1.1e-4, -1.1e-4, 0.5])
def test_values_that_do_not_sum_to_the_surplus_are_never_said_to_do_so(gap):
    said = efficiency(attribution([0.25, 0.75 + gap]))
    assert said == f"Values do not sum to V(N) - V(empty) = 1.0000 but to {1 + gap:.4f}"


def test_rounding_is_judged_by_the_size_of_large_values():
    assert efficiency(attribution([4000.05, 6000], grand=10_000)).startswith("Values sum to")
    assert efficiency(attribution([4001.05, 6000], grand=10_000)).startswith("Values do not sum")


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_the_rank_agreement_is_scipys_also_with_ties(decimals):
    drawn = np.random.default_rng(decimals).normal(size=(20, 2, 9)).round(decimals)
    for one, other in drawn:
        agreement = spearman(attribution(one), attribution(other))
        assert agreement == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1.0, np.nan, 2.0]])
def test_no_rank_agreement_is_given_with_equal_or_unknown_values(values):
    assert spearman(attribution(values), attribution([3.0, 1.0, 2.0])) is None
    assert spearman(attribution([3.0, 1.0, 2.0]), attribution(values)) is None


def test_members_with_markup_in_their_names_are_shown_under_these_names(result):
    shown = to_text(members_table(result), least=160)
    assert shown.splitlines()[0].rstrip() == RAW["title"]
    assert all(name in shown for name in NAMES)


def test_amounts_are_shown_whole_however_narrow_the_terminal(result, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    settled = settle([0.5, 0.3, 0.1, 0.1], [0, "0.0004", 0, 0], 10**12, players=NAMES)
    shown = to_text(members_table(replace(result, settlement=settled)))
    assert "1,000,000,000,000.00" in shown and "500,000,000,000.00" in shown and "…" not in shown
    assert "0.0004" not in shown, (
        "costs finer than a cent are rounded here, and exact in the result"
    )


@pytest.mark.parametrize("unit", ["1", "0.05", "0.001"])
def test_amounts_have_the_decimals_of_the_minor_unit(result, unit):
    settled = settle([0.5, 0.3, 0.1, 0.1], [0, 0, 0, 0], 20, players=NAMES, minor_unit=unit)
    table = members_table(replace(result, settlement=settled))
    decimals = len(unit.partition(".")[2])
    assert table.totals[0][-2] == f"{20:.{decimals}f}"


def test_a_few_pairs_are_named_and_many_are_counted(result):
    few = (("a", "b"), ("a", "c"))
    (said,) = (one for one in sentences(replace(result, alike=few)) if "95 % level" in one)
    assert said.endswith("should depend on their order: a and b; a and c.")
    names = [f"member {i}" for i in range(200)]
    many = tuple((one, other) for i, one in enumerate(names) for other in names[:i])
    (said,) = (one for one in sentences(replace(result, alike=many)) if "95 % level" in one)
    assert said.startswith("19,900 of ") and said.endswith(f"; and {19_900 - MOST_PAIRS:,} more.")
    assert said.count(" and member") == MOST_PAIRS and len(said) < 1000


def test_no_pair_is_no_sentence(result):
    assert not any("95 % level" in one for one in sentences(replace(result, alike=())))


def test_what_was_corrupted_is_said_by_name(result):
    assert "Corrupted on purpose: $10-$20 band by label noise (rate=0.5)." in sentences(result)


def test_dollars_in_names_and_titles_are_dollars_in_every_figure(result):
    beside = {"_in $run$": result.attribution}
    payments = run_figures.payments(result, result.settlement)
    for figure in (run_figures.values(result, beside), payments):
        drawn = words_of(figure)
        assert RAW["title"] in drawn and all(escape(name) in drawn for name in NAMES)
    assert "_in $run$" in words_of(run_figures.values(result, beside)), "a legend hides no name"
    assert RAW["title"] in words_of(run_figures.curve(result.curve, result.config.title, NAMES))


def test_bars_are_values_and_their_errors_95_percent_intervals(result):
    (axes,) = run_figures.values(result).axes
    bars, errors = axes.containers
    found = result.attribution
    np.testing.assert_allclose([bar.get_height() for bar in bars], found.values)
    ends = np.array([line[:, 1] for line in errors.lines[2][0].get_segments()])
    np.testing.assert_allclose(np.diff(ends).ravel(), 2 * 1.96 * found.std_errors, atol=1e-12)


def test_payments_are_split_into_cost_and_profit_and_a_loss_hangs_below(result):
    settled = settle([0.5, 0.3, 0.1, 0.1], [10, 5, 90, 5], 80, players=NAMES, rule=equal())
    (axes,) = run_figures.payments(result, settled).axes
    covered, profit, loss = ([bar.get_height() for bar in bars] for bars in axes.containers)
    paid, cost = np.array(settled.payments, float), np.array(settled.costs, float)
    np.testing.assert_allclose(covered, np.clip(np.minimum(paid, cost), 0, None))
    np.testing.assert_allclose(profit, np.maximum(paid - cost, 0))
    np.testing.assert_allclose(loss, np.minimum(paid - cost, 0))
    assert [text.get_text() for text in axes.texts] == [f"{one:,f}" for one in settled.payments]


def test_curves_are_those_of_the_result(result):
    (axes,) = run_figures.curve(result.curve, result.config.title, NAMES).axes
    *alone, pooled, federated = (line.get_ydata() for line in axes.lines)
    np.testing.assert_array_equal(alone, result.curve.alone)
    np.testing.assert_array_equal(pooled, result.curve.pooled)
    np.testing.assert_array_equal(federated, result.curve.federated)
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    alone = [style.plain(f"{name} alone") for name in NAMES]
    assert labels == [*alone, "pooled data", "federation"]


def test_all_files_of_a_run_are_written_whole(result, tmp_path):
    written = write(result, tmp_path / "run [2]", {"again": result.attribution})
    assert sorted(written) == sorted((tmp_path / "run [2]").iterdir()), "and nothing beside them"


def test_a_run_that_pays_nobody_is_shown_and_written_without_payments(result, tmp_path):
    (tmp_path / "payments.png").write_text("of an earlier run in this folder")
    why = "Expected a sum of values > 0, but they sum to -1."
    unpaid = replace(result, settlement=None, unpaid=why, intervals=None)
    table = members_table(unpaid)
    assert [column.name for column in table.columns] == ["member", "examples", "value", "cost"]
    assert not any("Paid by" in said for said in sentences(unpaid))
    written = {path.name for path in write(unpaid, tmp_path)}
    assert written == {path.name for path in tmp_path.iterdir()}, "no figure of an earlier payment"
    files = {"result.json", "values.csv", "report.html"}
    assert written == files | {"values.png", "values.svg", "curve.png", "curve.svg"}
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["settlement"] is None and record["unpaid"] == why
    assert record["costs"] == ["10", "5", "30", "2"]


def test_values_are_written_exactly_and_no_name_is_a_formula(result, tmp_path):
    names = ("=1+1", "@cmd", 'a "b", c', "two\nlines")
    named = replace(result, players=names)
    write(named, tmp_path, {"=again": result.attribution})
    with (tmp_path / "values.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == [*named.columns(), "'=again"]
    assert [row[0] for row in rows] == ["'=1+1", "'@cmd", 'a "b", c', "two\nlines"]
    assert [float(row[2]) for row in rows] == result.attribution.values.tolist()
    assert [Decimal(row[5]) for row in rows] == list(result.settlement.payments)
    assert json.loads((tmp_path / "result.json").read_text())["players"] == list(names)


def test_six_hundred_members_print_few_lines_and_the_ends_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    count = 600
    names = [f"member {place}" for place in range(count)]
    values = np.random.default_rng(0).permutation(np.linspace(-0.5, 1, count))
    alike = tuple((one, other) for place, one in enumerate(names) for other in names[:place])
    many = result_of(names, values, errors=0.5, alike=alike, revenue=10**6)
    shown = "".join(map(to_text, [members_table(many), *device_tables(many)]))
    said = sentences(many)
    assert len(shown.splitlines()) + len(said) <= 60
    assert max(map(len, said)) < 1000
    for place in (*np.argsort(values)[:5], *np.argsort(values)[-5:]):
        assert f"{names[place]} " in shown
    assert "580 more in values.csv" in shown
    axes = run_figures.values(many).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [
        names[place] for place in [*np.argsort(-values)[:10], *np.argsort(-values)[-10:]]
    ]
    assert "580" in words_of(run_figures.payments(many, many.settlement))
    record = many.to_json()
    assert record["num_indistinguishable"] == count * (count - 1) // 2
    assert len(json.dumps(record)) < 400 * count, "the record grows with the members"


def test_a_loss_below_half_a_cent_has_no_minus_sign():
    result = result_of(["a", "b"], [0.5, 0.5], costs=["50.004", "49.996"])
    assert [row[-1] for row in members_table(result).rows] == ["0.00", "0.00"]
    low = result_of(["a", "b"], [1.0, -0.00001])
    assert members_table(low).rows[1][2] == "0.0000"


def test_a_legend_names_only_what_is_drawn():
    free = result_of(["a", "b"], [0.5, 0.5])
    (legend,) = run_figures.payments(free, free.settlement).legends
    assert [text.get_text() for text in legend.get_texts()] == ["profit"]
    nothing = result_of(["a", "b"], [0.5, 0.5], revenue=0)
    assert not run_figures.payments(nothing, nothing.settlement).legends


def test_a_currency_without_minor_unit_has_whole_amounts():
    raw = {"economics": {"minor_unit": 1, "revenue": 10**12}}
    result = result_of(["a", "b"], [0.5, 0.5], unpaid="x.", costs=[1, 2], raw=raw)
    assert (
        str(result.minor_unit) == "1" and result.to_json()["config"]["economics"]["minor_unit"] == 1
    )
    settled = settle([0.5, 0.5], result.costs, 10**12, minor_unit=result.minor_unit)
    assert settled.to_json()["minor_unit"] == "1"
    assert members_table(replace(result, settlement=settled)).rows[0][-2] == "499,999,999,999"


def test_devices_are_shown_in_hours_and_cents():
    bill = Bill(
        energy=tuple(map(Decimal, ("0.022222222", "0.000051234"))),
        time=(Decimal(12), Decimal("0.5")),
        communication=(Decimal(0),) * 2,
        fixed=(Decimal(0),) * 2,
    )
    totals = {
        "steps": np.array([10, 20]),
        "training": np.array([53_300.0, 2.0]),
        "communication": np.array([1.0, 2.0]),
        "idle": np.array([0.0, 53_298.0]),
        "joules": np.array([1234567.0, 0.0]),
        "uploaded": np.array([1e6, 1e6]),
        "downloaded": np.array([0.0, 0.0]),
    }
    used = SimpleNamespace(totals=lambda: dict(totals), rounds=np.array([50_000.0, 3_300.0]))
    sent = SimpleNamespace(upload=1000, download=1000)
    profile = SimpleNamespace(name="t4")
    metered = SimpleNamespace(
        used=used, bill=bill, profiles=(profile,) * 2, workload=SimpleNamespace(messages=sent)
    )
    result = result_of(["a", "b"], [0.5, 0.5], metered=metered)
    usage, costs = device_tables(result)
    assert [column.name for column in usage.columns][2] == "training h"
    assert usage.rows[0][2] == "14.8" and usage.rows[0][5] == "1,234,567"
    assert costs.rows[0][2] == "0.022222" and costs.rows[1][2] == "0.000051"
    assert costs.rows[1][3] == "0.50"
    assert any("would take 14.8 h" in said for said in sentences(result))


def test_plain_text_hides_nothing():
    assert style.plain("a $5 b") == r"a \$5 b" and style.plain("_a") == " _a"


def test_of_two_runs_that_write_into_one_folder_at_once_one_wins(tmp_path, monkeypatch):
    monkeypatch.setattr(run_files, "_figures", lambda result, beside: {})
    monkeypatch.setattr(run_files, "page", lambda runs: runs[0].record["config"]["title"])
    runs = [result_of(["a", "b"], [one, 1.0], title=str(one)) for one in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda result: write(result, tmp_path), runs))
    title = json.loads((tmp_path / "result.json").read_text())["config"]["title"]
    assert float((tmp_path / "values.csv").read_text().splitlines()[1].split(",")[2]) == int(title)
    assert (tmp_path / "report.html").read_text() == title
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["report.html", "result.json", "values.csv"]
