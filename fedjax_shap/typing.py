"""The axis letters and the aliases, said once (after mctx, ``tree.py``).

Every shape in this package is written in these letters::

    M coalitions      P players        C clients        S member slots of a coalition
    N examples        B batch          L classes        R rounds         K local steps
    T examples of a server's set       E local epochs

A *player* is whoever is valued; a *client* is whoever trains. In a horizontal federation they are
the same ids.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import jax

    Array: TypeAlias = jax.Array
    Key: TypeAlias = jax.Array  # a typed key, ``jax.random.key(seed)``

HostArray: TypeAlias = np.ndarray[Any, Any]
Params: TypeAlias = Any  # a pytree of arrays
PyTree: TypeAlias = Any
Masks: TypeAlias = HostArray  # bool[M, P], on the host
Utilities: TypeAlias = HostArray  # float64[M, ...], on the host
Progress: TypeAlias = Callable[[int, int], None]  # (done, total) coalitions


def __getattr__(name: str) -> Any:
    """`Array` and `Key` on demand: what works on the host alone does not wait for JAX."""
    if name in ("Array", "Key"):
        import jax

        return jax.Array
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
