"""Accounting: the (epsilon, delta) of training with noise on sums, by `dp-accounting`.

A mechanism is what is done in all rounds to what the members send: each member's update is clipped
to C, sums are taken over the members of a round, and N(0, (z C)^2) is added to each number.
"""

import logging
from collections.abc import Callable
from math import inf, isfinite
from typing import Any, Literal, NamedTuple

from fedjax_shap._validate import InvalidInputError, integer, number, one_of, require

MOST_NOISE = 1e5  # z beyond which nothing is learned
LEAST_NOISE = 1e-2
STEPS = 30  # of the bisection of z

How = Literal["poisson", "fixed", "known"]


class Sampling(NamedTuple):
    """Who takes part in a round, as far as an accountant uses it.

    Attributes:
        how: "poisson": each member by itself with chance `rate`. "fixed": `participants` of
            `members`, drawn without replacement. "known": everyone may know who takes part, so that
            nothing is gained by sampling.
        rate: the largest chance of a member to take part in a round; 1 where it is known.
        participants: m of a round with "fixed"; else how many are expected, rounded.
        members: C.
    """

    how: How
    rate: float = 1.0
    participants: int = 0
    members: int = 0

    @property
    def neighbours(self) -> str:
        """Which federations the guarantee holds against each other."""
        if self.how == "fixed":
            return "replace one member"
        return "add or remove one member"


class Mechanism(NamedTuple):
    """Noise on sums, round by round.

    Attributes:
        noise: z, the standard deviation as a multiple of the clipping norm.
        rounds: how many sums a member can be in.
        sampling: who takes part in them.
    """

    noise: float
    rounds: int
    sampling: Sampling


def epsilon_of(mechanism: Mechanism, delta: float, accountant: str = "rdp") -> float:
    """The epsilon of a mechanism at a delta.

    Args:
        mechanism: what is done in all rounds.
        delta: in (0, 1).
        accountant: a name in `ACCOUNTANTS`: "rdp", Renyi differential privacy, for every sampling;
            "pld", privacy loss distributions, tighter, not for sampling of fixed size.

    Returns:
        epsilon; infinite without noise.

    Raises:
        InvalidInputError: an unknown accountant, one that cannot account for the sampling, a delta
            outside (0, 1), or no `dp-accounting`.

    References:
        Mironov, Talwar, Zhang 2019, "Renyi differential privacy of the sampled Gaussian mechanism";
        Wang, Balle, Kasiviswanathan 2019, "Subsampled Renyi differential privacy and analytical
        moments accountant", theorem 27; Canonne, Kamath, Steinke 2020, "The discrete Gaussian for
        differential privacy", proposition 12; Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022,
        "Connect the dots: tighter discrete approximations of privacy loss distributions".
    """
    check_accountant(mechanism.sampling, delta, accountant)
    integer("rounds", mechanism.rounds, least=0)
    number("noise", mechanism.noise, least=0)
    if mechanism.rounds == 0:
        return 0.0
    if mechanism.noise == 0:
        return inf
    found = _counted(mechanism, delta, accountant)
    if mechanism.sampling.how == "fixed":
        # the bound of sampling is loose where there is little noise; without sampling it holds too
        found = min(found, _counted(unsampled(mechanism), delta, accountant))
    return found


def noise_for(
    epsilon: float, rounds: int, sampling: Sampling, delta: float, accountant: str = "rdp"
) -> float:
    """The smallest z, to four digits, whose mechanism has at most an epsilon at a delta.

    Args:
        epsilon: > 0.
        rounds: how many sums a member can be in.
        sampling: who takes part in them.
        delta: in (0, 1).
        accountant: as in `epsilon_of`.

    Raises:
        InvalidInputError: as `epsilon_of`; an epsilon that no z up to `MOST_NOISE` meets.
    """
    number("epsilon", epsilon, above=0)

    def meets(noise: float) -> bool:
        return epsilon_of(Mechanism(noise, rounds, sampling), delta, accountant) <= epsilon

    low = LEAST_NOISE
    high = 1.0
    while high <= MOST_NOISE and not meets(high):
        low = high
        high *= 4
    require(
        high <= MOST_NOISE,
        f"Expected epsilon={epsilon!r} to be larger: with delta={delta!r} and rounds={rounds} no "
        f"noise up to {MOST_NOISE:,.0f} times the clipping norm meets it by "
        f"accountant={accountant!r}.",
    )
    for _ in range(STEPS):
        if high / low < 1 + 1e-4:
            break
        middle = (low * high) ** 0.5
        if meets(middle):
            high = middle
        else:
            low = middle
    return high


def check_accountant(sampling: Sampling, delta: float, accountant: str) -> None:
    """Refuses what `epsilon_of` cannot account for."""
    one_of("accountant", accountant, ACCOUNTANTS)
    number("delta", delta, above=0)
    require(delta < 1, f"Expected delta={delta!r} to be < 1.")
    require(
        sampling.how != "fixed" or accountant != "pld",
        "Expected accountant='pld' to be 'rdp' where a fixed number of members is drawn a round.",
    )


def unsampled(mechanism: Mechanism) -> Mechanism:
    """A mechanism without what sampling gains, whose epsilon is no smaller."""
    noise = mechanism.noise
    if mechanism.sampling.how == "fixed":
        noise = noise / 2  # a member that is replaced moves a sum by up to 2 C
    return Mechanism(noise, mechanism.rounds, Sampling("known"))


def _counted(mechanism: Mechanism, delta: float, accountant: str) -> float:
    """The epsilon that `dp-accounting` finds."""
    event, replaces = _event(mechanism)
    counting = ACCOUNTANTS[accountant](replaces)
    # orders for which a series does not converge are left out, which is safe: no need to say so
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        counting.compose(event, mechanism.rounds)
        return float(counting.get_epsilon(delta))
    finally:
        log.setLevel(level)


def _event(mechanism: Mechanism) -> tuple[Any, bool]:
    """A round as `dp-accounting` has it, and whether members are replaced."""
    accounting = _library()
    noise, _, sampling = mechanism
    if sampling.how == "fixed":
        # a member that is replaced moves the sum by up to 2 C
        inner = accounting.GaussianDpEvent(noise / 2)
        event = accounting.SampledWithoutReplacementDpEvent(
            sampling.members, sampling.participants, inner
        )
        return event, True
    inner = accounting.GaussianDpEvent(noise)
    if sampling.how == "poisson" and sampling.rate < 1:
        return accounting.PoissonSampledDpEvent(sampling.rate, inner), False
    return inner, False


def _neighbours(replaces: bool) -> Any:
    relation = _library().NeighboringRelation
    if replaces:
        return relation.REPLACE_ONE
    return relation.ADD_OR_REMOVE_ONE


def _rdp(replaces: bool) -> Any:
    """Renyi differential privacy."""
    _library()
    from dp_accounting import rdp

    return rdp.RdpAccountant(neighboring_relation=_neighbours(replaces))


def _pld(replaces: bool) -> Any:
    """Privacy loss distributions."""
    _library()
    from dp_accounting import pld

    return pld.PLDAccountant(neighboring_relation=_neighbours(replaces))


def _library() -> Any:
    """The package `dp_accounting`, or a refusal that says where it comes from."""
    try:
        import dp_accounting
    except ImportError as error:
        raise InvalidInputError(
            "Expected dp-accounting to be installed for an epsilon; `pip install "
            "'fedjax-shap[privacy]'`."
        ) from error
    return dp_accounting


def written(epsilon: float) -> float | None:
    """An epsilon as JSON has it: None where it is infinite."""
    if isfinite(epsilon):
        return epsilon
    return None


ACCOUNTANTS: dict[str, Callable[[bool], Any]] = {"rdp": _rdp, "pld": _pld}
