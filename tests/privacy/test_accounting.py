"""Accounting: the published points, a formula by hand, and what cannot be accounted for."""

import sys
from math import comb, exp, inf, log

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy.accounting import Mechanism, Sampling, epsilon_of, noise_for

pytest.importorskip("dp_accounting", reason="the extra `privacy` is not installed")
EMNIST = Mechanism(1.2, 100, Sampling("poisson", 120 / 3383))
REDDIT = Mechanism(1.0, 3000, Sampling("poisson", 1250 / 763_430))


def renyi(mechanism, order):
    """The Renyi divergence of all rounds at a whole order, by its binomial sum (Mironov, Talwar,
    Zhang 2019, section 3.3)."""
    q, z = mechanism.sampling.rate, mechanism.noise
    terms = [
        comb(order, k) * (1 - q) ** (order - k) * q**k * exp((k * k - k) / (2 * z * z))
        for k in range(order + 1)
    ]
    return mechanism.rounds * log(sum(terms)) / (order - 1)


def moments(mechanism, delta):
    """epsilon as the moments accountant of the papers converts it (Abadi et al. 2016)."""
    return min(renyi(mechanism, a) + log(1 / delta) / (a - 1) for a in range(2, 33))


def test_the_published_points_are_reached():
    # TensorFlow Federated's tutorial: 120 of 3,383 users, z = 1.2, 100 rounds
    assert_allclose(epsilon_of(EMNIST, 1e-5), 1.9861, atol=1e-3)
    assert round(epsilon_of(EMNIST, 1e-5)) == 2
    # McMahan et al. 2018, section 3: 1.97 by the conversion of their time
    assert_allclose(moments(REDDIT, 1e-9), 1.97, atol=0.01)
    # today's conversion is tighter, and never looser than the tightest order of theirs
    assert_allclose(epsilon_of(REDDIT, 1e-9), 1.6633, atol=1e-3)


def test_privacy_loss_distributions_are_tighter_and_noise_is_what_an_epsilon_needs():
    tighter = epsilon_of(EMNIST, 1e-5, "pld")
    assert tighter < epsilon_of(EMNIST, 1e-5)
    assert_allclose(tighter, 1.7075, atol=2e-3)
    noise = noise_for(1.9861, 100, EMNIST.sampling, 1e-5)
    assert_allclose(noise, 1.2, rtol=1e-3)
    assert epsilon_of(EMNIST._replace(noise=noise), 1e-5) <= 1.9861


def test_without_sampling_it_is_a_gaussian_mechanism_of_all_rounds():
    from scipy.optimize import brentq
    from scipy.stats import norm

    def delta_of(epsilon, ratio):  # Balle, Wang 2018, theorem 8
        return norm.cdf(ratio / 2 - epsilon / ratio) - exp(epsilon) * norm.cdf(
            -ratio / 2 - epsilon / ratio
        )

    known = Mechanism(4.0, 20, Sampling("known"))
    exactly = brentq(lambda e: delta_of(e, np.sqrt(20) / 4.0) - 1e-5, 0.1, 50)
    assert_allclose(epsilon_of(known, 1e-5, "pld"), exactly, rtol=1e-3)
    assert exactly <= epsilon_of(known, 1e-5) <= 1.2 * exactly


def test_a_fixed_number_of_members_is_accounted_for_replacing_one():
    fixed = Mechanism(2.4, 100, Sampling("fixed", 120 / 3383, 120, 3383))
    assert fixed.sampling.neighbours == "replace one member"
    # replacing moves a sum twice as far, so twice the noise is needed; the bound is looser too
    assert epsilon_of(fixed, 1e-5) > epsilon_of(EMNIST, 1e-5)
    assert epsilon_of(fixed, 1e-5) < epsilon_of(Mechanism(1.2, 100, Sampling("known")), 1e-5)


def test_no_noise_and_no_rounds_are_what_they_are():
    assert epsilon_of(EMNIST._replace(noise=0.0), 1e-5) == inf
    assert epsilon_of(EMNIST._replace(rounds=0), 1e-5) == 0


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: epsilon_of(EMNIST, 1e-5, "moments"), "accountant='moments' to be a known name"),
        (lambda: epsilon_of(EMNIST, 0.0), "delta=0.0 to be a finite number > 0"),
        (lambda: noise_for(1e-4, 100, Sampling("known"), 1e-5), r"epsilon=0\.0001 to be larger"),
        (lambda: noise_for(0, 100, EMNIST.sampling, 1e-5), "epsilon=0 to be a finite number > 0"),
        (
            lambda: epsilon_of(Mechanism(1.0, 1, Sampling("fixed", 0.5, 1, 2)), 1e-5, "pld"),
            "to be 'rdp' where a fixed number",
        ),
    ],
)
def test_what_cannot_be_accounted_for_is_refused(call, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        call()


def test_without_the_package_an_epsilon_is_refused_by_the_name_of_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(InvalidInputError, match=r"pip install 'fedjax-shap\[privacy\]'"):
        epsilon_of(EMNIST, 1e-5)


def test_jax_privacy_gives_the_same():
    oracle = pytest.importorskip("jax_privacy.accounting", reason="jax-privacy is not installed")
    accounting = oracle.analysis.DpsgdTrainingAccountant(oracle.accountants.RdpAccountantConfig())
    parameters = oracle.analysis.DpParams(
        noise_multipliers=1.2, batch_size=120, num_samples=3383, delta=1e-5
    )
    assert_allclose(accounting.compute_epsilon(100, parameters), 1.9861, atol=1e-2)
