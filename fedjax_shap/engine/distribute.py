"""Who of several processes values which coalitions, and how all come to know all utilities."""

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


def agreed(plan: Plan, choose: Callable[[Plan], Plan]) -> Plan:
    """What process 0 chooses for its `plan`, in all processes: machines may differ, shares must
    not.
    """
    if processes.count() == 1:
        return choose(plan)
    mine = {}
    if processes.rank() == 0:
        chosen = choose(plan)
        mine = {"plan": np.array([chosen.chunk, LAYOUTS.index(chosen.layout), chosen.buckets])}
    chunk, layout, buckets = processes.exchange_arrays(mine)[0]["plan"].tolist()
    return replace(plan, chunk=chunk, layout=LAYOUTS[layout], buckets=buckets)


def same_game(game: Game | HostGame, key: Key) -> None:
    """Refuses to go on where the processes were not given one game and key."""
    if processes.count() > 1:
        names = processes.exchange(fingerprint(game, key).encode())
        require(
            len(set(names)) == 1,
            f"Expected all {len(names)} processes to run one configuration on the same data, but "
            "their games differ.",
        )


def own(unknown: Masks, among: Masks, plan: Plan) -> Masks:
    """The coalitions of `unknown` that this process values: every N-th of the chunks that one
    process would cut.
    """
    if processes.count() == 1:
        return unknown
    mine = [
        unknown[rows]
        for rows, _ in islice(plan.cut(unknown, among), processes.rank(), None, processes.count())
    ]
    return np.concatenate([unknown[:0], *mine])


def known_to_all(store: UtilityStore, masks: Masks) -> HostArray:
    """bool[M]: which utilities this process knows, once every process has told the others what they
    lack.
    """
    known = store.known(masks)
    if processes.count() == 1:
        return known
    everyone = np.stack([told["known"] for told in processes.exchange_arrays({"known": known})])
    wanted = everyone.any(axis=0) & ~everyone.all(axis=0)
    if wanted.any():
        _tell_all(store, masks[wanted & known])
    return np.asarray(everyone.any(axis=0))


def hand_round(stores: tuple[UtilityStore, UtilityStore], mine: Masks) -> None:
    """Every process tells the others what it valued, the finite utilities and the others."""
    if processes.count() > 1:
        for store in stores:
            _tell_all(store, mine[store.holds(mine)])


def _tell_all(store: UtilityStore, masks: Masks) -> None:
    utilities = store.read(masks) if len(masks) else np.empty(0)
    for told in processes.exchange_arrays({"masks": masks, "utilities": utilities}):
        if len(told["masks"]):
            store.remember(told["masks"], told["utilities"])
