"""Every combination is a checked configuration in a folder that is named by what differs."""

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.studies.axes import axes_of
from fedjax_shap.studies.cells import LONGEST_NAME, cell_names, cells_of

BASE = {
    "title": "t",
    "partition": {"name": "dirichlet", "num_clients": 3, "alpha": 0.5},
    "algorithm": {"name": "fedprox", "mu": 0.1, "max_rounds": 2},
    "sweep": {"seed": "0..1"},
}


def test_cells_are_all_combinations_and_keep_what_they_do_not_set():
    axes = axes_of({"partition.alpha": "0.1,1", "algorithm.name": "fedavg,fedprox", "seed": 3})
    cells = cells_of(BASE, axes)
    assert [cell.name for cell in cells] == [
        "alpha=0.1,algorithm=fedavg",
        "alpha=0.1,algorithm=fedprox",
        "alpha=1,algorithm=fedavg",
        "alpha=1,algorithm=fedprox",
    ]
    first, second = (cell.config for cell in cells[:2])
    assert first.title == "t, alpha=0.1,algorithm=fedavg" and first.seed == 3
    assert first.sections["algorithm"].keywords == {"max_rounds": 2}
    assert second.sections["algorithm"].keywords == {"max_rounds": 2, "mu": 0.1}
    assert second.value("partition", "alpha") == 0.1


def test_a_table_for_a_section_sets_what_stands_in_it_and_no_more():
    tables = [{"name": "fedavg"}, {"name": "fedprox", "mu": 0.5}]
    first, second = cells_of(BASE, axes_of({"algorithm": tables}))
    assert first.config.sections["algorithm"].keywords == {"max_rounds": 2}
    assert second.config.sections["algorithm"].keywords == {"max_rounds": 2, "mu": 0.5}
    assert (first.name, second.name) == ("algorithm=fedavg", "algorithm=fedprox+0.5")


def test_names_are_distinct_short_and_safe():
    names = cell_names(
        [
            {"data.path": "/a/b*c", "x": {"k": 1.0}},
            {"data.path": "/a/b?c", "x": {"k": 1.0}},
            {"data.path": "A" * 300, "x": {"k": 1.0}},
        ]
    )
    assert len({name.casefold() for name in names}) == 3
    assert all(len(name) <= LONGEST_NAME + 9 and not set(name) & set("/*? \\:") for name in names)
    both = cell_names([{"a.rate": 1, "b.rate": 1}, {"a.rate": 2, "b.rate": 2}])
    assert both == ["a.rate=1,b.rate=1", "a.rate=2,b.rate=2"]
    assert cell_names([{"seed": 1}]) == ["run"]


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"partition.alpha": [0.5, "x"]}, "partition.alpha='x'"),
        ({"partition.alpha": [0.5, "x"]}, "The cell 'alpha=x' says so."),
        ({"partition.alhpa": [1, 2]}, "'alpha'"),
        ({"seed": [1, 2, 1]}, "Expected the values of seed to differ, got 1 more than once."),
        ({"seed": "0..9999", "partition.num_clients": "3..99"}, "at most 100,000 cells"),
        ({"zip": {"seed": [1, 2], "title": "a,b"}, "seed": [1]}, "'seed' more than once"),
        ({}, "Expected a sweep to vary something"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_before_anything_is(section, sentence):
    with pytest.raises(InvalidInputError) as refusal:
        cells_of(BASE, axes_of(section))
    assert sentence in str(refusal.value)
