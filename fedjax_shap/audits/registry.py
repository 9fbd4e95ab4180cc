"""Audits of a settlement: each a function of evidence that returns a finding; the registry AUDITS.

An audit says what it cannot judge for want of evidence: `Finding.holds` is None then, and nothing
is raised.
"""

from fedjax_shap._validate import of_kind
from fedjax_shap.audits.core import core_stability
from fedjax_shap.audits.evidence import Audit, Evidence
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

AUDITS: dict[str, Audit] = {
    "budget_balance": budget_balance,
    "individual_rationality": individual_rationality,
    "proportionality": proportionality,
    "symmetry": symmetry,
    "null_players": null_players,
    "free_riders": free_riders,
    "core_stability": core_stability,
    "false_name_splitting": false_name_splitting,
    "replication": replication,
    "merging": merging,
    "over_reported_cost": over_reported_cost,
}


def audit(evidence: Evidence) -> tuple[Finding, ...]:
    """The finding of every audit of `AUDITS`, in that order."""
    of_kind("evidence", evidence, Evidence, "Evidence(settlement=...)")
    return tuple(each(evidence) for each in AUDITS.values())
