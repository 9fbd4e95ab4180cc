"""Writes arrays.npz, which arrays.toml reads: rows, classes, and whose a row is."""

import numpy as np
from sklearn.datasets import load_breast_cancer

x, y = load_breast_cancer(return_X_y=True)
client = np.array(["north", "east", "south"])[np.arange(400) % 3]
test = {"test_x": x[400:], "test_y": y[400:]}
np.savez("arrays.npz", x=x[:400], y=y[:400], client=client, **test)
