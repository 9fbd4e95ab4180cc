"""Tables and figures of values by judge and by round, also of very many members and judges."""

import numpy as np
import pytest
from figure_checks import check
from handmade import result_of

from fedjax_shap.report.slice_figures import figures
from fedjax_shap.report.slice_tables import judges_tables
from fedjax_shap.shapley.estimator import Slices


def sliced(count, length, kind="judges"):
    """A result whose values of `count` members have slices."""
    rng = np.random.default_rng(0)
    names = tuple(f"$m_{at}$ [site]" for at in range(length))
    if kind == "rounds":
        names = tuple(f"round {at + 1}" for at in range(length))
    values = rng.normal(size=(count, length))
    zeros = np.zeros(length)
    slices = Slices(
        kind=kind,
        names=names,
        weights=np.full(length, 1 / length) if kind == "judges" else np.zeros(0),
        values=values,
        std_errors=np.zeros_like(values),
        empty=zeros,
        grand=values.sum(axis=0),
    )
    members = [f"member {at} $x$ " + "y" * 60 for at in range(count)]
    result = result_of(members, np.abs(values[:, -1]) + 0.1)
    attribution = result.attribution.replace(slices=slices)
    return type(result)(**{**vars(result), "attribution": attribution})


@pytest.mark.parametrize(("count", "length"), [(3, 2), (600, 610)])
def test_a_table_of_judges_is_never_wide_or_long(count, length):
    (table,) = judges_tables(sliced(count, length))
    assert len(table.columns) <= 8 and len(table.rows) <= 21
    assert ("610" in table.title) == (length == 610)
    assert judges_tables(result_of(["a", "b"], [0.5, 0.5])) == []


@pytest.mark.parametrize("kind", ["judges", "rounds"])
@pytest.mark.parametrize(("count", "length"), [(3, 2), (600, 610)])
def test_a_figure_shows_the_highest_and_the_lowest_of_many(count, length, kind, tmp_path):
    ((name, figure),) = figures(sliced(count, length, kind)).items()
    assert name == {"judges": "judges", "rounds": "by_round"}[kind]
    figure.savefig(tmp_path / f"{name}.png", dpi=40)
    if count == 3:
        check(figure)
    axes = figure.axes[0]
    if kind == "judges":
        assert axes.images[0].get_array().shape == (min(count, 20), min(length, 40))
    else:
        named = [line for line in axes.lines if not line.get_label().startswith("_")]
        assert len(named) == min(count, 8)
    assert figures(result_of(["a", "b"], [0.5, 0.5])) == {}
