"""Whether there is anything to share: V(N) - V(empty) beside the noise of the validation set."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fedjax_shap.learning.metric import EXAMPLES_AT_ONCE, Metric, bootstrapped, in_blocks
from fedjax_shap.learning.model import Model
from fedjax_shap.pipeline.config import Config
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import Array, HostArray, Params

RESAMPLES = 200  # of the validation set
ERRORS = 2.0  # standard errors from 0 within which a surplus is noise


class Trained(NamedTuple):
    """A model before and after its training.

    Attributes:
        initial: its parameters before.
        params: after; not finite where the training diverged.
    """

    initial: Params
    params: Params


class Noise(NamedTuple):
    """What the validation set leaves open of V(N) - V(empty).

    Attributes:
        std_error: its standard error, in its unit; NaN where a model diverged.
        examples: T, how many there are in the set.
        users: how many users who never train they belong to; 0 where they are not theirs.
    """

    std_error: float
    examples: int
    users: int = 0


def surplus_noise(
    model: Model,
    trained: Trained,
    metric: Metric,
    held_out: Any,
    users: Array | None = None,
) -> Noise:
    """The standard error of V(N) - V(empty) that comes from the validation set.

    The set is drawn again with replacement, and both models are judged on the same rows each time
    (the paired bootstrap), so what they have in common cancels out. For accuracy without ties this
    comes to sqrt((p - s^2) / T), with p the share of examples on which just one of the two models
    is right, and s the difference of their accuracies.

    Args:
        model: of the run.
        trained: its parameters before and after the training of everyone.
        metric: by which coalitions are valued.
        held_out: (x[T, ...], y[T, ...]), the validation set.
        users: int[T], which of the users who never train each row belongs to; then users are drawn,
            each with all its rows. None where rows are drawn.

    Returns:
        The error, NaN where an output is not finite, where too few resamples can be judged, or
        where all rows are one user's; and T. A model that is valued at its best round is judged by
        its last.

    References:
        Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    x, y = held_out
    num_users = num_users_of(users)
    unknown = Noise(float("nan"), len(y), num_users)
    if num_users == 1:
        return unknown
    resampled = bootstrapped(metric, RESAMPLES, users)

    @jax.jit
    def scores_of(params: Params, x: Array, y: Array) -> tuple[Array, Array]:
        outputs = in_blocks(lambda rows: model.apply(params, rows), x, EXAMPLES_AT_ONCE)
        return jnp.isfinite(outputs).all(), resampled(outputs, y)

    both = [scores_of(params, x, y) for params in trained]
    if not all(finite for finite, _ in both):
        return unknown
    before, after = (np.asarray(scores, np.float64) for _, scores in both)
    return noise_of(before, after, len(y), num_users)


def noise_of(before: HostArray, after: HostArray, examples: int, users: int = 0) -> Noise:
    """The standard error of a difference of scores, from resamples that both have in common.

    Args:
        before: float64[1 + `RESAMPLES`], the score on the set itself and on its resamples.
        after: likewise.
        examples: T.
        users: how many users they belong to, where these were drawn.

    Returns:
        The error, NaN where too few resamples can be judged; and T.
    """
    # the first number is that of the set itself
    surplus = (after - before)[1:]
    judged = surplus[np.isfinite(surplus)]  # a resample may lack a class
    if len(judged) < RESAMPLES // 2:
        return Noise(float("nan"), examples, users)
    return Noise(float(judged.std(ddof=1)), examples, users)


def num_users_of(users: Array | None) -> int:
    """How many users who never train the rows int[T] of a validation set belong to; 0 for None."""
    if users is None:
        return 0
    return int(np.max(users)) + 1


def notes_on(config: Config, attribution: Attribution, noise: Noise) -> tuple[str, ...]:
    """What a reader should know of V(N) - V(empty) before anything is paid by it.

    Args:
        config: the configuration.
        attribution: the values.
        noise: what `surplus_noise` gives.

    Returns:
        No or one sentence: that the surplus is within two standard errors of 0; that training made
        the model worse; or that it diverged.
    """
    grand = np.asarray(attribution.grand)
    if grand.ndim:  # one of several points of view
        return ()
    error = noise.std_error
    surplus = float(grand - attribution.empty)
    whose = f" of {noise.users} users" * bool(noise.users)
    if np.isnan(error) and not surplus:
        return (f"The training of everyone diverged and counts as V(empty); {_cause(config)}",)
    if surplus < -ERRORS * error:
        return (
            f"V(N) = {float(grand):.4g} lies below V(empty) = {float(attribution.empty):.4g}: "
            f"training made the initial model worse; {_cause(config)}",
        )
    if abs(surplus) <= ERRORS * error:
        return (
            f"V(N) - V(empty) = {surplus:.4f} lies within two standard errors of 0 ({error:.4f} "
            f"each, from {noise.examples:,} examples{whose}): there may be nothing to share, and "
            "payments rest on noise.",
        )
    return ()


def _cause(config: Config) -> str:
    """The likely cause of a training that goes wrong."""
    rate = "local.learning_rate"
    if "local" in config.sections:
        given: HostArray | float | None = config.given("local").get("learning_rate")
        if given is not None:
            rate = f"local.learning_rate={given}"
    return f"the likely cause is {rate}, which may be too large."
