"""Which estimator is closest, beyond the seed?
============================================

A study runs one configuration under many settings, here three estimators and the exact values
under five seeds. Each seed draws the members' rows and the coalitions anew, and ranks the
estimators by their distance from the exact values.
"""

import tempfile

import matplotlib.pyplot as plt

import fedjax_shap as fs

raw = {
    "data": {"name": "breast_cancer"},
    "partition": {"name": "quantity", "ratios": [1, 1, 2, 2, 3, 3]},
    "model": {"name": "gaussian_naive_bayes"},
    "game": {"name": "statistics", "metric": "negative_loss"},
}
estimators = [
    {"name": "exact"},
    {"name": "gaussian_process", "budget": 20},
    {"name": "kernelshap", "budget": 20},
    {"name": "svarm", "budget": 20},
]
axes = fs.studies.axes_of({"seed": "0..4", "estimator": estimators})
cells = fs.studies.cells_of(raw, axes)
with tempfile.TemporaryDirectory() as folder:
    outcomes = fs.studies.sweep(cells, folder)
    study = fs.studies.load_study(folder)
print(f"{len(outcomes)} cells, {sum(bool(one.failed) for one in outcomes)} failed")

# %%
# Budgets are of distinct coalitions, 20 of 64. The relative error is the distance from the exact
# values over their length.

ranks = fs.studies.ranks_of(
    study, "estimator.name", "relative_l2", reference="estimator.name=exact"
)
for method, rank, mean in zip(ranks.methods, ranks.mean_ranks, ranks.means):
    print(f"{method:17} mean rank {rank:.1f}, mean relative error {mean:.3f}")
print(f"critical difference {ranks.critical_difference:.2f}, Friedman p = {ranks.p_value:.3f}")

# %%
# Bars join estimators whose mean ranks are nearer to each other than the critical difference of
# Nemenyi's test at 5 %. The Gaussian process is closest under every seed, and KernelSHAP is not
# told apart from SVARM. Five seeds are too few to tell the Gaussian process from SVARM by ranks.

figure, panel = plt.subplots(figsize=(6.4, 2.4), layout="constrained")
places = range(len(ranks.methods))
panel.plot(ranks.mean_ranks, places, "o")
for height, (first, last) in enumerate(ranks.groups()):
    ends = ranks.mean_ranks[[first, last]]
    panel.plot(ends, [height + 0.5] * 2, color="0.5", linewidth=3)
panel.set_yticks(places, ranks.methods)
panel.invert_yaxis()
panel.set_xlabel("mean rank over 5 seeds (1 is closest)")
plt.show()
