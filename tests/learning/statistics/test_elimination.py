"""Elimination gives what LAPACK does, and many threads may do it at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from fedjax_shap.learning.statistics.elimination import pseudo_inverse, roots_of, solve


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def gram(rows, columns):
    """A matrix of rank min(rows, columns)."""
    x = np.random.default_rng(rows).normal(size=(rows, columns))
    return x.T @ x


def test_factors_and_solutions_are_those_of_numpy():
    matrix = gram(9, 5)
    right = np.arange(10.0).reshape(5, 2)
    found = roots_of(jnp.asarray(matrix))
    root = np.linalg.cholesky(matrix)
    assert found.kept.all()
    assert_allclose(found.upper, root.T, atol=1e-12)
    assert_allclose(found.inverse, np.linalg.inv(root), atol=1e-12)
    solution = solve(jnp.asarray(matrix), jnp.asarray(right))
    assert_allclose(solution, np.linalg.solve(matrix, right), rtol=1e-9)


@pytest.mark.parametrize("rows", [0, 1, 3, 5, 9])
def test_the_pseudo_inverse_is_that_of_numpy_whatever_the_rank(rows):
    matrix = gram(rows, 5)
    ours = pseudo_inverse(jnp.asarray(matrix), 1e-12)
    assert_allclose(ours, np.linalg.pinv(matrix, hermitian=True), rtol=1e-7, atol=1e-9)
    assert int(roots_of(jnp.asarray(matrix), 1e-12).kept.sum()) == min(rows, 5)
