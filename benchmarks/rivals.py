"""shapiq's approximators on a game given as a table, at a budget of distinct coalitions.

Releases from 1.4 on are known; each has the approximators of its own. Those that learn a surrogate
learn one decision tree, so that they need no package of boosted trees.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from inspect import isabstract
from typing import Any

import numpy as np

from fedjax_shap.coalitions import ranks
from fedjax_shap.typing import HostArray, Utilities

# Nominal budgets tried: a coalition asked for again costs shapiq's budget and not ours.
TRIALS = 6
OPTIONS: Mapping[str, tuple[str, dict[str, Any]]] = {  # our name -> (shapiq's class, its options)
    "permutation": ("PermutationSamplingSV", {}),
    "kernelshap": ("KernelSHAP", {"pairing_trick": True}),
    "unbiased kernelshap": ("UnbiasedKernelSHAP", {"pairing_trick": True}),
    "stratified": ("StratifiedSamplingSV", {}),
    "owen": ("OwenSamplingSV", {}),
    "stratified svarm": ("SVARM", {"pairing_trick": False}),
    "k-additive": ("kADDSHAP", {"max_order": 2, "pairing_trick": True}),
    "leverage": ("LeverageSHAP", {"pairing_trick": True}),
    "polyshap": ("PolySHAP", {"max_order": 2, "pairing_trick": True}),
    "oddshap": ("OddSHAP", {}),
    "regression msr": ("RegressionMSR", {"index": "SV", "proxy_model": "tree"}),
    "proxyshap": ("ProxySHAP", {"index": "SV", "proxy_model": "tree", "max_order": 1}),
    "shapleig": ("ShaplEIG", {}),
}
# (table float64[2^P], budget, seed) -> values float64[P]
Rival = Callable[[Utilities, int, int], HostArray | None]


def rivals() -> dict[str, Rival]:
    """Those that the installed shapiq has, by name; none where it is not installed."""
    if find_spec("shapiq") is None:
        return {}
    import shapiq

    installed: dict[str, Rival] = {}
    for name, (kind, options) in OPTIONS.items():
        approximator = getattr(shapiq.approximator, kind, None)
        if approximator is not None and _complete(approximator, options):
            installed[name] = partial(_values, approximator, options)
    return installed


def _complete(kind: Any, options: dict[str, Any]) -> bool:
    """Whether the packages are installed that this approximator needs.

    A class stands in for one that they are missing for, which cannot be made.
    """
    if isabstract(kind):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            kind(n=3, random_state=0, **options)
    except ImportError:
        return False
    return True


def _values(
    kind: Any, options: dict[str, Any], table: Utilities, budget: int, seed: int
) -> HostArray | None:
    """The values of the run that made most of the budget, counted in distinct coalitions.

    Returns:
        None where each run asked for more than `budget`.
    """
    best = None
    most = 0
    nominal = budget
    num_players = len(table).bit_length() - 1
    for _ in range(TRIALS):
        values, asked = played(kind, options, table, nominal, seed)
        if most < asked <= budget:
            best = values
            most = asked
        if asked == budget:
            break
        nominal = max(int(nominal * budget / max(asked, 1)), num_players + 2)
    return best


def played(
    kind: Any, options: dict[str, Any], table: Utilities, nominal: int, seed: int
) -> tuple[HostArray, int]:
    """(values, how many distinct coalitions were asked for) at a budget as shapiq counts it."""
    asked: set[int] = set()

    def utility(masks: HostArray) -> HostArray:
        rows = ranks(np.atleast_2d(np.asarray(masks, bool)))
        asked.update(rows.tolist())
        return table[rows] - table[0]

    num_players = len(table).bit_length() - 1
    with warnings.catch_warnings():
        # it says so in every run where it uses a tree, as boosted ones are not installed
        warnings.simplefilter("ignore", UserWarning)
        approximator = kind(n=num_players, random_state=seed, **options)
        index = approximator.approximate(budget=nominal, game=utility)
    return np.asarray(index.get_n_order_values(1)), len(asked)
