"""The round loop: mini-batches belong to clients, and what a coalition starts from is given or
drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import CLASSES, FEATURES, SIZES, federation, initial
from numpy.testing import assert_allclose

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import Coalition, chunk_of, gather
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear, mlp
from fedjax_shap.learning.train import begun, learner, unobserved
from fedjax_shap.learning.training import Training


def learning_of(data, batch_size=3):
    training = local(learning_rate=0.5, batch_size=batch_size, steps=2)
    return learner(
        data,
        Training(
            linear(), training, fedavg(), key=jax.random.key(0), initial=initial(FEATURES, CLASSES)
        ),
    )


def uploads(learning, key, round_, members):
    """What each of `members` uploads in one round, in the slots in which they are given: float[S,
    D]."""
    everyone = np.arange(learning.world.data.num_clients)
    others = np.setdiff1d(everyone, members)
    coalition = Coalition(
        mask=jnp.asarray(np.isin(everyone, members)),
        members=jnp.asarray(np.concatenate([members, others])),
        present=jnp.asarray(everyone < len(members)),
    )
    world = learning.world
    sent = jax.jit(learning.collect)(
        world, key, jnp.int32(round_), begun(world, coalition), coalition
    ).uploads
    return np.concatenate(
        [np.asarray(leaf).reshape(len(everyone), -1) for leaf in jax.tree.leaves(sent)], axis=1
    )[: len(members)]


@pytest.fixture(scope="module")
def learning():
    return learning_of(federation())


def apart(one, other):
    return np.abs(one - other).max()


def test_a_client_draws_the_same_batches_in_every_slot_and_coalition(learning, key):
    sent = uploads(learning, key, 0, [0, 1, 2])
    assert_allclose(uploads(learning, key, 0, [2, 0, 1]), sent[[2, 0, 1]], atol=1e-6)
    assert_allclose(uploads(learning, key, 0, [2]), sent[[2]], atol=1e-6)
    assert_allclose(uploads(learning, key, 0, [0, 2]), sent[[0, 2]], atol=1e-6)


def test_batches_change_with_the_key_the_round_and_the_client(learning, key):
    sent = uploads(learning, key, 0, [0, 1, 2])
    assert apart(uploads(learning, jax.random.key(1), 0, [0, 1, 2]), sent) > 1e-2
    assert apart(uploads(learning, key, 1, [0, 1, 2]), sent) > 1e-2
    data = federation()
    twins = data.replace(
        offsets=data.offsets.at[1].set(data.offsets[0]),
        sizes=data.sizes.at[1].set(data.sizes[0]),
    )
    one, other = uploads(learning_of(twins), key, 0, [0, 1])
    assert apart(one, other) > 1e-2


@pytest.mark.parametrize(
    "newcomer", [2, 31], ids=["smaller", "larger than all, so that padding changes"]
)
def test_adding_a_client_does_not_change_the_batches_of_others(newcomer, learning, key):
    joined = learning_of(federation((*SIZES, newcomer)))
    for round_ in (0, 3):
        sent = uploads(learning, key, round_, [0, 1, 2])
        assert_allclose(uploads(joined, key, round_, [0, 1, 2, 3])[:3], sent, atol=1e-6)


def test_a_full_batch_is_a_mini_batch_of_all_rows_in_any_order(key):
    whole, one_batch = (learning_of(federation(), batch_size) for batch_size in (None, 50))
    assert_allclose(
        uploads(whole, key, 0, [0, 1, 2]), uploads(one_batch, key, 0, [0, 1, 2]), atol=1e-6
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            initial(FEATURES, 5, CLASSES),
            "Expected initial to have the shapes of the model's parameters",
        ),
        (
            initial(FEATURES + 1, CLASSES),
            "Expected initial to have the shapes of the model's parameters",
        ),
        ([np.zeros(3)], "Expected initial to have the shapes of the model's parameters"),
    ],
    ids=["another depth", "another width", "no tree of the model"],
)
def test_initial_parameters_of_another_model_are_refused(given, sentence, key):
    with pytest.raises(InvalidInputError, match=sentence):
        learner(federation(), Training(linear(), local(), fedavg(), key=key, initial=given))


def test_given_initial_parameters_of_the_models_shapes_are_taken(key):
    given = initial(FEATURES, 6, CLASSES)
    taken = learner(
        federation(), Training(mlp(hidden=(6,)), local(), fedavg(), key=key, initial=given)
    ).world.initial
    assert all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(taken), jax.tree.leaves(given), strict=True)
    )


LEVELS = (0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 1.0, 1.0)  # the loss is alike where these are


def scripted(patience):
    """An algorithm whose server sets every bias to the level of its round, whatever is uploaded.

    At zero weights and equal biases the cross-entropy is that of chance, so that the training loss
    changes with the penalty alone.
    """

    def server_update(params, upload, extra, server, share):
        level = jnp.asarray(LEVELS)[server + 1]
        layer = params["Dense_0"]
        bias = jnp.full_like(layer["bias"], level)
        return {"Dense_0": {"kernel": 0 * layer["kernel"], "bias": bias}}, server + 1

    return fedavg(max_rounds=len(LEVELS), tol=0.01, patience=patience)._replace(
        init_server=lambda params: jnp.int32(0), server_update=server_update
    )


@pytest.mark.parametrize("layout", ["client", "coalition"])
@pytest.mark.parametrize(("patience", "rounds"), [(1, 2), (2, 7), (3, 8), (4, 10)])
def test_patience_counts_successive_rounds_without_change(layout, patience, rounds, key):
    training = Training(linear(), local(learning_rate=0.1, l2=1.0), scripted(patience))
    learning = learner(federation(), training)
    everyone = np.ones((1, 3), bool)

    def rounds_of(world, params, trace, mask):
        return trace.rounds

    if layout == "client":
        chunk = jax.tree.map(jnp.asarray, chunk_of(everyone, 1))
        trained = jax.jit(
            lambda world: learning.train_chunk(world, key, chunk, unobserved, rounds_of)[0]
        )
    else:
        one = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), gather(everyone, 3))
        trained = jax.jit(lambda world: learning.train(world, key, one)[1].rounds)
    assert trained(learning.world) == rounds
