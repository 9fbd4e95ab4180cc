"""A run says where there is nothing to share, or where its training went wrong."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedjax_shap.learning.class_scores import accuracy
from fedjax_shap.learning.model import Model
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.surplus import Noise, Trained, notes_on, surplus_noise
from fedjax_shap.shapley.estimator import Attribution

AFFINE = Model(lambda key: {}, lambda params, x: x @ params)


def attribution(grand: float, empty: float = 0.5) -> Attribution:
    return Attribution(
        values=np.array([grand - empty]),
        std_errors=np.zeros(1),
        empty=np.asarray(empty),
        grand=np.asarray(grand),
        num_coalitions=2,
        stopped="done",
    )


@settings(max_examples=3)
@given(st.integers(0, 10**6))
def test_the_error_of_a_difference_of_accuracies_is_that_of_paired_examples(seed):
    random = np.random.default_rng(seed)
    x = random.normal(size=(400, 3)).astype(np.float32)
    y = (x[:, 0] + random.normal(size=400) > 0).astype(np.int32)
    before, after = (random.normal(size=(3, 2)).astype(np.float32) for _ in range(2))
    trained = Trained(jnp.asarray(before), jnp.asarray(after))
    noise = surplus_noise(AFFINE, trained, accuracy, (jnp.asarray(x), jnp.asarray(y)))
    gained = ((x @ after).argmax(1) == y).astype(float) - ((x @ before).argmax(1) == y)
    assert noise.examples == 400
    assert noise.std_error == pytest.approx(gained.std() / np.sqrt(400), rel=0.25)


def test_rows_of_one_user_have_no_error_over_users():
    trained = Trained(jnp.zeros((3, 2)), jnp.ones((3, 2)))
    held_out = (jnp.ones((4, 3)), jnp.zeros(4, jnp.int32))
    noise = surplus_noise(AFFINE, trained, accuracy, held_out, jnp.zeros(4, jnp.int32))
    assert np.isnan(noise.std_error) and noise.users == 1


def test_a_model_that_is_not_finite_has_no_error():
    trained = Trained(jnp.zeros((3, 2)), jnp.full((3, 2), jnp.nan))
    held_out = (jnp.ones((4, 3)), jnp.zeros(4, jnp.int32))
    noise = surplus_noise(AFFINE, trained, accuracy, held_out)
    assert np.isnan(noise.std_error)


def test_a_surplus_within_noise_is_said_to_be_so_and_a_larger_one_is_not():
    config = parse({})
    (said,) = notes_on(config, attribution(0.52), Noise(0.02, 150))
    assert "lies within two standard errors of 0 (0.0200 each, from 150 examples)" in said
    assert "payments rest on noise" in said
    assert notes_on(config, attribution(0.55), Noise(0.02, 150)) == ()
    assert notes_on(config, attribution(0.5), Noise(0.0, 150)), "nothing at all was gained"


def test_a_training_that_made_the_model_worse_names_the_learning_rate():
    config = parse({"local": {"learning_rate": 1e9}})
    (said,) = notes_on(config, attribution(0.1), Noise(0.02, 150))
    assert "V(N) = 0.1 lies below V(empty) = 0.5" in said
    assert "local.learning_rate=1000000000.0" in said
    (said,) = notes_on(config, attribution(0.5), Noise(float("nan"), 150))
    assert "diverged and counts as V(empty)" in said and "learning_rate" in said
