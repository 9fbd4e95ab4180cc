"""Clipping: no update is longer than the bound, whatever it holds."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.privacy.clip import clip_by_layer, clip_flat, norm

UPDATE = {
    "one": {"kernel": jnp.array([[3.0, 0.0]]), "bias": jnp.array([4.0])},
    "two": {"kernel": jnp.array([[0.3]]), "bias": jnp.array([0.4])},
}


def test_a_long_update_keeps_its_direction_and_a_short_one_its_length():
    clipped = clip_flat(UPDATE, 1.0)
    assert not clipped.within
    assert_allclose(norm(clipped.update), 1.0, rtol=1e-6)
    length = np.sqrt(25.25)
    assert_allclose(clipped.update["one"]["kernel"], [[3 / length, 0]], rtol=1e-6)
    same = clip_flat(UPDATE, 6.0)
    assert same.within
    assert_array_equal(same.update["two"]["bias"], UPDATE["two"]["bias"])


def test_layers_are_clipped_each_by_itself_and_together_keep_the_bound():
    clipped = clip_by_layer(UPDATE, 1.0)
    assert not clipped.within
    of_each = 1 / np.sqrt(2)
    assert_allclose(norm(clipped.update["one"]), of_each, rtol=1e-6)
    assert_array_equal(clipped.update["two"]["kernel"], UPDATE["two"]["kernel"])  # .5 < .707
    assert norm(clipped.update) <= 1.0
    assert clip_by_layer(UPDATE, 8.0).within


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("clip", [clip_flat, clip_by_layer])
def test_an_update_without_a_finite_norm_counts_as_nothing(bad, clip):
    broken = {"one": {"kernel": jnp.array([[bad, 1.0]]), "bias": jnp.array([0.1])}}
    clipped = clip(broken, 1.0)
    assert not clipped.within
    assert float(norm(clipped.update)) == 0.0


def test_no_update_at_all_is_within_any_bound():
    assert clip_flat({"w": jnp.zeros(3)}, 1e-9).within
