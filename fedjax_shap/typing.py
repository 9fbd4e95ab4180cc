"""The axis letters and the aliases, said once (after mctx, ``tree.py``).

Every shape in this package is written in these letters::

    M coalitions      P players        C clients        S member slots of a coalition
    N padded examples B batch          L classes        R rounds         K local steps
    T examples of a server's set       E local epochs

A *player* is whoever is valued; a *client* is whoever trains. In a horizontal federation they are
the same ids.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
HostArray: TypeAlias = np.ndarray[Any, Any]
Key: TypeAlias = jax.Array  # a typed key, ``jax.random.key(seed)``
Params: TypeAlias = Any  # a pytree of arrays
PyTree: TypeAlias = Any
Masks: TypeAlias = HostArray  # bool[M, P], on the host
Utilities: TypeAlias = HostArray  # float64[M, ...], on the host
Progress: TypeAlias = Callable[[int, int], None]  # (done, total) coalitions
