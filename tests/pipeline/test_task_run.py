"""A configuration's task: how files are read, what is trained, and in which words it is told."""

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.report import run_figures
from fedjax_shap.report.run_sentences import sentences


@pytest.fixture(scope="module")
def spending(tmp_path_factory):
    """A table of two branches, whose target is a quantity."""
    rng = np.random.default_rng(0)
    age, income = rng.standard_normal((2, 80))
    spend = 500 + 90 * age - 30 * income + 20 * rng.standard_normal(80)
    lines = ["branch,age,income,spend"]
    for row in range(80):
        lines.append(f"branch {row % 2},{age[row]:.3f},{income[row]:.3f},{spend[row]:.2f}")
    path = tmp_path_factory.mktemp("spending") / "spending.csv"
    path.write_text("\n".join(lines))
    return str(path)


def config_of(path, **changed):
    return {
        "data": {"name": "csv", "path": path, "label": "spend", "client": "branch"},
        "local": {"learning_rate": 0.3, "epochs": 5},
        "algorithm": {"name": "fedavg", "max_rounds": 4},
        "plan": {"chunk": 4, "workers": 1},
        **changed,
    }


@pytest.mark.slow
def test_a_regression_runs_from_its_file_to_its_sentences(spending):
    raw = config_of(spending, task={"name": "regression"}, game={"metric": "rmse"})
    result = run(parse(raw))
    # V is minus the error, and gains are positive
    assert -150 < result.attribution.empty < result.attribution.grand < -10
    assert (result.attribution.values > 0).all()
    # people read the error
    record = result.to_json()
    assert record["metric"] == {"name": "rmse", "label": "RMSE", "sign": -1}
    assert record["config"]["task"] == {"name": "regression"}
    assert result.centralized["federated"] == pytest.approx(-result.attribution.grand)
    assert result.centralized["pooled"] > 0
    said = " ".join(sentences(result))
    assert f"RMSE of the federation {-result.attribution.grand:.4f}" in said
    assert f"{-result.attribution.empty:.4f}" in said
    # and so do curves
    assert record["curve"]["label"] == "RMSE"
    assert result.curve.federated[-1] < result.curve.federated[0]
    (axes,) = run_figures.curve(result.curve, "run", result.players).axes
    assert "RMSE" in axes.get_ylabel() and axes.get_ylim()[1] > 10


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "quantities"),
        (
            {"task": {"name": "regression"}, "game": {"metric": "accuracy"}},
            "metric='accuracy' to be a metric of the task 'regression'",
        ),
        ({"task": {"name": "poison"}}, "did you mean 'poisson'"),
        ({"task": {"name": "regression", "loss": "hubert"}}, "loss"),
        ({"task": {"name": "hinge"}}, "spend"),
    ],
)
def test_a_task_that_does_not_go_with_the_data_is_refused_before_training(spending, changed, said):
    with pytest.raises(InvalidInputError, match=said):
        setting_of(parse(config_of(spending, **changed)))


def test_a_revenue_curve_over_positive_errors_is_refused(spending):
    raw = config_of(
        spending,
        task={"name": "regression"},
        game={"metric": "rmse"},
        economics={"curve": [[20.0, 0], [100.0, 500]]},
    )
    with pytest.raises(InvalidInputError, match="over metrics <= 0, got 100: 'rmse' is an error"):
        run(parse(raw))
