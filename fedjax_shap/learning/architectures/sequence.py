"""Models of text and of series: token ids, or vectors, one after another."""

from typing import cast

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from fedjax_shap._validate import integer, require
from fedjax_shap.learning.architecture import Architecture, CheckExamples, Model
from fedjax_shap.learning.architectures.build import build
from fedjax_shap.typing import Array, HostArray

CHARACTERS = 256  # as many as there are bytes


def embedding_bag(
    *, vocabulary: int = CHARACTERS, width: int = 16, padding: int | None = None
) -> Architecture:
    """The mean of the tokens' embeddings and a linear layer: fastText (Joulin et al. 2017).

    Args:
        vocabulary: V; an example is token ids 0..V-1 of shape [T], whole numbers in any dtype.
        width: of an embedding.
        padding: the id of tokens that do not count; all count if None.

    References:
        Joulin et al. 2017, "Bag of tricks for efficient text classification".
    """
    integer("vocabulary", vocabulary, least=1)
    integer("width", width, least=1)
    if padding is not None:
        integer("padding", padding, least=0, most=vocabulary - 1)

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        require(
            len(shape) == 1,
            f"Expected model='embedding_bag' to get token ids of shape [T], got shape {shape}.",
        )
        module = _EmbeddingBag(num_outputs, vocabulary, width, padding)
        return build(module, shape, check=_tokens("embedding_bag", vocabulary))

    return architecture


def lstm(
    *,
    vocabulary: int = CHARACTERS,
    embedding: int = 8,
    hidden: int = 256,
    layers: int = 2,
) -> Architecture:
    """The character LSTM of McMahan et al. 2017, read after the last token.

    Examples are token ids of shape [T], which are embedded; or vectors of shape [T, F], a series,
    which are taken as they are.

    Args:
        vocabulary: V; token ids are whole numbers 0..V-1 in any dtype. Unused for series.
        embedding: the width of an embedding. Unused for series.
        hidden: units of a layer.
        layers: how many LSTM layers.

    References:
        Hochreiter and Schmidhuber 1997, "Long short-term memory"; McMahan et al. 2017,
        "Communication-efficient learning of deep networks from decentralized data", section 3.
    """
    sizes = {"vocabulary": vocabulary, "embedding": embedding, "hidden": hidden, "layers": layers}
    for name, size in sizes.items():
        integer(name, size, least=1)

    def architecture(shape: tuple[int, ...], num_outputs: int) -> Model:
        require(
            len(shape) in (1, 2),
            "Expected model='lstm' to get token ids of shape [T] or vectors of shape [T, F], got "
            f"shape {shape}.",
        )
        if len(shape) == 2:
            return build(_Lstm(num_outputs, 0, embedding, hidden, layers), shape)
        module = _Lstm(num_outputs, vocabulary, embedding, hidden, layers)
        return build(module, shape, check=_tokens("lstm", vocabulary))

    return architecture


class _EmbeddingBag(nn.Module):
    outputs: int
    vocabulary: int
    width: int
    padding: int | None

    @nn.compact
    def __call__(self, x: Array) -> Array:
        tokens = x.astype(jnp.int32)
        embedded = nn.Embed(self.vocabulary, self.width)(tokens)
        if self.padding is None:
            mean = embedded.mean(axis=1)
        else:
            counted = (tokens != self.padding).astype(embedded.dtype)
            number = jnp.maximum(counted.sum(axis=1, keepdims=True), 1)
            mean = (embedded * counted[..., None]).sum(axis=1) / number
        return cast(Array, nn.Dense(self.outputs)(mean))


class _Lstm(nn.Module):
    outputs: int
    vocabulary: int  # 0 for vectors
    embedding: int
    hidden: int
    layers: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        if self.vocabulary:
            x = nn.Embed(self.vocabulary, self.embedding)(x.astype(jnp.int32))
        for _ in range(self.layers):
            x = cast(Array, nn.RNN(nn.OptimizedLSTMCell(self.hidden))(x))
        return cast(Array, nn.Dense(self.outputs)(x[:, -1]))


def _tokens(model: str, vocabulary: int) -> CheckExamples:
    """Refuses what is not whole numbers 0..V-1."""

    def check(x: HostArray) -> None:
        whole = x == np.floor(x)
        fits = whole & (x >= 0) & (x < vocabulary)
        if not fits.all():
            odd = x[~fits].flat[0]
            require(
                False,
                f"Expected model={model!r} to get token ids 0..{vocabulary - 1} "
                f"(vocabulary={vocabulary}), got {odd:g}.",
            )

    return check
