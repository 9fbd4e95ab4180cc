"""A federation that merges statistics is run from its configuration to payments, as any other."""

import json
from pathlib import Path

import numpy as np
import pytest
from console import refused, said
from numpy.testing import assert_allclose
from sklearn.naive_bayes import GaussianNB

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.cli.main import main
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.loaded import loaded
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import setting_of

TOML = """
title = "naive Bayes"
[data]
name = "breast_cancer"
[partition]
name = "dirichlet"
num_clients = 3
alpha = 1.0
[model]
name = "gaussian_naive_bayes"
[game]
name = "statistics"
[devices]
profile = "raspberry_pi_5"
traffic_price = 1000000
[economics]
revenue = 100
"""
RAW = {
    "data": {"name": "breast_cancer"},
    "partition": {"name": "dirichlet", "num_clients": 3, "alpha": 1.0},
    "model": {"name": "gaussian_naive_bayes"},
    "game": {"name": "statistics"},
    "economics": {"revenue": 100},
}


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("bayes.toml").write_text(TOML)


def changed(**sections):
    return parse(RAW | {name: RAW.get(name, {}) | said for name, said in sections.items()})


@pytest.mark.slow
def test_the_command_line_runs_resumes_settles_compares_and_exports_it(capsys):
    assert main(["run", "bayes.toml", "--out", "out"]) == 0
    record = json.loads(Path("out/result.json").read_text())
    assert record["setting"] == "statistics"
    assert record["coalitions"] == {"asked": 8, "trained": 8, "from_store": 0}
    # the sums of all members give the model of pooled data
    assert record["centralized"]["delta"] == pytest.approx(0.0, abs=1e-12)
    assert record["curve"]["federated"] == record["curve"]["pooled"]
    # a count, 30 sums and 30 sums of squares a class, of 8 bytes each
    sums = 8 * 2 * (1 + 30 + 30)
    assert record["member_devices"]["uploaded"] == [sums] * 3
    paid = record["settlement"]
    assert sum(map(float, paid["payments"])) == pytest.approx(100)
    assert all(float(cost) > 0 for cost in paid["costs"])
    capsys.readouterr()
    assert main(["run", "bayes.toml", "--out", "out"]) == 0
    again = json.loads(Path("out/result.json").read_text())
    assert again["coalitions"] == {"asked": 8, "trained": 0, "from_store": 8}
    assert again["values"] == record["values"]
    assert main(["run", "bayes.toml", "--out", "mean", "--game.merge", "average"]) == 0
    assert "mean of their members' own models" in " ".join(capsys.readouterr().out.split())
    assert json.loads(said(capsys, "settle", "out"))["payments"] == paid["payments"]
    assert "agreement with out" in said(capsys, "compare", "out", "mean")
    assert len(said(capsys, "store", "export", "out").splitlines()) >= 9


def test_a_model_of_several_rounds_shows_its_rounds_and_pays_for_them():
    result = run(
        changed(
            model={"name": "newton_logistic", "rounds": 3},
            data={"name": "breast_cancer"},
            devices={"profile": "raspberry_pi_5"},
        )
    )
    assert result.curve.num_rounds == 3
    assert result.curve.federated.shape == (3,)
    assert_allclose(result.curve.federated, result.curve.pooled)
    assert result.metered.used.steps.sum() == 9
    weights = 31
    upload = result.metered.workload.messages.upload
    assert upload == 8 * (weights + weights**2)


def test_means_of_models_are_uploaded_once():
    config = changed(
        model={"name": "newton_logistic", "rounds": 3},
        game={"merge": "average", "name": "statistics"},
        devices={"profile": "raspberry_pi_5"},
    )
    work = setting_of(config).work(None)
    assert work.steps.tolist() == [3, 3, 3]
    assert work.metered.used.uploaded.tolist() == [[8 * 31] * 3]


def test_errors_of_resamples_and_judges_go_with_it():
    found = run(changed(game={"name": "statistics", "resamples": 20})).attribution
    assert (found.std_errors > 0).all()
    by_class = run(changed(game={"name": "statistics", "judges": "classes"})).attribution
    assert by_class.slices.values.shape == (3, 2)
    assert_allclose(by_class.slices.values @ by_class.slices.weights, by_class.values, atol=1e-12)


def test_statistics_of_noisy_records_are_summed_and_their_epsilon_is_stated():
    records = {"law": "gaussian", "clip": 5.0, "epsilon": 10.0}
    config = changed(privacy={"records": records})
    data = loaded(config).data
    assert not np.array_equal(data.x, loaded(parse(RAW)).data.x)
    result = run(config)
    x, y = data.validation
    expected = GaussianNB().fit(data.x, data.y).score(x, y)
    assert_allclose(result.attribution.grand, expected, atol=1e-6)
    assert result.to_json()["privacy"]["records"]["epsilon"] == 10.0
    assert any("locally private with epsilon = 10" in note for note in result.notes)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"model": {"name": "mlp"}}, "model.name='mlp' to be a model whose members send sums"),
        ({"model": {}}, "model.name='linear' to be a model whose members send sums"),
        ({"game": {"name": "silo"}}, "to be a model that is trained with game.name='silo'"),
        ({"local": {"name": "sgd"}}, r"\[local\] to be left out with game.name='statistics'"),
        ({"estimator": {"repeats": 2}}, "repeats=2 to be left out"),
        ({"privacy": {"clip": 1.0}}, r"\[privacy\] to hold records alone"),
        ({"game": {"name": "statistics", "merge": "mean"}}, "game.merge='mean' to be of type"),
    ],
)
def test_sections_that_do_not_go_together_are_refused_before_data_are_read(sections, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        parse(RAW | sections)


def test_a_task_that_does_not_fit_is_refused_on_the_command_line(capsys):
    sentence = refused(capsys, "run", "bayes.toml", "--out", "o", "--model.name", "ridge")
    assert "Expected task='classification' to be 'regression'" in sentence
    assert not Path("o").exists()


def test_a_model_of_ones_own_merges_too():
    Path("mine_merging.py").write_text(
        "from fedjax_shap.learning.statistics.registry import gaussian_naive_bayes as model\n"
    )
    found = run(changed(model={"name": "mine_merging:model"})).attribution
    assert np.array_equal(found.values, run(parse(RAW)).attribution.values)


SVM = {name: RAW[name] for name in ("data", "partition", "economics")} | {
    "game": {"name": "support_vectors", "gamma": 0.1, "metric": "roc_auc"},
}


def test_kernel_machines_are_run_and_their_store_is_read_again(tmp_path):
    result = run(parse(SVM), store=tmp_path / "kept")
    assert result.setting == "support vectors" and result.coalitions["trained"] == 8
    assert sum(result.settlement.payments) == 100
    again = run(parse(SVM), store=tmp_path / "kept")
    assert again.coalitions == {"asked": 8, "trained": 0, "from_store": 8}
    assert np.array_equal(again.attribution.values, result.attribution.values)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"model": {"name": "mlp"}}, r"\[model\] to be left out with game.name='support_vectors'"),
        ({"task": {"name": "hinge"}}, "task.*'hinge' to be 'classification' with a kernel machine"),
    ],
)
def test_a_kernel_machine_refuses_what_it_cannot_use(sections, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        run(parse(SVM | sections))
