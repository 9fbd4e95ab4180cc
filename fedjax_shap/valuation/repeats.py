"""How much of a value is noise: of training, of the coalitions drawn, and of the test set."""

from itertools import combinations
from typing import Any

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.games.game import Game
from fedjax_shap.games.repeated import repeated
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.estimate import estimate


def estimate_repeated(
    game: Game, estimator: Estimator, *, repeats: int = 1, **options: Any
) -> Attribution:
    """Values the players under several seeds of training, and splits the error of each value.

    The same coalitions are valued under every seed, so that what differs between seeds is training
    alone.

    Args:
        game: what a coalition is worth; with `resamples` (see `Game`) the noise of the test set is
            told, too.
        estimator: as in `estimate`.
        repeats: k, how many seeds.
        options: all that `estimate` takes besides.

    Returns:
        Values float64[P], the means over seeds. Their standard errors are sqrt(training^2 / k +
        sampling^2 + test_set^2), of the parts in `notes`: `training_noise`, the standard deviation
        of one seed's value (None for k = 1); `sampling_noise`, the estimator's standard error;
        `test_set_noise`, the standard deviation over bootstrap resamples of the test set (Efron
        1979; None where the game has none); `noise_floor`, how well the values of two seeds agree,
        the mean over pairs of seeds (None for k = 1): no estimate can be told to agree better with
        the truth than this.

    Raises:
        InvalidInputError: utilities that have other axes than seeds and resamples, or what
            `estimate` refuses.
    """
    integer("repeats", repeats, least=1)
    found = estimate(repeated(game, repeats), estimator, **options)
    shape = ((1 + game.resamples,) if game.resamples else ()) + (repeats,)
    require(
        found.values.shape[1:] == shape,
        f"Expected utilities with axes {shape} for resamples and seeds, got "
        f"{found.values.shape[1:]}.",
    )
    resampled = found.values if game.resamples else found.values[:, None]
    own = resampled[:, 0]  # float64[P, k]
    errors = found.std_errors[:, 0] if game.resamples else found.std_errors
    parts = {
        "training_noise": own.std(axis=1, ddof=1) if repeats > 1 else None,
        "sampling_noise": np.sqrt((errors**2).mean(axis=1)),
        "test_set_noise": np.sqrt(resampled[:, 1:].var(axis=1, ddof=1).mean(axis=1))
        if game.resamples > 1
        else None,
    }
    training, sampling, test_set = (0.0 if part is None else part**2 for part in parts.values())
    return found.replace(  # type: ignore[attr-defined, no-any-return]
        values=own.mean(axis=1),
        std_errors=np.sqrt(training / repeats + sampling + test_set),
        empty=_of_seeds(found.empty, game.resamples),
        grand=_of_seeds(found.grand, game.resamples),
        notes={**found.notes, **parts, "noise_floor": noise_floor(own)},
    )


def noise_floor(values: HostArray) -> dict[str, float] | None:
    """How well the values of two seeds agree: each measure of `agreement`, the mean over ordered
    pairs of seeds.

    Args:
        values: float64[P, k], the values under each of k seeds.

    Returns:
        The measures, or None for k = 1 or values that are all 0.
    """
    pairs = [
        (a, b)
        for one, two in combinations(values.T, 2)
        for a, b in ((one, two), (two, one))
        if b.any()
    ]
    each = [agreement(one, two) for one, two in pairs]
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]} if each else None


def _of_seeds(utilities: HostArray, resamples: int) -> HostArray:
    """float64[]: the mean over seeds of the utility itself."""
    return np.asarray((utilities[0] if resamples else utilities).mean())
