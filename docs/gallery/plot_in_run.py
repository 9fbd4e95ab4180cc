"""Do values inside one run agree with retraining?
===============================================

Values of a cross-silo game train every coalition from scratch. Values inside one run (``rounds``)
train each member's uploads once and only mix them, round by round. The two answer different
questions: what a member adds to coalitions, and what it added to this one run.
"""

import matplotlib.pyplot as plt

import fedjax_shap as fs

pool = fs.load("digits")
data = fs.federate(pool, fs.partitions.dirichlet(num_clients=8, alpha=1.0), seed=7)
noisy = fs.corruptions.label_noise(client=2, rate=0.4)
data = fs.corrupt(data, [noisy], seed=7)
training = fs.Training(
    fs.models.mlp(hidden=(32,)), fs.local(batch_size=32), fs.algorithms.fedavg(max_rounds=10)
)

retrained = fs.estimate(fs.silo(data, training, metric="negative_loss"), fs.exact())
run = fs.rounds(data, training, metric="negative_loss", by_round=True)
in_run = fs.estimate_rounds(run, fs.exact())

print(f"both sum to {retrained.values.sum():.4f} and {in_run.values.sum():.4f} nats")
agreement = fs.agreement(in_run.values, retrained.values)
print(f"Spearman {agreement['spearman']:.2f}, cosine distance {agreement['cosine_distance']:.3f}")

# %%
# Left: each dot is a member; on the dashed line both values are equal. Both put the member with
# wrong labels (2) and the smallest (4) last, and do not agree on member 0. Right: the values
# inside the run, summed up to each round.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.axline((0, 0), slope=1, color="0.7", linestyle="--")
for name, one, other in zip(data.names, retrained.values, in_run.values):
    left.plot(one, other, "o")
    left.annotate(name[-1], (one, other), xytext=(5, 3), textcoords="offset points")
left.set(xlabel="value by retraining (nats)", ylabel="value inside the run (nats)")
right.plot(range(1, 11), in_run.slices.values.T, label=data.names)
right.set(xlabel="round", ylabel="value up to the round (nats)")
right.legend(fontsize=7)
plt.show()
