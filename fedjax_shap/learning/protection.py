"""What privacy comes to in one training: its noise, who is sampled how, and for how many rounds."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.participation import Sampled, always
from fedjax_shap.learning.private import Privacy, check_algorithm, check_subset_sums
from fedjax_shap.learning.training import Training
from fedjax_shap.learning.world import seeds
from fedjax_shap.privacy.accounting import Mechanism, Sampling, check_accountant, noise_for
from fedjax_shap.privacy.fixed_point import require_room
from fedjax_shap.typing import HostArray, PyTree

FEWER_EXPECTED = 20.0  # the noise on a count is the count expected over this


class Protection(NamedTuple):
    """The privacy of one training.

    Attributes:
        privacy: what is done; z is decided, and the noise on the count of updates within the norm.
        mechanism: what an accountant counts.
        chances: float32[R, C], the chance of each client to take part in each round.
    """

    privacy: Privacy
    mechanism: Mechanism
    chances: HostArray

    @property
    def update_noise(self) -> float:
        """The noise on the sum of updates as a multiple of C: z, or more where a part of the
        privacy is spent on the clipping norm (Andrew et al. 2021, theorem 1).
        """
        privacy = self.privacy
        if privacy.quantile is None or not privacy.noise or privacy.clip_noise is None:
            return privacy.noise
        return float((privacy.noise**-2 - (2 * privacy.clip_noise) ** -2) ** -0.5)


def protection_of(data: FederatedData, training: Training) -> Protection | None:
    """What privacy comes to in a training; None where there is none.

    Args:
        data: the federation.
        training: how it trains, and for how many rounds.

    Raises:
        InvalidInputError: an algorithm that cannot be protected, an epsilon that cannot be met, or
            sums that do not fit in words.
    """
    privacy = training.privacy
    if privacy is None:
        return None
    check_algorithm(privacy, training.algorithm)
    if privacy.secure_sum is not None:
        require_room(privacy.secure_sum.bits, data.num_clients, where="secure_sum.")
    num_rounds = training.algorithm.max_rounds
    sampling, chances, rounds = _sampling(training, num_rounds, data.num_clients)
    require(
        privacy.denominator == "fixed" or sampling.how != "fixed",
        "Expected denominator='present' to be 'fixed' where a fixed number of members is drawn a "
        "round.",
    )
    if privacy.noisy:
        check_accountant(sampling, privacy.delta, privacy.accountant)
    if privacy.epsilon is not None:
        noise = noise_for(privacy.epsilon, rounds, sampling, privacy.delta, privacy.accountant)
        privacy = privacy._replace(noise=noise)
    privacy = _with_clip_noise(privacy, float(chances.sum(axis=1).mean()))
    return Protection(privacy, Mechanism(privacy.noise, rounds, sampling), chances)


def check_one_run(
    protection: Protection | None,
    present: HostArray,
    inner_rounds: int,
    absent: str,
    everyone_first: bool,
) -> None:
    """Refuses games inside one run whose privacy would not be that of the training.

    Args:
        protection: of the training; None for none.
        present: bool[R, P], who takes part in which round.
        inner_rounds: aggregations within a round.
        absent: how a participant outside a coalition counts in its mean.
        everyone_first: whether everyone takes part in the first round.

    Raises:
        InvalidInputError: see above; also secure sums whose subset sums are not revealed.
    """
    if protection is None:
        return
    check_subset_sums(protection.privacy, "rounds")
    require(
        inner_rounds == 1,
        f"Expected inner_rounds={inner_rounds} to be 1 with privacy, which is accounted for by one "
        "sum a round.",
    )
    require(
        absent == "left_out",
        f"Expected absent={absent!r} to be left out with privacy, whose denominator decides it.",
    )
    require(
        not everyone_first,
        "Expected everyone_first=True to be left out with privacy: who is in a round is drawn.",
    )
    require(
        protection.mechanism.sampling.how == "known" or bool(present.any(axis=1).all()),
        "Expected somebody to take part in every round with privacy: a round of this run in which "
        "nobody was drawn would be skipped, and show that; raise the probability or change the "
        "seed.",
    )


def chances_of(protection: Protection | None) -> PyTree:
    """`World.chances`."""
    if protection is None:
        return ()
    return jnp.asarray(protection.chances)


def _sampling(
    training: Training, num_rounds: int, num_clients: int
) -> tuple[Sampling, HostArray, int]:
    """(how members are sampled, float32[R, C] their chances, the rounds that count for one)."""
    participation = training.participation or always()
    if isinstance(participation, Sampled):
        of_each = participation.chances(num_clients)
        chances = np.broadcast_to(of_each, (num_rounds, num_clients)).astype(np.float32)
        if of_each.max() < 1:
            drawn = round(float(of_each.sum()))
            sampling = Sampling(participation.how, float(of_each.max()), drawn, num_clients)
            return sampling, chances, num_rounds
    # drop-outs are known to all as well
    key = seeds(training.root_key).participation
    present = np.asarray(participation(key, num_rounds, num_clients)) > 0
    rounds = int(present.sum(axis=0).max())
    return Sampling("known", members=num_clients), present.astype(np.float32), rounds


def _with_clip_noise(privacy: Privacy, expected: float) -> Privacy:
    """The privacy with the noise on the count of updates within the norm decided."""
    if privacy.quantile is None or not privacy.noise:
        return privacy
    noise = privacy.clip_noise
    if noise is None:
        noise = max(privacy.noise, expected / FEWER_EXPECTED)
    least = privacy.noise / 2
    require(
        noise > least,
        f"Expected clip_noise={noise!r} to be > {least:.4g}, half of the noise "
        f"z={privacy.noise:.4g}: else no noise on updates brings both together to z.",
    )
    return privacy._replace(clip_noise=noise)
