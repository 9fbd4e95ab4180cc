"""Which of several processes values which coalitions, and how all get all utilities."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Literal

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.engine import processes
from fedjax_shap.engine.plan import Plan
from fedjax_shap.engine.store import UtilityStore, fingerprint
from fedjax_shap.games.callable import HostGame
from fedjax_shap.games.game import Game
from fedjax_shap.typing import HostArray, Key, Masks

LAYOUTS: tuple[Literal["client", "coalition"], ...] = ("client", "coalition")


def agreed_plan(plan: Plan, choose: Callable[[Plan], Plan]) -> Plan:
    """What process 0 chooses for its `plan`, in all processes.

    Machines may differ, but all processes must cut the same chunks.
    """
    if processes.count() == 1:
        return choose(plan)
    mine = {}
    if processes.rank() == 0:
        chosen = choose(plan)
        mine = {"plan": np.array([chosen.chunk, LAYOUTS.index(chosen.layout), chosen.buckets])}
    chunk, layout, buckets = processes.exchange_arrays(mine)[0]["plan"].tolist()
    return replace(plan, chunk=chunk, layout=LAYOUTS[layout], buckets=buckets)


def require_same_game(game: Game | HostGame, key: Key) -> None:
    """Refuses to go on where the processes were not given one game and key."""
    if processes.count() > 1:
        names = processes.exchange(fingerprint(game, key).encode())
        require(
            len(set(names)) == 1,
            f"Expected all {len(names)} processes to run one configuration on the same data, but "
            "their games differ.",
        )


def own_coalitions(unknown: Masks, among: Masks, plan: Plan) -> Masks:
    """The coalitions of `unknown` that this process values.

    Of the chunks that a process alone would cut, process i of N takes every N-th, from the i-th on.
    """
    if processes.count() == 1:
        return unknown
    chunks = islice(plan.cut(unknown, among), processes.rank(), None, processes.count())
    return np.concatenate([unknown[:0], *(unknown[rows] for rows, _ in chunks)])


def exchange_known(store: UtilityStore, masks: Masks) -> HostArray:
    """bool[M]: which utilities this process knows after each has sent what the others lack."""
    known = store.known(masks)
    if processes.count() == 1:
        return known
    received = processes.exchange_arrays({"known": known})
    everyone = np.stack([theirs["known"] for theirs in received])
    wanted = everyone.any(axis=0) & ~everyone.all(axis=0)
    if wanted.any():
        _exchange(store, masks[wanted & known])
    return np.asarray(everyone.any(axis=0))


def exchange_valued(store: UtilityStore, mine: Masks) -> None:
    """Each process sends all others the utilities of its own coalitions that are in `store`."""
    if processes.count() > 1:
        _exchange(store, mine[store.holds(mine)])


def _exchange(store: UtilityStore, masks: Masks) -> None:
    """Sends the utilities of `masks`, and takes in what the others send."""
    utilities = np.empty(0)
    if len(masks):
        utilities = store.read(masks)
    # a bit a player: at many processes the masks are most of what goes through the hub
    mine = {"bits": np.packbits(masks, axis=1), "utilities": utilities}
    for theirs in processes.exchange_arrays(mine):
        if len(theirs["bits"]):
            bits = np.unpackbits(theirs["bits"], axis=1, count=masks.shape[1])
            store.remember(bits.astype(bool), theirs["utilities"])
