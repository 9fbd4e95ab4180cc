"""The privacy of a run: whether what is asked for goes together, and what it comes to."""

from math import sqrt

import numpy as np

from fedjax_shap._validate import require
from fedjax_shap.data.federated import FederatedData
from fedjax_shap.learning.clipped import clipped_updates
from fedjax_shap.learning.private import Privacy, check_algorithm, check_subset_sums
from fedjax_shap.learning.private_records import Records, records
from fedjax_shap.learning.protection import Protection, protection_of
from fedjax_shap.learning.train import learner
from fedjax_shap.learning.training import Training
from fedjax_shap.pipeline.config import ByMember, Config
from fedjax_shap.pipeline.privacy_record import Charge, PrivacyRecord
from fedjax_shap.privacy.accounting import Mechanism, epsilon_of, unsampled
from fedjax_shap.typing import Key

SECTION = "privacy"


def privacy_of(config: Config) -> Privacy | None:
    """What the configuration does for its members' privacy; None for nothing."""
    if SECTION not in config.sections:
        return None
    privacy: Privacy | None = config.build(SECTION)
    return privacy


def records_of(config: Config) -> Records | None:
    """The noise on records that the configuration asks for; None for none."""
    if SECTION not in config.sections or config.value(SECTION, "records") is None:
        return None
    return records(config.value(SECTION, "records"))


def check_privacy(config: Config) -> None:
    """Refuses privacy that cannot be, or not with the algorithm.

    Raises:
        InvalidInputError: see `learning.private`.
    """
    records_of(config)
    privacy = privacy_of(config)
    if privacy is None:
        return
    if "algorithm" not in config.sections:
        return
    given = config.given("algorithm").values()
    if not any(isinstance(value, ByMember) for value in given):  # these are known with the members
        check_algorithm(privacy, config.build("algorithm"))


def check_private_rounds(config: Config) -> None:
    """Refuses secure sums in a game of sums of subsets, unless these are revealed."""
    check_subset_sums(privacy_of(config), config.sections["game"].name)


def check_not_private(config: Config) -> None:
    """Refuses privacy in a game that adds up single uploads."""
    game = config.sections["game"].name
    require(
        privacy_of(config) is None,
        f"Expected [privacy] to be left out with game.name={game!r}, which adds up single uploads.",
    )


def check_records_alone(config: Config) -> None:
    """Refuses privacy of updates in a game without training, where records alone may have noise."""
    game = config.sections["game"].name
    require(
        privacy_of(config) is None,
        f"Expected [privacy] to hold records alone with game.name={game!r}, which trains nothing: "
        "members send sums and no updates.",
    )


def record_of_records(config: Config, data: FederatedData) -> PrivacyRecord | None:
    """What is known of the privacy of a run that protects records alone; None without noise.

    Args:
        config: the configuration.
        data: the federation.
    """
    of_records = records_of(config)
    if of_records is None:
        return None
    nothing = np.full(data.num_clients, np.nan)
    return PrivacyRecord(None, of_records, np.inf, np.inf, None, nothing, data.names)


def record_of(
    config: Config,
    data: FederatedData,
    training: Training,
    key: Key,
    coalitions: int,
    *,
    in_run: bool = False,
) -> PrivacyRecord | None:
    """What is known of the privacy of a run; None where nothing was done for it.

    Args:
        config: the configuration.
        data: the federation.
        training: how it trains.
        key: of its game.
        coalitions: how many coalitions were valued.
        in_run: whether they are valued inside one run. Values then show who took part in it, so
            that nothing is gained by drawing members in secret.
    """
    protection = protection_of(data, training)
    if protection is None:
        return record_of_records(config, data)
    if in_run:
        protection = protection._replace(mechanism=unsampled(protection.mechanism))
    learning = learner(data, training, protection=protection)
    flags = clipped_updates(learning, key)
    counts = np.isfinite(flags).sum(axis=0)
    share = np.where(counts > 0, np.nansum(flags, axis=0) / np.maximum(counts, 1), np.nan)
    epsilon = of_coalitions = float("inf")
    charge = None
    privacy, mechanism, _ = protection
    if privacy.noise:
        epsilon = epsilon_of(mechanism, privacy.delta, privacy.accountant)
        of_coalitions = epsilon_of(_of_any(mechanism), privacy.delta, privacy.accountant)
    if privacy.charge_values:
        repeats = config.value("estimator", "repeats")
        charge = _charge(protection, data.num_clients, coalitions * repeats, repeats)
    return PrivacyRecord(
        protection, records_of(config), epsilon, of_coalitions, charge, share, data.names
    )


def _of_any(mechanism: Mechanism) -> Mechanism:
    """A mechanism whose guarantee holds for every coalition.

    Where each member is drawn by itself, or is known to take part, a coalition's is that of
    everyone. Where a fixed number of all members is drawn, how many of a coalition are among them
    varies, up to all: so nothing is gained by sampling.
    """
    if mechanism.sampling.how == "fixed":
        return unsampled(mechanism)
    return mechanism


def _charge(protection: Protection, members: int, trainings: int, repeats: int) -> Charge:
    """The epsilon of all sums that values are computed from.

    A member is in at most half of all coalitions, 2^(n - 1). Who is drawn in a round is the same in
    all of them, so their sums of a round are one Gaussian mechanism: a member moves M sums by up to
    C each, together by sqrt(M) C, which is noise z / sqrt(M).
    """
    privacy, mechanism, _ = protection
    most = min(trainings, 2 ** min(members - 1, 60) * repeats)
    noise = mechanism.noise / sqrt(most)
    epsilon = epsilon_of(mechanism._replace(noise=noise), privacy.delta, privacy.accountant)
    return Charge(most, epsilon)
