"""Figures of a run, a settlement, a comparison and a study fit into the columns of a paper."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from figure_checks import check
from handmade import curves_of, result_of
from matplotlib.figure import Figure

from fedjax_shap.economics.settle import settle
from fedjax_shap.pipeline.examples_seen import Examples
from fedjax_shap.report import figure_files, looks, run_figures, settlement_figures, style, sweeps

LONG = ["a hospital with a very long name", "University Hospital of Somewhere", "B", "$5 clinic"]


def run_of(count, names=None, **others):
    values = np.linspace(-0.2, 1, count)
    names = names or [f"client {member}" for member in range(count)]
    curve = curves_of(count) if count <= 24 else replace(curves_of(count), alone=None)
    fields = {"errors": 0.1, "costs": [3] * count, "revenue": 12345, "curve": curve}
    return result_of(names, values, **{**fields, "title": "a run " * 20, **others})


@pytest.mark.parametrize("count", [2, 12, 24, 60])
def test_figures_of_a_run_fit_into_columns_whatever_the_number_of_members(count):
    result = run_of(count)
    for figure in run_figures.figures(result, {"in-run value": result.attribution}).values():
        check(figure)


def test_figures_of_a_run_with_long_names_fit_into_columns():
    for figure in run_figures.figures(run_of(4, LONG)).values():
        check(figure)


@pytest.mark.parametrize("count", [2, 12])
def test_a_page_of_a_settlement_fits_into_two_columns(count):
    settled = settle(list(range(1, count + 1)), [0.5] * count, 12345)
    prices = [sweeps.over_revenue(settled)] * 2
    page = settlement_figures.page("a page", settled, sweeps=prices)
    check(page)
    assert page.get_figwidth() == style.TWO


def test_a_small_type_a_cut_and_an_overlap_are_found():
    def broken(change):
        figure, [axes] = style.panels(style.ONE)
        axes.set(xlabel="one", ylabel="two")
        change(axes)
        style.captioned(figure, "A caption.")
        with pytest.raises(AssertionError) as found:
            check(figure)
        return str(found.value)

    assert "type below" in broken(lambda axes: axes.text(0, 0.5, "tiny", fontsize=5))
    assert "cut" in broken(lambda axes: axes.set_title("a title " * 20))
    both = "{0!r} lies on {0!r}".format("here")

    def twice(axes):
        for _ in range(2):
            axes.text(0.5, 0.5, "here")

    assert both in broken(twice)
    assert "without a name" in broken(lambda axes: axes.set_xlabel(""))


@pytest.mark.parametrize("group", [looks.ALGORITHMS, looks.IN_RUN, looks.ESTIMATORS])
def test_two_methods_never_look_alike(group):
    for one, other in itertools.combinations(set(group.values()), 2):
        alike = (one.color, one.line) == (other.color, other.line)
        assert one.name == other.name or not alike, (one, other)


def test_methods_are_called_as_the_field_calls_them():
    assert looks.look("fedagrac_lam1.0").name == "FedaGrac, λ = 1"
    assert looks.look("fedavg_eta0.01").name == "FedAvg, η = 0.01"
    assert looks.look("gaussian_process").name == "Gaussian process"
    assert looks.look("my_own").name == "my own"
    assert looks.look("fedavg_eta0.01").color == looks.look("fedavg").color


def test_a_figure_is_saved_in_all_formats_with_its_caption_inside_and_beside(tmp_path):
    figure, [axes] = style.panels(style.ONE)
    axes.plot([0, 1])
    style.captioned(figure, "What is\n  shown: <bars>.")
    written = figure_files.save_all(figure, tmp_path / "figure.svg")
    assert written[0] == tmp_path / "figure.svg"
    assert {path.suffix for path in written} == {".png", ".svg", ".pdf", ".txt"}
    assert sorted(written) == sorted(tmp_path.iterdir())
    caption = "What is shown: <bars>."
    assert (tmp_path / "figure.txt").read_text() == f"{caption}\n"
    assert b"Description\x00" + caption.encode() in (tmp_path / "figure.png").read_bytes()
    assert "What is shown: &lt;bars&gt;." in (tmp_path / "figure.svg").read_text()
    assert b"/Subject (What is shown" in (tmp_path / "figure.pdf").read_bytes()


def test_a_curve_is_drawn_against_examples_where_they_are_known():
    curves = curves_of(2, num_rounds=3)
    seen = Examples(
        federated=np.array([30.0, 60, 90]),
        alone=np.array([[10.0, 20, 30], [20, 40, 60]]),
        pooled=np.array([30.0, 60, 90]),
    )
    known = replace(curves, examples=seen, label="RMSE")
    (axes,) = run_figures.curve(known, "run", ["a", "b"]).axes
    *alone, pooled, federated = (line.get_xdata().tolist() for line in axes.lines)
    assert alone == seen.alone.tolist()
    assert pooled == federated == [30, 60, 90]
    assert axes.get_xlabel() == "training examples seen" and axes.get_ylabel().startswith("RMSE")
    (axes,) = run_figures.curve(curves, "run", ["a", "b"]).axes
    assert axes.get_xlabel() == "round"


def test_a_legend_below_takes_as_many_columns_as_fit_into_the_figure():
    drawn = Figure(figsize=(5.0, 3.0), layout="constrained")
    panel = drawn.subplots()
    for name in ("one", "another", "a third with a long name", "a fourth with a longer name"):
        panel.plot([0, 1], label=name)
    style.legend_below(drawn, panel, columns=4)
    (below,) = drawn.legends
    drawn.canvas.draw()
    assert below.get_window_extent().width <= drawn.bbox.width
    assert len(below.get_texts()) == 4
