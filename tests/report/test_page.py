"""One page of a run: everything it shows is text, has a name, and needs no network."""

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import opened
from console import refused, said
from handmade import curves_of, result_of

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.rules import RULES
from fedjax_shap.economics.settle import settle
from fedjax_shap.report.page import Audited, PageRun, page
from fedjax_shap.report.render import no_formula
from fedjax_shap.report.run import write
from fedjax_shap.report.run_sentences import sentences
from fedjax_shap.report.run_tables import device_tables
from fedjax_shap.report.saved_run import saved_run
from fedjax_shap.shapley.estimator import Slices

NAMES = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "=HYPERLINK(1)",
    "{{ 7 * 7 }} $x_1$ & co <!-- ",
    "]]>\u2028'",
)
MOST_BYTES = 1_000_000
VOID = {"meta", "img", "input", "path", "use", "image", "rect", "br"}


class Document(HTMLParser):
    """The elements of a page, and the text in each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open = [""]
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data):
        self.texts.append((self._open[-1], data))

    def all(self, tag):
        """The attributes of the elements with a tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, tag):
        """The texts inside elements with a tag."""
        return [data for name, data in self.texts if name == tag]


def record_of(result, beside=None):
    """The result.json of a result, as it is read back."""
    record = {**result.to_json(), "beside": beside or {}}
    return json.loads(json.dumps(record))


def slices_of(kind, players, names):
    """Values by judge or by round."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(players, len(names)))
    weights = np.full(len(names) * (kind == "judges"), 1 / len(names))
    ends = np.zeros(len(names))
    return Slices(kind, tuple(names), weights, values, abs(values) / 9, ends, ends + 1)


def with_slices(result, kind, names):
    """The result with values by judge or by round."""
    slices = slices_of(kind, len(result.players), names)
    return replace(result, attribution=result.attribution.replace(slices=slices))


@pytest.fixture(scope="module")
def hostile():
    """A run whose title, members and judges are markup."""
    result = result_of(
        NAMES,
        [0.5, 0.3, 0.1, -0.1, 0.2],
        errors=[0.1, 0.05, 0.2, 0.02, 0.1],
        costs=["10", "5", "30", "2", "0.005"],
        title="<b>a & run</b></title>",
        curve=curves_of(5),
        notes=("<i>note</i>",),
    )
    return with_slices(result, "judges", ["<u>one</u>", "two"])


@pytest.fixture(scope="module")
def shown(hostile):
    """Its page, with audits."""
    audits = (
        Audited("budget_balance", True, "<s>Payments</s> sum to 100."),
        Audited("symmetry", None, "Twins are not known."),
        Audited("merging", False, f"{NAMES[0]} would gain."),
    )
    return page([PageRun("<em>label</em>", record_of(hostile), audits)])


def test_markup_in_names_is_text(shown):
    document = Document(shown)
    assert {"b", "i", "s", "u", "em"}.isdisjoint(tag for tag, _ in document.elements)
    assert [one.get("src", "")[:22] for one in document.all("img")] == []
    assert len(document.all("script")) == 3 and "alert(1)" not in document.text("script")
    heads = document.text("th")
    for name in NAMES:
        assert name.replace("\u2028", " ") in heads or f"{name} " in heads, name
    assert "<b>a & run</b></title>" in document.text("h1")
    assert "&lt;s&gt;Payments" in shown and "<em>label" not in shown


def test_the_data_of_the_script_are_json_with_names_as_they_are(shown):
    document = Document(shown)
    (data,) = (text for text in document.text("script") if '"players"' in text)
    assert json.loads(data)["record"]["players"] == list(NAMES)
    assert "<" not in data and "\u2028" not in data


def test_only_the_pages_own_script_may_run_and_nothing_is_fetched(shown):
    document = Document(shown)
    (policy,) = (one["content"] for one in document.all("meta") if "http-equiv" in one)
    script = document.text("script")[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    for tag, attributes in document.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:image/png")), (tag, value)
    assert "url(http" not in shown and "@import" not in shown


def test_every_part_of_the_page_has_a_name_for_who_cannot_see_it(shown):
    document = Document(shown)
    ids = [one["id"] for _, one in document.elements if "id" in one]
    assert len(ids) == len(set(ids))
    for _, attributes in document.elements:
        for name in ("aria-labelledby", "aria-describedby", "for"):
            for named in (attributes.get(name) or "").split():
                assert named in ids, named
        target = attributes.get("href") or attributes.get("xlink:href") or "#main"
        assert target.removeprefix("#") in ids or target.startswith("data:"), target
    assert len(document.all("caption")) == len(document.all("table")) >= 4
    assert all(one.get("scope") in ("col", "row") for one in document.all("th"))
    figures = document.all("svg")
    assert len(figures) == 4 and all(one["role"] == "img" for one in figures)
    assert len(document.all("title")) == 5 and len(document.all("desc")) == 4
    assert document.all("html")[0]["lang"] == "en" and len(document.all("h1")) == 1


def test_black_follows_the_theme_and_names_in_figures_stay(shown):
    assert "#000000" not in re.sub(r"<style>.*?</style>|<script.*?</script>", "", shown, flags=re.S)
    assert "currentColor" in shown
    assert "=HYPERLINK(1)" in Document(shown).text("text")


def test_audits_are_sentences_and_say_whether_they_hold(shown):
    marks = Document(shown).text("span")
    assert [mark for mark in marks if mark.strip()] == ["holds", "not judged", "does not hold"]


def test_a_saved_run_says_what_its_result_says(hostile):
    alike = tuple((NAMES[0], name) for name in NAMES[1:])
    corrupt = [{"name": "label_noise", "client": 1, "rate": 0.5}]
    result = replace(
        result_of(NAMES, [0.5, 0.3, 0.1, -0.1, 0.2], raw={"corrupt": corrupt}),
        alike=alike,
        curve=curves_of(5),
    )
    for one in (hostile, result):
        other = one.attribution.replace(values=one.attribution.values[::-1])
        beside = {"in-run": other}
        records = {
            "in-run": {"values": other.values.tolist(), "std_errors": other.std_errors.tolist()}
        }
        saved = saved_run(record_of(one, records))
        assert sentences(saved, saved.beside) == sentences(one, beside)
        assert device_tables(saved) == device_tables(one) == []


def test_pairs_that_the_record_leaves_out_are_counted():
    record = record_of(result_of([f"m{at}" for at in range(60)], np.arange(1.0, 61)))
    record["indistinguishable"] = [["m0", "m1"]] * 1000
    record["num_indistinguishable"] = 1234
    (sentence,) = (one for one in sentences(saved_run(record)) if "pairs of values" in one)
    assert sentence.startswith("1,234 of 1,770 pairs") and sentence.endswith("and 1,224 more.")


def test_a_run_that_paid_nobody_has_a_page(hostile):
    record = record_of(result_of(("a", "b"), [-0.5, 0.1], unpaid="Values <sum> to less than 0."))
    text = page([PageRun("run", record, (), "Nobody was paid.")])
    assert "No payment was made: Values &lt;sum&gt; to less than 0." in text
    assert "Nobody was paid." in text and 'id="r0-what-if"' in text


@pytest.mark.slow
def test_several_runs_stand_side_by_side(hostile):
    other = record_of(result_of(NAMES[::-1], [0.1, 0.2, 0.3, 0.4, 0.5]))
    text = page([PageRun("one", record_of(hostile)), PageRun("two", other)])
    document = Document(text)
    assert {"r0", "r1"} <= {one.get("id") for one in document.all("article")}
    captions = "".join(document.text("caption"))
    assert "Runs" in captions and "agreement with one" in captions
    ids = [one["id"] for _, one in document.elements if "id" in one]
    assert len(ids) == len(set(ids))
    stranger = record_of(result_of(("x", "y"), [0.1, 0.2]))
    apart = page([PageRun("one", record_of(hostile)), PageRun("two", stranger)])
    assert "Expected runs with members in common" in apart
    many = page([PageRun(f"run {at}", other) for at in range(7)])
    assert not Document(many).all("article") and "run 6" in many


def test_what_is_no_run_is_refused():
    with pytest.raises(InvalidInputError, match="at least one run"):
        page([])
    with pytest.raises(InvalidInputError, match="lacks the key 'metric'"):
        page([PageRun("run", {"values": [1], "settlement": None, "config": {}, "players": ["a"]})])


@pytest.mark.slow
def test_a_run_writes_its_page_and_the_command_writes_the_same(
    hostile, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    written = write(hostile, "runs/one")
    assert written[-1].name == "report.html"
    said(capsys, "report", "runs/one", "--out", "page.html", "--figures", "figures")
    kinds = {".png", ".svg", ".pdf", ".txt"}
    assert {path.suffix for path in Path("figures").glob("values.*")} == kinds
    assert "Bars: Shapley value" in Path("figures/values.txt").read_text()
    assert Path("page.html").read_text() == written[-1].read_text()
    assert "budget balance" in Path("page.html").read_text()
    write(result_of(NAMES, [0.1, 0.2, 0.3, 0.4, 0.5]), "runs/two")
    said(capsys, "report", "runs", "--out", "both.html")
    assert "one: &lt;b&gt;a &amp; run" in Path("both.html").read_text()
    assert "no such run" in refused(capsys, "report", "nowhere")
    assert "different runs" in refused(capsys, "report", "runs/one", "runs/one/result.json")
    Path("settled.json").write_text(json.dumps(hostile.settlement.to_json()))
    assert "result of a run, for a page" in refused(capsys, "report", "settled.json")


@pytest.mark.slow
def test_the_page_of_200_members_is_small():
    result = large()
    assert len(page([PageRun("run", record_of(result))]).encode()) < MOST_BYTES
    judged = with_slices(result, "judges", [f"judge {at}" for at in range(200)])
    assert len(page([PageRun("run", record_of(judged))]).encode()) < MOST_BYTES


@pytest.mark.slow
def test_a_page_takes_no_more_of_the_package_than_a_settlement():
    code = (
        "import sys, fedjax_shap.report.page, fedjax_shap.report.page_runs; "
        "print([name for name in ('jax', 'flax', 'sklearn', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def large():
    """A run of 200 members whose names are markup, with values after each of 100 rounds."""
    rng = np.random.default_rng(1)
    names = [f"{NAMES[at % 5]} {at}" for at in range(200)]
    result = result_of(
        names,
        rng.normal(0.1, 0.2, 200),
        errors=rng.uniform(0.01, 0.1, 200),
        costs=[f"{cost:.5f}" for cost in rng.uniform(0, 1, 200)],
        revenue="12345.67",
        curve=curves_of(200, num_rounds=100),
    )
    return with_slices(result, "rounds", [f"round {at + 1}" for at in range(100)])


# ------------------------------------------------------------------ in a real browser


PROBE = """
<pre id="probe"></pre><script>
const blobs = [];
URL.createObjectURL = (blob) => (blobs.push(blob), "#");
HTMLAnchorElement.prototype.click = () => {};
const part = (name) => document.getElementById("r0-" + name);
const set = (name, value, event) => {
  part(name).value = value;
  part(name).dispatchEvent(new Event(event, { bubbles: true }));
};
const rows = (id) => [...document.getElementById(id).tBodies[0].rows];
const full = (cell) => cell.dataset.value ?? cell.textContent;
const column = (id, at) => rows(id).map((row) => full(row.cells[at]));
const seen = { settled: [] };
const note = (rule, revenue) => {
  seen.settled.push([rule, revenue, column("r0-elsewhere", 2), part("status").textContent]);
};
for (const rule of [...part("rule").options].map((option) => option.value)) {
  part("reset").click();
  set("rule", rule, "change");
  for (const step of [0, 1, 250, 500, 777, 1000]) {
    set("slider", step, "input");
    note(rule, part("revenue").value);
  }
  set("revenue", "321.09", "input");
  note(rule, "321.09");
}
part("reset").click();
seen.present = column("r0-elsewhere", 2);
seen.more = column("r0-elsewhere", 4);
set("revenue", "1.001", "input");
seen.invalid = [part("revenue").getAttribute("aria-invalid"), part("status").textContent];
const heads = document.getElementById("r0-members").tHead.rows[0].cells;
heads[2].querySelector("button").click();
seen.descending = [heads[2].getAttribute("aria-sort"), column("r0-members", 2)];
heads[2].querySelector("button").click();
seen.ascending = [heads[2].getAttribute("aria-sort"), column("r0-members", 2)];
document.getElementById("r0-members").parentElement.nextElementSibling.click();
const theme = document.getElementById("theme");
theme.value = "dark";
theme.dispatchEvent(new Event("change"));
seen.dark = getComputedStyle(document.body).backgroundColor;
blobs[0].text().then((csv) => {
  seen.csv = csv;
  document.getElementById("probe").textContent = JSON.stringify(seen);
});
</script></body>
"""


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    """What a browser shows of the page of 200 members when its controls are moved."""
    result = large()
    plain = page([PageRun("run", record_of(result))])
    folder = tmp_path_factory.mktemp("page")
    probed = re.sub(r'<meta http-equiv="Content[^>]*>', "", plain).replace("</body>", PROBE)
    (folder / "probed.html").write_text(probed)
    document, errors = opened(folder / "probed.html")
    (text,) = (one for tag, one in Document(document).texts if tag == "pre")
    (folder / "plain.html").write_text(plain)
    return result, json.loads(text), errors, opened(folder / "plain.html")


@pytest.mark.slow
def test_a_browser_pays_what_settle_pays(driven):
    result, seen, _, _ = driven
    given = (result.settlement.values, result.settlement.costs)
    sizes = {"sizes": result.sizes.tolist(), "players": result.players}
    assert len({rule for rule, *_ in seen["settled"]}) == 5
    for rule, revenue, paid, status in seen["settled"]:
        made = settle(*given, revenue.replace(",", ""), rule=RULES[rule](), **sizes)
        assert paid == [str(one) for one in made.payments], (rule, revenue)
        assert status.startswith(f"Of {revenue} the members are paid {revenue}."), status
    assert seen["present"] == [str(one) for one in result.settlement.payments]
    assert set(seen["more"]) == {"0.00"}
    assert seen["invalid"] == ["true", "Not an amount of whole 0.01: 1.001"]


@pytest.mark.slow
def test_a_browser_sorts_saves_and_changes_the_theme(driven):
    result, seen, _, _ = driven
    values = sorted(map(repr, result.attribution.values.tolist()), key=float)
    assert seen["ascending"] == ["ascending", values]
    assert seen["descending"] == ["descending", values[::-1]]
    heads, *rows = csv.reader(io.StringIO(seen["csv"], newline=""))
    assert heads[:4] == ["member", "examples", "value", "standard error"]
    order = np.argsort(result.attribution.values)
    assert [row[0] for row in rows] == [no_formula(result.players[member]) for member in order]
    assert [row[2] for row in rows] == values
    assert seen["dark"] == "rgb(20, 23, 27)"


@pytest.mark.slow
def test_a_browser_finds_nothing_wrong_with_the_page(driven):
    _, _, errors, (document, others) = driven
    assert "CONSOLE" not in errors + others
    assert 'id="r0-what-if" hidden' not in document  # its script ran under the page's own policy
