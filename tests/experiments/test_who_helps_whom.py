"""Who helps whom: the matrices come from configurations that run takes, and are read rightly."""

import json

import numpy as np
import pytest
from rich.console import Console

from experiments import who_helps_whom as experiment
from fedjax_shap.pipeline.config import parse


@pytest.mark.parametrize("name", experiment.FEDERATIONS)
def test_each_configuration_is_one_that_run_takes(name):
    config = parse(experiment.raw_config(experiment.CONFIG, "anywhere", name))
    assert config.sections["game"].keywords["judges"] == "members"
    assert config.sections["data"].keywords["folder"] == "anywhere"


def test_harm_is_a_value_below_zero_by_more_than_two_standard_errors():
    values = np.array([[0.5, -0.3, 0.1], [0.6, 0.4, -0.1], [0.2, -0.5, 0.3]])
    errors = np.full((3, 3), 0.1)
    found = experiment.findings(values, errors)
    assert found["harmful"] == [[0, 1], [2, 1]]  # -0.1 is within two errors of 0
    assert found["own_first"] == 2  # judge 0 gains most from member 1
    assert found["own"] == pytest.approx(0.4)
    assert found["others"] == pytest.approx(0.0)
    assert found["mutual"] == pytest.approx(np.corrcoef([-0.3, 0.1, -0.1], [0.6, 0.2, -0.5])[0, 1])


def test_blocks_are_means_of_rows_that_help_by_columns_that_judge():
    values = np.arange(9.0).reshape(3, 3)
    assert experiment.blocks(values, 1) == [[0, 1.5], [4.5, 6]]


@pytest.mark.slow
def test_hospitals_judged_by_their_own_patients_add_up_to_the_pooled_values(
    data_folder, tmp_path, monkeypatch
):
    for name in ("stations", "fields"):
        monkeypatch.delitem(experiment.FEDERATIONS, name)
    out = tmp_path / "out.json"
    drawn = tmp_path / "out.png"
    given = ["--data", str(data_folder), "--json", str(out), "--figure", str(drawn)]
    assert experiment.main([*given, "--set", "repeats=2", "--set", "rounds=2"]) == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    one = json.loads(out.read_text())["federations"]["hospitals"]
    assert one["judges"] == one["players"]
    np.testing.assert_allclose(np.array(one["weights"]) * 254, [104, 89, 16, 45])
    pooled = np.array(one["values"]) @ one["weights"]
    np.testing.assert_allclose(pooled, one["pooled"], atol=1e-6)


def test_the_figure_puts_members_in_one_order_on_both_sides(capsys):
    rng = np.random.default_rng(0)
    federations = {}
    for name, count in (("hospitals", 4), ("stations", 12), ("fields", 29)):
        values = rng.normal(size=(count, count))
        members = [f"{name} {i}" for i in range(count)]
        federations[name] = {
            "players": members,
            "judges": members,
            "coalitions": 2,
            "pooled": rng.permutation(count).astype(float).tolist(),
            "values": values.tolist(),
            "std_errors": np.full_like(values, 0.1).tolist(),
            **experiment.findings(values, np.full_like(values, 0.1)),
        }
    record = {"settings": experiment.CONFIG, "federations": federations}
    panels = [axes for axes in experiment.figure(record).axes if axes.get_xlabel() == "worth to"]
    for axes, (name, one) in zip(panels, federations.items(), strict=True):
        order = np.arange(len(one["players"]))
        if name == "stations":
            order = np.argsort(one["pooled"])[::-1]
        names = [one["players"][i] for i in order]
        assert [label.get_text() for label in axes.get_xticklabels()] == names
        assert [label.get_text() for label in axes.get_yticklabels()] == names
        shown = np.array(axes.images[0].get_array())
        np.testing.assert_array_equal(shown, np.array(one["values"])[np.ix_(order, order)])
        low, high = axes.images[0].get_clim()
        assert low == -high  # white is 0
    experiment.show(record, Console(width=160))
    assert "phi[i, j] and phi[j, i]" in capsys.readouterr().out
