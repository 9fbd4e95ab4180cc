"""Pooled data followed by the federation's program: the same numbers as by a program of its own."""

from dataclasses import replace

import jax
import jax.flatten_util
import numpy as np
import pytest

import fedjax_shap as fs
from fedjax_shap.data.federated import from_arrays
from fedjax_shap.pipeline import pooled
from fedjax_shap.pipeline.curves import follow_all, unflattened
from fedjax_shap.pipeline.run import Stopwatch

SIZES = (40, 25, 33)
KEY = jax.random.key(3)
OPTIONS = fs.Options(plan=fs.Plan(chunk=4))


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    clients = [(rng.normal(size=(n, 3)).astype("f4"), rng.integers(0, 3, n)) for n in SIZES]
    return from_arrays(clients, (rng.normal(size=(20, 3)).astype("f4"), rng.integers(0, 3, 20)))


def training(steps=None, **algorithm):
    local = fs.local(batch_size=16, steps=steps)
    chosen = getattr(fs.algorithms, algorithm.pop("name", "fedavg"))
    return fs.Training(fs.models.linear(), local, chosen(max_rounds=3, **algorithm))


def of_all(trained):
    """The same training of one client with all rows."""
    weights = lambda sizes: np.ones(len(sizes), np.float32)  # noqa: E731
    return trained._replace(algorithm=trained.algorithm._replace(weights=weights))


def followed(data, trained):
    return follow_all(data, trained, of_all(trained), OPTIONS, key=KEY, metric="accuracy")


@pytest.mark.parametrize(
    ("name", "steps", "alone"),
    [
        ("fedavg", 7, 0),
        pytest.param("fedavg", None, 3, marks=pytest.mark.slow),
        pytest.param("scaffold", None, 3, marks=pytest.mark.slow),
        pytest.param("scaffold", None, 0, marks=pytest.mark.slow),
        pytest.param("fedadam", 7, 3, marks=pytest.mark.slow),
    ],
)
def test_pooled_data_are_trained_alike_by_either_program(name, steps, alone, data, monkeypatch):
    monkeypatch.setattr("fedjax_shap.pipeline.curves.MOST_ALONE", alone)
    trained = training(steps, name=name)
    assert pooled.share_a_program(data, trained)
    shared, joint = followed(data, trained)
    monkeypatch.setattr(pooled, "share_a_program", lambda *_: False)
    apart, other = followed(data, trained)
    for one, alone in zip(shared[:3], apart[:3]):
        np.testing.assert_allclose(one, alone, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), joint, other)


def test_the_federation_and_its_pooled_data_take_one_program(data):
    # what all trainings of a process share, such as the initial parameters, is there before
    followed(data, training())
    with Stopwatch() as one:
        followed(data, training())
    with Stopwatch() as more, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pooled, "share_a_program", lambda *_: False)
        followed(data, training())
    assert more.programs == one.programs + 1


def test_no_program_is_shared_where_steps_or_orders_would_become_longer(data):
    large = training()._replace(local=fs.local(batch_size=64))
    whole = training()._replace(local=fs.local())
    private = training()._replace(privacy=fs.private(clip=1.0, noise=1.0))
    assert not any(pooled.share_a_program(data, one) for one in (large, whole, private))
    many = replace(data, names=("member",) * (pooled.ORDERED_AT_MOST // len(data.y) + 1))
    assert not pooled.share_a_program(many, training())


def test_parameters_are_read_back_as_they_were_laid_out():
    params = {"b": np.arange(6, dtype="f4").reshape(2, 3), "a": np.array([9.0], "f4")}
    flat, _ = jax.flatten_util.ravel_pytree(params)
    again = unflattened(params, np.asarray(flat, np.float64))
    jax.tree.map(np.testing.assert_array_equal, params, again)
    assert again["b"].dtype == np.float32
