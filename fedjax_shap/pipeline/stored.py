"""What coalitions are worth, read from the utility stores that a run left beside its result."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap.engine import archive
from fedjax_shap.engine.archive import Archive
from fedjax_shap.engine.folders import REPEATS, ROUND, WHOLE, part_of
from fedjax_shap.engine.parts import LABEL, owner
from fedjax_shap.pipeline.records import stores_of
from fedjax_shap.typing import HostArray, Masks, Utilities

ROUNDING = 1e-9  # between a utility in a store and the same in result.json
SLICED = {"judged": "judges", "by_round": "rounds"}  # key of result.json -> kind of slices
MOST_COUNTED = 63  # players up to which a sentence says how many coalitions there are


class StoredUtilities(NamedTuple):
    """The coalitions whose utilities a run's store knows.

    Attributes:
        masks: bool[M, P]; None where none are known.
        utilities: float64[M], theirs; None where none are known.
        sentence: from which store they are, or why none are known.
    """

    masks: Masks | None
    utilities: Utilities | None
    sentence: str


def stored_utilities(
    record: Mapping[str, Any], stores: Path | None, num_players: int
) -> StoredUtilities:
    """Reads the utilities of a run.

    Args:
        record: what `Result.to_json` gives.
        stores: the folder of its utility stores; None, or a folder that is not there, for none.
        num_players: P.
    """
    candidates = list(_candidates(stores, stores_of(record).games))
    for folder, one in candidates:
        if not len(one.masks) or one.masks.shape[1:] != (num_players,):
            continue
        kind = next((kind for key, kind in SLICED.items() if key in record), "")
        utilities = of_all(one.utilities, kind)
        if _belongs(record, one.masks, utilities):
            return StoredUtilities(one.masks, utilities, _found(folder, one, num_players))
    if candidates:
        why = "The utility store beside the result is empty, or of another run, and was not used."
    elif stores is not None and any(stores.glob(f"{ROUND}*/{LABEL}")):
        why = "The values are sums over rounds, so no one table says what a coalition is worth."
    else:
        why = "No utility store is beside it, so what coalitions are worth is not known."
    return StoredUtilities(None, None, why)


def _candidates(stores: Path | None, games: Mapping[str, str]) -> Iterator[tuple[Path, Archive]]:
    """The stores of a run that may hold its game: the run's own, and that of its repeats; of the
    fingerprints that the result gives, where it gives them.
    """
    if stores is None:
        return
    for part in (WHOLE, REPEATS):
        first = stores / part
        for label in (first / LABEL, *sorted(first.glob(f"*/{LABEL}"))):
            folder = label.parent
            fingerprint = owner(folder)
            if fingerprint is None or part_of(folder, stores, fingerprint) != part:
                continue
            if games.get(part, fingerprint) == fingerprint:
                yield folder, archive.read(folder)


def _found(folder: Path, store: Archive, num_players: int) -> str:
    """How many coalitions are known, and from where."""
    known = f"{len(store.masks):,}"
    if num_players <= MOST_COUNTED:
        known += f" of {2**num_players:,} coalitions"
    broken = ""
    if store.problems:
        broken = f"; {len(store.problems)} problems there, see `fedjax-shap store verify`"
    return f"Utilities of {known} are known, from the store {folder.name!r}{broken}."


def of_all(utilities: HostArray, kind: str) -> Utilities:
    """float64[M]: the utility that a run's values are read off, its mean over seeds.

    Utilities are [M], or have axes over resamples (after the utility itself), judges (after that of
    all test rows) or rounds (the last being the utility), and last over seeds.

    Args:
        utilities: float64[M, ...].
        kind: what slices of values there are: "judges", "rounds" or "" for none.
    """
    if kind == SLICED["judged"] and utilities.ndim > 1:
        utilities = utilities[:, 0]
    elif kind == SLICED["by_round"] and utilities.ndim > 1:
        utilities = utilities[:, -1]
    elif utilities.ndim == 3:
        utilities = utilities[:, 0]
    if utilities.ndim > 1:
        utilities = utilities.mean(axis=1)
    return utilities


def _belongs(record: Mapping[str, Any], masks: Masks, utilities: HostArray) -> bool:
    """Whether a store agrees with the result on V(N) and V(empty), as far as it knows them."""
    for name, wanted in (("grand", masks.all(axis=1)), ("empty", ~masks.any(axis=1))):
        if wanted.any() and name in record:
            said = float(record[name])
            if not np.isclose(utilities[wanted][0], said, rtol=ROUNDING, atol=ROUNDING):
                return False
    return True
