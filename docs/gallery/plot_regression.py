"""Does the metric decide who is worth more?
=========================================

Where rows have quantities, a regression is learned. V may be the explained variance R² or an
error, which counts with a minus sign. The same models are scored by both metrics here, so what
differs is the metric alone.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import fedjax_shap as fs

x, y = load_diabetes(return_X_y=True)
x = x / x.std(axis=0)
order = np.argsort(y[:340])  # members have patients of rising severity
clients = {
    f"quarter {part + 1}": (x[rows], y[rows]) for part, rows in enumerate(np.split(order, 4))
}
data = fs.from_arrays(clients, test=(x[340:], y[340:]), quantities=True)
training = fs.Training(
    fs.models.linear(), fs.local(batch_size=17), fs.algorithms.fedavg(max_rounds=10)
)
metrics = {"r2": "R²", "mae": "mean absolute error"}
values = {}
for metric, label in metrics.items():
    found = fs.estimate(fs.silo(data, training, metric=metric), fs.exact())
    values[label] = found.values
    print(f"{label} from {found.empty:.3f} to {found.grand:.3f}: {found.values.round(3)}")

# %%
# Values as shares of their sum, so that both metrics have one scale. The quarter with the mildest
# cases is worth nothing by R² and a fifth of everything by the mean absolute error; the severest
# cases are worth much by both.

figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
places = np.arange(4)
for offset, (label, one) in zip((-0.2, 0.2), values.items()):
    axes.bar(places + offset, 100 * one / one.sum(), 0.38, label=label)
axes.axhline(0, color="black", linewidth=0.8)
axes.set_xticks(places, data.names)
axes.set_ylabel("share of all values (%)")
axes.legend()
plt.show()
