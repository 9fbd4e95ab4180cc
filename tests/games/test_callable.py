"""Any function of masks as a game: float64, in chunks, stored, refused where its answer is bad."""

import os
import socket
import subprocess
import sys
import warnings

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets, pack
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.callable import from_callable
from fedjax_shap.games.closed_form import additive, table
from fedjax_shap.shapley.estimators.permutation import permutation
from fedjax_shap.shapley.exact import exact, shapley_values
from fedjax_shap.valuation.estimate import estimate
from fedjax_shap.valuation.options import Options

EVERY = all_subsets(6)
WEIGHTS = np.array([1.0, 1e-9, 0.3, -2.0, 0.7, 1 / 3])
TABLE = np.random.default_rng(0).normal(size=64)


def entry(masks):
    return TABLE[masks @ (1 << np.arange(6))]


# One of two processes: values all coalitions, and prints how many its own function valued.
ONE_OF_TWO = """
import sys, jax, numpy as np
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine import processes
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.callable import from_callable

asked = []

def ranks(masks):
    asked.append(len(masks))
    return masks @ 2.0 ** np.arange(6)

game = from_callable(ranks, 6, name="ranks")
with processes.together(sys.argv[1], 2, int(sys.argv[2])):
    utilities = evaluate(game, jax.random.key(0), all_subsets(6), Plan(chunk=8))
assert utilities.tolist() == list(range(64))
print(sum(asked))
"""


class Recorded:
    """A function that remembers the masks that it was given."""

    def __init__(self, f=entry):
        self.f = f
        self.asked = []

    def __call__(self, masks):
        self.asked.append(masks.copy())
        return self.f(masks)


def test_utilities_stay_float64(key):
    game = from_callable(lambda masks: 1e6 + masks @ WEIGHTS, 6)
    utilities = evaluate(game, key, EVERY)
    assert utilities.dtype == np.float64
    assert_array_equal(utilities, 1e6 + EVERY @ WEIGHTS)
    assert_allclose(estimate(game, exact()).values, WEIGHTS, atol=1e-9)


def test_values_are_those_of_the_table_and_only_some_players_may_be_valued():
    game = from_callable(entry, 6)
    assert_allclose(estimate(game, exact()).values, shapley_values(TABLE), atol=1e-14)
    some = estimate(game, exact(), players=[1, 4])
    assert some.values[1] == pytest.approx((TABLE[2] - TABLE[0] + TABLE[18] - TABLE[16]) / 2)
    assert_array_equal(some.values[[0, 2, 3, 5]], 0)


def test_each_distinct_coalition_is_asked_for_once_in_chunks_of_the_plan(key):
    recorded = Recorded()
    reported = []
    game = from_callable(recorded, 6)
    twice = np.concatenate([EVERY, EVERY[::-1]])
    utilities = evaluate(
        game, key, twice, Plan(chunk=10), progress=lambda *numbers: reported.append(numbers)
    )
    assert_array_equal(utilities, entry(twice))
    assert [len(masks) for masks in recorded.asked] == [10] * 6 + [4]
    assert len(set(pack(np.concatenate(recorded.asked)))) == 64
    assert reported == [(0, 64), *((10 * k, 64) for k in range(1, 7)), (64, 64)]
    assert all(masks.dtype == bool for masks in recorded.asked)


@pytest.mark.parametrize(
    "plan",
    [
        None,
        Plan(chunk=3),
        Plan(chunk=7, layout="coalition", buckets=3),
        Plan(workers=3, devices=2, memory=1),
    ],
)
def test_the_plan_changes_no_number(plan, key):
    assert_array_equal(evaluate(from_callable(entry, 6), key, EVERY, plan), TABLE)


def test_a_function_that_writes_to_its_masks_changes_no_utility(key):
    def writing(masks):
        utilities = entry(masks)
        masks[:] = True
        return utilities

    assert_array_equal(evaluate(from_callable(writing, 6), key, EVERY, Plan(chunk=5)), TABLE)


def test_trailing_axes_integers_and_other_arrays_are_taken(key):
    pair = from_callable(lambda masks: np.stack([entry(masks), -entry(masks)], axis=1), 6)
    assert_array_equal(evaluate(pair, key, EVERY), np.stack([TABLE, -TABLE], axis=1))
    for kind in (np.int8, bool, np.float32):
        first = from_callable(lambda masks, kind=kind: masks[:, 0].astype(kind), 6)
        counted = evaluate(first, key, EVERY)
        assert counted.dtype == np.float64
        assert_array_equal(counted, EVERY[:, 0])
    listed = from_callable(lambda masks: jax.numpy.asarray(masks.sum(axis=1)).tolist(), 6)
    assert_array_equal(evaluate(listed, key, EVERY), EVERY.sum(axis=1))


def test_estimates_are_those_of_the_same_game_as_a_program_within_the_budget(key):
    recorded = Recorded()
    on_host = estimate(from_callable(recorded, 6), permutation(), Options(budget=30), key=key)
    assert sum(map(len, recorded.asked)) == on_host.num_coalitions <= 30
    with jax.enable_x64(True):
        program = estimate(table(TABLE).game, permutation(), Options(budget=30), key=key)
    assert_array_equal(on_host.values, program.values)
    assert_array_equal(on_host.std_errors, program.std_errors)


def test_a_run_that_breaks_goes_on_from_its_store(tmp_path, key):
    name = "table 0"
    broken = Recorded()

    def breaking(masks):
        if len(broken.asked) == 4:
            raise ZeroDivisionError
        return entry(masks)

    broken.f = breaking
    game = from_callable(broken, 6, name=name)
    store = UtilityStore(tmp_path, fingerprint=fingerprint(game, key))
    with pytest.raises(ZeroDivisionError):
        evaluate(game, key, EVERY, Plan(chunk=8), store)
    recorded = Recorded()
    again = from_callable(recorded, 6, name=name)
    store = UtilityStore(tmp_path, fingerprint=fingerprint(again, key))
    assert len(store) == 24
    assert_array_equal(evaluate(again, key, EVERY, Plan(chunk=8), store), TABLE)
    assert sum(map(len, recorded.asked)) == 40
    stored = set(pack(np.concatenate(broken.asked[:3])))
    assert not set(pack(np.concatenate(recorded.asked))) & stored
    store = UtilityStore(tmp_path, fingerprint=fingerprint(again, key))
    assert_array_equal(store.read(EVERY), TABLE)


def test_the_name_and_the_players_make_the_fingerprint_and_the_key_does_not():
    names = [
        fingerprint(from_callable(entry, players, name=name), jax.random.key(seed))
        for players, name, seed in ((6, "a", 0), (6, "a", 1), (6, "b", 0), (7, "a", 0))
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_store_serves_one_game_whatever_the_key_and_refuses_another(tmp_path):
    game = from_callable(Recorded(), 6)
    store = UtilityStore()
    for seed in (0, 1):
        attribution = estimate(game, exact(), Options(stores=store), key=jax.random.key(seed))
    assert attribution.num_stored == 64
    with pytest.raises(InvalidInputError, match="name to be given to from_callable"):
        estimate(from_callable(entry, 6), exact(), Options(stores=store))
    named = UtilityStore()
    estimate(from_callable(entry, 6, name="a"), exact(), Options(stores=named))
    again = estimate(from_callable(entry, 6, name="a"), exact(), Options(stores=named))
    assert again.num_stored == 64
    for other in (from_callable(entry, 6, name="b"), additive(WEIGHTS).game):
        with pytest.raises(InvalidInputError, match="holds the utilities of another"):
            estimate(other, exact(), Options(stores=named))


def test_a_game_without_a_name_has_no_folder(tmp_path, key):
    recorded = Recorded()
    game = from_callable(recorded, 6)
    for refused in (
        lambda: fingerprint(game, key),
        lambda: evaluate(game, key, EVERY, store=UtilityStore(tmp_path, fingerprint="mine")),
    ):
        with pytest.raises(InvalidInputError, match="Expected name to be given to from_callable"):
            refused()
    assert not recorded.asked and not list(tmp_path.iterdir())


def test_a_utility_that_is_not_finite_is_refused_floored_or_kept(key):
    def holed(masks):
        return np.where(masks.sum(axis=1) == 6, np.nan, 1.0 + masks.sum(axis=1))

    game = from_callable(holed, 6)
    sentence = r"\[0, 1, 2, 3, 4, 5\] are not: the game's function gave NaN"
    with pytest.raises(InvalidInputError, match=sentence):
        evaluate(game, key, EVERY)
    with pytest.warns(UserWarning, match="function gave NaN or infinity"):
        assert evaluate(game, key, EVERY, on_nonfinite="floor")[-1] == 1.0
    assert np.isnan(evaluate(game, key, EVERY, on_nonfinite="keep")).sum() == 1


def test_a_chunk_that_does_not_fit_into_memory_is_halved(key):
    def hungry(masks):
        if len(masks) > 5:
            raise MemoryError
        return entry(masks)

    with pytest.warns(UserWarning, match="No room for (16|8) coalitions at once") as warned:
        assert_array_equal(evaluate(from_callable(hungry, 6), key, EVERY, Plan(chunk=16)), TABLE)
    assert len(warned) == 2
    never = from_callable(lambda masks: hungry(np.tile(masks, (6, 1))), 6)
    with (
        warnings.catch_warnings(),
        pytest.raises(InvalidInputError, match="memory for one coalition at a time"),
    ):
        warnings.simplefilter("ignore")
        evaluate(never, key, EVERY)


@pytest.mark.slow
def test_two_processes_value_half_of_the_coalitions_each():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    variables = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TWO, address, str(rank)],
            env=variables,
            stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    try:
        assert [int(one.communicate(timeout=600)[0]) for one in both] == [32, 32]
    finally:
        for one in both:
            one.kill()


SETS = {frozenset(np.flatnonzero(mask).tolist()): TABLE[row] for row, mask in enumerate(EVERY)}
NAMES = ("ann", "bob", "cid", "dan", "eve", "fay")


@pytest.mark.parametrize(
    "game",
    [
        from_callable(SETS.get, 6, batched=False),
        from_callable(SETS, 6),
        from_callable({tuple(sorted(one)): worth for one, worth in SETS.items()}, 6),
        from_callable(lambda masks: [float(entry(mask[None])[0]) for mask in masks], 6),
        from_callable(lambda names: SETS[frozenset(map(NAMES.index, names))], NAMES, batched=False),
    ],
    ids=["set", "mapping", "tuples", "mask", "names"],
)
def test_a_function_of_one_coalition_and_a_mapping_are_games(game, key):
    assert_array_equal(evaluate(game, key, EVERY), TABLE)


@pytest.mark.parametrize(
    ("f", "settings", "sentence"),
    [
        (lambda members: sum(WEIGHTS[list(members)]), {}, "IndexError: .*batched=False"),
        (lambda members: SETS[frozenset(members)], {}, "TypeError: .*batched=False"),
        (lambda mask: float(mask @ WEIGHTS), {}, "TypeError: .*batched=False"),
        (lambda mask: mask.sum(), {}, r"got shape \[\]; .*batched=False"),
        (lambda mask: mask @ WEIGHTS, {"batched": False}, r"lambda masks: \[f\(mask\)"),
        (lambda s: WEIGHTS[s].sum(), {"batched": False}, r"write weights\[list\(members\)\]"),
        ({(0,): 1.0}, {}, r"a utility for each coalition that is asked for, but none for \[\[\]"),
    ],
)
def test_a_function_that_takes_coalitions_otherwise_is_told_how_to_say_so(
    f, settings, sentence, key
):
    with pytest.raises(InvalidInputError, match=sentence):
        evaluate(from_callable(f, 6, **settings), key, EVERY)


def test_an_error_after_the_first_call_is_the_functions_own(key):
    def failing(masks):
        if masks[0].any():
            raise KeyError("mine")
        return entry(masks)

    with pytest.raises(KeyError, match="mine"):
        evaluate(from_callable(failing, 6), key, EVERY, Plan(chunk=1))


WANTED = r"numbers of shape \[64, ...\]"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda masks: 1.0, rf"{WANTED} for masks \[64, 6\], got shape \[\]"),
        (lambda masks: np.zeros(3), rf"{WANTED} for masks \[64, 6\], got shape \[3\]"),
        (lambda masks: [None] * len(masks), "numbers of shape .*, got object"),
        (lambda masks: np.zeros(len(masks), complex), "numbers of shape .*, got complex128"),
        (lambda masks: ["one"] * len(masks), "numbers of shape .*, got <U3"),
        (lambda masks: [[0.0]] * 63 + [[0.0, 1.0]], "one array of numbers"),
    ],
    ids=["one number", "too few", "nothing", "complex", "words", "ragged"],
)
def test_an_answer_that_is_not_utilities_is_refused_in_one_sentence(answer, sentence, key):
    with pytest.raises(InvalidInputError, match=sentence):
        evaluate(from_callable(answer, 6), key, EVERY)


def test_an_answer_whose_shape_changes_is_refused(key):
    asked = []

    def changing(masks):
        asked.append(len(masks))
        return np.zeros((len(masks), len(asked)))

    with pytest.raises(InvalidInputError, match="as in the store"):
        evaluate(from_callable(changing, 6), key, EVERY, Plan(chunk=16))


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (lambda: from_callable(TABLE, 6), "to be a function of masks"),
        (lambda: from_callable(entry, 0), "num_players=0 to be an integer >= 1"),
        (lambda: from_callable(entry, 6.0), "num_players=6.0 to be an integer"),
        (lambda: from_callable(entry, 6, name=3), "name=3 to be text"),
        (lambda: from_callable(entry, ["a", "a"]), "to be names that differ"),
        (lambda: from_callable(entry, 6, batched="no"), "batched='no' to be True or False"),
        (lambda: from_callable(TABLE, 6, batched=False), "to be a function of one coalition"),
        (
            lambda: evaluate(from_callable(entry, 6), jax.random.key(0), EVERY[:, :5]),
            r"masks to be bool\[M, 6\]",
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(refused, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        refused()
