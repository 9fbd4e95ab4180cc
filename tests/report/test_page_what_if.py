"""The page settles a run again as the package does: to the cent, under each rule that it offers."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
from browser import computed

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.cost import Bill
from fedjax_shap.economics.cost_cap import cap_costs
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import settle
from fedjax_shap.report.page_what_if import OFFERED, what_if_of

SETTLED = """
given[0].map(([record, rules, revenues]) => {
  const game = readGame(record);
  return rules.map((rule) => revenues.map((revenue) => {
    try { return settle(game, rule, BigInt(revenue)); }
    catch (error) { if (error instanceof Refusal) return null; throw error; }
  }));
})
"""


def run_of(values, costs, revenue="100", *, names=None, sizes=None, **more):
    """What the page reads of a run's result.json."""
    names = names or [f"member {at}" for at in range(len(values))]
    return {
        "players": list(names),
        "values": [float(value) for value in values],
        "std_errors": None,
        "costs": [str(cost) for cost in costs],
        "sizes": sizes or list(range(len(values))),
        "settlement": None,
        "config": {"economics": {"revenue": revenue, **more.pop("economics", {})}},
        **more,
    }


def settings_of(rule) -> list[dict]:
    """All settings that the page can give a rule."""
    negatives = [(one, True) for one in rule["negative"]] or [("clip", True)]
    if rule["reimburse"]:
        negatives.append(("exclude", False))
    return [
        {"name": rule["name"], "of": rule["of"], "negative": one, "reimburse": back, "loss": loss}
        for (one, back), loss in itertools.product(negatives, rule["loss"] or ["formula"])
    ]


def rule_of(setting, offered):
    """The package's rule of these settings."""
    keys = [key for key in ("negative", "reimburse", "loss") if offered[key]]
    return RULES[setting["name"]](**{key: setting[key] for key in keys})


def expected(record, what, setting, revenue, *, cap=None):
    """(payments, what a permanent member gets) in minor units; None where `settle` refuses."""
    offered = next(one for one in what.rules if one["name"] == setting["name"])
    rule = rule_of(setting, offered)
    if cap is not None:
        rule = cap_costs(rule, cap[1], method=cap[0])
    unit = Decimal(record["config"]["economics"].get("minor_unit", "0.01"))
    settled = record["settlement"]
    values = record["values"]
    if settled and setting["of"] == settled["of"]:
        values = settled["values"]
    try:
        made = settle(
            values,
            record["costs"],
            unit * revenue,
            rule=rule,
            players=record["players"],
            sizes=record["sizes"],
            minor_unit=unit,
            permanent=record.get("permanent"),
        )
    except InvalidInputError:
        return None
    kept = None if made.permanent is None else str(int(made.permanent.payment / unit))
    return {"payments": [str(int(one / unit)) for one in made.payments], "permanent": kept}


ENDS = "given[0].map(([text, digits, unit]) => typed(text, digits, BigInt(unit)))"


def agree(records, revenues, *, cap=None):
    """Compares page and package over all rules, settings and revenues; how often both refuse."""
    asked = []
    for record in records:
        what = what_if_of(record)
        assert not isinstance(what, str), what
        rules = [setting for rule in what.rules for setting in settings_of(rule)]
        asked.append((what, rules))
    given = [[what.record, rules, list(map(str, revenues))] for what, rules in asked]
    refused = compared = 0
    for record, (what, rules), made in zip(records, asked, computed(SETTLED, given), strict=True):
        for setting, row in zip(rules, made, strict=True):
            for revenue, one in zip(revenues, row, strict=True):
                assert one == expected(record, what, setting, revenue, cap=cap), (
                    record,
                    setting,
                    revenue,
                )
                compared += 1
                refused += one is None
    return refused, compared


def test_all_rules_are_offered():
    assert set(OFFERED) == set(RULES)


def test_the_page_pays_what_the_package_pays_under_every_rule_and_revenue():
    rng = np.random.default_rng(0)
    records = []
    for members in (1, 3, 7):
        values = rng.normal(0.2, 0.5, members)
        costs = [f"{cost:.3f}" for cost in rng.uniform(0, 30, members)]
        records.append(run_of(values, costs))
    revenues = [0, 1, 99, 3001, 99_999_999, *map(int, rng.integers(0, 20_000, 3))]
    refused, compared = agree(records, revenues)
    assert 0 < refused < compared / 2


def test_equal_remainders_go_by_payment_value_cost_and_name():
    names = ["b", "\U0001f600", "\uff5e", "a", "A"]  # the second is last in Python, not in UTF-16
    records = [
        run_of([1, 1, 1, 1, 1], [0, 0, 0, 0, 0], names=names),
        run_of([1, 1, 1, 1, 1], [1, 2, 1, 2, 1], names=names),
        run_of([3, 1, 3, 1, 1], [0, 1, 2, 3, 4], names=names, sizes=[1, 1, 1, 1, 1]),
    ]
    agree(records, range(0, 1200, 97))


def test_awkward_numbers_are_exact():
    records = [
        run_of([1e-300, 3e-300, -1e-310], ["0.02222222222222222", "1e-20", "7"]),
        run_of([1e17, 1e17 + 16, 1.0], ["1000000000000000000", "0.1", "0"]),
        run_of([0.1 + 0.2, -0.3, 1e-17], [0, 0, 0]),  # cancels down to rounding error
        run_of([0.5, 0.25, 0.125], [5, 1, 2], economics={"minor_unit": "0.05"}),
        run_of([0.5, 0.25, 0.125], [500, 1, 2], economics={"minor_unit": "100"}),
    ]
    agree(records, [0, 1, 7, 200, 54_321, 10**18 + 1])
    offered = [what_if_of(record) for record in records]
    for name in ("revenue", "highest"):
        asked = [[getattr(one, name), one.record["digits"], one.record["unit"]] for one in offered]
        assert None not in computed(ENDS, asked)


@pytest.mark.parametrize(
    "claim",
    [
        {"name": "label holder", "cost": "20.005", "keeps": "rest", "alone": "15"},
        {"name": "label holder", "cost": 3},
        {"name": "label holder", "keeps": "share", "share": 0.1},
        {"name": "label holder", "keeps": "veto", "chance": 0.5, "means": [0.6, 0.7, 0.83, 0.9]},
        {"name": "label holder", "keeps": "veto", "chance": 0.5, "means": [2.0, 0.7, 0.8, 0.9]},
    ],
)
def test_a_permanent_member_is_paid_first(claim):
    record = run_of([0.5, -0.1, 0.3], ["4.005", "2", "3.333"], permanent=claim)
    agree([record], [0, 1999, 2000, 2001, 2934, 2935, 3333, 4435, 12_345])


@pytest.mark.parametrize("method", ["cap", "replace"])
def test_costs_are_limited_as_in_the_run(method):
    implied = ["3", "2.5", "7.125"]
    nothing = ["0", "0", "0"]
    parts = {"energy": implied, "time": nothing, "communication": nothing, "fixed": nothing}
    record = run_of([0.5, -0.1, 0.3], ["4.005", "2", "3.333"], member_devices={"costs": parts})
    names = record["players"]
    bill = Bill.from_json(parts, names).total
    rule = cap_costs(RULES["cost_aware"](), bill, method=method)
    claims = (record["values"], record["costs"], "100")
    made = settle(*claims, rule=rule, players=names, sizes=record["sizes"])
    record["settlement"] = made.to_json()
    agree([record], [0, 100, 900, 10_000, 12_345], cap=(method, bill))


def test_values_of_another_kind_are_divided_by_the_rule_that_asks_for_them():
    record = run_of([0.5, -0.1, 0.3], [1, 2, 3], economics={"name": "banzhaf"})
    made = settle(
        [0.2, 0.4, 0.1], record["costs"], "100", rule=RULES["banzhaf"](), players=record["players"]
    )
    record["settlement"] = made.to_json()
    what = what_if_of(record)
    offered = [one["name"] for one in what.rules]
    assert "banzhaf" in offered and "leave_one_out" not in offered
    agree([record], [0, 500, 12_345])


def test_a_run_whose_payments_are_not_repeated_is_left_out():
    record = run_of([0.5, 0.1], [1, 2])
    made = settle(record["values"], record["costs"], "100", players=record["players"])
    record["settlement"] = {**made.to_json(), "payments": ["50.00", "50.00"]}
    assert "to repeat its payments" in what_if_of(record)
    record["config"]["economics"]["name"] = "my_rules:mine"
    assert "my_rules:mine" in what_if_of(record)


def test_amounts_are_written_and_read_as_the_package_writes_them():
    cases = [(0, 2, 2), (5, 3, 2), (15, 3, 2), (25, 3, 2), (-5, 3, 2), (-15, 3, 2), (1234567, 2, 2)]
    cases += [(999995, 3, 2), (123456789, 0, 0), (42, 0, 2), (-100000, 2, 0)]
    made = computed(
        "given[0].map(([amount, digits, places]) => written(BigInt(amount), digits, places))", cases
    )
    for (amount, digits, places), text in zip(cases, made, strict=True):
        exact = Decimal(amount).scaleb(-digits)
        assert text == f"{exact.quantize(Decimal(1).scaleb(-places)) + 0:,f}".replace(
            "-0.00", "0.00"
        )
    cases = [(5, 3, 2), (1500, 3, 2), (-120000, 5, 2), (7, 0, 2), (12, 1, 0), (120, 1, 0)]
    made = computed(
        "given[0].map(([a, digits, places]) => inFull(BigInt(a), digits, places))", cases
    )
    assert made == ["0.005", "1.50", "-1.20", "7.00", "1.2", "12"]
    texts = ["12", "1,234.5", " 0.05 ", "0.050", "0.001", "0.04", "-1", "", "1e3", "x"]
    read = computed("given[0].map((text) => typed(text, 2, 5n))", texts)
    assert read == ["240", "24690", "1", "1", None, None, None, None, None, None]


def test_no_cell_of_a_csv_is_a_formula():
    cells = ["=1+1", "+1", "-1", "@x", "\tx", 'say "a, b"', "a\nb", "-0.5"]
    rows = [[{"text": cell, "number": cell == "-0.5"} for cell in cells]]
    text = computed("asCsv(given[0], given[1])", rows, ["=", "+", "-", "@", "\t", "\r"])
    assert text == '\'=1+1,\'+1,\'-1,\'@x,\'\tx,"say ""a, b""","a\nb",-0.5\r\n'
