"""PyTorch's draws come out without PyTorch, and with them the accuracies that FLamby published."""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import torch_draws
from fedjax_shap.data.federate import federate
from fedjax_shap.data.partition import by_column
from fedjax_shap.data.published import HOSPITALS, heart_disease
from fedjax_shap.engine.evaluate import evaluate
from fedjax_shap.games.trained import trained
from fedjax_shap.learning.algorithms.fedavg import fedavg
from fedjax_shap.learning.local import local
from fedjax_shap.learning.model import linear
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training

# accuracy in Cleveland, Hungary, Switzerland, VA by seed: FLamby's committed results, FedAvg100
FLAMBY_FEDAVG = {
    42: (0.7596, 0.6966, 0.6875, 0.6222),
    43: (0.7212, 0.7416, 0.7500, 0.6667),
    44: (0.7404, 0.7528, 0.5000, 0.5778),
    45: (0.7308, 0.6742, 0.7500, 0.6222),
    46: (0.7019, 0.7303, 0.5625, 0.7111),
}


def test_uniform_numbers_are_those_that_pytorch_prints_for_seed_0():
    drawn = torch_draws.uniform(np.random.RandomState(0), (3,), 0.0, 1.0)
    np.testing.assert_allclose(
        drawn, [0.4963, 0.7682, 0.0885], atol=5e-5
    )  # torch.manual_seed(0); torch.rand(3)


def test_a_permutation_is_the_one_that_pytorch_prints_for_seed_0():
    assert torch_draws.permutation(0, 10).tolist() == [
        4,
        1,
        7,
        5,
        3,
        9,
        0,
        8,
        6,
        2,
    ]  # torch.randperm(10)


def test_linear_layers_have_pytorch_s_bound_and_the_tree_of_the_package_s_mlp():
    drawn = torch_draws.linear_layers(3, (27, 16, 1))
    model = linear(initializer="torch")((27,), 2)
    assert jax.tree.structure(drawn["Dense_0"]) == jax.tree.structure(
        model.init(jax.random.key(0))["Dense_0"]
    )
    assert drawn["Dense_0"]["kernel"].shape == (27, 16) and drawn["Dense_1"]["kernel"].shape == (
        16,
        1,
    )
    for layer, fan_in in ((drawn["Dense_0"], 27), (drawn["Dense_1"], 16)):
        largest = max(float(np.abs(part).max()) for part in layer.values())
        assert 0.8 * fan_in**-0.5 < largest <= fan_in**-0.5


def test_a_batch_order_is_a_permutation_for_each_seed_its_own():
    assert sorted(torch_draws.batch_order(5, 50)) == list(range(50))
    assert torch_draws.batch_order(5, 50).tolist() != torch_draws.batch_order(6, 50).tolist()


def test_flamby_s_published_accuracies_come_out_from_its_initial_weights(data_folder):
    pool = heart_disease(folder=str(data_folder), normalise="per_client")
    data = federate(pool, by_column(), seed=0)
    tested = pool.notes["test_center"]
    steps = local(optimizer="sgd", learning_rate=0.001, batch_size=4, steps=100)
    learning = learner(
        data,
        Training(linear(output="sigmoid"), steps, fedavg(max_rounds=15), key=jax.random.key(0)),
    )

    def right(world, params, trace, mask):
        return (
            learning.model.apply(params, world.data.test[0]).argmax(-1) == world.data.test[1]
        ).astype(jnp.float32)

    game = trained(learning, right)
    everyone = np.ones((1, 4), bool)
    for seed, published in FLAMBY_FEDAVG.items():
        weights = jax.tree.map(jnp.asarray, torch_draws.linear_layers(seed, (13, 1)))
        start = game.replace(world=game.world.replace(initial=weights))
        correct = evaluate(start, jax.random.key(seed), everyone)[0]
        for hospital, expected in zip(HOSPITALS, published):
            theirs = correct[tested == hospital]
            assert abs(theirs.mean() - expected) < 1.5 / len(theirs), (
                seed,
                hospital,
            )  # one patient at the most
