"""The joint model of a run is kept, and is the one that the run reports."""

from dataclasses import replace
from pathlib import Path

import chex
import jax
import numpy as np
import pytest

import fedjax_shap as fs
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.curves import follow_all
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.joint_model import JointModel
from fedjax_shap.pipeline.run import run
from fedjax_shap.report.run import write
from fedjax_shap.valuation.options import Options

RAW = {
    "data": {"name": "breast_cancer"},
    "partition": {"name": "quantity", "ratios": [1, 2]},
    "local": {"learning_rate": 0.1},
    "algorithm": {"max_rounds": 2},
}


def accuracy_of(model, config) -> float:
    x, y = federation_of(config).data.test
    return float((model.predict(x) == np.asarray(y)).mean())


def test_the_model_of_a_run_has_the_accuracy_that_the_run_reports_also_when_it_goes_on(tmp_path):
    config = parse(RAW)
    for _ in range(2):
        result = run(config, store=tmp_path / "utilities")
        write(result, tmp_path)
        model = fs.load_model(tmp_path)
        assert accuracy_of(model, config) == pytest.approx(result.curve.federated[-1], abs=1e-7)
        x = np.asarray(federation_of(config).data.test[0])
        np.testing.assert_array_equal(model.apply(model.params, x), model.outputs(x))
    assert result.coalitions["trained"] == 0 and model.shape == (30,)
    with pytest.raises(InvalidInputError, match=r"examples of shape \(30,\)"):
        model.predict(np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        ({"name": "mlp", "hidden": [3, 2], "initializer": "torch"}, (5,)),
        ({"name": "linear", "output": "sigmoid"}, (2, 2)),
    ],
)
def test_a_model_comes_back_as_it_was(architecture, shape, tmp_path):
    saved = JointModel(
        architecture=architecture, shape=shape, num_outputs=2, num_classes=2, params=None
    )
    saved = replace(saved, params=saved.model.init(jax.random.key(3)))
    saved.save(tmp_path / "model.npz")
    loaded = fs.load_model(tmp_path)
    chex.assert_trees_all_equal(saved.params, loaded.params)
    x = np.linspace(-1, 1, 4 * np.prod(shape)).reshape(4, *shape)
    np.testing.assert_array_equal(saved.outputs(x), loaded.outputs(x))
    np.testing.assert_array_equal(loaded.predict(x), loaded.outputs(x).argmax(axis=1))


def test_quantities_are_predicted_in_their_own_units(tmp_path):
    model = JointModel(
        architecture={"name": "linear"},
        shape=(2,),
        num_outputs=2,
        num_classes=None,
        params={"Dense_0": {"kernel": np.eye(2, dtype="f4"), "bias": np.zeros(2, "f4")}},
        line=(np.array([[10.0, 20.0]], "f4"), np.array([[2.0, 3.0]], "f4")),
    )
    model.save(tmp_path / "model.npz")
    np.testing.assert_allclose(fs.load_model(tmp_path).predict([[1, 1]]), [[12, 23]])


@pytest.mark.slow
def test_the_model_of_a_cross_device_run_is_that_of_its_last_round(tmp_path):
    config = parse({**RAW, "game": {"name": "rounds"}})
    result = run(config)
    write(result, tmp_path)
    model = fs.load_model(tmp_path / "model.npz")
    assert accuracy_of(model, config) == pytest.approx(result.curve.federated[-1], abs=1e-7)


@pytest.mark.slow
def test_a_model_too_large_to_keep_beside_every_curve_is_kept_all_the_same(monkeypatch):
    federation = federation_of(parse({**RAW, "algorithm": {"max_rounds": 1}}))
    given = (federation.data, federation.training, federation.pooled_training, Options())
    settings = {"key": federation.key, "metric": "accuracy"}
    together, one = follow_all(*given, **settings)
    monkeypatch.setattr("fedjax_shap.pipeline.curves.MOST_NUMBERS", 10)
    apart, other = follow_all(*given, **settings)
    chex.assert_trees_all_close(
        together._replace(params=None), apart._replace(params=None), atol=1e-6
    )
    chex.assert_trees_all_close(one.params, other.params, atol=1e-6)


def test_what_is_no_model_is_refused_in_a_sentence(tmp_path):
    for content in (b"", b"no archive", b"PK\x03\x04"):
        (tmp_path / "model.npz").write_bytes(content)
        with pytest.raises(InvalidInputError, match="to be a model that a run wrote"):
            fs.load_model(tmp_path)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(InvalidInputError, match="to be a model that a run wrote"):
        fs.load_model(tmp_path / "other.npz")
    with pytest.raises(InvalidInputError, match="no such file"):
        fs.load_model(Path("absent"))
