"""Models of one's own: pairs of functions and flax modules, with dropout, without mutable state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from federations import federation
from flax import linen as nn
from flax import nnx
from numpy.testing import assert_allclose, assert_array_equal

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.engine.plan import Plan
from fedjax_shap.games.silo import silo
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import Model, from_flax, from_nnx, linear
from fedjax_shap.learning.training import Training, model_of

BATCHES = local(batch_size=4, learning_rate=0.5)
TWO = fedavg(max_rounds=2)


class Net(nn.Module):
    """Any network, with any normalisation."""

    outputs: int
    norm: nn.Module | None = None

    @nn.compact
    def __call__(self, x):
        x = nn.Dense(8)(x)
        return nn.Dense(self.outputs)(nn.relu(x if self.norm is None else self.norm(x)))


class Dropping(nn.Module):
    """Dropout of whole features, before a linear layer."""

    outputs: int
    rate: float = 0.5

    @nn.compact
    def __call__(self, x, train: bool = False):
        return nn.Dense(self.outputs)(nn.Dropout(self.rate, deterministic=not train)(x))


class Deterministic(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x, deterministic: bool):
        return nn.Dense(self.outputs)(nn.Dropout(0.5)(x, deterministic=deterministic))


class Graph(nnx.Module):
    """The same as an nnx module."""

    def __init__(self, inputs, outputs, rngs, norm=None):
        self.norm = norm
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.Linear(inputs, outputs, rngs=rngs)

    def __call__(self, x):
        return self.dense(self.drop(x if self.norm is None else self.norm(x)))


def model(architecture):
    return model_of(Training(architecture), federation())


def worth(architecture, key, plan=None):
    """V of nobody and of everybody."""
    training = Training(architecture, BATCHES, TWO)
    game = silo(federation(), training, metric="negative_loss")
    return evaluate(game, key, [[False] * 3, [True] * 3], plan)


INPUTS = federation().validation[0].shape[1:]
CLASSES = federation().num_classes


def test_a_pair_of_functions_is_an_architecture_where_it_fits():
    pair = Model(*linear()(INPUTS, CLASSES)[:2])
    assert model(pair) is pair and model(lambda shape, outputs: pair) is pair


@pytest.mark.parametrize(
    "network",
    [Net, lambda outputs: Net(outputs), Net(CLASSES), nn.Dense],
    ids=["class", "function", "module", "library"],
)
def test_a_flax_module_is_taken_as_a_class_a_function_or_itself(network, key):
    own = model(from_flax(network))
    params = own.init(key)
    assert own.apply(params, jnp.ones((2, *INPUTS))).shape == (2, CLASSES)
    assert own.train is None


def test_layer_and_group_normalisation_train(key):
    assert model(from_flax(lambda outputs: Net(outputs, nn.LayerNorm()))).train is None
    grouped = from_flax(lambda outputs: Net(outputs, nn.GroupNorm(num_groups=2)))
    nobody, everybody = worth(grouped, key)
    assert np.isfinite(everybody) and everybody > nobody


def test_an_nnx_module_is_trained_by_its_parameters_alone(key):
    own = model(from_nnx(lambda shape, outputs, rngs: Graph(shape[0], outputs, rngs)))
    params = own.init(key)
    assert set(params) == {"dense"} and set(params["dense"]) == {"kernel", "bias"}
    x = jax.random.normal(key, (50, *INPUTS))
    by_hand = x @ params["dense"]["kernel"] + params["dense"]["bias"][None]
    assert_allclose(own.apply(params, x), by_hand, rtol=1e-5)
    drawn = [own.train(params, x, jax.random.key(seed)) for seed in (0, 0, 1)]
    assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 0.1


@pytest.mark.parametrize("network", [Dropping, Deterministic])
def test_dropout_is_drawn_in_local_steps_and_off_where_the_model_is_evaluated(network, key):
    own = model(from_flax(network))
    params = own.init(key)
    x = jax.random.normal(key, (500, *INPUTS))
    by_hand = x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"][None]
    assert_allclose(own.apply(params, x), by_hand, rtol=1e-5)
    mean = np.mean([own.train(params, x, jax.random.key(seed)) for seed in range(40)], axis=0)
    error = np.abs(mean - by_hand).mean()
    once = np.abs(own.train(params, x, key) - by_hand).mean()
    assert 0.05 < error < 0.3 * once, "dropout leaves the mean where it is"


def test_no_plan_changes_what_dropout_draws(key):
    by_client, by_coalition, without = (
        worth(
            from_flax(lambda outputs, rate=rate: Dropping(outputs, rate)),
            key,
            Plan(layout=layout, buckets=1),
        )
        for rate, layout in ((0.5, "client"), (0.5, "coalition"), (0.0, "client"))
    )
    assert_allclose(by_client, by_coalition, rtol=2e-5)
    assert abs(without - by_client)[1] > 1e-4, "dropout changes what is learnt"


def test_dropout_draws_anew_in_each_step_round_client_and_block_of_rows(key):
    seen = []

    def init(key):
        return {"bias": jnp.zeros(CLASSES)}

    def train(params, x, key):
        jax.debug.callback(lambda data: seen.append(bytes(data)), jax.random.key_data(key))
        return jnp.zeros((len(x), CLASSES)) + params["bias"][None]

    pair = Model(init, lambda params, x: jnp.zeros((len(x), CLASSES)), train=train)
    steps = Training(pair, local(batch_size=4, steps=3), TWO)
    evaluate(silo(federation(), steps), key, np.ones((1, 3), bool), Plan(layout="coalition"))
    jax.effects_barrier()
    assert len(set(seen)) == 3 * 2 * 3


BATCH_NORM = "statistics of different members' batches.*GroupNorm or LayerNorm"


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [
        (
            from_flax(lambda outputs: Net(outputs, nn.BatchNorm(use_running_average=False))),
            f"parameters alone, got 'batch_stats' as well: {BATCH_NORM}",
        ),
        (
            from_nnx(
                lambda shape, outputs, rngs: Graph(
                    *shape, outputs, rngs, nnx.BatchNorm(shape[0], rngs=rngs)
                )
            ),
            f"parameters alone, got 'BatchStat' as well: {BATCH_NORM}",
        ),
        (
            Model(
                lambda key: {"params": {}, "batch_stats": jnp.zeros(3)}, lambda params, x: x[:, :3]
            ),
            f"parameters alone, got 'batch_stats' as well: {BATCH_NORM}",
        ),
        (
            lambda shape, outputs: Model(
                lambda key: {"scale": jnp.ones(2)},
                lambda params, x: nn.BatchNorm(use_running_average=True).apply(
                    {"params": params}, x
                ),
            ),
            "write GroupNorm or LayerNorm in place of BatchNorm",
        ),
        (
            from_flax(lambda outputs: nn.Sequential([nn.Dropout(0.5, deterministic=False)])),
            "InvalidRngError: .* takes `train: bool`",
        ),
        (from_flax(lambda outputs: Net(outputs + 1)), f"to give {CLASSES} outputs an example"),
        (from_flax(lambda outputs: nn.Conv(outputs, (3, 3))), "to work on examples of shape"),
        (from_flax(lambda outputs: nnx.Linear), "linen module, got Linear; .* from_nnx"),
        (
            from_nnx(lambda shape, outputs, rngs: Net(outputs)),
            "nnx module, got <Net>; .* from_flax",
        ),
        (
            Model(lambda key: {"count": jnp.int32(0)}, lambda params, x: x[:, :CLASSES]),
            "floating-point numbers, got int32",
        ),
        (Model(lambda key: {}, lambda params, x: x), "floating-point numbers, got none"),
        (
            lambda shape, outputs: Model(lambda key: jnp.zeros(2), lambda params, x: params["w"]),
            "to work on examples of shape .*, got TypeError",
        ),
        (Net, r"write models\.from_flax\(lambda outputs: Net\(outputs\)\)"),
        (Net(CLASSES), r"write models\.from_flax\(lambda outputs: Net\(outputs\)\)"),
        (Graph, r"write models\.from_nnx\(lambda shape, outputs, rngs"),
        (Graph(2, 2, nnx.Rngs(0)), r"write models\.from_nnx\(lambda shape, outputs, rngs"),
        (from_flax, r"write models\.from_flax\(lambda"),
        (linear, r"write models\.linear\(\)"),
        ((1, 2), r"such as models\.linear\(\), Model\(init, apply\)"),
    ],
)
def test_what_is_no_model_of_these_data_is_refused_in_one_sentence(architecture, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        model(architecture)


def test_what_makes_no_network_is_refused_at_once():
    with pytest.raises(InvalidInputError, match="network=3 to be a flax module or a function"):
        from_flax(3)
    with pytest.raises(InvalidInputError, match="network=Graph to be a function that makes an nnx"):
        from_nnx(Graph)
