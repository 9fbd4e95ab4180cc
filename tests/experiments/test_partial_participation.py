"""Few participants: gaps and indices are as defined, and the record in the repository is drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from experiments import few_participants, partial_participation
from experiments.few_participants import gap, jaccard

RESULTS = Path(partial_participation.__file__).parent / "results" / "partial_participation.json"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [(2.0, 1.0, 0.5), (1.0, 2.0, 0.5), (1.0, -1.0, 2.0), (-1.0, -2.0, np.inf), (0.0, 0.0, np.inf)],
)
def test_a_gap_is_relative_to_the_larger_value(first, last, expected):
    assert gap(np.array([first, 7.0, last])) == expected


def test_the_index_compares_the_noisy_with_as_many_of_the_lowest_values():
    values = np.array([5.0, 1.0, 2.0, 3.0, 4.0])
    assert jaccard(values, {1, 2}) == 1.0
    assert jaccard(values, {1, 0}) == 1 / 3
    assert jaccard(values, {0, 4}) == 0.0


def test_twins_have_equal_data_in_every_repeat(monkeypatch):
    played = []

    def valued(data, training, index):
        played.append(data)
        return {way.name: 0.0 for way in few_participants.WAYS}

    monkeypatch.setattr(few_participants, "valued", valued)
    gaps = few_participants.twins({"repeats": 2}, None)
    assert all(len(each) == 2 for each in gaps.values())
    for data in played:
        (x, y), (copied, labels) = (data.client(client) for client in (0, 9))
        np.testing.assert_array_equal(x, copied)
        np.testing.assert_array_equal(y, labels)


def test_the_record_is_drawn_and_shown(capsys):
    record = json.loads(RESULTS.read_text())
    gaps, indices = partial_participation.figure(record).axes
    assert [line.get_label() for line in gaps.lines[:-1]] == list(record["twins"])
    heights = [patch.get_height() for patch in indices.patches]
    np.testing.assert_allclose(heights, [np.mean(each) for each in record["noise"].values()])
    partial_participation.show(record, Console(width=160))
    shown = capsys.readouterr().out
    for name, wide in record["wide"].items():
        assert any(name in line and f"{wide:.0%}" in line for line in shown.splitlines())


def test_a_setting_that_does_not_fit_is_refused(capsys):
    assert partial_participation.main(["--set", "repeats=0"]) == 2
    assert "repeats=0" in capsys.readouterr().err
