"""`fedjax-shap audit`: what can be said for and against the payments of a run."""

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedjax_shap.cli.output import require_figure, say, write, write_figure
from fedjax_shap.cli.settle import add_settings, settings_of

if TYPE_CHECKING:  # the rest of the package needs JAX, which help and refusals answer without
    from fedjax_shap.economics.intervals import Intervals
    from fedjax_shap.pipeline.load import LoadedRun
    from fedjax_shap.report.sweeps import Sweep

LEVEL = 0.95  # of the intervals in the figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `audit` takes."""
    parser.add_argument(
        "result", metavar="RESULT", help="a run's folder or its result.json, or what `settle` wrote"
    )
    parser.add_argument("--json", metavar="FILE", help="the findings with their numbers")
    parser.add_argument("--figure", metavar="FILE", help="a page of figures: .png, .svg or .pdf")
    add_settings(parser, "settings by which a run is settled again before it is audited")
    parser.set_defaults(call=_audit)


def _audit(known: argparse.Namespace, rest: list[str]) -> None:
    require_figure(known.figure)

    from fedjax_shap.audits.registry import audit
    from fedjax_shap.pipeline.load import read_run
    from fedjax_shap.report import settlement_figures
    from fedjax_shap.report.findings import findings_table
    from fedjax_shap.report.render import to_terminal

    run = read_run(known.result, settings_of(known))
    settled = run.case.settlement
    findings = audit(run.case)
    if known.json is not None:
        record = {
            "title": run.title,
            "utilities": run.said,
            "findings": [_plain(finding.to_json()) for finding in findings],
        }
        written = json.dumps(record, indent=1, allow_nan=False) + "\n"
        write(written.encode(), known.json, "json")
    if known.figure is not None:
        page = settlement_figures.page(
            run.title, settled, intervals=_intervals(run), sweeps=_sweeps(run), findings=findings
        )
        write_figure(page, known.figure)
    to_terminal(findings_table(findings, f"Audits of {run.title}"))
    for sentence in (run.said, *settled.notes):
        say(sentence)


def _intervals(run: "LoadedRun") -> "Intervals | None":
    """Intervals of a run's payments; None where its values have no errors, or unknown ones."""
    from fedjax_shap.economics.intervals import payment_intervals

    errors = run.case.std_errors
    if errors is None or run.rule is None or not (errors > 0).any():
        return None
    settled = run.case.settlement
    return payment_intervals(
        settled.values,
        settled.costs,
        settled.revenue,
        std_errors=errors,
        level=LEVEL,
        rule=run.rule,
        sizes=run.case.sizes,
        players=settled.players,
        minor_unit=settled.minor_unit,
    )


def _sweeps(run: "LoadedRun") -> "list[Sweep]":
    """The run at other revenues, and at other prices of energy if its costs are its devices' bill,
    else at other costs.
    """
    from fedjax_shap.report import sweeps

    if run.rule is None:
        return []
    settled = run.case.settlement
    pricing = {"rule": run.rule, "sizes": run.case.sizes}
    by_revenue = sweeps.over_revenue(settled, **pricing)
    if run.bill is not None and run.bill.total == settled.costs:
        return [by_revenue, sweeps.over_energy(settled, run.bill, **pricing)]
    return [by_revenue, sweeps.over_costs(settled, **pricing)]


def _plain(value: Any) -> Any:
    """A finding's numbers as JSON has them: None for what is not finite."""
    import numpy as np

    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
