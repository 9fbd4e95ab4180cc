"""Who is paid what if members have different classes?
===================================================

Ten-class data are split among six members by Dirichlet draws: at a concentration of 0.1 most
members have one or two classes, at 100 all have about the same mix. Is a member then paid by its
number of examples?
"""

import matplotlib.pyplot as plt
import numpy as np

import fedjax_shap as fs

pool = fs.load("digits")
training = fs.Training(
    fs.models.linear(), fs.local(batch_size=32), fs.algorithms.fedavg(max_rounds=10)
)
shares = {}
for alpha in (0.1, 1.0, 100.0):
    partition = fs.partitions.dirichlet(num_clients=6, alpha=alpha, min_size=20)
    data = fs.federate(pool, partition, seed=3)
    values = fs.estimate(fs.silo(data, training, metric="accuracy"), fs.exact())
    paid = fs.settle(values, costs=[0] * 6, revenue=1000, players=data.names)
    examples = data.sizes / data.sizes.sum()
    payment = np.array([float(amount) for amount in paid.payments]) / 1000
    shares[alpha] = examples, payment
    moved = np.abs(payment - examples).sum() / 2
    print(f"alpha {alpha:5}: {moved:.1%} of the revenue goes elsewhere than by examples")

# %%
# On the dashed line a member's part of the revenue is its part of the examples. The more equal
# the mixes of classes, the nearer to it are the payments.

figure, panels = plt.subplots(1, 3, figsize=(8, 3), sharex=True, sharey=True, layout="constrained")
for panel, (alpha, (examples, payment)) in zip(panels, shares.items()):
    panel.axline((0, 0), slope=1, color="0.7", linestyle="--")
    panel.plot(100 * examples, 100 * payment, "o")
    panel.set(title=f"concentration {alpha:g}", xlabel="examples (% of all)")
panels[0].set_ylabel("payment (% of the revenue)")
plt.show()
