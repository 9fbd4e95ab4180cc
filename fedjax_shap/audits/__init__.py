"""What a settlement can be checked for.

`audit` runs every audit of `AUDITS` on the `Evidence` and gives a `Finding` of each: a sentence,
whether the property holds, and the numbers that it was judged by.
"""

from fedjax_shap.audits.core import core_stability
from fedjax_shap.audits.evidence import Evidence, Finding
from fedjax_shap.audits.fairness import (
    budget_balance,
    free_riders,
    individual_rationality,
    null_players,
    proportionality,
    symmetry,
)
from fedjax_shap.audits.manipulation import (
    false_name_splitting,
    merging,
    over_reported_cost,
    replication,
)
from fedjax_shap.audits.registry import AUDITS, audit

__all__ = [
    "AUDITS",
    "Evidence",
    "Finding",
    "audit",
    "budget_balance",
    "core_stability",
    "false_name_splitting",
    "free_riders",
    "individual_rationality",
    "merging",
    "null_players",
    "over_reported_cost",
    "proportionality",
    "replication",
    "symmetry",
]
