"""What a result says of the privacy of a run, as a record, as JSON and in sentences."""

from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import how_many
from fedjax_shap.learning.private import Privacy, SecureSum
from fedjax_shap.learning.private_records import LAWS, Records
from fedjax_shap.learning.protection import Protection
from fedjax_shap.privacy.accounting import written
from fedjax_shap.typing import HostArray

MOST_NAMED = 3  # members in the sentence on clipping


class Charge(NamedTuple):
    """What the release of values adds.

    Attributes:
        trainings: the most trainings that one member is in.
        epsilon: of all their sums together.
    """

    trainings: int
    epsilon: float


class PrivacyRecord(NamedTuple):
    """What is known of the privacy of a run.

    Attributes:
        protection: what was done to updates and sums; None for nothing.
        records: what was done to single records; None for nothing.
        epsilon: of the model of everyone; infinite without noise.
        of_coalitions: an epsilon that holds for the model of every coalition.
        charge: what values add; None where it was not asked for.
        clipped: float64[C], the share of each member's updates that was changed; NaN for none.
        players: the members' names.
    """

    protection: Protection | None
    records: Records | None
    epsilon: float
    of_coalitions: float
    charge: Charge | None
    clipped: HostArray
    players: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The record as a dict that JSON can hold."""
        record: dict[str, Any] = {}
        if self.records is not None:
            record["records"] = {"unit": "the features of a record", **self.records._asdict()}
        if self.protection is None:
            return record
        privacy, mechanism, _ = self.protection
        record |= {
            "unit": "member",
            "neighbours": mechanism.sampling.neighbours,
            "epsilon": written(self.epsilon),
            "delta": privacy.delta,
            "accountant": privacy.accountant,
            "noise": privacy.noise,
            "update_noise": self.protection.update_noise,
            "clip": privacy.clip,
            "quantile": privacy.quantile,
            "clip_noise": privacy.clip_noise,
            "denominator": privacy.denominator,
            "rounds": mechanism.rounds,
            "sampling": mechanism.sampling._asdict(),
            "epsilon_of_coalitions": written(self.of_coalitions),
            "values": None,
            "clipped": [None if np.isnan(one) else float(one) for one in self.clipped],
            "secure_sum": None,
            "reveals_subset_sums": privacy.reveal_subset_sums,
        }
        if self.charge is not None:
            record["values"] = {
                "trainings": self.charge.trainings,
                "epsilon": written(self.charge.epsilon),
            }
        if privacy.secure_sum is not None:
            record["secure_sum"] = privacy.secure_sum._asdict()
        return record


def sentences(record: PrivacyRecord) -> tuple[str, ...]:
    """What a reader should know of the privacy of a run, one sentence each."""
    said = []
    if record.records is not None:
        said.append(_on_records(record.records))
    if record.protection is None:
        return tuple(said)
    if record.protection.privacy.noise:
        said += [_guarantee(record, record.protection), _on_coalitions(record, record.protection)]
        said.append(_on_values(record, record.protection))
    else:
        said.append("Sums have no noise: nothing is differentially private.")
    if record.protection.privacy.clip is not None and np.isfinite(record.clipped).any():
        said.append(_on_clipping(record, record.protection.privacy))
    words = record.protection.privacy.secure_sum
    if words is not None:
        said.append(_on_secure_sums(record.protection.privacy, words))
    return tuple(said)


def _on_records(noise: Records) -> str:
    """What noise on records is worth."""
    delta = f", delta = {noise.delta:g}" * (noise.delta > 0)
    return (
        f"Records got {noise.law} noise of scale {noise.scale:.4g} at the members, after clipping "
        f"to {LAWS[noise.law]} norm {noise.clip:g}: the features of one record are locally private "
        f"with epsilon = {noise.epsilon:g}{delta}; its label is not protected."
    )


def _guarantee(record: PrivacyRecord, protection: Protection) -> str:
    """(epsilon, delta), of what, against what, under which assumptions."""
    privacy, mechanism, _ = protection
    sampling = mechanism.sampling
    drawn = {
        "poisson": f"each drawn by itself with a chance of up to {sampling.rate:.4g}, in secret",
        "fixed": f"{sampling.participants} of {sampling.members} drawn, in secret",
        "known": "whose part in a round everybody may know",
    }[sampling.how]
    return (
        f"The model of everyone is ({record.epsilon:.4g}, {privacy.delta:g})-differentially "
        f"private for a member ({sampling.neighbours}), by the accountant {privacy.accountant!r}: "
        f"noise of {mechanism.noise:.4g} clipping norms on the sums of "
        f"{how_many(mechanism.rounds, 'round')}, "
        f"members {drawn}. Weights, scales of features and the number of members count as public."
        f"{_on_delta(record, privacy.delta)}{_on_target(record, privacy)}"
    )


def _on_target(record: PrivacyRecord, privacy: Privacy) -> str:
    """That the epsilon that was asked for is not reached, and why."""
    if privacy.epsilon is None or record.epsilon <= privacy.epsilon * (1 + 1e-3):
        return ""
    return (
        f" That is more than epsilon = {privacy.epsilon:g}, which was asked for and counts on "
        "members drawn in secret: values found inside one run show who took part."
    )


def _on_delta(record: PrivacyRecord, delta: float) -> str:
    """That a delta is too large to mean anything, where it is."""
    members = len(record.players)
    if delta * members < 1:
        return ""
    return (
        f" delta = {delta:g} is no less than 1 / {members}: a mechanism that publishes one "
        "member's update as it is would have it too."
    )


def _on_coalitions(record: PrivacyRecord, protection: Protection) -> str:
    """For which other models an epsilon holds."""
    if protection.mechanism.sampling.how == "fixed":
        return (
            "For the model of a smaller coalition, of whom any number may be drawn, only epsilon = "
            f"{record.of_coalitions:.4g} is known."
        )
    return (
        "The same epsilon holds for the model of each coalition by itself, since its sums get the "
        "same noise; its mean of fewer members is noisier."
    )


def _on_values(record: PrivacyRecord, protection: Protection) -> str:
    """What releasing values costs, or that it is not accounted for."""
    if record.charge is None:
        return (
            "Values, payments and metrics are computed from many models and are not covered by any "
            "epsilon here; privacy.charge_values = true accounts for values and payments. The "
            "comparison with pooled data has no privacy."
        )
    return (
        f"All that values are computed from, {record.charge.trainings:,} trainings with a member "
        f"in them, is together ({record.charge.epsilon:.4g}, {protection.privacy.delta:g})-"
        "differentially private, and so are values and payments, as far as they are judged on data "
        "of the server alone; learning curves and the comparison with pooled data are not."
    )


def _on_clipping(record: PrivacyRecord, privacy: Privacy) -> str:
    """How much of the members' updates the bound took away."""
    known = np.isfinite(record.clipped)
    share = np.where(known, record.clipped, 0.0)
    order = [place for place in np.argsort(-share, kind="stable") if share[place]][:MOST_NAMED]
    most = ", ".join(f"{record.players[place]} {share[place]:.0%}" for place in order)
    norm = f"the norm {privacy.clip:g}"
    if privacy.quantile is not None:
        norm = f"a norm that follows the quantile {privacy.quantile:g} of the members'"
    if not order:
        return "No update was clipped in the training of everyone."
    return (
        f"{share[known].mean():.0%} of a member's updates, on average, were clipped to {norm} in "
        f"the training of everyone (most: {most}): what a member adds beyond it does not "
        "count in its value. These shares come from the updates themselves; no epsilon covers them."
    )


def _on_secure_sums(privacy: Privacy, words: SecureSum) -> str:
    """What the server sees of uploads."""
    seen = "the server sees sums and no upload, but the model of a coalition of one is its member's"
    if privacy.reveal_subset_sums:
        seen = "the server is allowed to see the sum of any members, and so each upload"
    return (
        f"Uploads were summed as words of {words.bits} bits for numbers in [-{words.clip:g}, "
        f"{words.clip:g}], as masked messages are: {seen}."
    )
