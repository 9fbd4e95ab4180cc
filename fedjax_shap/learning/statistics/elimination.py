"""Symmetric systems of equations by elimination, in loops that are compiled with the program.

Programs of coalitions run side by side, a thread a core. The factorisations of LAPACK that JAX
calls on a CPU split a batch among the same threads and wait for them, so that a few of them at a
time can wait for each other for ever. Elimination has no such calls.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fedjax_shap.typing import Array


class Roots(NamedTuple):
    """A factor of a matrix and its inverse.

    Attributes:
        upper: float64[F, F], R with R'R = the matrix.
        inverse: float64[F, F], lower triangular; times the matrix times its own transpose it is the
            identity. Rows of dependent directions are 0, in both.
        kept: bool[F], False for a direction that depends on those before it.
    """

    upper: Array
    inverse: Array
    kept: Array


def roots_of(matrix: Array, tolerance: float = 0.0) -> Roots:
    """The Cholesky factor of a matrix, and its inverse.

    Args:
        matrix: float64[F, F], symmetric and positive semi-definite.
        tolerance: a direction of which no more than this part is left after those before it are
            eliminated depends on them.

    References:
        Golub, Van Loan 2013, "Matrix computations", section 4.2.
    """
    size = len(matrix)
    least = tolerance * jnp.diagonal(matrix)
    places = jnp.arange(size)

    def eliminate(step: Array, both: Array) -> Array:
        row = both[step]
        pivot = row[step]
        keeps = pivot > least[step]
        scale = jnp.where(keeps, 1.0 / jnp.sqrt(jnp.where(keeps, pivot, 1.0)), 0.0)
        own = row * scale
        # the rows below lose their part in this direction
        below = jnp.where(places > step, both[:, step] * scale, 0.0)
        after = both - below[:, None] * own[None]
        return after.at[step].set(own)

    begun = jnp.concatenate([matrix, jnp.eye(size, dtype=matrix.dtype)], axis=1)
    done = jax.lax.fori_loop(0, size, eliminate, begun)
    upper = jnp.triu(done[:, :size])
    return Roots(upper, done[:, size:], jnp.diagonal(upper) > 0)


def solve(matrix: Array, right: Array) -> Array:
    """The solution float64[F, D] of matrix[F, F] x = right[F, D]; the matrix positive definite."""
    inverse = roots_of(matrix).inverse
    solution: Array = inverse.T @ (inverse @ right)
    return solution


def pseudo_inverse(matrix: Array, tolerance: float) -> Array:
    """The Moore-Penrose inverse of a matrix, which gives the shortest of several solutions.

    Args:
        matrix: as in `roots_of`.
        tolerance: likewise.

    References:
        Courrieu 2005, "Fast computation of Moore-Penrose inverse matrices".
    """
    found = roots_of(matrix, tolerance)
    # of full rank it is the inverse
    plain = found.inverse.T @ found.inverse
    # otherwise, with R of full rank, it is R' (R R')^-2 R
    free = jnp.where(found.kept, 0.0, 1.0)
    among = roots_of(found.upper @ found.upper.T + jnp.diag(free)).inverse
    left = among.T @ (among @ found.upper)
    return jnp.where(found.kept.all(), plain, left.T @ left)
