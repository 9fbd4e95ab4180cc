"""Masks in, utilities out: what the plan, the order and the neighbours cannot change."""

import gc
import weakref

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import CLASSES, FEATURES, federation, initial, widened
from numpy.testing import assert_allclose, assert_array_equal
from several_devices import needs_devices

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.machine import machine
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.programs import NoRoomError, Program
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.game import Game
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.training import Training

EVERY = all_subsets(4)
SIZES = (7, 12, 4, 9)


def mini_batch_game(metric="negative_loss", learning_rate=0.3, batch_size=5, **options):
    """Softmax regressions on mini-batches, four clients of unequal sizes."""
    training = local(learning_rate=learning_rate, batch_size=batch_size)
    start = initial(FEATURES, CLASSES)
    return silo(
        federation(SIZES),
        Training(linear(), training, fedavg(max_rounds=3, **options), initial=start),
        metric=metric,
    )


def named_game(worth=lambda rank: 1.0 * rank):
    """V(S) = worth(the row of S in `all_subsets`)."""

    def value(world, key, coalition):
        return worth(jnp.where(coalition.mask, world, 0).sum())

    return Game(world=1 << np.arange(4), value=value, num_players=4)


@pytest.fixture(scope="module")
def game():
    return mini_batch_game()


@pytest.fixture(scope="module")
def reference(game):
    return evaluate(game, jax.random.key(0), EVERY, Plan(chunk=16))


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_utilities_do_not_depend_on_the_chunk(chunk, game, reference, key):
    assert_allclose(evaluate(game, key, EVERY, Plan(chunk=chunk)), reference, rtol=1e-5)


@pytest.mark.parametrize(("chunk", "buckets"), [(1, 1), (16, 2)])
def test_utilities_do_not_depend_on_the_layout_or_the_buckets(chunk, buckets, game, reference, key):
    plan = Plan(chunk=chunk, layout="coalition", buckets=buckets)
    assert_allclose(evaluate(game, key, EVERY, plan), reference, rtol=1e-5)


@pytest.mark.parametrize("plan", [Plan(chunk=2, workers=1), Plan(chunk=2, workers=3)])
def test_workers_change_no_bit(plan, game, key):
    assert_array_equal(
        evaluate(game, key, EVERY, plan), evaluate(game, key, EVERY, Plan(chunk=2, workers=2))
    )


@needs_devices(4)
@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_a_mesh_of_devices_changes_no_utility_also_where_the_last_chunks_do_not_fill_it(
    layout, game, reference, key
):
    plan = Plan(chunk=3, layout=layout, devices=4)  # 6 chunks of 4 devices
    assert_allclose(evaluate(game, key, EVERY, plan), reference, rtol=1e-5)


def test_more_devices_than_there_are_are_refused(key):
    there = jax.local_device_count()
    words = f"devices={there + 1} to be at most the {there} of this machine"
    with pytest.raises(InvalidInputError, match=words):
        evaluate(named_game(), key, EVERY, Plan(devices=there + 1))


def test_chunks_that_exceed_the_memory_budget_are_halved_until_they_fit(game, reference, key):
    on = machine(Plan(chunk=16, workers=1))
    taken = []
    for memory in (1, 10**9):
        program = Program(game, key, on._replace(memory=memory))
        (_, chunk), *_ = Plan(chunk=4).by_client(EVERY)
        try:
            program.prepare(chunk)
        except NoRoomError as error:
            taken.append(int(str(error).split()[0]))
    budget = taken[0]  # what four coalitions take
    with pytest.warns(UserWarning, match="No room for (16|8) coalitions at once"):
        utilities = evaluate(game, key, EVERY, Plan(chunk=16, workers=1, memory=budget))
    assert_allclose(utilities, reference, rtol=1e-5)
    with (
        pytest.warns(UserWarning, match="No room"),
        pytest.raises(InvalidInputError, match="one coalition at a time"),
    ):
        evaluate(game, key, EVERY, Plan(chunk=2, memory=10))


def test_a_chunk_for_which_the_device_has_no_room_is_halved_and_nothing_is_valued_twice(
    game, reference, key
):
    def crowded(self, coalitions, call=Program.__call__):
        sizes.append(len(coalitions.mask))
        if sizes == [8, 8]:  # the first chunk still fitted
            raise NoRoomError("RESOURCE_EXHAUSTED: Out of memory")
        return call(self, coalitions)

    store = UtilityStore()
    sizes = []
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.warns(UserWarning, match="No room for 8 .* going on by 4"),
    ):
        patch.setattr(Program, "__call__", crowded)
        utilities = evaluate(game, key, EVERY, Plan(chunk=8, workers=1), store)
    assert_allclose(utilities, reference, rtol=1e-5)
    assert store.trained == 16
    assert sizes == [8, 8, 4, 4]


@pytest.mark.slow
def test_in_float64_no_plan_changes_a_utility_beyond_rounding(key):
    plans = [
        Plan(chunk=5),
        Plan(chunk=64),
        Plan(chunk=5, layout="coalition"),
        Plan(layout="coalition", buckets=1),
    ]
    with jax.enable_x64(True):
        game = widened(mini_batch_game())
        first, *others = (evaluate(game, key, EVERY, plan) for plan in plans)
    for other in others:
        assert_allclose(other, first, rtol=1e-12)


def test_utilities_do_not_depend_on_the_order_of_masks_or_on_what_shares_a_chunk(
    game, reference, key
):
    order = np.random.default_rng(0).permutation(16)
    assert_allclose(evaluate(game, key, EVERY[order], Plan(chunk=16)), reference[order], rtol=1e-5)
    few = [0, 15, 6, 9, 1]
    assert_allclose(evaluate(game, key, EVERY[few], Plan(chunk=3)), reference[few], rtol=1e-5)


def test_the_key_decides_the_mini_batches_and_nothing_else_does(game, reference, key):
    assert_array_equal(evaluate(game, key, EVERY, Plan(chunk=16)), reference)
    other = evaluate(game, jax.random.key(1), EVERY, Plan(chunk=16))
    alike = np.isclose(other, reference, rtol=1e-6)
    assert np.flatnonzero(alike).tolist() == [0, 4], (
        "nobody draws, and the rows of client 2 fit into one batch"
    )


@pytest.mark.parametrize(
    ("layout", "batch_size"), [("client", 5), ("coalition", 5), ("client", None)]
)
def test_nothing_but_a_coalitions_own_rows_is_ever_read(layout, batch_size, game, key):
    if batch_size is None:
        game = mini_batch_game(batch_size=None)
    plan = Plan(chunk=16, layout=layout, buckets=1)
    data = game.world.data
    for client in range(data.num_clients):
        alone = EVERY[[1 << client]]
        # whatever lies before or after the rows of one client is not a number
        first = int(data.offsets[client])
        rows = np.arange(len(data.y))
        others = jnp.asarray((rows < first) | (rows >= first + int(data.sizes[client])))
        corrupted = data.replace(
            x=jnp.where(others[:, None], jnp.nan, data.x), y=jnp.where(others, 10**6, data.y)
        )
        wild = game.replace(world=game.world.replace(data=corrupted))
        assert_array_equal(evaluate(wild, key, alone, plan), evaluate(game, key, alone, plan))


def test_client_by_client_the_whole_game_is_compiled_once_whatever_the_number_of_chunks(game, key):
    chex.clear_trace_counter()
    once = game.replace(values=chex.assert_max_traces(game.values, n=1))
    for key_ in (key, jax.random.key(1)):
        evaluate(once, key_, EVERY, Plan(chunk=2))
    with pytest.raises(AssertionError, match="traced > 1 times"):  # another chunk, another program
        evaluate(once, key, EVERY, Plan(chunk=4))


def test_a_program_that_gives_not_one_utility_a_coalition_is_refused(game, key):
    def twice(world, key, chunk):
        return jnp.tile(game.values(world, key, chunk), 2)

    def nothing(world, key, chunk):
        return game.values(world, key, chunk).sum()

    for wrong in (twice, nothing):
        with pytest.raises(AssertionError, match="prefix"):
            evaluate(game.replace(values=wrong), key, EVERY, Plan(chunk=4))


def test_repeated_coalitions_are_valued_once(key):
    store = UtilityStore()
    reports = []
    masks = EVERY[[5, 3, 5, 5, 0, 3]]
    utilities = evaluate(
        named_game(), key, masks, Plan(chunk=2), store, lambda *report: reports.append(report)
    )
    assert_array_equal(utilities, [5, 3, 5, 5, 0, 3])
    assert (store.asked, store.from_store, store.trained, len(store)) == (3, 0, 3, 3)
    assert reports == [(0, 3), (2, 3), (3, 3)]


def test_no_masks_are_worth_nothing(key):
    assert evaluate(named_game(), key, EVERY[:0]).shape[0] == 0


def test_trailing_axes_of_utilities_are_kept(key):
    game = named_game(lambda rank: jnp.stack([rank, -rank])[:, None] * jnp.ones((1, 3)))
    utilities = evaluate(game, key, EVERY[[7, 2]], Plan(chunk=1))
    assert_array_equal(utilities, np.array([[7, -7], [2, -2]])[..., None] * np.ones(3))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_utility_that_is_not_finite_is_named_and_the_others_are_kept(bad, key):
    store = UtilityStore()
    game = named_game(lambda rank: jnp.where((rank == 5) | (rank == 7), bad, rank))
    with pytest.raises(
        InvalidInputError, match=r"those of coalitions \[0, 2\], \[0, 1, 2\] are not: training"
    ):
        evaluate(game, key, EVERY, Plan(chunk=3), store)
    assert (store.trained, len(store)) == (14, 14)
    assert_array_equal(store.read(EVERY[[6, 15]]), [6, 15])
    with pytest.raises(InvalidInputError, match="training diverged"):
        evaluate(game, key, EVERY, store=store)
    assert store.trained == 14


@pytest.mark.parametrize("folder", [None, "store"])
def test_a_utility_with_one_slice_that_is_not_finite_is_not_finite_and_never_stored(
    folder, key, tmp_path
):
    def worth(rank):
        return jnp.stack([rank, jnp.where((rank == 5) | (rank == 6), jnp.nan, -rank)])

    game = named_game(worth)
    place = folder and tmp_path / folder
    store = UtilityStore(place, fingerprint=fingerprint(game, key))
    with pytest.raises(InvalidInputError, match=r"those of coalitions \[1, 2\], \[0, 2\] are not"):
        evaluate(game, key, EVERY, Plan(chunk=16), store)
    kept = evaluate(game, key, EVERY, Plan(chunk=16), store, on_nonfinite="keep")
    assert_array_equal(kept[5:7], [[5, np.nan], [6, np.nan]])
    with pytest.warns(UserWarning, match=r"\[1, 2\], \[0, 2\] are not finite and count as V"):
        floored = evaluate(game, key, EVERY, Plan(chunk=16), store, on_nonfinite="floor")
    assert_array_equal(floored[5:7], [[0, 0], [0, 0]])
    assert np.flatnonzero(~store.holds(EVERY)).tolist() == [5, 6]
    if place:
        assert len(UtilityStore(place, fingerprint=fingerprint(game, key))) == 14


def test_a_utility_that_is_not_finite_may_count_as_that_of_nobody_or_be_kept(key):
    store = UtilityStore()
    game = named_game(lambda rank: jnp.where((rank == 5) | (rank == 7), jnp.inf, rank - 3))
    wanted = np.arange(16) - 3.0
    with pytest.warns(
        UserWarning,
        match=r"coalitions \[0, 2\], \[0, 1, 2\] are not finite and count as V\(empty\)",
    ):
        floored = evaluate(
            game, key, EVERY[[5, 7, 15, 4]], Plan(chunk=3), store, on_nonfinite="floor"
        )
    assert_array_equal(floored, [-3, -3, 12, 1])
    assert not store.known(EVERY[[5, 7]]).any(), "a floor is no utility that was trained"
    wanted[[5, 7]] = np.inf
    assert_array_equal(evaluate(game, key, EVERY, store=store, on_nonfinite="keep"), wanted)
    bad = named_game(lambda rank: jnp.where(rank == 0, jnp.nan, rank))
    with pytest.raises(InvalidInputError, match=r"those of coalitions \[\] are not"):
        evaluate(bad, key, EVERY, on_nonfinite="floor")


def test_many_coalitions_that_are_not_finite_are_named_in_one_short_sentence(key):
    with pytest.raises(
        InvalidInputError, match=r"coalitions \[3\], .* and 10 others are not: training diverged"
    ) as refusal:
        evaluate(named_game(lambda rank: jnp.where(rank > 0, jnp.nan, 0.0)), key, EVERY)
    assert len(str(refusal.value)) < 250


@pytest.mark.parametrize("metric", ["negative_loss", "accuracy"])
def test_a_training_that_diverged_is_refused_under_every_metric(metric, key):
    store = UtilityStore()
    with pytest.raises(InvalidInputError, match="training diverged; lower the learning rate"):
        evaluate(mini_batch_game(metric, learning_rate=1e38), key, EVERY, store=store)
    assert store.known(EVERY[[0, 15]]).tolist() == [True, False]


@pytest.mark.parametrize("shape", [(3, 5), (4,), (2, 3, 4)])
def test_masks_of_another_shape_are_refused(shape, key):
    with pytest.raises(
        InvalidInputError, match=r"masks to be bool\[M, 4\], a row for each coalition, got shape"
    ):
        evaluate(named_game(), key, np.ones(shape, bool))


@pytest.mark.parametrize("layout", ["client", "coalition"])
def test_what_was_compiled_for_a_game_goes_with_it(layout, key):
    """Else Linux ends a sweep over thousands of games, at 65,530 pieces of mapped memory."""
    game = mini_batch_game()
    evaluate(game, key, EVERY, Plan(chunk=16, layout=layout, buckets=1))
    program = weakref.ref(game.value)
    del game
    gc.collect()
    assert program() is None
