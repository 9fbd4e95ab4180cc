"""How is a model of one's own valued?
===================================

Any flax module without mutable state is a model. Its metric may be one's own as well: a function
of outputs and targets, of which more is better. Here a missed cancer costs ten times as much as a
false alarm.
"""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import linen as nn

import fedjax_shap as fs


class Net(nn.Module):
    """Two layers with normalisation between them."""

    outputs: int

    @nn.compact
    def __call__(self, x):
        """Logits of a batch."""
        x = nn.relu(nn.LayerNorm()(nn.Dense(16)(x)))
        return nn.Dense(self.outputs)(x)


def cost_saved(outputs, y):
    """Minus the mean cost of a decision: class 0 is malignant."""
    malignant = outputs[:, 0] > outputs[:, 1]
    missed = (y == 0) & ~malignant
    alarm = (y == 1) & malignant
    return -jnp.mean(10.0 * missed + 1.0 * alarm)


# %%
pool = fs.load("breast_cancer")
data = fs.federate(pool, fs.partitions.dirichlet(num_clients=4, alpha=0.5), seed=2)
training = fs.Training(
    fs.models.from_flax(Net),
    fs.local(optimizer="adam", learning_rate=0.01, batch_size=32),
    fs.algorithms.fedavg(max_rounds=10),
)
by_accuracy = fs.estimate(fs.silo(data, training), fs.exact())
by_cost = fs.estimate(fs.silo(data, training, metric=cost_saved), fs.exact())
for place, name in enumerate(data.names):
    malignant = np.mean(data.client(place)[1] == 0)
    print(
        f"{name}: {data.sizes[place]} rows, {malignant:.0%} malignant, "
        f"value by accuracy {by_accuracy.values[place]:+.3f}, by cost {by_cost.values[place]:+.3f}"
    )

# %%
# By accuracy client 3 is worth most. It has few cancers, though, and where a missed one is dear,
# client 1 is worth twice as much, which has most of them.

figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
units = ("accuracy", "cost saved for each patient")
for panel, found, unit in zip(panels, (by_accuracy, by_cost), units):
    panel.bar(data.names, found.values)
    panel.axhline(0, color="black", linewidth=0.8)
    panel.set_ylabel(f"value ({unit})")
plt.show()
