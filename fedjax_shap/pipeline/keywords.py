"""Keywords that every entry of a section takes besides its own, each as a function's signature."""

from typing import Any, Literal


def of_data(
    *, validation: float = 0.0, member_test: float = 0.0, validation_users: float = 0.0
) -> None:
    """`validation` is the share of the test set that becomes the validation set, on which
    coalitions are valued. `member_test` is the share of its training rows that each member holds
    out as its own test rows, which are the validation set then. `validation_users` is the share of
    the members who never train; their rows are the validation set then.
    """


def of_estimator(
    *,
    budget: int | None = None,
    until: str | None = None,
    turn: int | None = None,
    repeats: int = 1,
    efficient: bool = False,
    on_nonfinite: Literal["error", "floor"] = "error",
) -> None:
    """`budget` is the most distinct coalitions to ask for; with the game `rounds`, in each round.
    `until` stops before, by rules such as "standard_error(0.01) | wall_clock(600)", looked at after
    each batch of `turn` coalitions. `repeats` is the number of training seeds over which values are
    averaged (game `silo`). `efficient` divides equally what the values lack to V(N) - V(empty).
    `on_nonfinite` is what becomes of a coalition whose training diverged: an error, once all others
    are valued, or "floor": it counts as V(empty).
    """


def of_participation(*, drop_out: float | tuple[float, ...] = 0.0) -> None:
    """`drop_out` is the probability that a member leaves in a round before it has uploaded, one for
    all or one each.
    """


def of_privacy(*, records: dict[str, Any] | None = None) -> None:
    """`records` is noise on the features of single records at the members: {law, clip, epsilon},
    law "gaussian" or "laplace", and delta for the former.
    """


def of_economics(
    *,
    revenue: float | int | str = 1000,
    minor_unit: float | int | str = "0.01",
    curve: tuple[tuple[float, float], ...] | None = None,
    verify: Literal["cap", "replace"] | None = None,
    permanent: dict[str, Any] | None = None,
) -> None:
    """`revenue` is what the joint model earned, `minor_unit` the smallest payable amount. `curve`
    has (metric, revenue) pairs instead, between which the revenue is read off at the model's metric
    on the validation set; an error counts with a minus sign. `verify` caps costs at those that
    [devices] and the recorded work imply, or replaces them. `permanent` is what a member keeps that
    is in every coalition: {cost, keeps} and what that rule takes: "rest" (alone, 0), "share"
    (share) or "veto" (chance).
    """


def none() -> None:
    """Entries of this section take keywords of their own alone."""
