"""Noise: of the size asked for, a function of key, round and coalition, and enough for epsilon."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest, norm

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.privacy.noise import gaussian, key_of_sum, noisy_records, record_scale


def test_noise_is_gaussian_of_the_deviation_and_apart_in_every_leaf(key):
    noisy = gaussian(key, {"a": jnp.ones(4000), "b": jnp.zeros(4000)}, 3.0)
    drawn = {"a": np.asarray(noisy["a"]) - 1, "b": np.asarray(noisy["b"])}
    for name in ("a", "b"):
        assert kstest(drawn[name] / 3.0, norm.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(drawn["a"], drawn["b"])[0, 1]) < 5 / np.sqrt(4000)


def test_every_coalition_and_round_has_a_key_of_its_own(key):
    def number(mask, round_=0):
        return jax.random.key_data(key_of_sum(key, jnp.int32(round_), jnp.asarray(mask))).tobytes()

    masks = np.zeros((2**6, 40), bool)
    masks[:, [0, 1, 30, 31, 32, 39]] = all_subsets(6)
    of_each = jax.vmap(lambda mask: jax.random.key_data(key_of_sum(key, jnp.int32(0), mask)))(masks)
    assert len(np.unique(np.asarray(of_each), axis=0)) == len(masks)
    assert number(masks[5]) != number(masks[5], 1)
    # players who are not in it, up to a word of 32, do not change a coalition's noise
    assert number(masks[3, :32]) == number(masks[3, :3])


def delta_of(sigma, sensitivity, epsilon):
    """The smallest delta of Gaussian noise, by integrating the densities."""
    x = np.linspace(-60, 60, 400_001)
    one, other = norm.pdf(x, sensitivity, sigma), norm.pdf(x, 0, sigma)
    return np.trapezoid(np.maximum(one - np.exp(epsilon) * other, 0), x)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 1e-3), (1.0, 1e-5), (8.0, 1e-2)])
def test_noise_on_records_is_the_least_that_will_do(epsilon, delta):
    clip = 0.7
    sigma = record_scale("gaussian", clip, epsilon, delta)
    assert_allclose(delta_of(sigma, 2 * clip, epsilon), delta, rtol=1e-3)
    assert record_scale("laplace", clip, epsilon) == 2 * clip / epsilon


@pytest.mark.parametrize(("law", "order"), [("laplace", 1), ("gaussian", 2)])
def test_records_are_bounded_before_noise_is_added(law, order):
    x = np.array([[3.0, 4.0], [0.1, 0.0], [0.0, 0.0]], np.float32)
    rng = np.random.default_rng(0)
    bounded = noisy_records(rng, x, law=law, clip=1.0, scale=1e-9)
    assert_allclose(np.linalg.norm(bounded, ord=order, axis=1), [1.0, 0.1, 0.0], atol=1e-6)
    spread = noisy_records(rng, np.zeros((20_000, 2), np.float32), law=law, clip=1.0, scale=2.0)
    wanted = {"laplace": 2.0 * np.sqrt(2), "gaussian": 2.0}[law]
    assert_allclose(spread.std(), wanted, rtol=0.05)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("laplace", 0.0, 1.0, 0.0), "Expected clip=0.0"),
        (("laplace", 1.0, 1.0, 1e-5), "delta=1e-05 to be 0 with law='laplace'"),
        (("gaussian", 1.0, 1.0, 0.0), "Expected delta=0.0"),
        (("gauss", 1.0, 1.0, 0.1), "did you mean 'gaussian'"),
    ],
)
def test_noise_on_records_that_cannot_be_is_refused(given, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        record_scale(*given)
