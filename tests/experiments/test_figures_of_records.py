"""The figure of every record draws again, without training, and fits into a paper's columns."""

import json

import pytest
from figure_checks import check
from matplotlib.figure import Figure

from experiments.figures import DOCS, drawn, records

# of experiments whose records came before their figures, or that draw none
UNDRAWN = {"fate_vertical", "privacy_accounts"}
OF_BENCHMARKS = ("estimators", "scaling")
FILES = {
    name: file
    for name, file in records().items()
    if file.parent.parent.name == "experiments" or name in OF_BENCHMARKS
}


HEAVY = ("estimators", "regression_federations", "step_asynchronism", "who_helps_whom")
NAMES = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in HEAVY), id=name)
    for name in sorted(FILES)
]


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_of_a_record_draws(name):
    found = drawn(json.loads(FILES[name].read_text(encoding="utf-8")))
    if name in UNDRAWN:
        assert found is None
        return
    figures = {"": found} if isinstance(found, Figure) else found
    for added, figure in figures.items():
        check(figure)
        assert (DOCS / f"{name}{added}.png").exists()
