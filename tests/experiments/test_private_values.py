"""Private values: what is drawn and shown is what was found, and without privacy it is the game."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from experiments import private_values

ROWS = {
    "no privacy": {"accuracy": [0.9, 0.8], "values": [[0.1, 0.2], [0.2, 0.3]]},
    "clipped": {"accuracy": [0.9, 0.8], "noise": 0.0, "charged": None},
    "10": {"accuracy": [0.3, 0.5], "noise": 1.5, "charged": 40.0},
}
FLAMBY = [
    {"epsilon": None, "delta": 0.0, "accuracy": [0.7, 0.72]},
    {"epsilon": 10.0, "delta": 0.1, "accuracy": [0.6, 0.62]},
]


def handmade():
    found = {
        "members": {way: {**row, "spearman": [1.0, 0.5]} for way, row in ROWS.items()},
        "spearman_of_seeds": [0.9, 0.7],
    }
    hospitals = {
        **found,
        "records": {"3": {"accuracy": [0.5, 0.6], "spearman": [0.2, 0.4], "scale": 11.1}},
        "flamby": FLAMBY,
    }
    federations = dict(zip(private_values.FEDERATIONS, (found, hospitals), strict=True))
    return {"config": {"seeds": 2}, "federations": federations}


def test_a_row_an_epsilon_is_shown_and_drawn_with_flambys_beside_it(capsys):
    private_values.show(handmade(), Console(width=120))
    text = capsys.readouterr().out
    for cell in ("0.400 ± 0.141", "0.75 ± 0.35", "3, records", "FLamby 10, 0.1", "0.610 ± 0.014"):
        assert cell in text
    drawn = private_values.figure(handmade())
    assert isinstance(drawn, Figure)
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert "FLamby, patients protected" in labels


@pytest.mark.slow
def test_without_privacy_values_agree_with_themselves_and_flambys_rows_are_theirs(
    data_folder, tmp_path, monkeypatch
):
    pytest.importorskip("dp_accounting", reason="the extra `privacy` is not installed")
    monkeypatch.setattr(private_values, "EPSILONS", (10.0,))
    monkeypatch.setattr(private_values, "OF_RECORDS", (10.0,))
    out = tmp_path / "out.json"
    small = ("seeds=2", "members=3", "digits_rounds=2", "hospital_rounds=2", "hospital_updates=5")
    changes = [text for one in small for text in ("--set", one)]
    assert private_values.main([*changes, "--data", str(data_folder), "--json", str(out)]) == 0
    federations = json.loads(out.read_text())["federations"]
    for found in federations.values():
        assert found["members"]["no privacy"]["spearman"] == [1.0, 1.0]
        assert found["members"]["10"]["charged"] > 10
    published = {
        (row["epsilon"], row["delta"]): np.mean(row["accuracy"])
        for row in federations["hospitals"]["flamby"]
    }
    np.testing.assert_allclose(published[None, 0.0], 0.7125, atol=5e-4)
    np.testing.assert_allclose(published[0.1, 1e-4], 0.6056, atol=5e-4)
    np.testing.assert_allclose(published[5.0, 1e-4], 0.7036, atol=5e-4)
