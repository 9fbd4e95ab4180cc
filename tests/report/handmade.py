"""Results of runs that never ran, for what is shown of them."""

from decimal import Decimal
from typing import Any

import numpy as np

from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import settle
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.curves import LearningCurves
from fedjax_shap.pipeline.result import Result
from fedjax_shap.shapley.estimator import Attribution


def attribution(values: Any, errors: Any = 0.0) -> Attribution:
    """Values that sum to V(N) - V(empty), with V(empty) = 0."""
    values = np.asarray(values, float)
    errors = np.broadcast_to(np.asarray(errors, float), values.shape)
    return Attribution(
        values=values,
        std_errors=errors,
        empty=np.asarray(0.0),
        grand=np.asarray(values.sum()),
        num_coalitions=2 ** min(len(values), 20),
        stopped="all coalitions are valued",
    )


def result_of(
    names: Any,
    values: Any,
    *,
    errors: Any = 0.0,
    costs: Any = None,
    revenue: Any = 100,
    rule: str = "cost_aware",
    unpaid: str = "",
    title: str = "run",
    raw: dict[str, Any] | None = None,
    **others: Any,
) -> Result:
    """The result of a run whose members have these values, costs and payments."""
    found = attribution(values, errors)
    costs = [Decimal(str(cost)) for cost in costs or [0] * len(names)]
    settled = None
    if not unpaid:
        settled = settle(found, costs, revenue, rule=RULES[rule](), players=list(names))
    fields: dict[str, Any] = {
        "config": parse({"title": title, **(raw or {})}),
        "setting": "cross-silo",
        "players": tuple(names),
        "sizes": np.arange(1, len(names) + 1),
        "metric": "accuracy",
        "value_label": "Shapley value",
        "attribution": found,
        "settlement": settled,
        "unpaid": unpaid,
        "costs": tuple(costs),
        "intervals": None,
        "alike": (),
        "curve": None,
        "metered": None,
        "coalitions": {"asked": 8, "trained": 6, "from_store": 2},
        "timing": {"compile_s": 1.0, "train_s": 2.0, "total_s": 3.0},
    }
    return Result(**{**fields, **others})


def curves_of(num_members: int, num_rounds: int = 3) -> LearningCurves:
    """Curves that rise."""
    rising = np.linspace(0.2, 0.9, num_rounds)
    return LearningCurves(
        federated=rising,
        alone=rising * np.linspace(0.5, 0.9, num_members)[:, None],
        pooled=rising + 0.05,
        pooled_metric=0.95,
        num_rounds=num_rounds,
    )
