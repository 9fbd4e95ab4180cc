"""Clipping: an update is shortened to a norm, so that no member moves the sum by more.

An update whose norm is not finite becomes 0: a training that diverged must not move the sum by
more than any other.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from fedjax_shap.trees import like
from fedjax_shap.typing import Array, PyTree


class Clipped(NamedTuple):
    """An update after clipping.

    Attributes:
        update: the update, its norm at most the bound.
        within: bool[], whether it was so already, so that nothing was changed.
    """

    update: PyTree
    within: Array


def norm(tree: PyTree) -> Array:
    """float[]: the L2 norm of all numbers of a tree together."""
    squares = [jnp.square(leaf).sum() for leaf in jax.tree.leaves(tree)]
    return jnp.sqrt(jnp.stack(squares).sum())


def clip_flat(update: PyTree, bound: Array | float) -> Clipped:
    """An update times min(1, bound / norm).

    Args:
        update: leaves of any shapes.
        bound: C > 0, of the norm of all leaves together.

    References:
        McMahan, Ramage, Talwar, Zhang 2018, "Learning differentially private recurrent language
        models", section 3.1.
    """
    length = norm(update)
    finite = jnp.isfinite(length)
    within = finite & (length <= bound)
    # a norm of 0 is within the bound; divide by something else there
    factor = jnp.where(within, 1.0, bound / jnp.where(length > 0, length, 1.0))

    def shorten(leaf: Array) -> Array:
        shortened = leaf * like(factor.astype(leaf.dtype), leaf)
        return jnp.where(finite, shortened, jnp.zeros_like(leaf))

    return Clipped(jax.tree.map(shorten, update), within)


def clip_by_layer(update: PyTree, bound: Array | float) -> Clipped:
    """An update of L layers, each clipped to bound / sqrt(L), so that its norm is at most `bound`.

    Leaves that stand side by side, such as the kernel and the bias of one module, are a layer.

    Args:
        update: leaves of any shapes.
        bound: C > 0.

    References:
        McMahan, Ramage, Talwar, Zhang 2018, section 3.1, per-layer clipping.
    """
    paths, structure = jax.tree.flatten_with_path(update)
    layers: dict[tuple[object, ...], list[int]] = {}
    for place, (path, _) in enumerate(paths):
        layers.setdefault(tuple(path[:-1]), []).append(place)
    of_each = bound / len(layers) ** 0.5
    leaves = [leaf for _, leaf in paths]
    within = []
    for places in layers.values():
        done = clip_flat([leaves[place] for place in places], of_each)
        within.append(done.within)
        for place, leaf in zip(places, done.update, strict=True):
            leaves[place] = leaf
    return Clipped(jax.tree.unflatten(structure, leaves), jnp.stack(within).all())
