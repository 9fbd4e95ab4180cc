"""What are a party's columns worth?
=================================

Parties may hold different columns of the same rows. Who has the labels is in every coalition and
no player: V(nobody) is what its own columns reach. Here a clinic knows who is ill and measures
one column roughly; three laboratories measure ten columns each.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

import fedjax_shap as fs

table = load_breast_cancer()
columns = {
    "means": table.data[:, 0:10],
    "errors": table.data[:, 10:20],
    "worst": table.data[:, 20:30],
}
own = table.data[:, [1]] + np.random.default_rng(0).normal(0, 5, (len(table.data), 1))
parties = fs.vertical.from_blocks(columns, table.target, label_holder="clinic", own=own)
data = fs.vertical.columns(parties, test_fraction=0.4, seed=0)

# %%
# With ``resamples`` each coalition is scored on resampled test rows as well, which says how much
# the values depend on who happens to be in the test set.

game = fs.vertical.vertical(data, fs.vertical.logistic(), metric="negative_loss", resamples=200)
found = fs.estimate_repeated(game, fs.exact())
print(f"the clinic alone {found.empty:.3f}, with all three {found.grand:.3f} nats")
for name, value, error in zip(data.names, found.values, found.std_errors):
    print(f"{name:7} {value:.3f} ± {1.96 * error:.3f}")

# %%
# The worst cells say most. Means and errors are told apart less surely: their intervals overlap.

figure, axes = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
axes.bar(data.names, found.values, 0.6)
axes.errorbar(
    data.names, found.values, 1.96 * found.std_errors, fmt="none", color="black", capsize=4
)
axes.set_ylabel("value (nats), with 95 % intervals")
plt.show()
