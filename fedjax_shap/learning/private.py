"""What a federation does for its members' privacy while it trains, as one record."""

from typing import Any, Literal, NamedTuple

from fedjax_shap._validate import fraction, integer, number, one_of, require
from fedjax_shap.learning.algorithm import Algorithm
from fedjax_shap.privacy.accounting import ACCOUNTANTS
from fedjax_shap.privacy.fixed_point import require_range

__all__ = ["PRIVACIES", "Privacy", "SecureSum", "none", "private"]

Denominator = Literal["fixed", "present"]
OF_SECURE_SUM = ("bits", "clip")


class SecureSum(NamedTuple):
    """How uploads become words of 32 bits, whose sums the server sees and nothing else.

    Attributes:
        bits: of one number.
        clip: numbers lie in [-clip, clip]; those outside count as the nearer end.
    """

    bits: int
    clip: float


class Privacy(NamedTuple):
    """What is done to updates and to their sums; made by `private`.

    Attributes:
        clip: C, the most that the norm of an update may be; with a `quantile` the first one. None
            for no clipping.
        noise: z: each number of a sum gets noise of standard deviation z C; 0 for none.
        epsilon: what z is chosen for; None where z was given.
        delta: of the guarantee.
        accountant: computes epsilon.
        by_layer: whether layers are clipped each by itself.
        quantile: the share of updates that the clipping norm is to leave as they are; None for a
            norm that stays.
        clip_learning_rate: how fast the norm follows its quantile.
        clip_noise: standard deviation of the noise on the number of updates within the norm.
        denominator: what sums are divided by.
        secure_sum: how uploads are quantised; None where they are not.
        reveal_subset_sums: whether the server may see sums of any members, as games inside one run
            need.
        charge_values: whether the release of values is accounted for as well.
    """

    clip: float | None
    noise: float
    epsilon: float | None
    delta: float
    accountant: str
    by_layer: bool
    quantile: float | None
    clip_learning_rate: float
    clip_noise: float | None
    denominator: Denominator
    secure_sum: SecureSum | None
    reveal_subset_sums: bool
    charge_values: bool

    @property
    def noisy(self) -> bool:
        """Whether sums get noise."""
        return self.noise > 0 or self.epsilon is not None


def none() -> None:
    """Updates are averaged as they are."""


def private(
    *,
    clip: float | None = None,
    noise: float = 0.0,
    epsilon: float | None = None,
    delta: float = 1e-5,
    accountant: str = "rdp",
    by_layer: bool = False,
    quantile: float | None = None,
    clip_learning_rate: float = 0.2,
    clip_noise: float | None = None,
    denominator: Denominator = "fixed",
    charge_values: bool = False,
    secure_sum: dict[str, Any] | None = None,
    reveal_subset_sums: bool = False,
) -> Privacy:
    """Differentially private federated averaging at the level of members, secure sums, or both.

    Each member's update x_i - x_t (of `fedsgd`: its gradient) is clipped to norm C and weighted by
    w_i / max w, so that no member moves the sum by more than C. Noise N(0, (z C)^2) is added to
    each number of the sum, and the sum is divided by a denominator. An update that is not finite
    counts as 0. What the server's optimiser makes of the result costs no more privacy.

    Args:
        clip: C > 0; None for no clipping, and then no noise.
        noise: z >= 0.
        epsilon: instead of `noise`: the smallest z that has this epsilon at `delta` is used.
        delta: in (0, 1); below 1 / members to mean anything.
        accountant: "rdp", or "pld", which is tighter and does not know sampling of fixed size.
        by_layer: whether each of L layers is clipped to C / sqrt(L) by itself.
        quantile: in (0, 1): C follows this quantile of the members' norms. Members also send
            whether they were within C, and noise on their number is part of z.
        clip_learning_rate: > 0: C <- C exp(-clip_learning_rate (share within - quantile)).
        clip_noise: standard deviation of the noise on the number of members within C; if None the
            larger of z and a twentieth of those expected.
        denominator: "fixed": the weight expected to take part, whoever does; "present": the larger
            of this and the weight that does take part, with twice the noise on the mean, which is
            what its sensitivity asks for. Where everybody knows who takes part both are the weight
            of those.
        charge_values: whether the result also states the epsilon of all that values are computed
            from.
        secure_sum: {bits, clip}: uploads become fixed-point words, so that sums are those that
            masked messages would give.
        reveal_subset_sums: whether the server may see the sum of any members, which masks prevent.

    Raises:
        InvalidInputError: a setting out of its range, or settings that do not go together.

    References:
        McMahan, Ramage, Talwar, Zhang 2018, "Learning differentially private recurrent language
        models", algorithm 1 and lemmas 1 and 2; Andrew, Thakkar, McMahan, Ramaswamy 2021,
        "Differentially private learning with adaptive clipping", theorem 1; Bonawitz et al. 2017,
        "Practical secure aggregation for privacy-preserving machine learning".
    """
    _check_noise(clip, noise, epsilon, delta, accountant)
    _check_clipping(clip, by_layer, quantile, clip_learning_rate, clip_noise)
    one_of("denominator", denominator, ("fixed", "present"))
    words = _secure_sum(secure_sum, clip)
    require(
        clip is not None or words is not None,
        "Expected clip or secure_sum to be given with privacy: without them nothing is done.",
    )
    require(
        not charge_values or noise > 0 or epsilon is not None,
        "Expected charge_values=True to be used with noise or epsilon: without noise there is "
        "nothing to charge.",
    )
    return Privacy(
        clip=clip,
        noise=noise,
        epsilon=epsilon,
        delta=delta,
        accountant=accountant,
        by_layer=by_layer,
        quantile=quantile,
        clip_learning_rate=clip_learning_rate,
        clip_noise=clip_noise,
        denominator=denominator,
        secure_sum=words,
        reveal_subset_sums=reveal_subset_sums,
        charge_values=charge_values,
    )


def check_algorithm(privacy: Privacy, algorithm: Algorithm) -> None:
    """Refuses an algorithm whose uploads cannot be protected.

    Raises:
        InvalidInputError: an algorithm that sends more than one update, or one that stops by the
            training loss while there is noise.
    """
    require(
        algorithm.sends != "more",
        "Expected an algorithm that sends one update a round with privacy, such as fedavg, "
        "fedprox, fedadam or fedsgd: what others send besides, and what their members keep, would "
        "be neither clipped nor accounted for.",
    )
    require(
        algorithm.tol is None or not privacy.noisy,
        f"Expected tol={algorithm.tol} to be left out with noise: when training stops would tell "
        "of the members' losses, which are not accounted for.",
    )


def check_subset_sums(privacy: Privacy | None, game: str) -> None:
    """Refuses secure sums in a game that needs the sums of subsets, unless these are revealed.

    Raises:
        InvalidInputError: secure sums without `reveal_subset_sums`.
    """
    require(
        privacy is None or privacy.secure_sum is None or privacy.reveal_subset_sums,
        "Expected reveal_subset_sums=True to be given with secure_sum and "
        f"game={game!r}, which needs the sums of subsets of the members that secure sums hide.",
    )


def _check_noise(
    clip: float | None, noise: float, epsilon: float | None, delta: float, accountant: str
) -> None:
    """Refuses noise that is out of its range, given twice, or without clipping."""
    number("noise", noise, least=0)
    number("delta", delta, above=0)
    require(delta < 1, f"Expected delta={delta!r} to be < 1.")
    one_of("accountant", accountant, ACCOUNTANTS)
    if epsilon is not None:
        number("epsilon", epsilon, above=0)
        require(
            noise == 0, f"Expected noise={noise!r} to be left out with epsilon, which decides it."
        )
    require(
        clip is not None or (noise == 0 and epsilon is None),
        "Expected clip to be given with noise: without it no noise hides a member.",
    )


def _check_clipping(
    clip: float | None,
    by_layer: bool,
    quantile: float | None,
    clip_learning_rate: float,
    clip_noise: float | None,
) -> None:
    """Refuses clipping that is out of its range."""
    if clip is not None:
        number("clip", clip, above=0)
    require(clip is not None or not by_layer, "Expected clip to be given with by_layer=True.")
    number("clip_learning_rate", clip_learning_rate, above=0)
    if clip_noise is not None:
        number("clip_noise", clip_noise, above=0)
        require(
            quantile is not None, f"Expected quantile to be given with clip_noise={clip_noise}."
        )
    if quantile is None:
        return
    fraction("quantile", quantile)
    require(0 < quantile < 1, f"Expected quantile={quantile!r} to lie strictly between 0 and 1.")
    require(clip is not None, f"Expected clip to be given with quantile={quantile!r}, to begin at.")
    require(not by_layer, f"Expected by_layer=True to be left out with quantile={quantile!r}.")


def _secure_sum(given: dict[str, Any] | None, clip: float | None) -> SecureSum | None:
    """The quantisation of secure sums, or a refusal of one that cannot be."""
    if given is None:
        return None
    for name in given:
        one_of("keyword of secure_sum", name, OF_SECURE_SUM)
    require(
        set(given) == set(OF_SECURE_SUM),
        f"Expected secure_sum={given} to have bits and clip, such as {{bits = 22, clip = 8}}.",
    )
    integer("secure_sum.bits", given["bits"])
    require_range(given["bits"], given["clip"], where="secure_sum.")
    require(
        clip is None or clip <= given["clip"],
        f"Expected secure_sum.clip={given['clip']!r} to be >= clip={clip!r}, which a single number "
        "of an update may reach.",
    )
    return SecureSum(given["bits"], float(given["clip"]))


PRIVACIES = {"none": none, "private": private}
