"""First-order values of a round: the slope of the validation loss along each weighted update."""

import jax
import jax.numpy as jnp
import numpy as np
from federations import CLASSES, FEATURES, federation, in_float64, initial
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.taylor import first_order
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.class_scores import cross_entropy, negative_loss
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import mlp
from fedjax_shap.learning.participation import trace
from fedjax_shap.learning.training import Training

SIZES = (7, 12, 4, 9)
PARTICIPANTS = (0, 1, 3)


def round_of(available=(1, 1, 0, 1), **options):
    """(the model, the uploads) of a round in which clients 0, 1 and 3 take part."""
    training = Training(
        mlp(hidden=(5,)),
        local(steps=3),
        fedavg(max_rounds=1, **options),
        participation=trace(available=(available,)),
        initial=initial(FEATURES, 5, CLASSES),
    )
    run = rounds(federation(SIZES), training, metric="negative_loss")
    (game,) = run.play(jax.random.key(0))
    return run.model, game.game.world


def test_each_value_is_the_directional_derivative_along_its_weighted_update():
    with jax.enable_x64(True):
        model, uploads = round_of()
        uploads = in_float64(uploads)
        values, there = first_order(model, negative_loss)(uploads)
        x, y = uploads.world.data.validation

        def worth(params):
            return -cross_entropy(model.apply(params, x), y).mean()

        x_t = jax.tree.map(lambda leaf: leaf[-1], uploads.params)
        assert_allclose(there, worth(x_t), rtol=1e-12)
        for slot, client in enumerate(PARTICIPANTS):
            share = SIZES[client] / sum(SIZES[i] for i in PARTICIPANTS)
            along = jax.tree.map(
                lambda leaf, slot=slot, share=share: share * (leaf[slot] - leaf[-1]), uploads.params
            )
            assert_allclose(values[client], jax.jvp(worth, (x_t,), (along,))[1], rtol=1e-6)


def test_clients_that_were_absent_or_have_no_weight_get_exactly_nothing():
    model, uploads = round_of(weights=(7.0, 0.0, 4.0, 9.0))
    values = np.asarray(first_order(model, negative_loss)(uploads)[0])
    assert_array_equal(values[[1, 2]], 0)
    assert np.abs(values[[0, 3]]).min() > 1e-4


def test_values_are_additive_over_uploads():
    """Twice the update is worth twice as much, and the others' values stay."""
    model, uploads = round_of()
    longer = jax.tree.map(lambda leaf: leaf.at[1].set(2 * leaf[1] - leaf[-1]), uploads.params)
    first, second = (
        first_order(model, negative_loss)(each)[0]
        for each in (uploads, uploads.replace(params=longer))
    )
    assert_allclose(second, first * jnp.array([1.0, 2.0, 1.0, 1.0]), rtol=1e-4)


def test_only_the_value_of_an_upload_that_diverged_is_not_a_number():
    model, uploads = round_of()
    values, _ = first_order(model, negative_loss)(
        uploads.replace(finite=uploads.finite.at[2].set(False))
    )
    assert_array_equal(np.isnan(values), [False, False, False, True])
