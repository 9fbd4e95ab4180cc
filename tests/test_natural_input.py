"""What people naturally write is taken, or refused in one sentence that says what to write."""

import re

import jax
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

import fedjax_shap as fs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype(np.float32)
Y = np.arange(8) % 2
DATA = fs.from_arrays([(X, Y), (X[:5], Y[:5])], (X, Y))
TRAINING = fs.Training(fs.models.linear())
WEIGHTS = np.array([1.0, 2.0, 3.0])
GAME = fs.from_callable(lambda masks: masks @ WEIGHTS, 3)
POOL = fs.load("digits")
ALL = [[True, True, True]]


def trained(**parts):
    return lambda: fs.silo(DATA, TRAINING._replace(**parts))


def options(**settings):
    return lambda: fs.Options(**settings)


CALLED = "a function that makes one must be called: "
REFUSED = {
    # the nouns
    "an architecture for a training": (
        lambda: fs.silo(DATA, fs.models.linear()),
        "to be of type Training, such as Training(models.linear())",
    ),
    "a training for data": (
        lambda: fs.silo(POOL, TRAINING),
        "data=<Pool> to be of type F",
    ),
    "a list for data": (
        lambda: fs.rounds([(X, Y)], TRAINING),
        "data=<list> to be of type",
    ),
    "a pool for curves": (lambda: fs.curves(POOL, TRAINING), "data=<Pool> to be of type"),
    "a dict for local": (
        trained(local={"steps": 1}),
        "local=<dict> to be of type Local, such as",
    ),
    "local uncalled": (trained(local=fs.local), CALLED + "local()"),
    "an algorithm uncalled": (trained(algorithm=fs.algorithms.fedprox), CALLED + "fedprox()"),
    "a number for steps": (trained(steps=3), "such as steps.constant(steps=5) gives"),
    "steps uncalled": (trained(steps=fs.steps.constant), CALLED + "constant()"),
    "a number for participation": (
        trained(participation=0.5),
        "such as participation.independent(",
    ),
    "participation uncalled": (trained(participation=fs.participation.always), CALLED + "always()"),
    "text for the key of a training": (
        trained(key="a"),
        "key='a' to be a key, such as jax",
    ),
    "a model uncalled": (trained(model=fs.models.linear), "write models.linear()"),
    "a number for the metric": (lambda: fs.silo(DATA, TRAINING, metric=3), "metric=3 to be"),
    # paths
    "a number for a ledger": (lambda: fs.Ledger(3), "ledger=3 to be a path, such as 'runs'"),
    "a list for a model's file": (lambda: fs.load_model(["runs"]), "model=<list> to be a path"),
    "a number for a store": (
        lambda: fs.UtilityStore(3, fingerprint="a"),
        "folder=3 to be a path",
    ),
    "a metric that forgets its mean": (
        lambda: fs.silo(DATA, TRAINING, metric=lambda outputs, y: (outputs.argmax(1) == y) * 1.0),
        "to give a number, got one for each row, [8]; return their mean.",
    ),
    # data
    "complex features": (
        lambda: fs.from_arrays([(X + 1j, Y)], (X, Y)),
        "to be real numbers, got complex64",
    ),
    "no client by name": (lambda: fs.from_arrays({}, (X, Y)), "at least one client"),
    "no clients": (lambda: fs.from_arrays(None, (X, Y)), "clients=None to hold a pair of arrays"),
    "a pool for clients": (
        lambda: fs.from_arrays(POOL, (X, Y)),
        "clients=<Pool> to hold a pair",
    ),
    "one client": (lambda: fs.from_arrays((X, Y), (X, Y)), "got one pair; write [clients]"),
    "one client by key": (
        lambda: fs.from_arrays({"x": X, "y": Y}, (X, Y)),
        "got one set of examples ['x', 'y']; write [clients]",
    ),
    "names twice": (
        lambda: fs.from_arrays({"a": (X, Y)}, (X, Y), names=["a"]),
        "names to be left out where clients go by name",
    ),
    "no test set": (
        lambda: fs.from_arrays([(X, Y)], None),
        "Expected test, the server's test set, or",
    ),
    "a number for a client": (
        lambda: fs.from_arrays([3], (X, Y)),
        "clients[client 0] to be a",
    ),
    "features alone": (lambda: fs.from_arrays([X], (X, Y)), "got <ndarray> alone; write (x, y)"),
    "three arrays": (lambda: fs.from_arrays([(X, Y, Y)], (X, Y)), "got 3 arrays; leave out what"),
    "unknown keys": (
        lambda: fs.from_arrays([{"x": X, "y": Y, "z": Y, "image": X}], (X, Y)),
        "got a mapping of ['x', 'y', 'z', 'image']; write (one['...'], one['...'])",
    ),
    "examples of two shapes": (
        lambda: fs.from_arrays([[(X[0], 0), (X[0, :2], 1), (X[0], 1)]], (X, Y)),
        "clients[client 0] to have one shape, got (2,) and (3,)",
    ),
    "ragged lists": (
        lambda: fs.from_arrays([([[1.0], [1.0, 2.0]], [0, 1])], (X, Y)),
        "clients[client 0].x to be an array on the host",
    ),
    "text for features": (
        lambda: fs.from_arrays([(np.array([["a", 1.0, 2.0]] * 2, object), [0, 1])], (X, Y)),
        "clients[client 0].x to be numbers: could not convert string",
    ),
    "arrays for a pool": (
        lambda: fs.federate((X, Y), fs.partitions.iid(num_clients=2), seed=0),
        "pool=<tuple> to be of type Pool, such as load('digits') gives",
    ),
    "a partition uncalled": (
        lambda: fs.federate(POOL, fs.partitions.iid, seed=0),
        "such as partitions.iid(num_clients=5) gives; " + CALLED + "iid()",
    ),
    "text for a partition": (
        lambda: fs.federate(POOL, "iid", seed=0),
        "partition='iid' to be a",
    ),
    "one corruption": (
        lambda: fs.corrupt(DATA, fs.corruptions.free_rider(client=0), seed=0),
        "such as [corruptions.label_noise(client=0, rate=0.3)]",
    ),
    "text for a corruption": (
        lambda: fs.corrupt(DATA, ["free_rider"], seed=0),
        "a corruption='free_rider' to be a function",
    ),
    "a pool to corrupt": (
        lambda: fs.corrupt(POOL, [], seed=0),
        "data=<Pool> to be of type",
    ),
    # valuing
    "a fraction for a key": (
        lambda: fs.estimate(GAME, fs.exact(), key=0.5),
        "key=0.5 to be a key, such as jax.random.key(0), or a whole number >= 0",
    ),
    "a seed below 0": (
        lambda: fs.estimate(GAME, fs.exact(), key=-1),
        "key=-1 to be a key",
    ),
    "True for a key": (lambda: fs.estimate(GAME, fs.exact(), key=True), "key=True to be a key"),
    "several keys": (
        lambda: fs.evaluate(GAME, jax.random.split(jax.random.key(0)), ALL),
        "it holds keys of shape (2,), give one",
    ),
    "arguments swapped": (
        lambda: fs.evaluate(GAME, ALL, jax.random.key(0)),
        "key=<list> to be a key, such as jax.random.key(0)",
    ),
    "text for an estimator": (
        lambda: fs.estimate(GAME, "exact"),
        "estimator='exact' to be of type Estimator, such as exact() gives",
    ),
    "an estimator uncalled": (lambda: fs.estimate(GAME, fs.exact), CALLED + "exact()"),
    "a function for a game": (
        lambda: fs.estimate(lambda masks: masks.sum(1), fs.exact()),
        "game=<lambda> to be a Game, such as silo(data, training) or from_callable(f, num_players)",
    ),
    "a run for a game": (
        lambda: fs.estimate(fs.rounds(DATA, TRAINING), fs.exact()),
        "a run of rounds(...) goes to estimate_rounds",
    ),
    "a game for a run": (
        lambda: fs.estimate_rounds(GAME, fs.exact()),
        "run=<HostGame> to be of type Rounds, such as rounds(data, training) gives",
    ),
    "a budget for options": (
        lambda: fs.estimate(GAME, fs.exact(), 100),
        "options=100 to be of type Options, such as Options(budget=100) gives",
    ),
    "a game for shapiq": (lambda: fs.as_shapiq_game(3), "game=3 to be a Game"),
    "players by name": (
        lambda: fs.estimate(GAME, fs.exact(), players=["a"]),
        "players=['a'] to",
    ),
    "a dict for a plan": (options(plan={"chunk": 3}), "plan=<dict> to be of type Plan or None"),
    "a number for a rule": (options(until=3), "until=3 to be of type"),
    "True for progress": (options(progress=True), "progress=True to be a function of done, total"),
    "a folder for stores": (options(stores="folder"), "stores='folder' to be a function of part"),
    "a folder for a store": (
        lambda: fs.evaluate(GAME, None, ALL, None, "folder"),
        "store='folder' to be of type",
    ),
    "ids for masks": (lambda: fs.evaluate(GAME, None, [[0, 1, 2]]), "ids are not a mask"),
    "ragged masks": (
        lambda: fs.evaluate(GAME, None, [[True], [True, False]]),
        "a row for each coalition, got lists of unequal lengths",
    ),
    # numbers
    "a game for a table": (lambda: fs.shapley_values(GAME), "table to be numbers float[2^P, ...]"),
    "half a mapping": (
        lambda: fs.shapley_values({(): 0, (0,): 1, (1,): 2}),
        "table to hold the utility of each of the 4 coalitions of 2 players, but (0, 1) is missing",
    ),
    "a mapping of names": (
        lambda: fs.shapley_values({(): 0, ("a",): 1}),
        "to go by coalitions of players 0..0",
    ),
    "nothing to agree": (lambda: fs.agreement("a", [1]), "values='a' to be numbers, one a player"),
    "text to check": (lambda: fs.check("a", np.arange(2.0)), "values='a' to be numbers"),
    "a set for values": (
        lambda: fs.settle({1, 2}, [0, 0], 1),
        "values to be a list with",
    ),
    "other names of costs": (
        lambda: fs.settle({"a": 1, "b": 2}, {"a": 0, "c": 0}, 10),
        "costs to name each of the players 'a', 'b', got 'a', 'c'",
    ),
    "values for evidence": (lambda: fs.audit([1, 2]), "evidence=<list> to be of type Evidence"),
    # settings
    "a path to run": (lambda: fs.run("x.toml"), "such as parse(read_toml(path)) gives"),
    "a path to parse": (
        lambda: fs.parse("x.toml"),
        "raw='x.toml' to be of type Mapping",
    ),
    "an optimiser uncalled": (
        lambda: fs.local(optimizer=optax.sgd),
        "such as optax.sgd(0.1)",
    ),
    "one width": (
        lambda: fs.models.mlp(hidden=3),
        "hidden=3 to be the widths of the",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_with_what_to_write(name):
    call, sentence = REFUSED[name]
    with pytest.raises(fs.InvalidInputError, match=re.escape(sentence)) as caught:
        call()
    assert str(caught.value).startswith("Expected ") and "\n" not in str(caught.value)


class Mapped:
    """A map-style data set, as torch and Hugging Face have them."""

    def __init__(self, item):
        self.item = item

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        if index >= len(X):
            raise IndexError(index)
        return self.item(index)


class Loader:
    """Batches of a data set, which cannot be told from examples."""

    dataset = Mapped(lambda index: (X[index], Y[index]))

    def __iter__(self):
        return iter([(X, Y)])


TAKEN = {
    "a pair": (X, Y),
    "a list of two": [X, Y],
    "lists": (X.tolist(), Y.tolist()),
    "examples": [(x, y) for x, y in zip(X, Y)],
    "examples one by one": ((x, y) for x, y in zip(X, Y)),
    "objects": (X.astype(object), Y.astype(object)),
    "a mapping": {"x": X, "y": Y},
    "a mapping of images": {"picture": X, "label": Y},
    "a data set of pairs": Mapped(lambda index: (X[index], Y[index])),
    "a data set of mappings": Mapped(lambda index: {"image": X[index], "label": int(Y[index])}),
    "a sparse matrix": (sparse.csr_array(X), Y),
}


@pytest.mark.parametrize("name", TAKEN)
def test_examples_are_taken_as_people_hold_them(name):
    data = fs.from_arrays([TAKEN[name]], (X, Y))
    x, y = data.client(0)
    assert_array_equal(x, X)
    assert_array_equal(y, Y)


def test_two_examples_are_not_taken_for_features_and_targets():
    data = fs.from_arrays([[(1.0, 0), (2.0, 1)]], (np.array([1.0, 2.0]), [0, 1]))
    x, y = data.client(0)
    assert x.tolist() == [1.0, 2.0] and y.tolist() == [0, 1]


def test_batches_are_refused_with_the_data_set_behind_them():
    with pytest.raises(fs.InvalidInputError, match=r"batches of a <Loader>; give its `\.dataset`"):
        fs.from_arrays([Loader()], (X, Y))


def test_clients_are_taken_by_name_and_one_by_one():
    by_name = fs.from_arrays({"north": (X, Y), "south": (X[:5], Y[:5])}, (X, Y))
    assert by_name.names == ("north", "south") and by_name.sizes.tolist() == [8, 5]
    assert fs.from_arrays(((X, Y) for _ in range(3)), (X, Y)).num_clients == 3


def test_a_seed_and_an_old_key_stand_for_the_typed_key():
    game = fs.from_callable(lambda masks: np.sin(masks @ np.arange(5)), 5)
    keys = (7, np.int64(7), jax.random.PRNGKey(7), jax.random.key(7))
    several = [
        fs.estimate(game, fs.estimators.permutation(), fs.Options(budget=20), key=key).values
        for key in keys
    ]
    for one in several[:-1]:
        assert_array_equal(one, several[-1])
    assert_array_equal(
        fs.estimate(game, fs.exact()).values, fs.estimate(game, fs.exact(), key=0).values
    )
    assert_array_equal(fs.evaluate(GAME, None, ALL), [6.0])


def test_mappings_of_coalitions_and_of_names_are_taken():
    table = {(): 0.0, (0,): 1.0, (1,): 2.0, frozenset({0, 1}): 4.0}
    assert_array_equal(fs.shapley_values(table), [1.5, 2.5])
    assert fs.check(fs.shapley_values(table), table).holds
    paid = fs.settle({"a": 1, "b": 3}, {"b": 0, "a": 0}, 100)
    assert paid.players == ("a", "b") and [*map(float, paid.payments)] == [25.0, 75.0]
    exact = fs.estimate(GAME, fs.exact())
    assert fs.agreement(exact, {"a": 1.0, "b": 2.0, "c": 3.0})["max_difference"] < 1e-9


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda num_players: st.lists(
            st.floats(-1e6, 1e6), min_size=2**num_players, max_size=2**num_players
        )
    ),
    st.randoms(use_true_random=False),
)
def test_a_mapping_in_any_order_is_the_table_and_the_game_of_its_utilities(table, random):
    masks = fs.all_subsets(len(table).bit_length() - 1)
    coalitions = [frozenset(np.flatnonzero(mask).tolist()) for mask in masks]
    pairs = list(zip(coalitions, table))
    random.shuffle(pairs)
    expected = fs.shapley_values(np.array(table))
    assert_array_equal(fs.shapley_values(dict(pairs)), expected)
    game = fs.from_callable(dict(pairs).get, masks.shape[1], batched=False)
    assert_array_equal(fs.evaluate(game, None, masks), table)
