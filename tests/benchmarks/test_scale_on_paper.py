"""Scale on paper: what follows from the measured rates, and the overheads that are among them."""

import json

import numpy as np
import pytest

from benchmarks import overheads, pages, rates, scale_on_paper
from fedjax_shap.engine import processes
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.store import UtilityStore
from fedjax_shap.games.callable import from_callable

EXCHANGES = 5  # of one call of `evaluate`
RECORD = pages.RESULTS / "scale_on_paper.json"


@pytest.mark.parametrize(("chunk", "rate"), [*rates.CARD_SMALL, rates.CARD_LENET5])
def test_the_measured_games_take_what_was_measured(chunk, rate):
    kind = rates.SMALL
    if (chunk, rate) == rates.CARD_LENET5:
        kind = rates.LENET5
    n = chunk.bit_length() - 1
    seconds = kind.seconds(n, chunk, 1)
    assert seconds == pytest.approx(kind.member_steps(n, chunk) / rate)


def test_cards_divide_the_chunks_and_the_busiest_counts():
    for kind in (rates.SMALL, rates.LENET5):
        alone = kind.seconds(20, 2**20, 1)
        assert kind.seconds(20, 2**20, 8) == pytest.approx(alone / 8)
        # no card does less than one coalition
        least = kind.seconds(20, 64, 64)
        assert kind.seconds(20, 64, 4096) == least < kind.seconds(20, 64, 1)
        # three chunks for two cards: one card has two
        assert kind.seconds(20, 3 * kind.chunk, 2) == pytest.approx(
            2 * kind.seconds(20, kind.chunk, 1)
        )


def test_the_hub_is_fitted_to_its_rows():
    known = rates.Hub(1e-3, 2e-3, 1e-6)
    rows = [
        {"processes": count, "batch": batch, "seconds": known.seconds(count, batch)}
        for count in (2, 4, 8)
        for batch in (64, 1024)
    ]
    np.testing.assert_allclose(rates.hub_of(rows), known, rtol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.004, "4 ms"),
        (0.5, "0.5 s"),
        (119, "119 s"),
        (600, "10 min"),
        (1e5, "28 h"),
        (1e9, "32 years"),
    ],
)
def test_durations_are_in_fitting_units(seconds, words):
    assert scale_on_paper.duration(seconds) == words


def test_the_record_follows_from_the_records_beside_it(tmp_path):
    out = tmp_path / "out.json"
    assert scale_on_paper.main(["--json", str(out)]) == 0
    assert json.loads(out.read_text())["tables"] == json.loads(RECORD.read_text())["tables"]
    assert scale_on_paper.main(["--results", str(tmp_path)]) == 2


@pytest.mark.slow
def test_processes_read_what_all_handed_in_and_bytes_are_counted(tmp_path):
    out = tmp_path / "out.json"
    assert overheads.main(["--quick", "--players", "8", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    [row] = record["hub"]
    assert row["processes"] == 2 and len(row["runs"]) == 2 and row["seconds"] > 0
    # a hand-in is two messages, an answer to those of two processes three
    assert row["messages"] == 2 * EXCHANGES * (2 + 3)
    assert row["bytes_out"] > row["bytes_in"] > 32 * (1 + 8)
    assert record["store"]["coalitions"] == 128 and record["store"]["bytes_a_coalition"] > 9
    assert [one["n"] for one in record["reducer"]] == [4]


def test_the_traffic_that_is_measured_is_that_of_evaluate(monkeypatch):
    exchanged = []

    def twice(mine):
        exchanged.append(mine)
        return [mine, mine]

    monkeypatch.setattr(processes, "count", lambda: 2)
    monkeypatch.setattr(processes, "exchange", twice)
    monkeypatch.setattr(processes, "exchange_arrays", twice)
    game = from_callable(lambda masks: masks.sum(axis=1) + 0.0, 3, name="sizes")
    masks = np.eye(3, dtype=bool)[:1]
    evaluate(game, 0, masks)
    played = [type(mine) for mine in exchanged]
    exchanged.clear()
    overheads._as_evaluate_does(UtilityStore(), masks, masks)
    assert [type(mine) for mine in exchanged] == played and len(played) == EXCHANGES


def test_what_the_overheads_cannot_use_is_refused(capsys):
    for wrong, words in (
        (["--processes", "1"], "processes=1"),
        (["--players", "3"], "players=3"),
        (["--rounds", "0"], "rounds=0"),
    ):
        assert overheads.main(wrong) == 2
        assert words in capsys.readouterr().err
