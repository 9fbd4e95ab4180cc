"""The site has every public name, live links, and the numbers of the records."""

import importlib.util
import json
import re
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import fedjax_shap as fs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
API = sorted((DOCS / "api").glob("*.md"))
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts),
]
ENTRY = re.compile(r"^\.\. (?:autofunction|autoclass|autodata|py:data):: fedjax_shap\.(\S+)", re.M)
FAMILIES = {name: getattr(fs, name) for name in dir(fs)}
FAMILIES = {name: one for name, one in FAMILIES.items() if isinstance(one, ModuleType)}


def public() -> Iterator[str]:
    """Every public name, as it is written behind `fs.`."""
    yield from (name for name in dir(fs) if name not in FAMILIES)
    for family, module in FAMILIES.items():
        yield from (f"{family}.{name}" for name in module.__all__)


def script(name: str) -> ModuleType:
    """A script of the site, which is no package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def prose(page: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def anchors(page: Path) -> set[str]:
    """The places of a page: its headings as code hosts and MyST name them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


# ------------------------------------------------------------------ the reference


def test_every_public_name_is_documented_once_and_no_other():
    written = [name for page in API for name in ENTRY.findall(page.read_text())]
    assert sorted(written) == sorted(public())


def test_every_family_has_a_page_that_begins_with_its_docstring():
    for name, module in FAMILIES.items():
        page = (DOCS / "api" / f"{name}.md").read_text()
        assert f".. automodule:: {module.__name__}\n" in page, name


def test_every_page_of_the_reference_is_in_its_index():
    index = (DOCS / "api" / "index.md").read_text().split()
    assert [page.stem for page in API if page.stem not in index and page.stem != "index"] == []


# ------------------------------------------------------------------ pages as plain Markdown


def test_links_of_pages_lead_to_a_file_and_a_place_in_it():
    for page in PAGES:
        links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
        for link in (one for one in links if not re.match(r"\w+:", one)):
            path, _, place = link.partition("#")
            target = page
            if path:
                target = (page.parent / path).resolve()
            assert target.exists(), f"{page.name}: {link}"
            assert not place or place in anchors(target), f"{page.name}: {link}"


def test_names_of_the_package_on_pages_exist():
    for page in PAGES:
        for name in re.findall(r"`fs\.([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)", page.read_text()):
            assert attrgetter(name)(fs) is not None, page.name


# ------------------------------------------------------------------ the built site


def test_dead_links_and_remote_files_of_a_built_site_are_caught(tmp_path):
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="https://example.org/a.css"><h1 id="here">x</h1>'
        '<a href="#here"></a><a href="#there"></a><a href="two.html"></a>'
        '<a href="folder/page.html#part"></a><a href="folder/page.html#gone"></a>'
        '<a href="https://example.org/"></a><img src="gone.png"><img src="data:image/png;base64,">'
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "page.html").write_text('<p id="part"><a href="../"></a></p>')
    assert script("check_links").wrong_links(tmp_path) == [
        "index.html: loads https://example.org/a.css",
        "index.html: #there is not there",
        "index.html: two.html is not there",
        "index.html: folder/page.html#gone is not there",
        "index.html: gone.png is not there",
    ]


# ------------------------------------------------------------------ numbers of the concepts


def record(path: str) -> Any:
    """A committed record."""
    return json.loads((ROOT / path).read_text())


def agreement_rows() -> Iterator[str]:
    names = ("alike", "alike, three with wrong labels", "unequal labels")
    names += ("unequal labels, three with wrong labels",)
    for name, row in zip(names, record("experiments/results/agreement.json")["rows"]):
        spearman = np.array(row["spearman_per_training"])
        floor = row["ways"]["exact"]["noise_floor_spearman"]
        spread = f"{spearman.mean():+.2f} ± {spearman.std(ddof=1):.2f}"
        yield f"| {name} | {spread} | {floor:+.2f} |"


def twins_sentence() -> Iterator[str]:
    gaps = record("experiments/results/partial_participation.json")["twins"]
    share = np.mean(np.array(gaps["federated"]) > 0.5)
    assert max(gaps["federated, everyone first"]) < 0.5
    yield f"In {share:.0%} of {len(gaps['federated'])} runs".replace("%", " %")


def misreporting_rows() -> Iterator[str]:
    run = record("experiments/results/misreporting.json")["runs"][0]
    for rule in ("cost_aware", "costs_ignored", "equal", "by_size", "leave_one_out"):
        claimed = np.mean(run["overstated"]["as claimed"][rule][-1])
        split = np.mean(run["gains"]["split"][rule])
        cells = [f"{gain:+.0f}".replace("+0", "0").replace("-", "−") for gain in (claimed, split)]
        yield f"| `{rule}` | {cells[0]} | {cells[1]} |"


def privacy_rows() -> Iterator[str]:
    digits = record("experiments/results/private_values.json")["federations"]["digits"]["members"]
    for epsilon in ("100", "30", "10"):
        row = digits[epsilon]
        accuracy = f"{np.mean(row['accuracy']):.3f}".removeprefix("0")
        spearman = f"{np.mean(row['spearman']):.2f}".removeprefix("0")
        yield f"| {epsilon} | {accuracy} | {spearman} | {row['charged']:,.0f} |"


@pytest.mark.parametrize(
    ("page", "sentences"),
    [
        ("game", agreement_rows),
        ("game", twins_sentence),
        ("rule", misreporting_rows),
        ("privacy", privacy_rows),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_numbers_are_those_of_the_records(page, sentences):
    text = (DOCS / "concepts" / f"{page}.md").read_text(encoding="utf-8")
    for sentence in sentences():
        assert sentence in text
