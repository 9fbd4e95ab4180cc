"""Whose data help whom?
=====================

A member may help one and harm another. With ``judges="members"`` each member keeps some of its
rows as a test set, and every coalition is scored by each member's rows. Here four members hold
the classes of handwritten digits in pairs: members with the same classes should help each other.
"""

import matplotlib.pyplot as plt
import numpy as np

import fedjax_shap as fs

pool = fs.load("digits")
order = np.random.default_rng(0).permutation(len(pool.x))
x = pool.x[order]
y = pool.y[order]
groups = {
    "0 to 4, north": np.flatnonzero(y < 5)[0::2],
    "0 to 4, south": np.flatnonzero(y < 5)[1::2],
    "5 to 9, north": np.flatnonzero(y >= 5)[0::2],
    "5 to 9, south": np.flatnonzero(y >= 5)[1::2],
}
clients = {name: (x[rows[60:]], y[rows[60:]]) for name, rows in groups.items()}
tests = {name: (x[rows[:60]], y[rows[:60]]) for name, rows in groups.items()}
data = fs.from_arrays(clients, member_tests=tests)

training = fs.Training(
    fs.models.linear(), fs.local(batch_size=32), fs.algorithms.fedavg(max_rounds=10)
)
game = fs.silo(data, training, metric="accuracy", judges="members")
found = fs.estimate(game, fs.exact())
matrix = found.slices.values  # [member, judge]
for name, row in zip(data.names, matrix):
    print(f"{name:14}", *(f"{value:+.3f}" for value in row))

# %%
# A row is what one member's data are worth, a column is by whose rows. The data of members with
# the same classes raise each other's accuracy, and lower that of the two others.

figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
image = axes.imshow(matrix, cmap="RdBu", vmin=-1, vmax=1)
for (member, judge), value in np.ndenumerate(matrix):
    axes.text(judge, member, f"{value:+.2f}", ha="center", va="center")
axes.set_xticks(range(4), data.names, rotation=20, ha="right")
axes.set_yticks(range(4), data.names)
axes.set(xlabel="by the test rows of", ylabel="value of the data of")
figure.colorbar(image, label="accuracy")
plt.show()
