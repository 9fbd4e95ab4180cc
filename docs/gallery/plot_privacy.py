"""What does privacy do to values?
===============================

Members clip their updates, and Gaussian noise on every sum makes training differentially private:
the more noise, the smaller epsilon. The joint model gets worse, and values follow the noise
instead of the data.
"""

import matplotlib.pyplot as plt
import numpy as np

import fedjax_shap as fs

pool = fs.load("digits")
data = fs.federate(pool, fs.partitions.dirichlet(num_clients=4, alpha=0.5), seed=4)
training = fs.Training(fs.models.linear(), fs.local(steps=5), fs.algorithms.fedavg(max_rounds=5))

# %%
# ``noise`` is the standard deviation of the noise on a sum, over the clipping norm. At 0 updates
# are clipped and nothing else is done. Every federation is trained with five seeds, which draw
# the noise too; ``training_noise`` is the standard deviation of one seed's value.

levels = (0.0, 0.1, 0.3)
found = []
for level in levels:
    private = training._replace(privacy=fs.private(clip=0.5, noise=level))
    found.append(fs.estimate_repeated(fs.silo(data, private), fs.exact(), repeats=5))
    values = found[-1].values.round(3)
    print(f"noise {level:4}: accuracy {found[-1].grand:.3f}, values {values}")

# %%
# Left: the accuracy of the joint model, mean of five seeds. Right: the members' values, with one
# standard deviation over seeds. The more noise, the less there is to share and the less sure is
# who is worth what.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
places = np.arange(len(levels))
left.plot(places, [one.grand for one in found], "o-")
left.set(ylabel="accuracy of the joint model", ylim=(0, 1))
for member, (name, marker) in enumerate(zip(data.names, "osD^")):
    values = [one.values[member] for one in found]
    spread = [one.notes["training_noise"][member] for one in found]
    moved = places + 0.08 * (member - 1.5)
    right.errorbar(moved, values, spread, fmt=marker, markersize=5, capsize=3, label=name)
right.axhline(0, color="0.7", linewidth=0.8)
right.set_ylabel("value (accuracy)")
right.legend(fontsize=8)
for axes in (left, right):
    axes.set_xticks(places, [f"{level:g}" for level in levels])
    axes.set_xlabel("noise, over the clipping norm")
plt.show()
