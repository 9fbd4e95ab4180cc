"""The hospitals' payments: the record agrees with itself, and the experiment runs on a trial."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import payments_hospitals as experiment
from experiments.priced_hospitals import read_intervals, replicates
from fedjax_shap.economics.settlement import Settlement
from fedjax_shap.shapley.exact import shapley_values

RESULTS = Path(experiment.__file__).parent / "results" / "payments_hospitals.json"


@pytest.fixture(scope="module")
def record() -> dict:
    """The record in the repository."""
    return json.loads(RESULTS.read_text())


def test_replicates_are_means_of_one_resample_over_drawn_seeds():
    values = np.random.default_rng(1).normal(size=(3, 5, 4))
    values[:, 0] = np.nan  # the test set itself is not one of its resamples
    found = replicates(values, 500, 0)
    assert found.shape == (500, 3) and np.isfinite(found).all()
    draw = np.random.default_rng(0)
    tested = draw.integers(1, 5, 500)
    trained = draw.integers(0, 4, (500, 4))
    for row in (0, 1, 499):
        expected = [
            sum(values[p, tested[row], seed] for seed in trained[row]) / 4 for p in range(3)
        ]
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)


def test_replicates_spread_as_both_sources_of_noise_together():
    draw = np.random.default_rng(2)
    seeds = draw.normal(size=(2, 1, 30))
    patients = draw.normal(size=(2, 3001, 1))
    spread = replicates(0.9 * seeds + 0.3 * patients, 4000, 0).var(axis=0)
    expected = 0.9**2 * seeds[:, 0].var(axis=1) / 30 + 0.3**2 * patients[:, 1:, 0].var(axis=1)
    np.testing.assert_allclose(
        spread, expected, rtol=0.1
    )  # 4.5 standard errors of a variance of 4000


@pytest.mark.parametrize("rate", experiment.RATES)
def test_recorded_payments_are_those_of_the_formula(rate, record):
    one = record["rates"][rate]
    settled = Settlement.from_json(one["settlement"])
    values = shapley_values(np.array(one["table"]))
    # float32 trainings, averaged in float64
    np.testing.assert_allclose(settled.values, values, atol=1e-6)
    weights = np.maximum(settled.values, 0)
    costs = np.array([float(cost) for cost in settled.costs])
    owed = costs + weights / weights.sum() * (float(settled.revenue) - costs.sum())
    np.testing.assert_allclose([float(payment) for payment in settled.payments], owed, atol=0.01)
    assert sum(settled.payments) == settled.revenue
    joules = np.array(one["machines"]["joules"])
    np.testing.assert_allclose(
        [float(part) for part in one["bill"]["energy"]], joules / 3.6e6 * 0.30, atol=1e-9
    )


@pytest.mark.parametrize("rate", experiment.RATES)
def test_recorded_intervals_hold_the_payments_and_the_docstring_has_them(rate, record):
    one = record["rates"][rate]
    settled = Settlement.from_json(one["settlement"])
    ends = read_intervals(one)
    each = zip(settled.players, settled.payments, ends.low, ends.high, strict=True)
    for name, paid, low, high in each:
        assert low <= float(paid) <= high
        expected = f"{float(paid):,.0f} {low:,.0f} to {high:,.0f}"
        (line,) = (
            line
            for line in (experiment.__doc__ or "").splitlines()
            if line.startswith(f"    {name}  ")
        )
        assert expected in " ".join(line.split())


@pytest.mark.slow
def test_a_trial_writes_its_record_and_its_page(data_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(experiment, "RATES", experiment.RATES[1:])
    if not (data_folder / "heart_disease").is_dir():
        pytest.skip("no heart_disease among the real data")
    out = tmp_path / "out.json"
    page = tmp_path / "page.png"
    trial = ["--data", str(data_folder)]
    for setting in ("repeats=10", "resamples=3", "replicates=400"):
        trial += ["--set", setting]
    assert experiment.main([*trial, "--json", str(out), "--figure", str(page)]) == 0
    assert page.exists()
    rates = json.loads(out.read_text())["rates"]
    assert list(rates) == list(experiment.RATES)
    for one in rates.values():
        np.testing.assert_allclose(
            one["settlement"]["values"], shapley_values(np.array(one["table"])), atol=1e-6
        )
        assert all(each["sentence"] for each in one["audits"])


def test_a_setting_that_does_not_fit_is_refused(capsys):
    assert experiment.main(["--set", "repeats=1"]) == 2
    assert "repeats=1" in capsys.readouterr().err
