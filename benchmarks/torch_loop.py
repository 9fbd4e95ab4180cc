"""The rival: the same game in PyTorch, one coalition after another, from the same weights on the
same mini-batches.

PyTorch is no dependency; without it there is no such figure. The rows of every mini-batch are drawn
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
    """The rows of each mini-batch, as `learning.local` draws them: [round][client][step] ->
    int64[B], or all rows.

    Args:
        data: the federation.
        key: the key that the game is played with.
        rounds: R.
        steps: local steps a client and round.
        batch_size: B; 0 for the full batch.
    """
    if not batch_size:
        return [[[slice(None)] * steps for _ in range(data.num_clients)]] * rounds
    longest, drawn = (
        data.y.shape[1],
        jax.jit(jax.vmap(shuffle, in_axes=(0, None, None)), static_argnums=1),
    )
    found: list[list[Any]] = []
    for round_ in range(rounds):
        found.append([])
        for client, size in enumerate(np.asarray(data.sizes).tolist()):
            batch = min(batch_size, size)
            passes, per_pass = -(-steps * batch // size) + 1, -(-size // batch)
            seed = jax.random.fold_in(jax.random.fold_in(key, round_), client)
            seeds = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(seed, np.arange(passes))
            orders = np.asarray(drawn(seeds, longest, size), np.int64)[:, :size]
            places = [divmod(step, per_pass) for step in range(steps)]
            found[-1].append([orders[e, k * batch : (k + 1) * batch] for e, k in places])
    return found


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

        self._torch, self.device = torch, "cuda" if torch.cuda.is_available() else "cpu"
        self._initial = [self._tensor(leaf) for leaf in _as_torch(initial)]
        self._clients = [self._examples(data.client(i)) for i in range(data.num_clients)]
        self._validation = self._examples(
            (np.asarray(data.validation[0]), np.asarray(data.validation[1]))
        )
        self._batches = [
            [[self._rows(rows) for rows in own] for own in round_] for round_ in batches
        ]
        self._sizes, self._rate = np.asarray(data.sizes, float), learning_rate

    def use_threads(self, count: int) -> None:
        """Has PyTorch use so many processor cores."""
        self._torch.set_num_threads(count)

    def utilities(self, masks: Masks) -> Utilities:
        """float64[M]: minus the validation loss of each coalition of masks bool[M, P], in nats."""
        return np.array([self._value(np.flatnonzero(mask)) for mask in masks])

    def _value(self, members: HostArray) -> float:
        functional = self._torch.nn.functional
        params = self._initial
        shares = self._sizes[members] / max(self._sizes[members].sum(), 1)
        for batches in self._batches if len(members) else []:
            uploads = [self._trained(params, self._clients[i], batches[i]) for i in members]
            params = [
                sum(s * leaf for s, leaf in zip(shares.tolist(), leaves))
                for leaves in zip(*uploads)
            ]
        with self._torch.no_grad():
            x, y = self._validation
            return -float(functional.cross_entropy(self._logits(params, x), y).item())

    def _trained(
        self, params: list[Any], examples: tuple[Any, Any], batches: list[Any]
    ) -> list[Any]:
        """One client's local training."""
        torch, (x, y) = self._torch, examples
        own = [leaf.detach().clone().requires_grad_() for leaf in params]
        for rows in batches:
            loss = torch.nn.functional.cross_entropy(self._logits(own, x[rows]), y[rows])
            gradients = torch.autograd.grad(loss, own)
            with torch.no_grad():
                torch._foreach_add_(own, gradients, alpha=-self._rate)
        return [leaf.detach() for leaf in own]

    def _logits(self, params: list[Any], x: Any) -> Any:
        functional = self._torch.nn.functional
        last = len(params) // 2 - 1
        for index, (weight, bias) in enumerate(zip(params[::2], params[1::2])):
            if weight.ndim == 4:
                x = functional.conv2d(x, weight, bias, padding=LENET_PADDING if index == 0 else 0)
                x = functional.max_pool2d(x, 2)
            else:
                x = functional.linear(x.flatten(1), weight, bias)
            x = functional.relu(x) if index < last else x
        return x

    def _examples(self, held: tuple[HostArray, HostArray]) -> tuple[Any, Any]:
        """Features, images with their channels first, and labels."""
        x, y = held
        return self._tensor(np.moveaxis(x, -1, 1) if x.ndim == 4 else x), self._tensor(
            y.astype(np.int64)
        )

    def _rows(self, rows: HostArray | slice) -> Any:
        return rows if isinstance(rows, slice) else self._tensor(rows)

    def _tensor(self, array: HostArray) -> Any:
        return self._torch.tensor(np.ascontiguousarray(array), device=self.device)


def _as_torch(params: Params) -> list[HostArray]:
    """The layers' weights and biases in PyTorch's layout: [out, in], or [out, in, height,
    width].
    """
    found, channels = [], 0
    for name in sorted(params):
        kernel, bias = (np.array(params[name][part]) for part in ("kernel", "bias"))
        if kernel.ndim == 4:
            channels, kernel = kernel.shape[-1], kernel.transpose(3, 2, 0, 1)
        else:
            if channels:  # what comes out of a convolution: ours has its channels last
                side = round((len(kernel) / channels) ** 0.5)
                kernel = (
                    kernel.reshape(side, side, channels, -1)
                    .transpose(2, 0, 1, 3)
                    .reshape(len(kernel), -1)
                )
                channels = 0
            kernel = kernel.T
        found += [kernel, bias]
    return found
