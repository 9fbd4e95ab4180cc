import json
from decimal import Decimal

import numpy as np
import pytest

from fedjax_shap.engine.stopwatch import Stopwatch
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.result import Result
from fedjax_shap.pipeline.run import run

BASE = {
    "data": {"name": "breast_cancer", "validation": 0.4},
    "partition": {"name": "quantity", "ratios": [1, 2, 3]},
    "local": {"learning_rate": 0.1, "steps": [2, 0, 5], "batch_size": 16},
    "algorithm": {"max_rounds": 4},
    "game": {"metric": "negative_loss"},
    "costs": {"name": "per_step", "price": "0.10"},
    "economics": {"name": "equal", "revenue": 90},
}


def result_of(**changes: object) -> Result:
    return run(parse({**BASE, **changes}))


def test_costs_follow_the_steps_that_each_member_did():
    settled = result_of().settlement
    assert settled.costs == tuple(map(Decimal, ("0.80", "0.00", "2.00")))
    assert settled.payments == (Decimal("30.00"),) * 3


def test_costs_of_a_cross_device_run_count_the_rounds_a_member_was_there():
    trace = {"name": "trace", "available": [[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1]]}
    result = result_of(game={"name": "rounds", "metric": "negative_loss"}, participation=trace)
    assert result.settlement.costs == tuple(map(Decimal, ("0.60", "0.00", "0.50")))
    assert (
        result.attribution.values[1] < 0
    )  # it uploads what it received, in its one round, and so dilutes the mean
    assert result.attribution.num_coalitions == 2 + 4 + 4
    assert result.curve.federated.shape == (4,)
    assert result.curve.federated[1] == result.curve.federated[2]  # nobody was there in between


def test_convergence_ends_the_steps_that_are_paid_for():
    result = result_of(algorithm={"max_rounds": 40, "tol": 0.5, "patience": 1})
    rounds = result.settlement.costs[0] / Decimal("0.20")
    assert 2 <= rounds < 40 and rounds == int(rounds)


def test_the_pooled_model_is_the_federation_of_one():
    result = result_of(local={"learning_rate": 0.1, "batch_size": 16})
    pooled = federation_of(result.config).data.pooled()
    assert pooled.num_clients == 1 and int(pooled.sizes[0]) == int(result.sizes.sum())
    found = result.centralized
    assert (
        found["delta"] == abs(found["federated"] - found["pooled"])
        and found["metric"] == "negative_loss"
    )
    assert found["pooled"] > found["federated"] > float(result.attribution.empty)


def test_the_curve_ends_at_the_value_of_everyone():
    everyone = result_of(game={"metric": "accuracy"}, data={"name": "breast_cancer"})
    assert everyone.curve.federated[-1] == pytest.approx(
        float(everyone.attribution.grand), abs=1e-6
    )
    assert everyone.curve.alone.shape == (3, 4)


def test_members_beyond_the_figure_are_not_trained_alone(monkeypatch):
    monkeypatch.setattr("fedjax_shap.pipeline.curves.MOST_ALONE", 2)
    assert result_of().curve.alone is None


def test_a_seed_decides_everything():
    first, again = result_of(seed=4).to_json(), result_of(seed=4).to_json()
    other = result_of(seed=5).to_json()
    for changing in ("timing",):
        assert first.pop(changing) is not None and again.pop(changing) is not None
    assert first == again and first["values"] != other["values"]


def test_the_stopwatch_sees_compilation():
    import jax

    with Stopwatch() as watch:
        jax.jit(lambda x: x * 3 + 1)(np.ones(3)).block_until_ready()
    assert 0 < watch.compiling < watch.seconds


def test_repeats_and_resamples_tell_how_much_of_a_value_is_noise():
    game = {"metric": "negative_loss", "resamples": 10}
    told = result_of(game=game, estimator={"name": "exact", "repeats": 2}).to_json()
    assert len(told["values"]) == 3 and np.isfinite(told["std_errors"]).all()
    assert all(
        len(told["notes"][f"{part}_noise"]) == 3 for part in ("training", "sampling", "test_set")
    )
    assert told["notes"]["noise_floor"]["relative_l2"] > 0
    assert json.loads(json.dumps(told["notes"])) == told["notes"]


def test_an_inefficient_estimator_can_be_made_efficient_and_a_rule_can_stop_one():
    members = {"name": "quantity", "ratios": [1, 2, 3, 4, 5]}
    plain, shared = (
        result_of(
            partition=members,
            local={"steps": 2},
            estimator={"name": "owen", "budget": 30, "efficient": share},
        )
        for share in (False, True)
    )
    gap = plain.attribution.efficiency_gap
    assert abs(gap) > 1e-6
    assert abs(shared.attribution.efficiency_gap) < 1e-9
    np.testing.assert_allclose(
        plain.attribution.values - gap / 5, shared.attribution.values, atol=1e-12
    )
    stopped = result_of(
        partition=members,
        local={"steps": 2},
        estimator={"name": "permutation", "until": "budget(12)", "turn": 6},
    )
    assert stopped.attribution.num_coalitions < 32
    assert stopped.attribution.stopped.endswith("coalitions asked for")
