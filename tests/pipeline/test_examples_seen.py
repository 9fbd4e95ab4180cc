"""The examples that models have seen after each round are those in the batches of their steps."""

import numpy as np
import pytest

from fedjax_shap.learning.local import local
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.examples_seen import rows_of
from fedjax_shap.pipeline.run import run

RAW = {
    "data": {"name": "breast_cancer"},
    "partition": {"name": "quantity", "ratios": [1, 2]},
    "local": {"learning_rate": 0.1, "batch_size": 32},
    "algorithm": {"max_rounds": 2},
}


def test_rows_are_counted_batch_by_batch_and_the_last_of_a_pass_is_short():
    sizes = np.array([10, 7])
    training = local(learning_rate=0.1, batch_size=4, steps=1)
    counted = [rows_of(np.full(2, steps), sizes, training).tolist() for steps in range(6)]
    assert counted == [[0, 0], [4, 4], [8, 7], [10, 11], [14, 14], [18, 18]]
    whole = local(learning_rate=0.1, batch_size=None, steps=1)
    assert rows_of(np.full(2, 3), sizes, whole).tolist() == [30, 21]


@pytest.mark.slow
def test_a_run_and_its_pooled_data_see_equally_many_examples_a_pass():
    result = run(parse(RAW))
    seen = result.curve.examples
    sizes = np.asarray(result.sizes, float)
    np.testing.assert_array_equal(seen.federated, np.cumsum([sizes.sum()] * 2))
    np.testing.assert_array_equal(seen.pooled, seen.federated)
    np.testing.assert_array_equal(seen.alone, np.outer(sizes, [1, 2]))
    record = result.to_json()["curve"]
    assert record["examples"]["pooled"] == seen.pooled.tolist()


@pytest.mark.slow
def test_absent_members_and_rounds_of_several_aggregations_count_what_was_trained():
    raw = {
        **RAW,
        "game": {"name": "rounds", "inner_rounds": 3},
        "participation": {"name": "uniform", "participants": 1},
        "estimator": {"name": "exact"},
    }
    result = run(parse(raw))
    seen = result.curve.examples
    sizes = np.asarray(result.sizes, float)
    each = np.diff(seen.federated, prepend=0)
    assert set(each) <= set(3 * sizes), "one member trains in a round, three times over its rows"
    np.testing.assert_array_equal(seen.alone, np.outer(sizes, np.arange(1, 7)))
    assert len(seen.pooled) == len(result.curve.pooled) == 6
    assert len(seen.federated) == len(result.curve.federated) == 2


@pytest.mark.slow
def test_a_curve_shows_the_metric_of_the_game():
    result = run(parse({**RAW, "game": {"metric": "roc_auc"}}))
    assert "AUC" in result.curve.label
    assert 0.5 < result.curve.federated[-1] <= 1
