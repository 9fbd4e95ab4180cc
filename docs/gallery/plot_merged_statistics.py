"""May models be averaged?
=======================

Linear discriminants are fitted from sums over rows: counts, means and products. A federation can
add these sums up, and has the model of all rows together. If it takes the mean of the members'
own models instead, it has another model, and other values.
"""

import matplotlib.pyplot as plt
import numpy as np

import fedjax_shap as fs

pool = fs.load("digits")
data = fs.federate(pool, fs.partitions.dirichlet(num_clients=8, alpha=0.3), seed=0)
model = fs.statistics.discriminant()
found = {
    merge: fs.estimate(fs.statistics.merged(data, model, merge=merge), fs.exact())
    for merge in ("sums", "average")
}
for merge, one in found.items():
    print(f"{merge:8} accuracy {one.grand:.3f}, values {one.values.round(3)}")

# %%
# Averaging loses almost half of the accuracy. Member 3 does harm where models are averaged, and
# good where sums are merged: its rows are of use, its own model is not.

figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
places = np.arange(8)
labels = {"sums": "sums are merged", "average": "models are averaged"}
for offset, (merge, one) in zip((-0.2, 0.2), found.items()):
    axes.bar(places + offset, one.values, 0.38, label=labels[merge])
axes.axhline(0, color="black", linewidth=0.8)
axes.set(xlabel="member", ylabel="value (accuracy)", xticks=places)
axes.legend()
plt.show()
