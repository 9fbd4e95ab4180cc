"""Where two algorithms are one by algebra, they are one here, in every coalition; and where they
are not, they differ.

Two identities are often told too broadly. The patented calibration with lambda = 0 and equal K_i is
not FedAvg: its c_i = v - v_i cancel in the mean, but each shifts the points at which its client's
later gradients are taken. It is FedAvg with K_i = 1, in the first round, for members with the same
data, and for one member, under any lambda. The published form with lambda = 0 is FedAvg without
conditions. At lambda = 1 with everyone sending averages it is SCAFFOLD while everyone is present;
with some absent SCAFFOLD's c remembers them, and FedaGrac's nu does not.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import loops
import numpy as np
import pytest
import scipy.optimize
from federations import CLASSES, FEATURES, clients_of, federation, in_float64, initial, layers
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithms.calibrated import calibrated
from fedjax_shap.learning.algorithms.fedagrac import fedagrac
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.algorithms.fednova import fednova
from fedjax_shap.learning.algorithms.fedprox import fedprox
from fedjax_shap.learning.algorithms.scaffold import scaffold
from fedjax_shap.learning.algorithms.server_optimizer import fedsgd
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training

SIZES, LENGTH, RATE, L2 = (7, 12, 4), 6, 0.3, 0.01
EVERY, ALONE = all_subsets(3), [1, 2, 4]  # the rows of EVERY with one member
WEIGHTS = (0.1, 0.7, 0.3)  # whose sum, and whose shares, are not floats
PLAN = Plan(chunk=8, layout="client", buckets=1)
ALWAYS = np.ones((LENGTH, 3), bool)
SOMETIMES = np.random.default_rng(2).random((LENGTH, 3)) < 0.6
REDRAWN = np.random.default_rng(3).integers(1, 7, (LENGTH, 3))
EQUAL = np.repeat(np.random.default_rng(4).integers(2, 7, (LENGTH, 1)), 3, axis=1)
ONE = np.ones_like(REDRAWN)
RULES = {
    "fedavg": fedavg,
    "fedprox, mu 0": partial(fedprox, mu=0.0),
    "fednova": fednova,
    "fednova, momentum": partial(fednova, momentum=0.8),
    "fedsgd": partial(fedsgd, learning_rate=RATE),
    "scaffold": scaffold,
    "calibrated, lambda 0": partial(calibrated, lam=0.0),
    "calibrated": partial(calibrated, lam=0.1),
    "fedagrac, lambda 0": partial(fedagrac, lam=0.0),
    "fedagrac": partial(fedagrac, lam=1.0),
    "fedagrac, averages": partial(fedagrac, lam=1.0, send="average"),
}


@pytest.fixture
def double():
    """64-bit JAX, so that what differs in rounding alone agrees to 1e-10."""
    with jax.enable_x64(True):
        yield


@cache
def compiled(name, batch_size=None, momentum=None):
    """The game whose utility is the vector of all parameters, in the order of `loops.flat`; one
    program for each."""
    training = local(
        learning_rate=RATE,
        l2=L2,
        steps=1,
        batch_size=batch_size,
        options=momentum and {"momentum": momentum},
    )
    rule = RULES[name](weights=WEIGHTS, max_rounds=LENGTH)
    start = initial(FEATURES, CLASSES)
    learning = learner(
        federation(SIZES), Training(linear(), training, rule, key=jax.random.key(0), initial=start)
    )
    return trained(learning, lambda world, params, trace, mask: vector(params))


def vector(params):
    """The parameters in the order of `loops.flat`."""
    return jnp.concatenate(
        [params[name][part].ravel() for name in sorted(params) for part in ("kernel", "bias")]
    )


def ends(
    name,
    steps=REDRAWN,
    present=ALWAYS,
    *,
    start=None,
    data=None,
    rounds=LENGTH,
    rounded=False,
    **options,
):
    """float64[8, D], with what each coalition ends; computed in float64 unless `rounded`."""
    game = compiled(name, **options)
    rows = {"num_steps": jnp.asarray(steps, jnp.int32), "present": jnp.asarray(present)}
    world = game.world.replace(num_rounds=jnp.int32(rounds), **rows)
    world = world.replace(
        data=world.data if data is None else data, initial=world.initial if start is None else start
    )
    return evaluate(
        game.replace(world=world if rounded else in_float64(world)), jax.random.key(0), EVERY, PLAN
    )


def apart(one, other):
    return np.abs(one - other).max()


def twins():
    """Three clients with the data of client 1, in arrays of the same shapes."""
    data, owner = federation(SIZES), np.array([1, 1, 1])
    return data.replace(offsets=data.offsets[owner], sizes=data.sizes[owner])


@pytest.mark.parametrize(
    ("name", "batch_size"),
    [("fedprox, mu 0", None), ("fedagrac, lambda 0", None), ("fedagrac, lambda 0", 3)],
)
def test_without_its_own_term_an_algorithm_is_fedavg_for_any_steps_and_participation(
    name, batch_size, double
):
    plain = ends("fedavg", REDRAWN, SOMETIMES, batch_size=batch_size)
    assert np.abs(plain[1:] - plain[0]).max(axis=1).min() > 1e-2, (
        "Expected every coalition to learn."
    )
    assert_allclose(
        ends(name, REDRAWN, SOMETIMES, batch_size=batch_size), plain, atol=1e-12, rtol=0
    )


@pytest.mark.parametrize(("name", "momentum"), [("fednova", None), ("fednova, momentum", 0.8)])
def test_fednova_with_equal_steps_is_fedavg_and_with_unequal_steps_is_not(name, momentum, double):
    plain = ends("fedavg", EQUAL, SOMETIMES, momentum=momentum)
    assert_allclose(ends(name, EQUAL, SOMETIMES, momentum=momentum), plain, atol=1e-12, rtol=0)
    assert (
        apart(ends(name, REDRAWN, momentum=momentum), ends("fedavg", REDRAWN, momentum=momentum))
        > 1e-3
    )


def test_fedsgd_is_fedavg_with_one_full_batch_step_whatever_steps_it_is_offered(double):
    descent = ends("fedavg", ONE, SOMETIMES)
    assert_allclose(ends("fedsgd", ONE, SOMETIMES), descent, atol=1e-12, rtol=0)
    assert_allclose(ends("fedsgd", REDRAWN, SOMETIMES), descent, atol=1e-12, rtol=0)


def test_fedagrac_with_averages_at_lambda_1_is_scaffold_while_everyone_is_present(double):
    reference = ends("scaffold")
    assert_allclose(ends("fedagrac, averages"), reference, atol=1e-10, rtol=0)
    assert apart(ends("fedagrac"), reference) > 1e-3
    assert (
        apart(ends("fedagrac, averages", REDRAWN, SOMETIMES), ends("scaffold", REDRAWN, SOMETIMES))
        > 1e-3
    )


@settings(max_examples=25)
@given(steps=arrays(np.int32, (LENGTH, 3), elements=st.integers(0, 9)))
def test_these_identities_hold_for_any_numbers_of_steps_zero_too(steps):
    with jax.enable_x64(True):
        plain, without = ends("fedavg", steps), ends("fedagrac, lambda 0", steps)
        reference, averages = ends("scaffold", steps), ends("fedagrac, averages", steps)
    assert_allclose(without, plain, atol=1e-12, rtol=0)
    assert_allclose(averages, reference, atol=1e-9, rtol=0)


@pytest.mark.parametrize("rounded", [True, False], ids=["float32", "float64"])
def test_with_equal_steps_nobody_is_fast_however_the_weights_round(rounded):
    with jax.enable_x64(not rounded):
        mixed, averages = (
            ends(name, EQUAL, rounded=rounded) for name in ("fedagrac", "fedagrac, averages")
        )
    assert_allclose(mixed, averages, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "name", ["calibrated", "calibrated, lambda 0", "fedagrac", "fedagrac, averages"]
)
def test_one_member_alone_is_plain_descent_under_every_calibration(name, double):
    plain = ends("fedavg", REDRAWN, SOMETIMES)
    assert_allclose(ends(name, REDRAWN, SOMETIMES)[ALONE], plain[ALONE], atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["calibrated", "calibrated, lambda 0"])
def test_the_patented_form_is_fedavg_with_one_step_in_the_first_round_and_for_twins(name, double):
    assert_allclose(ends(name, ONE), ends("fedavg", ONE), atol=1e-12, rtol=0)
    assert_allclose(ends(name, rounds=1), ends("fedavg", rounds=1), atol=1e-12, rtol=0)
    assert_allclose(
        ends(name, EQUAL, data=twins()), ends("fedavg", EQUAL, data=twins()), atol=1e-12, rtol=0
    )


def test_the_patented_form_is_not_fedavg_with_equal_steps_and_lambda_0(double):
    plain, found = ends("fedavg", EQUAL), ends("calibrated, lambda 0", EQUAL)
    assert apart(found[3:], plain[3:]) > 1e-3
    assert_allclose(found[[0, *ALONE]], plain[[0, *ALONE]], atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("scaffold", True),
        ("fedagrac", True),
        ("fedagrac, averages", True),
        ("calibrated, lambda 0", True),
        ("fednova", False),
        ("fedavg", False),
    ],
)
def test_at_the_optimum_a_corrected_run_stays_for_any_steps_and_others_leave(name, stays, double):
    """One step in the first round leaves the optimum where it is, and teaches each member its
    gradient there."""
    run = loops.Run(
        clients=clients_of(federation(SIZES)),
        start=layers(initial(FEATURES, CLASSES)),
        weights=np.array(np.float32(WEIGHTS), float),  # the package's, to the last digit
        steps=REDRAWN,
        present=ALWAYS,
        rate=RATE,
        l2=L2,
    )
    slope = lambda x: loops.mean(run, {i: loops.gradient(run, i, x) for i in range(3)})  # noqa: E731
    optimum = scipy.optimize.root(slope, loops.flat(run.start), tol=1e-13).x
    ((kernel, bias),) = loops.shaped(optimum, run.start)
    start = {"Dense_0": {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}}
    moved = apart(ends(name, np.concatenate([ONE[:1], REDRAWN[1:]]), start=start)[-1], optimum)
    assert moved < 1e-9 if stays else moved > 1e-3
