"""Models as pairs of pure functions, built for the shape of the data at hand.

Architectures by name stand in `MODELS`. `Model`, `from_flax` and `from_nnx` take models of one's
own.
"""

from collections.abc import Callable

from fedjax_shap.learning.architecture import Architecture, Model, num_params
from fedjax_shap.learning.architectures.convolutional import cnn, cnn_mcmahan
from fedjax_shap.learning.architectures.dense import linear, mlp
from fedjax_shap.learning.architectures.own import from_flax, from_nnx
from fedjax_shap.learning.architectures.residual import resnet
from fedjax_shap.learning.architectures.sequence import embedding_bag, lstm

__all__ = [
    "MODELS",
    "Architecture",
    "Model",
    "cnn",
    "cnn_mcmahan",
    "embedding_bag",
    "from_flax",
    "from_nnx",
    "linear",
    "lstm",
    "mlp",
    "num_params",
    "resnet",
]

MODELS: dict[str, Callable[..., Architecture]] = {
    "linear": linear,
    "mlp": mlp,
    "cnn": cnn,
    "cnn_mcmahan": cnn_mcmahan,
    "resnet": resnet,
    "lstm": lstm,
    "embedding_bag": embedding_bag,
}
