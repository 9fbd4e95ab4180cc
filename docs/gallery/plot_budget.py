"""How many coalitions are enough?
===============================

Exact Shapley values need the utility of every coalition: of eight members that is 256 trainings.
An estimator asks for some of them, and says how far off it may be. Here all are trained once, so
that estimates can be compared with the exact values.
"""

import matplotlib.pyplot as plt
import numpy as np

import fedjax_shap as fs

pool = fs.load("digits")
data = fs.federate(pool, fs.partitions.dirichlet(num_clients=8, alpha=0.5), seed=1)
training = fs.Training(
    fs.models.linear(), fs.local(batch_size=32), fs.algorithms.fedavg(max_rounds=5)
)
game = fs.silo(data, training, metric="negative_loss")

masks = fs.all_subsets(8)  # bool[256, 8]
table = fs.evaluate(game, None, masks)
exact = fs.shapley_values(table)
print(f"{len(masks)} coalitions, values from {exact.min():.3f} to {exact.max():.3f} nats")

# %%
# Estimators now read the table instead of training, and may be drawn again as often as we like:
# the same budgets of distinct coalitions, with five keys each.

known = {mask.tobytes(): utility for mask, utility in zip(masks, table)}
game = fs.from_callable(lambda asked: np.array([known[mask.tobytes()] for mask in asked]), 8)

budgets = (32, 64, 128)
estimators = {
    "Gaussian process": fs.estimators.gaussian_process(),
    "KernelSHAP": fs.estimators.kernelshap(),
    "permutations": fs.estimators.permutation(),
}
errors = {}
for name, estimator in estimators.items():
    for budget in budgets:
        options = fs.Options(budget=budget)
        found = [fs.estimate(game, estimator, options, key=key) for key in range(5)]
        distances = [np.linalg.norm(one.values - exact) for one in found]
        errors[name, budget] = np.mean(distances) / np.linalg.norm(exact)
    print(f"{name:16}", *(f"{errors[name, budget]:.3f}" for budget in budgets))

# %%
# Left: one estimate from 64 coalitions with its 95 % intervals (1.96 standard errors), beside the
# exact values. Right: the distance of estimates from the exact values, relative to the length of
# the latter.

estimate = fs.estimate(game, fs.estimators.kernelshap(), fs.Options(budget=64), key=0)

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
places = np.arange(8)
left.bar(places, exact, color="0.8", label="exact, 256 coalitions")
left.errorbar(
    places,
    estimate.values,
    1.96 * estimate.std_errors,
    fmt="o",
    capsize=3,
    markersize=4,
    label="KernelSHAP, 64 coalitions",
)
left.set(xlabel="member", ylabel="value (nats)", xticks=places)
left.legend()
for name, marker in zip(estimators, "osD"):
    means = [errors[name, budget] for budget in budgets]
    right.plot(budgets, means, f"{marker}-", markersize=5, label=name)
right.set(xlabel="coalitions", ylabel="relative error, mean of 5 keys", xscale="log", yscale="log")
right.set_xticks(budgets, map(str, budgets))
right.minorticks_off()
right.legend()
plt.show()
