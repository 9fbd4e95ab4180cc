"""Local steps: how many, for whom, and drawn by identity."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.devices.device import Profile
from fedjax_shap.devices.timed import timed
from fedjax_shap.learning.local import local
from fedjax_shap.learning.steps import constant, epochs, extreme, gaussian, linear, uniform
from fedjax_shap.pipeline.schema import SECTIONS

SIZES, BATCHES, ROUNDS = np.array([40, 80, 8, 100]), np.array([5, 10, 1, 13]), 6
TWO = tuple(Profile(name=f"d{i}", steps_per_second=i + 1.5) for i in range(4))
ARGUMENTS = {
    "local": {"local": local(batch_size=8, epochs=2)},
    "constant": {"steps": 7},
    "gaussian": {"mean": 50.0, "variance": 900.0},
    "uniform": {"low": 3, "high": 90},
    "extreme": {"low": 2, "high": 30},
    "linear": {"start": 5, "slope": 3},
    "epochs": {"epochs": (1, 9)},
    "device": {"seconds": 2.0, "profiles": TWO, "flops_per_step": 1.0},
}
STEPS = SECTIONS["steps"].entries
REDRAWN = ("gaussian", "uniform", "epochs")
MANY = np.full(4000, 10)


@pytest.mark.parametrize("name", STEPS)
def test_steps_are_whole_numbers_for_each_round_and_client_and_the_same_for_the_same_key(name, key):
    draw = STEPS[name](**ARGUMENTS[name])
    drawn = draw(key, SIZES, BATCHES, ROUNDS)
    assert drawn.shape == (ROUNDS, 4) and drawn.dtype == np.int32 and (drawn >= 0).all()
    assert_array_equal(drawn, draw(key, SIZES, BATCHES, ROUNDS))
    assert_array_equal(drawn, np.tile(drawn[0], (ROUNDS, 1)))
    other = draw(jax.random.key(1), SIZES, BATCHES, ROUNDS)
    assert np.array_equal(drawn, other) == (name not in REDRAWN)


@pytest.mark.parametrize("name", STEPS)
def test_a_run_of_no_rounds_has_no_steps(name, key):
    bound = {"redraw": True} if name in REDRAWN else {}
    assert STEPS[name](**ARGUMENTS[name], **bound)(key, SIZES, BATCHES, 0).shape == (0, 4)


def test_local_training_may_say_how_many(key):
    for settings in (local(batch_size=8, epochs=2), local(steps=(4, 3, 2, 1)), local()):
        drawn = STEPS["local"](local=settings)(key, SIZES, settings.steps_per_epoch(SIZES), 2)
        assert_array_equal(drawn, [settings.num_steps(SIZES)] * 2)


@pytest.mark.parametrize("name", REDRAWN)
@pytest.mark.parametrize("redraw", [False, True])
def test_another_round_or_client_changes_nobody_elses_steps(name, redraw, key):
    draw = STEPS[name](**ARGUMENTS[name], redraw=redraw)
    drawn = draw(key, SIZES, BATCHES, ROUNDS)
    assert_array_equal(draw(key, SIZES, BATCHES, ROUNDS + 3)[:ROUNDS], drawn)
    assert_array_equal(draw(key, SIZES[:3], BATCHES[:3], ROUNDS), drawn[:, :3])
    assert (len(np.unique(drawn, axis=0)) > 1) == redraw


def test_gaussian_steps_have_the_mean_and_variance_asked_for(key):
    drawn = gaussian(mean=500.0, variance=100.0)(key, MANY, MANY, 1)[0]
    mean, variance = (
        drawn.mean() + 0.5,
        drawn.var(),
    )  # rounding down takes half a step off the mean, and adds 1/12
    assert abs(mean - 500) < 5 * 10 / np.sqrt(4000)
    assert abs(variance - 100 - 1 / 12) < 5 * 100 * np.sqrt(2 / 4000)


def test_gaussian_steps_are_those_of_the_absolute_value_rounded_down_and_kept_in_bounds(key):
    normal = np.asarray(jax.random.normal(jax.random.fold_in(key, 0), (4000,)), np.float64)
    plain = np.array([int(abs(50 + 30 * z)) for z in normal])
    assert plain.min() < 2 and plain.max() > 100
    assert_array_equal(gaussian(mean=50.0, variance=900.0, least=0)(key, MANY, MANY, 1)[0], plain)
    assert_array_equal(
        gaussian(mean=50.0, variance=900.0, least=2, most=100)(key, MANY, MANY, 1)[0],
        np.clip(plain, 2, 100),
    )


def test_uniform_steps_are_each_as_likely_and_never_the_upper_end(key):
    counts = np.bincount(uniform(low=2, high=6)(key, MANY, MANY, 1)[0], minlength=7)
    assert counts[:2].sum() == counts[6] == 0
    assert np.abs(counts[2:6] - 1000).max() < 5 * np.sqrt(4000 * 0.25 * 0.75)


def test_extreme_and_linear_steps_follow_the_id(key):
    assert extreme(low=2, high=30)(key, SIZES, BATCHES, 2).tolist() == [[2, 2, 2, 30]] * 2
    assert linear(start=5, slope=3)(key, SIZES, BATCHES, 1).tolist() == [[5, 8, 11, 14]]
    assert linear(start=9, slope=-3)(key, SIZES, BATCHES, 1).tolist() == [[9, 6, 3, 0]]


def test_epochs_are_passes_over_a_clients_own_batches(key):
    assert epochs(epochs=3)(key, SIZES, BATCHES, 1).tolist() == [[15, 30, 3, 39]]
    passes = epochs(epochs=(2, 5), redraw=True)(key, SIZES, BATCHES, 200) / BATCHES
    assert set(np.unique(passes)) == {2, 3, 4}


def test_a_device_does_the_whole_steps_that_fit_into_the_time(key):
    fast, slow = (
        Profile(name="x", steps_per_second=100 / seconds) for seconds in (3600, 24 * 3600)
    )

    def counts(seconds, **bound):
        return timed(seconds=seconds, profiles=(fast, slow), flops_per_step=1.0, **bound)(
            key, SIZES[:2], BATCHES[:2], 1
        )

    assert counts(3600.0).tolist() == [[100, 4]]  # 100 * 1/24 = 4.17
    assert counts(24 * 3600.0).tolist() == [[2400, 100]]
    assert counts(24 * 3600.0, most=150).tolist() == [[150, 100]]
    peak = Profile(name="p", flops=1e9, efficiency=0.5)
    assert timed(seconds=2.0, profiles=(peak,), flops_per_step=np.array([3e8]))(
        key, SIZES[:1], BATCHES[:1], 1
    ) == [[3]]


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda key: constant(steps=-1), "steps=-1 to be an integer >= 0"),
        (lambda key: gaussian(variance=-1.0), "variance=-1.0 to be a finite number >= 0"),
        (lambda key: gaussian(least=5, most=2), "most=2 to be an integer >= 5"),
        (lambda key: uniform(low=3, high=3), "high=3 to be an integer >= 4"),
        (lambda key: extreme(low=1, high=2.5), "high=2.5 to be an integer"),
        (
            lambda key: linear(start=2, slope=-1)(key, SIZES, BATCHES, 1),
            "slope=-1 to leave each of 4 clients",
        ),
        (
            lambda key: epochs(epochs=(2, 3, 4)),
            r"epochs=\(2, 3, 4\) to be one number or \(low, high\)",
        ),
        (
            lambda key: epochs(epochs=2**30)(key, SIZES, BATCHES, 1),
            "epochs=1073741824 to come to at most 2147483647",
        ),
        (
            lambda key: timed(seconds=0.0, profiles=TWO, flops_per_step=1.0),
            "seconds=0.0 to be a finite number > 0",
        ),
        (
            lambda key: timed(seconds=1.0, profiles=TWO[:2], flops_per_step=1.0)(
                key, SIZES, BATCHES, 1
            ),
            "profiles to have one entry for each of the 4 clients, got 2",
        ),
        (
            lambda key: timed(seconds=1e12, profiles=TWO, flops_per_step=1.0)(
                key, SIZES, BATCHES, 1
            ),
            r"seconds=1000000000000.0 to come to at most 2147483647 steps of a client, got "
            r"4.5e\+12",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(refused, sentence, key):
    with pytest.raises(InvalidInputError, match=sentence):
        refused(key)
