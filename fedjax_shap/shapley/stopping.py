"""When enough coalitions have been valued: rules that look at the estimate after each turn, and
compose by & and |.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, fraction, integer, number, one_of
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import HostArray


class EstimateProgress(NamedTuple):
    """Where an estimate stands after a turn.

    Attributes:
        history: what was read after each turn, the last one now.
        seconds: since the first coalition was asked for.
    """

    history: Sequence[Attribution]
    seconds: float


class StoppingRule(NamedTuple):
    """Says when to stop: `a & b` once both do, `a | b` as soon as one does.

    Attributes:
        reason: progress -> why to stop, in words; None to go on.
    """

    reason: Callable[[EstimateProgress], str | None]

    def __call__(self, progress: EstimateProgress) -> str | None:
        """Why to stop, in words; None to go on."""
        return self.reason(progress)

    def __and__(self, other: "StoppingRule") -> "StoppingRule":
        """Stops once both do."""

        def both(progress: EstimateProgress) -> str | None:
            one, two = self(progress), other(progress)
            return None if one is None or two is None else f"{one} and {two}"

        return StoppingRule(both)

    def __or__(self, other: "StoppingRule") -> "StoppingRule":
        """Stops as soon as one of them does."""
        return StoppingRule(lambda progress: self(progress) or other(progress))


def never() -> StoppingRule:
    """Goes on until the budget is used up."""
    return StoppingRule(lambda progress: None)


def standard_error(below: float, *, relative: bool = False) -> StoppingRule:
    """Every standard error is known and at most `below`.

    Args:
        below: in units of the utility, or of |V(N) - V(empty)| if `relative`.
        relative: which of both.
    """
    number("below", below, above=0)

    def reason(progress: EstimateProgress) -> str | None:
        found = progress.history[-1]
        scale = np.abs(found.grand - found.empty) if relative else 1.0
        calm = len(progress.history) > 1 and bool((found.std_errors <= below * scale).all())
        return (
            f"every standard error at most {below:g}{' of V(N) - V(empty)' if relative else ''}"
            if calm
            else None
        )

    return StoppingRule(reason)


def rank_stability(*, least: float = 0.99, last: int = 5) -> StoppingRule:
    """The players' order now agrees with each of the `last` orders before: Spearman's correlation
    is >= `least`.
    """
    fraction("least", least)
    integer("last", last, least=1)

    def reason(progress: EstimateProgress) -> str | None:
        from scipy.stats import rankdata

        if len(progress.history) <= last:
            return None
        ranks = [rankdata(_rounded(one.values), axis=0) for one in progress.history[-last - 1 :]]
        agree = min(float(_correlation(ranks[-1], before).min()) for before in ranks[:-1])
        return f"ranks stable over {last} turns (Spearman {agree:.3f})" if agree >= least else None

    return StoppingRule(reason)


def budget(coalitions: int) -> StoppingRule:
    """So many distinct coalitions were asked for; the turn in which this happens is finished."""
    integer("coalitions", coalitions, least=1)

    def reason(progress: EstimateProgress) -> str | None:
        asked = progress.history[-1].num_coalitions
        return f"{asked} coalitions asked for" if asked >= coalitions else None

    return StoppingRule(reason)


def wall_clock(seconds: float) -> StoppingRule:
    """So many seconds have gone by; the turn in which this happens is finished."""
    number("seconds", seconds, above=0)
    return StoppingRule(
        lambda progress: (
            f"{progress.seconds:.1f} s gone by" if progress.seconds >= seconds else None
        )
    )


def settled(*, share: float = 0.05, last: int = 10) -> StoppingRule:
    """GTG-Shapley's rule: over the `last` turns values changed by less than `share` (Liu et al.
    2022, equation 10).
    """
    number("share", share, above=0)
    integer("last", last, least=1)

    def reason(progress: EstimateProgress) -> str | None:
        recent = np.stack([one.values for one in progress.history[-last - 1 :]])
        calm = settled_within(recent, share=share, last=last)
        return f"values settled within {share:.0%} over {last} turns" if calm else None

    return StoppingRule(reason)


def settled_within(history: HostArray, *, share: float = 0.05, last: int = 10) -> bool:
    """Whether mean over m = 1..last and players of |phi^k - phi^(k - m)| / |phi^k| is below
    `share`, in every slice.

    Args:
        history: float64[K, P, ...], the values after each turn.
        share: the bound.
        last: how many turns to look back; not settled before so many.
    """
    if len(history) <= last:
        return False
    now, before = history[-1], history[-last - 1 : -1]
    changed, size = np.abs(now - before), np.broadcast_to(np.abs(now), before.shape)
    moved = np.divide(changed, size, out=np.where(changed > 0, np.inf, 0.0), where=size > 0)
    return bool((moved.mean(axis=(0, 1)) < share).all())


STOPPING_RULES: Mapping[str, Callable[..., StoppingRule]] = {
    "never": never,
    "standard_error": standard_error,
    "rank_stability": rank_stability,
    "budget": budget,
    "wall_clock": wall_clock,
    "settled": settled,
}


def parse_rule(text: str) -> StoppingRule:
    """The rule that a text describes, such as "standard_error(0.01) & rank_stability() |
    wall_clock(60)".

    Raises:
        InvalidInputError: the text is no composition of known rules.
    """
    try:
        return _rule(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, TypeError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(
            f"Expected until={text!r} to join rules by & and |, as in 'standard_error(0.01) | "
            f"wall_clock(60)': {error}."
        ) from None


def _rule(node: ast.expr) -> StoppingRule:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        left, right = _rule(node.left), _rule(node.right)
        return left & right if isinstance(node.op, ast.BitAnd) else left | right
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise TypeError(f"{ast.unparse(node)!r} is no rule")
    one_of("a rule in until", node.func.id, STOPPING_RULES)
    given: dict[str, Any] = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    return STOPPING_RULES[node.func.id](*(ast.literal_eval(value) for value in node.args), **given)


def _rounded(values: HostArray) -> HostArray:
    """Values of which rounding errors do not decide an order: to 1e-9 of the largest."""
    scale = 1e-9 * max(float(np.abs(values).max()), np.finfo(float).tiny)
    return np.asarray(np.round(values / scale))


def _correlation(one: HostArray, two: HostArray) -> HostArray:
    """Pearson's correlation over the first axis, float64[...]; 1 where neither varies, 0 where one
    does not.
    """
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    scale = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
    same = np.all(one == two, axis=0)
    return np.asarray(
        np.divide((one * two).sum(axis=0), scale, out=np.where(same, 1.0, 0.0), where=scale > 0)
    )
