"""Findings of audits as a table."""

from collections.abc import Sequence

from fedjax_shap.audits.evidence import Finding
from fedjax_shap.report.tables import Table, text, word

_HOLDS = {True: "yes", False: "no", None: "not judged"}


def findings_table(findings: Sequence[Finding], title: str) -> Table:
    """Audits to look at: what was asked, whether it holds, and the sentence that says why.

    Args:
        findings: what the audits found, a row each.
        title: above the table.
    """
    rows = [
        (finding.name.replace("_", " "), _HOLDS[finding.holds], finding.sentence)
        for finding in findings
    ]
    return Table(title, (word("audit"), word("holds"), text("finding")), tuple(rows))
