"""Audits of a settlement: each a function of a case with a sentence as its result; the registry
AUDITS.

What an audit cannot judge for want of evidence it says: `Finding.holds` is None then, and nothing
is raised.
"""

from collections.abc import Callable

from fedjax_shap.audits.core import core_stability
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.audits.evidence import Finding as Finding
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

AUDITS: dict[str, Callable[[Evidence], Finding]] = {
    audit.__name__: audit
    for audit in (
        budget_balance,
        individual_rationality,
        proportionality,
        symmetry,
        null_players,
        free_riders,
        core_stability,
        false_name_splitting,
        replication,
        merging,
        over_reported_cost,
    )
}


def audit(case: Evidence) -> tuple[Finding, ...]:
    """Every audit of `AUDITS` on one case, in that order; those that lack evidence say so."""
    return tuple(each(case) for each in AUDITS.values())
