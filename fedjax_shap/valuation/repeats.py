"""How much of a value is noise: of training, of the coalitions drawn, and of the test set."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from fedjax_shap._validate import integer, require
from fedjax_shap.engine.folders import REPEATS
from fedjax_shap.games.game import Game
from fedjax_shap.games.repeated import repeated
from fedjax_shap.keys import Seed
from fedjax_shap.shapley.agreement import agreement
from fedjax_shap.shapley.estimator import Attribution, Estimator
from fedjax_shap.shapley.slices import at, split
from fedjax_shap.typing import HostArray
from fedjax_shap.valuation.estimate import value_game
from fedjax_shap.valuation.options import Options


def estimate_repeated(
    game: Game,
    estimator: Estimator,
    options: Options = Options(),
    *,
    key: Seed = None,
    players: Sequence[int] | HostArray | None = None,
    repeats: int = 1,
) -> Attribution:
    """Values the players under several seeds of training, and splits the error of each value.

    The same coalitions are valued under every seed, so that what differs between seeds is training
    alone.

    Args:
        game: what a coalition is worth; with `resamples` (see `Game`) the noise of the test set is
            estimated, too.
        estimator: as in `estimate`.
        options: as in `estimate`.
        key: as in `estimate`.
        players: as in `estimate`.
        repeats: k, how many seeds.

    Returns:
        Values float64[P], the means over seeds. Their standard errors are sqrt(training^2 / k +
        sampling^2 + test_set^2), of the parts in `notes`: `training_noise`, the standard deviation
        of one seed's value (None for k = 1); `sampling_noise`, the estimator's standard error;
        `test_set_noise`, the standard deviation over bootstrap resamples of the test set (Efron
        1979; None where the game has none); `noise_floor`, how well the values of two seeds agree,
        the mean over pairs of seeds (None for k = 1): agreement with the truth beyond this cannot
        be measured.

    Raises:
        InvalidInputError: utilities that have other axes than seeds and resamples, or what
            `estimate` refuses.
    """
    integer("repeats", repeats, least=1)
    found = value_game(
        repeated(game, repeats), estimator, options, key=key, players=players, part=REPEATS
    )
    trailing = game.trailing
    if trailing is None:
        return _over_seeds(found, game.resamples, repeats)
    # each judge or round by itself
    each = [_over_seeds(at(found, place), 0, repeats) for place in range(trailing.length)]
    several = replace(
        each[trailing.main],
        values=np.stack([one.values for one in each], axis=1),
        std_errors=np.stack([one.std_errors for one in each], axis=1),
        empty=np.stack([one.empty for one in each]),
        grand=np.stack([one.grand for one in each]),
    )
    return split(several, trailing)


def _over_seeds(found: Attribution, resamples: int, repeats: int) -> Attribution:
    """The means over seeds, and the parts of their errors."""
    resampled, errors = _by_seed(found, resamples, repeats)
    values = resampled[:, 0]  # float64[P, k]
    # the three parts of the variance of a mean over seeds
    training = None
    test_set = None
    sampling = np.sqrt((errors**2).mean(axis=1))
    variance = sampling**2
    if repeats > 1:
        training = values.std(axis=1, ddof=1)
        variance = training**2 / repeats + variance
    if resamples > 1:
        test_set = np.sqrt(resampled[:, 1:].var(axis=1, ddof=1).mean(axis=1))
        variance = variance + test_set**2
    parts = {
        "training_noise": training,
        "sampling_noise": sampling,
        "test_set_noise": test_set,
        "noise_floor": noise_floor(values),
    }
    return replace(
        found,
        values=values.mean(axis=1),
        std_errors=np.sqrt(variance),
        empty=_of_seeds(found.empty, resamples),
        grand=_of_seeds(found.grand, resamples),
        notes={**found.notes, **parts},
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
    if not pairs:
        return None
    each = [agreement(one, two) for one, two in pairs]
    return {name: float(np.mean([one[name] for one in each])) for name in each[0]}


def _by_seed(found: Attribution, resamples: int, repeats: int) -> tuple[HostArray, HostArray]:
    """The values float64[P, 1 + resamples, k] and their standard errors float64[P, k]."""
    shape = (repeats,)
    if resamples:
        shape = (1 + resamples, repeats)
    require(
        found.values.shape[1:] == shape,
        f"Expected utilities with axes {shape} for resamples and seeds, got "
        f"{found.values.shape[1:]}.",
    )
    if resamples:
        return found.values, found.std_errors[:, 0]
    return found.values[:, None], found.std_errors


def _of_seeds(utilities: HostArray, resamples: int) -> HostArray:
    """float64[]: the mean over seeds of the utility itself."""
    own = utilities[0] if resamples else utilities
    return np.asarray(own.mean())
