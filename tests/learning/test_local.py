"""Local training of one client: which rows it draws, how many steps it does, and what it
refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
from federations import CLASSES, FEATURES, SIZES, clients_of, federation, initial, layers
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.learning.client_update import Examples, client_update, fetch_from
from fedjax_shap.learning.local import local, shuffle
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.row_orders import Drawn, batches_in


def test_an_order_holds_each_valid_row_once_and_first(key):
    order = np.asarray(shuffle(key, 12, jnp.int32(7)))
    assert order.shape == (12,)
    assert_array_equal(np.sort(order[:7]), np.arange(7))
    assert not np.array_equal(order, shuffle(jax.random.key(1), 12, jnp.int32(7)))


@pytest.mark.parametrize("longer", [8, 13, 64, 1000])
def test_padding_to_another_length_changes_no_order(longer, key):
    assert_array_equal(shuffle(key, longer, jnp.int32(7))[:7], shuffle(key, 7, jnp.int32(7)))


def test_each_row_is_equally_often_first(key):
    draws, size = 4000, 5
    first = jax.jit(jax.vmap(lambda k: shuffle(k, 8, jnp.int32(size))[0]))(
        jax.random.split(key, draws)
    )
    counts = np.bincount(first, minlength=8)
    assert_array_equal(counts[size:], 0)
    chi_square = ((counts[:size] - draws / size) ** 2 / (draws / size)).sum()
    assert chi_square < 23.5, "the 0.9999 quantile with 4 degrees of freedom"


def test_steps_follow_from_epochs_and_batches_or_are_given():
    sizes = np.array(SIZES)
    assert_array_equal(local().num_steps(sizes), [1, 1, 1])
    assert_array_equal(local(epochs=3).num_steps(sizes), [3, 3, 3])
    assert_array_equal(local(epochs=2, batch_size=5).num_steps(sizes), [4, 6, 2])
    assert_array_equal(local(steps=7, batch_size=5).num_steps(sizes), [7, 7, 7])
    assert_array_equal(local(steps=(0, 2, 9)).num_steps(sizes), [0, 2, 9])
    for more, orders in (({}, 1), ({"epochs": 3}, 3), ({"steps": 5}, 5)):
        settings = local(batch_size=5, **more)
        assert settings.num_orders(sizes, settings.num_steps(sizes)[None]) == orders
    assert local(batch_size=5).num_orders(sizes, np.array([[1, 1, 1], [1, 9, 1]])) == -(
        -9 // -(-sizes[1] // 5)
    )
    assert local(epochs=3).num_orders(sizes, np.full((1, 3), 3)) == 0


def updated(settings, start, data, client, steps, orders=None):
    """(params, loss) of one client's update, whose rows stand in `orders` int32[E, N], one a
    pass."""
    update = client_update(settings, linear()((FEATURES,), CLASSES))

    @jax.jit
    def call(start, data, client, steps):
        rows = data.largest
        size = data.sizes[client]
        batches = None
        if orders is not None:
            drawn = Drawn(jnp.asarray(orders), jnp.zeros(1, jnp.int32))
            batches = batches_in(drawn, jnp.int32(0), size, settings.batch_size, rows)
        return update(start, Examples(fetch_from(data, client), rows, size, steps, batches))

    done, loss = call(start, data, jnp.int32(client), jnp.int32(steps))
    return done.params, loss


@pytest.mark.parametrize("batch_size", [None, 5, 100])
def test_an_update_is_the_oracles_and_its_loss_the_mean_of_those_met(batch_size, key):
    data, client, steps = federation(), 1, 4
    settings = local(learning_rate=0.3, steps=steps, batch_size=batch_size)
    size, width = SIZES[client], min(batch_size or 12, 12)
    orders = [
        np.asarray(shuffle(jax.random.fold_in(key, epoch), 12, jnp.int32(size)))
        for epoch in range(steps)
    ]
    params, loss = updated(
        settings, initial(FEATURES, CLASSES), data, client, steps, np.stack(orders)
    )
    per_epoch = -(-size // width)
    rows = [orders[k // per_epoch][k % per_epoch * width :][:width] for k in range(steps)]
    expected, met = oracle.local_sgd(
        layers(initial(FEATURES, CLASSES)),
        *clients_of(data)[client],
        steps,
        0.3,
        batches=rows if batch_size else None,
    )
    for layer, wanted in zip(layers(params), expected):
        for leaf, other in zip(layer, wanted):
            assert_allclose(leaf, other, atol=1e-5)
    assert_allclose(loss, np.mean(met), rtol=1e-5)


@pytest.mark.parametrize("batch_size", [None, 100])
def test_the_training_loss_contains_the_penalty(batch_size, key):
    start = initial(FEATURES, CLASSES)
    settings = local(learning_rate=0.3, steps=1, l2=0.4, batch_size=batch_size)
    orders = np.stack([shuffle(key, 12, jnp.int32(SIZES[1]))])
    _, loss = updated(settings, start, federation(), 1, 1, orders)
    _, (plain,) = oracle.local_sgd(layers(start), *clients_of(federation())[1], 1, 0.3)
    squares = sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(start))
    assert_allclose(loss, plain + 0.4 / 2 * squares, rtol=1e-5)


@pytest.mark.parametrize("batch_size", [None, 5])
def test_no_step_changes_nothing_and_meets_no_loss(batch_size, key):
    settings = local(steps=0, batch_size=batch_size)
    orders = np.stack([shuffle(key, 12, jnp.int32(12))])
    params, loss = updated(settings, initial(FEATURES, CLASSES), federation(), 1, 0, orders)
    assert loss == 0
    for leaf, other in zip(jax.tree.leaves(params), jax.tree.leaves(initial(FEATURES, CLASSES))):
        assert_array_equal(leaf, other)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"optimizer": "adm"}, "optimizer='adm' to be a known name; did you mean 'adam'"),
        ({"learning_rate": 0}, "learning_rate=0 to be a finite number > 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan to be a finite number > 0"),
        ({"batch_size": 0}, "batch_size=0 to be an integer >= 1"),
        ({"batch_size": 2.5}, "batch_size=2.5 to be an integer >= 1"),
        ({"epochs": 0}, "epochs=0 to be an integer >= 1"),
        ({"steps": -1}, "steps=-1 to be an integer >= 0"),
        ({"steps": 2.5}, "steps=2.5 to be an integer >= 0"),
        ({"steps": (3, -1)}, "steps=-1 to be an integer >= 0"),
        ({"epochs": 1, "steps": 2}, "one of epochs=1 and steps=2, got both"),
        ({"options": {"momentun": 0.9}}, "options={'momentun': 0.9} to be keywords of optax.sgd"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        local(**options)


def test_steps_for_another_number_of_clients_are_refused():
    with pytest.raises(
        InvalidInputError, match=r"steps=\[1, 2\] to have one entry for each of the 3 clients"
    ):
        local(steps=(1, 2)).num_steps(np.array(SIZES))


@pytest.mark.parametrize("client", [0, 1, 2])
def test_a_full_batch_is_summed_over_blocks_and_over_no_other_row(client):
    data = federation(sizes=(600, 10, 257))
    start = initial(FEATURES, CLASSES)
    params, loss = updated(local(learning_rate=0.3), start, data, client, 3)
    wanted, losses = oracle.local_sgd(layers(start), *clients_of(data)[client], 3, 0.3)
    for ours, theirs in zip(layers(params), wanted, strict=True):
        assert_allclose(ours[0], theirs[0], rtol=1e-4, atol=1e-5)
        assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=1e-5)
    assert_allclose(loss, np.mean(losses), rtol=1e-5)
