"""Which setting is better, beyond the seed?
=========================================

A study runs one configuration under many settings and ranks these over seeds: mean ranks that are
nearer to each other than the critical difference (Nemenyi's test, 5 %) are not told apart.
"""

import tempfile

import matplotlib.pyplot as plt

import fedjax_shap as fs

raw = {
    "data": {"name": "breast_cancer"},
    "partition": {"name": "quantity", "ratios": [1, 2, 3, 4]},
    "game": {"name": "statistics"},
}
models = ["gaussian_naive_bayes", "gaussian_bayes", "discriminant", "newton_logistic"]
axes = fs.studies.axes_of({"seed": "0..5", "model.name": models})
cells = fs.studies.cells_of(raw, axes)
with tempfile.TemporaryDirectory() as folder:
    outcomes = fs.studies.sweep(cells, folder)
    study = fs.studies.load_study(folder)
print(f"{len(outcomes)} cells, {sum(one.failed for one in outcomes)} failed")

# %%
# The measure is V(N), the accuracy of the joint model on the test rows.

ranks = fs.studies.ranks_of(study, "grand", "model.name")
for method, rank, mean in zip(ranks.methods, ranks.mean_ranks, ranks.means):
    print(f"{method:22} mean rank {rank:.2f}, mean accuracy {mean:.3f}")
print(f"critical difference {ranks.critical_difference:.2f}, p = {ranks.p_value:.4f}")

# %%
figure, panel = plt.subplots(figsize=(6.4, 2.4), layout="constrained")
places = range(len(ranks.methods))
panel.plot(ranks.mean_ranks, places, "o")
for height, (first, last) in enumerate(ranks.groups()):
    ends = ranks.mean_ranks[[first, last]]
    panel.plot(ends, [height + 0.5] * 2, color="0.5", linewidth=3)
panel.set_yticks(places, ranks.methods)
panel.invert_yaxis()
panel.set_xlabel("mean rank over 6 seeds (1 is best); bars join what is not told apart")
plt.show()
