"""When enough coalitions have been valued: rules that look at the estimate after each batch.

They compose: `a & b` stops once both do, `a | b` as soon as one does.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from fedjax_shap._validate import InvalidInputError, fraction, integer, number, one_of
from fedjax_shap.shapley.estimator import Attribution
from fedjax_shap.typing import HostArray

__all__ = [
    "STOPPING_RULES",
    "EstimateProgress",
    "StoppingRule",
    "budget",
    "never",
    "parse_rule",
    "rank_stability",
    "settled",
    "standard_error",
    "wall_clock",
]


class EstimateProgress(NamedTuple):
    """How far an estimate is after a batch of requests.

    Attributes:
        history: what was read after each batch, the last one now; at least one.
        seconds: since the first coalition was asked for.
    """

    history: Sequence[Attribution]
    seconds: float


class Reason(Protocol):
    """Looks at an estimate and says why to stop it."""

    def __call__(self, progress: EstimateProgress, /) -> str | None:
        """Why to stop, in words; None to go on."""


class StoppingRule(NamedTuple):
    """Says when to stop: `a & b` once both do, `a | b` as soon as one does.

    Attributes:
        reason: looks at the estimate and says why to stop.
    """

    reason: Reason

    def __call__(self, progress: EstimateProgress) -> str | None:
        """Why to stop, in words; None to go on."""
        return self.reason(progress)

    def __and__(self, other: "StoppingRule") -> "StoppingRule":
        """Stops once both do."""

        def both(progress: EstimateProgress) -> str | None:
            one = self(progress)
            two = other(progress)
            if one is None or two is None:
                return None
            return f"{one} and {two}"

        return StoppingRule(both)

    def __or__(self, other: "StoppingRule") -> "StoppingRule":
        """Stops as soon as one of them does."""
        return StoppingRule(lambda progress: self(progress) or other(progress))


def never() -> StoppingRule:
    """Goes on until the budget is used up."""
    return StoppingRule(lambda progress: None)


def standard_error(below: float, *, relative: bool = False) -> StoppingRule:
    """Every standard error is known and at most `below`.

    The first batch never stops: its few draws may agree by chance.

    Args:
        below: in units of the utility, or of |V(N) - V(empty)| if `relative`.
        relative: whether it is relative.
    """
    number("below", below, above=0)
    unit = ""
    if relative:
        unit = " of V(N) - V(empty)"

    def reason(progress: EstimateProgress) -> str | None:
        now = progress.history[-1]
        scale = np.ones(())
        if relative:
            scale = np.abs(now.grand - now.empty)
        if len(progress.history) > 1 and bool((now.std_errors <= below * scale).all()):
            return f"every standard error at most {below:g}{unit}"
        return None

    return StoppingRule(reason)


def rank_stability(*, least: float = 0.99, last: int = 5) -> StoppingRule:
    """The ranks of the players agree with those after each of the `last` batches before.

    Args:
        least: Spearman's correlation from which on ranks agree.
        last: how many batches to look back.
    """
    fraction("least", least)
    integer("last", last, least=1)

    def reason(progress: EstimateProgress) -> str | None:
        from scipy.stats import rankdata

        if len(progress.history) <= last:
            return None
        recent = progress.history[-last - 1 :]
        *before, now = [rankdata(_rounded(one.values), axis=0) for one in recent]
        smallest = min(float(_correlation(now, ranks).min()) for ranks in before)
        if smallest < least:
            return None
        return f"ranks stable over {last} batches (Spearman {smallest:.3f})"

    return StoppingRule(reason)


def budget(coalitions: int) -> StoppingRule:
    """So many distinct coalitions were asked for; the batch in which this happens is finished."""
    integer("coalitions", coalitions, least=1)

    def reason(progress: EstimateProgress) -> str | None:
        asked = progress.history[-1].num_coalitions
        if asked < coalitions:
            return None
        return f"{asked} coalitions asked for"

    return StoppingRule(reason)


def wall_clock(seconds: float) -> StoppingRule:
    """So many seconds have passed; the batch in which this happens is finished."""
    number("seconds", seconds, above=0)

    def reason(progress: EstimateProgress) -> str | None:
        if progress.seconds < seconds:
            return None
        return f"{progress.seconds:.1f} s have passed"

    return StoppingRule(reason)


def settled(*, share: float = 0.05, last: int = 10) -> StoppingRule:
    """Over the `last` batches values changed by less than `share`, as in GTG-Shapley.

    References:
        Liu, Chen, Zhang, Lu 2022, "GTG-Shapley: efficient and accurate participant contribution
        evaluation in federated learning", equation 10.
    """
    number("share", share, above=0)
    integer("last", last, least=1)

    def reason(progress: EstimateProgress) -> str | None:
        recent = np.stack([one.values for one in progress.history[-last - 1 :]])
        if settled_within(recent, share=share, last=last):
            return f"values settled within {share:.0%} over {last} batches"
        return None

    return StoppingRule(reason)


def settled_within(history: HostArray, *, share: float = 0.05, last: int = 10) -> bool:
    """Whether the values have changed little, in every slice of the trailing axes.

    That is whether the mean over m = 1..last and players of |phi^k - phi^(k - m)| / |phi^k| is
    below `share`.

    Args:
        history: float64[K, P, ...], the values after each batch.
        share: the bound.
        last: how many batches to look back; values have not settled before so many.
    """
    if len(history) <= last:
        return False
    now = history[-1]
    before = history[-last - 1 : -1]
    changed = np.abs(now - before)
    size = np.broadcast_to(np.abs(now), before.shape)
    # a value of 0 has changed by nothing, or without bound
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
        InvalidInputError: the text does not compose known rules.
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
    """The rule that an expression describes; TypeError where it is neither & nor | nor a call."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        left = _rule(node.left)
        right = _rule(node.right)
        if isinstance(node.op, ast.BitAnd):
            return left & right
        return left | right
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise TypeError(f"{ast.unparse(node)!r} is not a rule")
    one_of("a rule in until", node.func.id, STOPPING_RULES)
    arguments = [ast.literal_eval(value) for value in node.args]
    named: dict[str, Any] = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    return STOPPING_RULES[node.func.id](*arguments, **named)


def _rounded(values: HostArray) -> HostArray:
    """The values to 1e-9 of the largest, so that rounding errors do not decide ranks."""
    scale = 1e-9 * max(float(np.abs(values).max()), np.finfo(float).tiny)
    return np.asarray(np.round(values / scale))


def _correlation(one: HostArray, two: HostArray) -> HostArray:
    """float64[...]: Pearson's correlation over the first axis.

    It is 1 where neither varies and 0 where only one does.
    """
    one = one - one.mean(axis=0)
    two = two - two.mean(axis=0)
    scale = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
    same = np.all(one == two, axis=0)
    products = (one * two).sum(axis=0)
    flat = np.where(same, 1.0, 0.0)
    return np.asarray(np.divide(products, scale, out=flat, where=scale > 0))
