"""Can values find bad data?
=========================

Five members hold equal shares of the same data. One of them gets more and more wrong labels, one
has the same rows as another, and one sends back the model as it came.
"""

import matplotlib.pyplot as plt

import fedjax_shap as fs

pool = fs.load("digits")
clean = fs.federate(pool, fs.partitions.iid(num_clients=5), seed=0)
clean = fs.corrupt(
    clean,
    [
        fs.corruptions.duplicate(client=3, of=2),
        fs.corruptions.free_rider(client=4, how="zero_update"),
    ],
    seed=0,
)
training = fs.Training(
    fs.models.linear(), fs.local(batch_size=32), fs.algorithms.fedavg(max_rounds=10)
)

rates = (0.0, 0.2, 0.4, 0.6, 0.8)
values = []
for rate in rates:
    noisy = fs.corruptions.label_noise(client=1, rate=rate)
    data = fs.corrupt(clean, [noisy], seed=1)
    game = fs.silo(data, training, metric="negative_loss")
    values.append(fs.estimate(game, fs.exact()).values)
    print(f"{rate:.0%} wrong:", *(f"{value:+.3f}" for value in values[-1]))

# %%
# Wrong labels lower the value of the member that has them, in step. The member that sends nothing
# is worth less than nothing, as the mean with its unchanged model trains more slowly. The copy is
# worth as much as the original: values reward what rows do, not who had them first.

figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
names = ("as it is", "with wrong labels", "as it is, copied", "copy of the former", "sends nothing")
for name, marker, line in zip(names, "osD^v", zip(*values)):
    axes.plot([100 * rate for rate in rates], line, f"{marker}-", label=name)
axes.axhline(0, color="0.7", linewidth=0.8)
axes.set(xlabel="wrong labels of one member (%)", ylabel="value (nats)")
axes.legend(fontsize=8)
plt.show()
