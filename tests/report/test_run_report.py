"""What a run says of itself: sentences that are true, and figures that show its numbers."""

import io
from dataclasses import replace
from html import escape
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib import rc_context

from fedjax_shap.economics.settle import settle
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.run import run
from fedjax_shap.report import run_figures, style
from fedjax_shap.report.render import to_text
from fedjax_shap.report.run import write
from fedjax_shap.report.run_sentences import MOST_PAIRS, efficiency, sentences
from fedjax_shap.report.run_tables import members_table

RAW = {
    "title": "a $run$ of [/b] money",
    "data": {"name": "breast_cancer"},
    "partition": {"name": "quantity", "ratios": [1, 2, 3, 2]},
    "local": {"learning_rate": 0.1},
    "algorithm": {"max_rounds": 2},
    "game": {"metric": "negative_loss"},
    "estimator": {"name": "permutation", "budget": 14},
    "costs": {"name": "given", "amounts": [10, 5, 30, 2]},
    "economics": {"revenue": 100},
    "corrupt": [{"name": "label_noise", "client": 1, "rate": 0.5}],
}
NAMES = ("Hospital [north]", "$10-$20 band", "a $_$ b", "<west> & co")


@pytest.fixture(scope="module")
def result():
    """A run whose members' names are markup of rich and of matplotlib."""
    done = run(parse(RAW))
    settled = replace(done.settlement, players=NAMES)
    return replace(done, players=NAMES, settlement=settled)


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
    for figure in (run_figures.values(result, beside), run_figures.payments(result)):
        drawn = words_of(figure)
        assert RAW["title"] in drawn and all(escape(name) in drawn for name in NAMES)
    assert "_in $run$" in words_of(run_figures.values(result, beside)), "a legend hides no name"
    assert RAW["title"] in words_of(run_figures.curve(result.curve, result.config.title))


def test_bars_are_values_and_their_errors_95_percent_intervals(result):
    (axes,) = run_figures.values(result).axes
    bars, errors = axes.containers
    found = result.attribution
    np.testing.assert_allclose([bar.get_height() for bar in bars], found.values)
    ends = np.array([line[:, 1] for line in errors.lines[2][0].get_segments()])
    np.testing.assert_allclose(np.diff(ends).ravel(), 2 * 1.96 * found.std_errors, atol=1e-12)


def test_payments_are_split_into_cost_and_profit_and_a_loss_hangs_below(result):
    settled = settle([0.5, 0.3, 0.1, 0.1], [10, 5, 90, 5], 80, players=NAMES)
    (axes,) = run_figures.payments(replace(result, settlement=settled, intervals=None)).axes
    covered, profit, loss = ([bar.get_height() for bar in bars] for bars in axes.containers)
    paid, cost = np.array(settled.payments, float), np.array(settled.costs, float)
    np.testing.assert_allclose(covered, np.clip(np.minimum(paid, cost), 0, None))
    np.testing.assert_allclose(profit, np.maximum(paid - cost, 0))
    np.testing.assert_allclose(loss, np.minimum(paid - cost, 0))
    assert [text.get_text() for text in axes.texts] == [f"{one:,f}" for one in settled.payments]


def test_curves_are_those_of_the_result(result):
    (axes,) = run_figures.curve(result.curve, result.config.title).axes
    *alone, pooled, federated = (line.get_ydata() for line in axes.lines)
    np.testing.assert_array_equal(alone, result.curve.alone)
    np.testing.assert_array_equal(pooled, result.curve.pooled)
    np.testing.assert_array_equal(federated, result.curve.federated)
    labels = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert labels == ["each member alone", "pooled data", "federated"]


def test_all_files_of_a_run_are_written_whole(result, tmp_path):
    written = write(result, tmp_path / "run [2]", {"again": result.attribution})
    assert sorted(written) == sorted((tmp_path / "run [2]").iterdir()), "and nothing beside them"


def test_plain_text_hides_nothing():
    assert style.plain("a $5 b") == r"a \$5 b" and style.plain("_a") == " _a"
