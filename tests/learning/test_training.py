"""The record of a training: what its defaults are, and what is refused of it."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from federations import federation
from flax import linen as nn

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.rounds import rounds
from fedjax_shap.games.silo import curves, silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import Model, linear
from fedjax_shap.learning.participation import always
from fedjax_shap.learning.steps import constant
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training

DOORS = {
    "silo": silo,
    "curves": curves,
    "rounds": rounds,
    "learner": learner,
}


def test_the_defaults_are_an_epoch_of_full_batch_descent_by_everyone_and_key_0(key):
    spelt_out = Training(
        linear(),
        local(optimizer="sgd", learning_rate=0.1, epochs=1),
        fedavg(max_rounds=20),
        steps=constant(steps=1),
        participation=always(),
        key=jax.random.key(0),
    )
    games = [silo(federation(), training) for training in (Training(linear()), spelt_out)]
    short, long = (evaluate(game, key, all_subsets(3)) for game in games)
    np.testing.assert_array_equal(short, long)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        (linear(), "Expected training=architecture to be of type Training"),
        (
            Training(linear),
            r"Expected model=linear to be an architecture.*write models\.linear\(\)",
        ),
        (Training(nn.Dense(3)), "Expected model=<Dense> to be an architecture.*flax module"),
        (Training("mlp"), "Expected model=<str> to be an architecture"),
        (Training(lambda x: x), "Expected model=<lambda> to be an architecture"),
        (Training(linear(), local), "Expected local=local to be of type Local"),
        (
            Training(linear(), algorithm=fedavg),
            "Expected algorithm=fedavg to be of type Algorithm",
        ),
        (Training(lambda shape, classes: shape), "Expected model=<lambda> to give a Model"),
    ],
)
def test_a_part_of_another_kind_is_refused_in_one_sentence(door, training, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        DOORS[door](federation(), training)


def test_a_model_of_your_own_is_a_function_that_gives_a_pair_of_functions(key):
    def architecture(shape, num_classes):
        module = nn.Dense(num_classes)
        example = np.zeros((1, *shape), np.float32)
        return Model(lambda key: module.init(key, example), module.apply)

    game = silo(federation(), Training(architecture, algorithm=fedavg(max_rounds=2)))
    assert np.isfinite(evaluate(game, key, all_subsets(3))).all()


@pytest.mark.slow
def test_importing_it_makes_no_array():
    """An array at import would take hold of a device before the program has chosen one."""
    script = (
        "import jax, fedjax_shap.learning.training;"
        "from jax._src import xla_bridge;"
        "raise SystemExit(xla_bridge.backends_are_initialized())"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
