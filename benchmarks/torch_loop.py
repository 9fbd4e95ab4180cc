"""The rival: the same game in PyTorch, one coalition after another.

It starts from the same weights and trains on the same mini-batches. PyTorch is not a dependency;
where it is not installed, there is no such figure. The rows of every mini-batch are drawn
beforehand, by the package's own shuffles, so that its clock measures training and valuing alone.
"""

import importlib.util
from typing import Any

import jax
import numpy as np

from benchmarks.games import LENET_PADDING
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.local import shuffle
from fedjax_shap.typing import HostArray, Key, Masks, Params, Utilities


def available() -> bool:
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def draw_batches(
    data: FederatedData, key: Key, *, rounds: int, steps: int, batch_size: int
) -> list[list[Any]]:
    """The rows of each mini-batch, as `learning.local` draws them.

    Args:
        data: the federation.
        key: the key that the game is played with.
        rounds: R.
        steps: local steps a client and round.
        batch_size: B; 0 for the full batch.

    Returns:
        [round][client][step] -> int64[B], or a slice of all rows.
    """
    if not batch_size:
        return [[[slice(None)] * steps for _ in range(data.num_clients)]] * rounds
    longest = data.largest
    shuffled = jax.jit(jax.vmap(shuffle, in_axes=(0, None, None)), static_argnums=1)
    batches: list[list[Any]] = []
    for round_ in range(rounds):
        batches.append([])
        for client, size in enumerate(np.asarray(data.sizes).tolist()):
            batch = min(batch_size, size)
            per_pass = -(-size // batch)
            passes = -(-steps * batch // size) + 1
            seed = jax.random.fold_in(jax.random.fold_in(key, round_), client)
            seeds = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(seed, np.arange(passes))
            orders = np.asarray(shuffled(seeds, longest, size), np.int64)[:, :size]
            places = [divmod(step, per_pass) for step in range(steps)]
            batches[-1].append([orders[e, k * batch : (k + 1) * batch] for e, k in places])
    return batches


class TorchLoop:
    """FedAvg with SGD in plain tensors and autograd, on PyTorch's GPU where there is one.

    Attributes:
        device: where it computes.
    """

    def __init__(
        self, data: FederatedData, initial: Params, batches: list[list[Any]], learning_rate: float
    ) -> None:
        """Lays out weights, examples and batches for PyTorch.

        Args:
            data: the federation, as `Case.data` made it.
            initial: parameters of the package's `mlp` or `cnn`.
            batches: what `draw_batches` gave.
            learning_rate: of SGD.
        """
        import torch

        self._torch = torch
        self.device = "cpu"
        if torch.cuda.is_available():
            self.device = "cuda"
        self._initial = [self._tensor(leaf) for leaf in _as_torch(initial)]
        self._clients = [self._examples(data.client(i)) for i in range(data.num_clients)]
        self._validation = self._examples(
            (np.asarray(data.validation[0]), np.asarray(data.validation[1]))
        )
        self._batches = [
            [[self._rows(rows) for rows in own] for own in round_] for round_ in batches
        ]
        self._sizes = np.asarray(data.sizes, float)
        self._rate = learning_rate

    def use_threads(self, count: int) -> None:
        """Has PyTorch use so many processor cores."""
        self._torch.set_num_threads(count)

    def utilities(self, masks: Masks) -> Utilities:
        """float64[M]: minus the validation loss of each coalition of masks bool[M, P], in nats."""
        return np.array([self._value(np.flatnonzero(mask)) for mask in masks])

    def _value(self, members: HostArray) -> float:
        """One coalition: train round by round, mix the uploads, value the last model."""
        functional = self._torch.nn.functional
        params = self._initial
        batches = self._batches
        if not len(members):
            batches = []
        weights = self._sizes[members] / max(self._sizes[members].sum(), 1)
        for own in batches:
            uploads = [self._trained(params, self._clients[i], own[i]) for i in members]
            params = [
                sum(weight * leaf for weight, leaf in zip(weights.tolist(), leaves))
                for leaves in zip(*uploads)
            ]
        with self._torch.no_grad():
            x, y = self._validation
            return -float(functional.cross_entropy(self._logits(params, x), y).item())

    def _trained(
        self, params: list[Any], examples: tuple[Any, Any], batches: list[Any]
    ) -> list[Any]:
        """One client's local training."""
        torch = self._torch
        x, y = examples
        own = [leaf.detach().clone().requires_grad_() for leaf in params]
        for rows in batches:
            loss = torch.nn.functional.cross_entropy(self._logits(own, x[rows]), y[rows])
            gradients = torch.autograd.grad(loss, own)
            with torch.no_grad():
                torch._foreach_add_(own, gradients, alpha=-self._rate)
        return [leaf.detach() for leaf in own]

    def _logits(self, params: list[Any], x: Any) -> Any:
        """LeNet5's convolutions, of which the first pads, then linear layers; ReLU between."""
        functional = self._torch.nn.functional
        last = len(params) // 2 - 1
        padding = LENET_PADDING
        for index, (weight, bias) in enumerate(zip(params[::2], params[1::2])):
            if weight.ndim == 4:
                x = functional.conv2d(x, weight, bias, padding=padding)
                x = functional.max_pool2d(x, 2)
                padding = 0
            else:
                x = functional.linear(x.flatten(1), weight, bias)
            if index < last:
                x = functional.relu(x)
        return x

    def _examples(self, examples: tuple[HostArray, HostArray]) -> tuple[Any, Any]:
        """Features, images with their channels first, and labels."""
        x, y = examples
        if x.ndim == 4:
            x = np.moveaxis(x, -1, 1)
        return self._tensor(x), self._tensor(y.astype(np.int64))

    def _rows(self, rows: HostArray | slice) -> Any:
        if isinstance(rows, slice):
            return rows
        return self._tensor(rows)

    def _tensor(self, array: HostArray) -> Any:
        return self._torch.tensor(np.ascontiguousarray(array), device=self.device)


def _as_torch(params: Params) -> list[HostArray]:
    """Weights and biases in PyTorch's layout: [out, in], or [out, in, height, width]."""
    layers = []
    channels = 0
    for name in sorted(params):
        kernel, bias = (np.array(params[name][part]) for part in ("kernel", "bias"))
        if kernel.ndim == 4:
            channels = kernel.shape[-1]
            kernel = kernel.transpose(3, 2, 0, 1)
        else:
            if channels:  # the output of a convolution: ours has its channels last
                side = round((len(kernel) / channels) ** 0.5)
                image = kernel.reshape(side, side, channels, -1)
                kernel = image.transpose(2, 0, 1, 3).reshape(len(kernel), -1)
                channels = 0
            kernel = kernel.T
        layers += [kernel, bias]
    return layers
