"""Runs whose coalitions are valued on users who never train."""

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.run import run

BASE = {
    "data": {"name": "breast_cancer", "validation_users": 0.4},
    "partition": {"name": "quantity", "ratios": [1, 2, 3, 4, 5]},
    "local": {"learning_rate": 0.1, "steps": 2, "batch_size": 16},
    "algorithm": {"max_rounds": 2},
    "game": {"metric": "accuracy"},
    "economics": {"name": "equal", "revenue": 90},
}


def test_who_never_trains_is_no_player_and_the_notes_say_so():
    federation = federation_of(parse(BASE))
    assert federation.data.num_clients == 3
    assert federation.notes[0].startswith("Kept apart for validation: 2 of 5")
    assert len(np.unique(federation.data.users)) == 2


@pytest.mark.slow
def test_only_who_trains_is_valued_and_paid_on_the_rows_of_who_does_not():
    result = run(parse(BASE))
    told = result.to_json()
    assert len(told["values"]) == len(told["settlement"]["payments"]) == 3
    assert told["surplus"]["users"] == 2 and told["surplus"]["std_error"] > 0
    assert any(
        note.startswith("Kept apart for validation: 2 of 5") for note in told["setting_notes"]
    )
    # V(N) is the accuracy on the rows of the users apart
    x, y = federation_of(parse(BASE)).data.validation
    hits = np.asarray(result.curve.joint.predict(x)) == np.asarray(y)
    assert told["grand"] == pytest.approx(hits.mean(), abs=1e-6)


@pytest.mark.slow
def test_the_errors_of_values_are_those_over_users():
    game = {"metric": "accuracy", "resamples": 30}
    over_users = run(parse({**BASE, "game": game})).to_json()
    spread = over_users["notes"]["test_set_noise"]
    assert len(spread) == 3 and np.isfinite(spread).all() and max(spread) > 0


@pytest.mark.slow
def test_rounds_are_valued_on_the_users_apart_too():
    result = run(parse({**BASE, "game": {"name": "rounds", "metric": "accuracy"}}))
    assert len(result.attribution.values) == 3
    assert result.curve.surplus.users == 2


def test_the_errors_of_one_user_are_refused_before_anything_is_trained():
    game = {"metric": "accuracy", "resamples": 20}
    one = {**BASE, "game": game, "data": {"name": "breast_cancer", "validation_users": 0.2}}
    with pytest.raises(InvalidInputError, match="rows of 1 user are the validation set"):
        run(parse(one))


def test_a_fraction_that_is_none_is_refused_by_its_name():
    wrong = {**BASE, "data": {"name": "breast_cancer", "validation_users": 1.2}}
    with pytest.raises(InvalidInputError, match=r"validation_users=1\.2 to lie in"):
        run(parse(wrong))
