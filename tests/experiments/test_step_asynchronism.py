"""Step asynchronism: the optimum is one, and the record follows from the models of each round."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import step_asynchronism as experiment
from experiments.contestants import Contestant, bound, contestants, models_by_round
from experiments.regression import balanced, objective
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.data.federate import federate
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.published import a9a
from fedjax_shap.learning.algorithms.registry import ALGORITHMS

RESULTS = "step_asynchronism.json"
SMALL = {
    **experiment.CONFIG,
    "data": "breast_cancer",
    "clients": 3,
    "rounds": 30,
    "mean_steps": 10.0,
    "deviation": 10.0,
    "l2": 0.02,
    "most": 40,
}


def record_of(folder, *arguments):
    out = folder / "out.json"
    given = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    code = experiment.main(
        [*given, "--json", str(out), "--figure", str(folder / "out.png"), *arguments]
    )
    return code, out


@pytest.fixture(scope="module")
def pool():
    return experiment.pool_of(SMALL, None)


def test_the_objective_has_the_gradient_that_differences_have(pool):
    f = objective(pool, 0.01)
    at = np.random.default_rng(0).normal(size=f.x.shape[1] * 2) / 10
    along = np.random.default_rng(1).normal(size=at.shape)
    step = 1e-6
    slope = (f(at + step * along)[0] - f(at - step * along)[0]) / (2 * step)
    np.testing.assert_allclose(f(at)[1] @ along, slope, rtol=1e-7)


def test_nothing_near_the_optimum_is_lower_and_its_bound_holds(pool):
    f = objective(pool, 0.01)
    best, lowest, error = f.optimum()
    assert error <= 1e-10
    rng = np.random.default_rng(0)
    for scale in (1e-4, 1e-2, 1.0):
        for _ in range(5):
            assert f(best + scale * rng.normal(size=best.shape))[0] > lowest - error


def test_models_of_a_run_stand_in_the_order_in_which_the_objective_reads_them(pool):
    data = federate(pool, balanced(num_clients=3, alpha=0.3), seed=0)
    one = Contestant(ALGORITHMS["fedsgd"](learning_rate=0.05, max_rounds=3), 0.05)
    with jax.enable_x64(True):
        models = models_by_round(SMALL, bound(SMALL, data, one))
    f = objective(pool, SMALL["l2"])
    x = np.zeros(models.shape[1])
    for model in models:  # gradient descent, from zero weights
        x = x - 0.05 * f(x)[1]
        np.testing.assert_allclose(model, x, atol=1e-6)


def test_the_record_says_how_far_each_algorithm_is_from_the_optimum(tmp_path, capsys):
    code, out = record_of(tmp_path, "--algorithms", "fedavg", "patent_lam0.1")
    assert code == 0
    record = json.loads(out.read_text())
    assert list(record["final_gap"]) == ["fedavg", "patent_lam0.1"]
    for name, curve in record["curves"].items():
        assert len(curve) == 30 and curve[-1] == record["final_gap"][name] > -1e-9
    assert record["final_gap"]["patent_lam0.1"] < record["final_gap"]["fedavg"] / 10
    assert record["stand_in"] and "a small stand-in" in capsys.readouterr().out
    assert len(set(record["num_steps"])) > 1 and all(
        2 <= steps <= 40 for steps in record["num_steps"]
    )
    assert (tmp_path / "out.png").exists()
    lines = {line.get_label(): line for line in experiment.figure(record).axes[0].lines}
    np.testing.assert_allclose(lines["FedAvg"].get_ydata(), record["curves"]["fedavg"])


def test_every_contestant_of_the_claim_is_there():
    every = contestants(experiment.CONFIG)
    record = json.loads((Path(experiment.__file__).parent / "results" / RESULTS).read_text())
    assert every.keys() == record["curves"].keys()
    assert contestants(experiment.CONFIG)["patent_lam0.1_eta0.01"].learning_rate == 0.01


def test_a_balanced_client_gets_no_class_once_it_has_its_share():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4, dtype=np.int32), 50)
    x = np.zeros((len(y), 1), np.float32)
    deal = balanced(num_clients=5, alpha=0.3)
    for _ in range(20):
        rows = deal(rng, Pool(x=x, y=y, test=(x, y), num_classes=4)).rows
        assert sorted(np.concatenate(rows).tolist()) == list(range(len(y)))
        for client, own in enumerate(rows):
            counts = np.bincount(y[own], minlength=4)
            assert counts.sum() >= 4
            # the last client gets the row that rounding leaves over
            for label in np.flatnonzero(counts > (client == 4)):
                assert counts[:label].sum() < len(y) / 5


def test_too_few_rows_and_unknown_names_are_refused(tmp_path, capsys):
    x = np.zeros((4, 1), np.float32)
    y = np.arange(4, dtype=np.int32) % 2
    with pytest.raises(InvalidInputError, match="each of 3 clients at least 2 rows"):
        balanced(num_clients=3, alpha=0.3)(
            np.random.default_rng(0), Pool(x=x, y=y, test=(x, y), num_classes=2)
        )
    for wrong in (
        ["--algorithms", "fedavgg"],
        ["--set", "l2=0"],
        ["--set", "partition=even"],
        ["--set", "rounds=0"],
    ):
        assert record_of(tmp_path, *wrong)[0] == 2
        assert "Expected" in capsys.readouterr().err


@pytest.mark.slow
def test_the_optimum_on_a9a_is_the_published_one(data_folder):
    lowest = objective(a9a(folder=str(data_folder)), experiment.CONFIG["l2"]).optimum()[1]
    assert lowest == pytest.approx(0.324484, abs=1e-6)
