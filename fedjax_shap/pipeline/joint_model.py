"""The joint model of a run: what everyone trained together, as a file that can be loaded again."""

import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path, tree_structure, tree_unflatten

from fedjax_shap._validate import InvalidInputError, a_path, require
from fedjax_shap.atomic import replacing
from fedjax_shap.learning.metric import EXAMPLES_AT_ONCE, in_blocks
from fedjax_shap.learning.model import Model
from fedjax_shap.pipeline.config import Section, build
from fedjax_shap.typing import Array, HostArray, Params

MODEL = "model.npz"  # in a run's folder
_ABOUT = "about"  # the array that says how to build the architecture, as JSON text
_LINE = "line"  # the array of `JointModel.line`
_PARAMETERS = "params"  # what the arrays of the parameters are called begins with this
FORMAT = 1
_FAR = float(2**20)
BROKEN = (BadZipFile, zlib.error, NotImplementedError, RuntimeError)  # archives


@dataclass(frozen=True, kw_only=True, eq=False)
class JointModel:
    """A trained model with what is needed to build it again.

    Attributes:
        architecture: its section [model], such as {"name": "mlp", "hidden": [32]}.
        shape: of one example.
        num_outputs: how many outputs the architecture was asked for.
        num_classes: L; None where the model predicts quantities.
        params: the parameters of everyone's training.
        line: (shift, scale), float32[1, num_outputs] each, of a task whose predictions are shift +
            scale * outputs; None where they are the outputs.
    """

    architecture: dict[str, Any]
    shape: tuple[int, ...]
    num_outputs: int
    num_classes: int | None
    params: Params
    line: tuple[HostArray, HostArray] | None = None

    @cached_property
    def model(self) -> Model:
        """The architecture, built for this shape and so many outputs."""
        keywords = {key: one for key, one in self.architecture.items() if key != "name"}
        architecture = build("model", Section(self.architecture["name"], keywords))
        model: Model = architecture(self.shape, self.num_outputs)
        return model

    def apply(self, params: Params, x: Array) -> Array:
        """float[B, outputs], what metrics take, of x[B, ...] and other parameters of its kind."""
        outputs = self.model.apply(params, x)
        if self.line is not None:
            shift, scale = self.line
            outputs = shift + scale * outputs
        return outputs

    def outputs(self, x: Any) -> HostArray:
        """float32[B, outputs], what metrics take, of the trained model.

        Args:
            x: [B, ...], examples that were scaled as the run's were.

        Raises:
            InvalidInputError: examples of another shape.
        """
        rows = np.asarray(x, np.float32)
        require(
            rows.shape[1:] == self.shape,
            f"Expected x to hold examples of shape {self.shape}, got {rows.shape}.",
        )
        return np.asarray(self._in_blocks(self.params, jnp.asarray(rows)))

    def predict(self, x: Any) -> HostArray:
        """int[B], the most likely class of each example; or its quantities, as `outputs` has them.

        Args:
            x: as in `outputs`.
        """
        outputs = self.outputs(x)
        if self.num_classes is None:
            return outputs
        if outputs.shape[1] == 1:  # one logit, of the second class
            return np.asarray(outputs[:, 0] > 0, int)
        return np.asarray(outputs.argmax(axis=1))

    def save(self, path: str | Path) -> None:
        """Writes the model as .npz: each parameter under its path, and `about`, a JSON text.

        Raises:
            OSError: the file cannot be written.
        """
        about = {
            "format": FORMAT,
            "architecture": self.architecture,
            "shape": list(self.shape),
            "num_outputs": self.num_outputs,
            "num_classes": self.num_classes,
        }
        arrays: dict[str, Any] = {_ABOUT: np.array(json.dumps(about))}
        if self.line is not None:
            arrays[_LINE] = np.stack(self.line)
        for place, leaf in tree_flatten_with_path(self.params)[0]:
            arrays[_PARAMETERS + keystr(place)] = np.asarray(leaf)
        with replacing(a_path("path", path)) as file:
            np.savez(file, allow_pickle=False, **arrays)

    @cached_property
    def _in_blocks(self) -> Callable[[Params, Array], Array]:
        """`apply`, compiled, in blocks of rows as training's metrics are computed."""
        return jax.jit(
            lambda params, rows: in_blocks(
                lambda some: self.apply(params, some), rows, EXAMPLES_AT_ONCE
            )
        )


def line_of(
    outputs: Callable[[Array], Array] | None, num_outputs: int
) -> tuple[HostArray, HostArray] | None:
    """The line by which a task makes predictions of a model's outputs.

    Args:
        outputs: what makes the predictions, shift + scale * outputs in each column; None for none.
        num_outputs: how many columns there are.

    Returns:
        (shift, scale), float32[1, num_outputs] each; None where there is no line.
    """
    if outputs is None:
        return None
    shift = np.asarray(outputs(jnp.zeros((1, num_outputs))), np.float64)
    # from far away: the rounding of the shift does not matter there
    far = np.asarray(outputs(jnp.full((1, num_outputs), _FAR)), np.float64)
    return shift.astype(np.float32), ((far - shift) / _FAR).astype(np.float32)


def load_model(path: str | Path) -> JointModel:
    """Loads the joint model that a run left behind.

    Args:
        path: a run's folder, or the model.npz in it.

    Returns:
        The model: `predict(x)`, `outputs(x)`, `apply(params, x)` and `params`.

    Raises:
        InvalidInputError: no such file, one that is no model, or an architecture that cannot be
            built here, such as one of another package.
    """
    file = a_path("model", path)
    if file.is_dir():
        file = file / MODEL
    expected = f"Expected model={str(file)!r} to be a model that a run wrote"
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        about = json.loads(str(content.pop(_ABOUT)))
        line = content.pop(_LINE, None)
        read = JointModel(
            architecture=dict(about["architecture"]),
            shape=tuple(about["shape"]),
            num_outputs=about["num_outputs"],
            num_classes=about["num_classes"],
            params=None,
            line=None if line is None else (line[0], line[1]),
        )
    except FileNotFoundError as error:
        raise InvalidInputError(f"{expected}, but there is no such file.") from error
    except (OSError, EOFError, KeyError, TypeError, ValueError, *BROKEN) as error:
        raise InvalidInputError(f"{expected}: {error}.") from error
    like = jax.eval_shape(read.model.init, jax.random.key(0))
    places = {_PARAMETERS + keystr(place): leaf for place, leaf in tree_flatten_with_path(like)[0]}
    fits = places.keys() == content.keys() and all(
        content[name].shape == leaf.shape for name, leaf in places.items()
    )
    require(fits, f"{expected}, but its parameters are not those of its architecture.")
    params = tree_unflatten(tree_structure(like), [jnp.asarray(content[name]) for name in places])
    object.__setattr__(read, "params", params)
    return read
