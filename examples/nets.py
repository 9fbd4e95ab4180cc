# nets.py
import jax.numpy as jnp
from flax import linen as nn

import fedjax_shap as fs


def net(outputs):
    return nn.Sequential([nn.Dense(16), nn.LayerNorm(), nn.tanh, nn.Dense(outputs)])


model = fs.models.from_flax(net)


def savings(outputs, y):  # a call costs 1, and a customer who would have left is worth 5
    return jnp.mean((outputs[:, 1] > outputs[:, 0]) * (5.0 * y - 1))
