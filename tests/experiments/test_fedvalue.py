"""FedValue's parties: the truth by hand, what is shared with the label holder, and the record."""

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from experiments import fedvalue as experiment
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.vertical import logistic, vertical

SMALL = {**experiment.SETTINGS, "rows": 400}


def entropy(chance):
    """Of a binary variable, in nats."""
    return -sum(p * math.log(p) for p in (chance, 1 - chance) if p > 0)


def test_the_information_of_monk_is_that_of_counts():
    chances, shares = experiment.law("MONK", np.random.default_rng(0))
    assert shares.tolist() == [5, 5, 10]
    # of ten features: how many of them are 1, and what that says of the other ten
    expected = entropy(math.comb(20, 8) / 2**20)
    for count in range(11):
        rest = math.comb(10, 8 - count) / 2**10 if count <= 8 else 0.0
        expected -= math.comb(10, count) / 2**10 * entropy(rest)
    assert experiment.information(chances, frozenset({0, 1})) == pytest.approx(expected, abs=1e-12)
    assert experiment.information(chances, frozenset({2})) == pytest.approx(expected, abs=1e-12)
    assert experiment.information(chances, frozenset()) == pytest.approx(0.0, abs=1e-12)


def test_the_true_value_of_what_the_label_holder_has_is_zero():
    for name in experiment.LAWS:
        chances, shares = experiment.law(name, np.random.default_rng(1))
        known = experiment.known_utilities(chances)
        values = experiment.values_of(known, "S2", "permanent")
        assert values[2] == pytest.approx(0.0, abs=1e-12)
        assert values.sum() == pytest.approx(known[-1] - known[16], abs=1e-12)
        simpler = experiment.shared(shares, "S2")
        assert_allclose(simpler, [shares[0] / 2, shares[1] / 2, 0, (shares[0] + shares[1]) / 2])
    alone = experiment.shared(np.array([5.0, 5.0, 10.0]), "S0")
    assert alone.tolist() == [5, 5, 10]


@pytest.mark.slow
def test_one_table_of_utilities_has_the_games_with_a_permanent_label_holder_in_it():
    drawn = experiment.draw("LINEAR", SMALL, 0)
    model = logistic()
    table = evaluate(vertical(drawn.columns, model, metric="log_loss"), 0, experiment.MASKS)
    for federation, place in (("S0", slice(0, 8)), ("S2", slice(16, 32))):
        own = experiment.of_federation(drawn.columns, federation)
        game = vertical(own, model, metric="log_loss")
        assert_allclose(evaluate(game, 0, all_subsets(game.num_players)), table[place], atol=1e-9)


@pytest.mark.slow
def test_the_record_has_all_cases_and_the_published_numbers(tmp_path):
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    small = ("rows=2000", "seeds=1", "network_rows=600", "epochs=1", "run_rows=400", "rounds=5")
    sets = [part for text in small for part in ("--set", text)]
    assert experiment.main(["--json", str(out), "--figure", str(drawn), *sets]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    record = json.loads(out.read_text())
    assert len(record["rows"]) == len(record["summary"]) == 25
    found = {tuple(row[part] for part in experiment.KEY): row for row in record["summary"]}
    permanent = found["LINEAR", "logistic", "S2", "permanent"]
    player = found["LINEAR", "logistic", "S2", "player"]
    assert permanent["mean"] > 0.97 > player["mean"]
    assert permanent["published"] == -0.605
