"""However the loop over a client's steps is cut, the numbers are those of the plain loop."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import CLASSES, FEATURES, SIZES, federation, initial
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.silo import silo
from fedjax_shap.learning import train
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.client_update import Examples, client_update, fetch_from
from fedjax_shap.learning.local import local, shuffle
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.pace import LEAST_USEFUL, Pace, pace_of
from fedjax_shap.learning.row_orders import Drawn, batches_in, batches_of, orders_of
from fedjax_shap.learning.training import Training

ROUND = 3
WIDTH = 5
PACES = [Pace(1, 16, None), Pace(16, 16, 17), Pace(3, 6, 7), Pace(4, 4, None)]


def update_of(settings, pace, key, *, naive=False):
    """(client, steps) -> what came of its steps: its orders drawn by windows, or all before."""
    data = federation()
    update = client_update(settings, linear()((FEATURES,), CLASSES), ("first", "mean"), pace=pace)
    batches = batches_of(orders_of(settings), settings.batch_size, pace)

    @jax.jit
    def call(client, steps):
        size = data.sizes[client]
        if naive:
            seed = jax.random.fold_in(jax.random.fold_in(key, ROUND), client)
            orders = jax.vmap(
                lambda epoch: shuffle(jax.random.fold_in(seed, epoch), max(SIZES), size)
            )(jnp.arange(16))
            drawn = Drawn(orders, jnp.zeros(1, jnp.int32))
            its = batches_in(drawn, jnp.int32(0), size, settings.batch_size, data.largest)
        else:
            its = batches(data, key, jnp.int32(ROUND), client, steps)
        examples = Examples(fetch_from(data, client), data.largest, size, steps, its)
        return update(initial(FEATURES, CLASSES), examples)

    return lambda client, steps: jax.tree.leaves(call(jnp.int32(client), jnp.int32(steps)))


@pytest.mark.parametrize("batch_size", [None, WIDTH])
def test_every_pace_takes_the_steps_of_the_plain_loop_bit_for_bit(batch_size, key):
    settings = local(learning_rate=0.3, batch_size=batch_size, options={"momentum": 0.9})
    plain = update_of(settings, Pace(), key, naive=True)
    for pace in PACES:
        cut = update_of(settings, pace, key)
        for client in (1, 2):
            for steps in (0, 1, 6, 16):
                for leaf, wanted in zip(cut(client, steps), plain(client, steps)):
                    assert_array_equal(leaf, wanted)


def test_what_overflows_beyond_the_last_step_is_dropped(key):
    reached = update_of(local(learning_rate=3e37, batch_size=WIDTH), Pace(16, 16, None), key)
    assert all(np.isfinite(leaf).all() for leaf in reached(1, 1))
    assert not all(np.isfinite(leaf).all() for leaf in reached(1, 16)), "those dropped overflow"


def game_at(monkeypatch, steps, **pace):
    """A game whose clients take such steps, at the pace of a backend or at a given one."""
    chosen = partial(pace_of, **pace)
    if "at" in pace:
        chosen = lambda *federation: pace["at"]  # noqa: E731
    monkeypatch.setattr(train, "pace_of", chosen)
    rounds = fedavg(max_rounds=2, tol=1e-9, patience=1)
    start = initial(FEATURES, CLASSES)
    training = Training(linear(), local(steps=steps, batch_size=WIDTH), rounds, initial=start)
    return silo(federation(), training, metric="negative_loss")


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_utilities_are_bit_equal_at_every_pace(layout, monkeypatch, key):
    masks = all_subsets(len(SIZES))
    plan = Plan(chunk=4, layout=layout, buckets=1, workers=1)
    plain, host_free, windows = (
        evaluate(game_at(monkeypatch, (3, 7, 0), **pace), key, masks, plan)
        for pace in ({"at": Pace()}, {"backend": "gpu"}, {"at": Pace(2, 4, 6)})
    )
    assert_array_equal(host_free, plain)
    assert_array_equal(windows, plain)


def test_a_step_on_a_gpu_has_no_branch_and_stands_in_a_loop_of_known_length(monkeypatch, key):
    game = game_at(monkeypatch, 11, backend="gpu")
    ((_, chunk),) = Plan(chunk=8).by_client(all_subsets(len(SIZES)))
    text = jax.jit(game.values).lower(game.world, key, chunk).compile().as_text()
    assert " conditional(" not in text
    assert '"known_trip_count":{"n":"11"}' in text


def useful(pace, steps):
    """The part of the steps computed that clients need."""
    return steps.sum() / (-(-steps // pace.stretch) * pace.stretch).sum()


@given(st.lists(st.integers(0, 200), min_size=1, max_size=8), st.sampled_from([None, 3, 64]))
def test_steps_beyond_the_last_are_few_on_gpus_and_next_to_none_on_cpus(steps, batch_size):
    steps = np.array([[*steps, 1]])
    sizes = np.full(steps.shape[1], 50)
    settings = local(batch_size=batch_size)
    for backend, least in (("gpu", LEAST_USEFUL), ("cpu", 0.999)):
        pace = pace_of(settings, sizes, steps, backend)
        assert useful(pace, steps) >= least
        assert pace.window % pace.stretch == 0 and pace.window >= steps.max()


def test_equal_steps_are_one_loop_and_unequal_ones_a_few_steps_a_turn():
    sizes = np.array([40, 60, 50])
    settings = local(batch_size=10)
    assert pace_of(settings, sizes, np.full((4, 3), 10), "gpu") == Pace(10, 10, 4)
    assert pace_of(settings, sizes, np.array([[10, 9, 10]]), "gpu").stretch == 10
    assert pace_of(settings, sizes, np.array([[10, 9, 10]]), "cpu").stretch == 1
    assert 1 < pace_of(settings, sizes, np.array([[3, 50, 81]]), "gpu").stretch < 16
    assert pace_of(settings, sizes, np.zeros((2, 3), int), "gpu") == Pace()


def test_orders_are_drawn_one_by_one_where_one_client_begins_far_more_passes():
    settings = local(batch_size=10)
    steps = np.full((1, 4), 64)
    assert pace_of(settings, np.array([5, 900, 900, 900]), steps, "gpu").orders is None
    assert pace_of(settings, np.array([90, 90, 90, 0]), steps, "gpu").orders == 63 // 9 + 2
    assert pace_of(local(batch_size=10, reshuffle=False), np.array([5, 900]), steps).orders is None
    large = local(batch_size=2**19)
    assert pace_of(large, np.array([2**21]), np.full((1, 1), 99), "cpu").window == 2, "rows fit"
