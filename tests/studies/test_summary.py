"""Means, spreads and ranks are those of the field's formulas, and a mean says what it is over."""

import numpy as np
import pytest
import written
from scipy.stats import friedmanchisquare, t

from fedjax_shap._validate import InputWarning, InvalidInputError
from fedjax_shap.report import study_tables
from fedjax_shap.studies.ranks import critical_difference, ranks_of
from fedjax_shap.studies.study import load_study
from fedjax_shap.studies.summary import spread, summarise


@pytest.fixture
def study(tmp_path):
    return load_study(written.study(tmp_path, ("fedavg", "fedprox", "scaffold")))


def test_groups_have_their_mean_deviation_and_interval(study):
    summary = summarise(study, "grand", ["algorithm.name"], ["partition.alpha"])
    assert summary.rows == (("fedavg",), ("fedprox",), ("scaffold",))
    assert summary.columns == ((0.1,), (1.0,))
    found = summary.spreads[1, 0]
    assert found.size == 3 and found.mean == pytest.approx(0.21)
    assert found.deviation == pytest.approx(0.01)
    assert 0.2 - 1e-9 <= found.low < found.mean < found.high <= 0.22 + 1e-9
    # no group has more than one mu
    assert summary.pooled == {"seed": 3, "algorithm.mu": 1}


def test_the_interval_is_as_wide_as_the_bootstrap_of_a_normal_sample():
    sample = np.random.default_rng(0).normal(size=400)
    found = spread(sample, 0.95)
    half = t.ppf(0.975, 399) * sample.std(ddof=1) / 20
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)
    assert np.isnan(spread([1.0]).low) and spread([1.0, 1.0]).high == 1.0


def test_members_are_grouped_only_where_they_are_told_apart(study):
    summary = summarise(study, "value", ["member"], ["algorithm.name"])
    assert summary.spreads[0, 1].mean == pytest.approx(0.1)
    assert summary.rows[0] == ("north",)
    with pytest.raises(InvalidInputError, match="to have 'member' with value='value'"):
        summarise(study, "value", ["algorithm.name"])


def test_agreement_is_with_the_cell_that_differs_in_the_reference_alone(study):
    summary = summarise(
        study,
        "spearman",
        ["algorithm.name"],
        ["partition.alpha"],
        reference="algorithm.name=fedavg",
    )
    assert summary.rows == (("fedprox",), ("scaffold",))
    # fedavg: 0.3, 0.2, 0.01; fedprox: 0.1, 0.2, 0.01; scaffold: -0.1, 0.2, 0.01
    assert summary.spreads[0, 0].mean == pytest.approx(0.5)
    assert summary.spreads[1, 0].mean == pytest.approx(-0.5)
    by_number = summarise(study, "kendall", ["seed"], reference="partition.alpha=1")
    assert by_number.spreads[0, 0].size == 3


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"value": "granf"}, "did you mean 'grand'"),
        ({"rows": ["alpha"]}, "did you mean 'partition.alpha'"),
        ({"rows": ["seed"], "columns": ["seed"]}, "rows and columns to differ"),
        ({"value": "spearman"}, "to come with a reference"),
        ({"value": "grand", "reference": "seed=1"}, "to be left out with value='grand'"),
        ({"value": "spearman", "reference": "seed"}, "to be FIELD=VALUE"),
        ({"value": "spearman", "reference": "seed=9"}, "known: 0, 1, 2"),
        ({"value": "spearman", "reference": "local.x=9"}, "a field in which the cells differ"),
        ({"value": "std_error", "rows": ["member"]}, "it is of none"),
        ({"rows": ["member"]}, "to be without 'member' with value='grand'"),
        ({"confidence": 1.0}, "between 0 and 1"),
    ],
)
def test_what_a_study_cannot_say_is_refused(given, sentence, study):
    with pytest.raises(InvalidInputError, match="Expected") as refusal:
        summarise(study, **given)
    assert sentence in str(refusal.value)


def test_ranks_are_means_over_all_combinations_of_the_other_fields(study):
    ranks = ranks_of(study, "algorithm.name", "grand")
    assert ranks.methods == ("scaffold", "fedprox", "fedavg") and ranks.blocks == 6
    assert ranks.mean_ranks == pytest.approx([1, 2, 3])
    table = np.array([[1, 2, 3]] * 6)
    assert ranks.p_value == pytest.approx(friedmanchisquare(*table.T).pvalue)
    assert ranks.groups() == [(0, 1), (1, 2)]
    smallest = ranks_of(study, "algorithm.name", "spearman", reference="partition.alpha=1")
    assert not smallest.smaller and smallest.blocks == 3


def test_the_critical_difference_is_the_published_one():
    # Demsar 2006, table 5(a): q at 0.05 for 2, 3, 5 and 10 methods
    for methods, quantile in ((2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)):
        expected = quantile * np.sqrt(methods * (methods + 1) / (6 * 14))
        assert critical_difference(methods, 14) == pytest.approx(expected, abs=1e-3)


def test_incomplete_combinations_are_left_out_and_counted(tmp_path):
    written.study(tmp_path)
    (tmp_path / "fedprox,0.1,2" / "result.json").unlink()
    ranks = ranks_of(load_study(tmp_path), "algorithm.name")
    assert (ranks.blocks, ranks.left_out) == (5, 1)
    assert any("Left out: 1 combination" in one for one in study_tables.ranks_sentences(ranks))
    one = load_study(written.study(tmp_path / "x", ("a", "b"), (1.0,), (0,)))
    with pytest.raises(InvalidInputError, match="2 values in 1 combination"):
        ranks_of(one, "algorithm.name")


def test_a_table_says_over_what_its_means_are(study):
    table = study_tables.summary_table(summarise(study, "grand", ["algorithm.name"]))
    assert "over 3 values of seed, 2 values of partition.alpha" in table.title
    assert "6 a group" in table.title
    assert table.rows[0][0] == "fedavg" and "±" in table.rows[0][1]


def test_cells_without_a_number_are_left_out_and_named(tmp_path):
    written.study(tmp_path)
    written.cell(tmp_path, "broken", {"seed": 9}, (0.1, 0.2), grand=float("nan"))
    with pytest.warns(InputWarning, match="1 of 13 numbers .* 'grand' of broken"):
        found = summarise(load_study(tmp_path))
    assert found.spreads[0, 0].size == 12
