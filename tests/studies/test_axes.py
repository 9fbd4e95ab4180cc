"""What a sweep varies is read as it was meant, or refused in a sentence."""

import tomllib

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.studies.axes import axes_of, drawn, split, zipped


def values(said):
    (axis,) = axes_of({"x.y": said})
    return [value for (value,) in axis.rows]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("0..4", [0, 1, 2, 3, 4]),
        ("-2..2..2", [-2, 0, 2]),
        ("0.1,0.3,1", [0.1, 0.3, 1]),
        ("fedavg, fedprox", ["fedavg", "fedprox"]),
        ("[32],[64,32]", [[32], [64, 32]]),
        ('"a,b",c', ["a,b", "c"]),
        ('{name="fedprox",mu=0.1},true', [{"name": "fedprox", "mu": 0.1}, True]),
        ([0.1, "0..4"], [0.1, "0..4"]),
        (3, [3]),
    ],
)
def test_a_list_a_range_and_values_with_commas_of_their_own_are_read(said, expected):
    assert values(said) == expected


def test_a_section_may_be_nested_and_may_have_zips_and_draws():
    section = tomllib.loads(
        """
        seed = "0..1"
        partition.alpha = [0.1, 1]
        [[zip]]
        "algorithm.name" = ["fedavg", "fedprox"]
        local.learning_rate = "0.1,0.05"
        [random]
        count = 3
        local.momentum = "uniform(0, 0.9)"
        """
    )
    axes = axes_of(section)
    assert [axis.names for axis in axes] == [
        ("seed",),
        ("partition.alpha",),
        ("algorithm.name", "local.learning_rate"),
        ("local.momentum",),
    ]
    assert axes[2].rows == (("fedavg", 0.1), ("fedprox", 0.05))
    assert len(axes[3].rows) == 3


def test_draws_are_folded_in_by_name_and_place():
    few = drawn(5, 7, {"a": "uniform(0,1)", "b": "integers(1,3)"})
    more = drawn(200, 7, {"b": "integers(1,3)", "c": "x,y", "d": "log_uniform(1e-3, 1)"})
    assert [row[1] for row in few.rows] == [row[0] for row in more.rows[:5]]
    b, c, d = zip(*more.rows)
    assert set(b) == {1, 2, 3} and set(c) == {"x", "y"}
    # the logarithm of the last is uniform on [-3, 0]: its mean has the standard error 3 / sqrt(12n)
    assert abs(np.mean(np.log10(d)) + 1.5) < 5 * 3 / np.sqrt(12 * 200)
    assert few != drawn(5, 8, {"a": "uniform(0,1)", "b": "integers(1,3)"})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: values("4..0"), "x.y='4..0' to be a range"),
        (lambda: values("0..9999999"), "at most 100,000 values"),
        (lambda: values([]), "at least one value"),
        (lambda: zipped({"a": "1,2", "b": "1,2,3"}), "2 of a, 3 of b"),
        (lambda: zipped({"a": "1,2"}), "at least two fields"),
        (lambda: drawn(2, 0, {"a": "normal(0,1)"}), "random.a='normal' to be a known law"),
        (lambda: drawn(2, 0, {"a": "uniform(1,0)"}), "a lower and a higher bound"),
        (lambda: drawn(2, 0, {"a": "uniform(x,1)"}), "that are numbers"),
        (lambda: drawn(2, 0, {"a": "log_uniform(0,1)"}), "above 0"),
        (lambda: drawn(2, 0, {"a": "integers(0,1.5)"}), "whole numbers"),
        (lambda: drawn(2, 0, {"a": "0.5"}), "to be a law"),
        (lambda: drawn(0, 0, {"a": "1,2"}), "count=0"),
        (lambda: drawn(2, 0, {}), "to name a field"),
        (lambda: split("alpha"), "to be NAME=VALUES"),
        (lambda: axes_of([1]), "sweep=<list> to be a section"),
        (lambda: axes_of({"zip": 3}), "sweep.zip=3"),
        (lambda: axes_of({"random": {"a": "1,2"}}), "sweep.random.count"),
    ],
)
def test_what_cannot_be_read_is_refused(make, sentence):
    with pytest.raises(InvalidInputError, match="Expected") as refusal:
        make()
    assert sentence in str(refusal.value)
