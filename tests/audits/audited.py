"""A settlement of four members with its evidence, for the tests of the audits."""

import numpy as np

from fedjax_shap.audits.evidence import Evidence, Finding
from fedjax_shap.audits.registry import AUDITS
from fedjax_shap.coalitions import all_subsets
from fedjax_shap.economics.settle import settle
from fedjax_shap.shapley.exact import shapley_values

MASKS = all_subsets(4)
# A and B are twins, C is worth half of either, D adds nothing to any coalition.
TABLE = np.sqrt(MASKS @ np.array([2.0, 2.0, 1.0, 0.0]))
VALUES = shapley_values(TABLE)
COSTS = ["10", "20", "5", "1"]
SIZES = [30, 30, 20, 10]
NAMES = ("A", "B", "C", "D")


def audited(
    *, values=VALUES, rule=None, revenue=200, costs=COSTS, known=True, rows=slice(None), **further
):
    """The evidence of a settlement; of the utilities all are known, those of `rows`, or none."""
    settlement = settle(values, costs, revenue, rule=rule, players=NAMES, sizes=SIZES)
    if known:
        further = {"masks": MASKS[rows], "utilities": TABLE[rows], **further}
    return Evidence(
        settlement=settlement, names=NAMES, values=np.array(values), sizes=SIZES, **further
    )


def finding(name: str, evidence: Evidence) -> Finding:
    """What the audit of that name finds."""
    return AUDITS[name](evidence)
