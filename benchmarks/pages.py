"""The tables of docs/ that are written from the records of benchmarks and experiments.

On a page, what stands between `<!-- table: NAME -->` and `<!-- end of table -->` is the table of
headline numbers of the record NAME.json; after `<!-- table: NAME/PART -->` it is the table
PART that the record holds among its `tables`, as columns and rows of text, or that is made from it
(`page_tables`).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import ROOT, Record
from benchmarks.headlines import headlines, module_of
from benchmarks.page_tables import TABLES
from fedjax_shap._validate import one_of, require

PAGES = ROOT / "docs"
RESULTS = ROOT / "benchmarks" / "results"
FOLDERS = (RESULTS, ROOT / "experiments" / "results")  # of records, the first that has one counts
BLOCK = re.compile(r"(<!-- table: ([\w/]+) -->\n)(.*?)(<!-- end of table -->)", re.S)
HEADLINES = ("what", "number", "beside it")


def fill(pages: Path = PAGES, *results: Path) -> list[str]:
    """Writes the tables of all pages, and returns the names of those that changed.

    Args:
        pages: a folder of Markdown files.
        results: the folders of records; `FOLDERS` if none.

    Raises:
        InvalidInputError: a page names a table that no record has.
    """
    changed = []
    for page in sorted(pages.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        filled = filled_in(text, *results)
        if filled != text:
            page.write_text(filled, encoding="utf-8")
            changed.append(page.name)
    return changed


def filled_in(text: str, *results: Path) -> str:
    """A page's text with its tables as the records have them."""
    return BLOCK.sub(lambda block: block[1] + table_of(block[2], *results) + block[4], text)


def table_of(name: str, *results: Path) -> str:
    """One table in Markdown.

    Args:
        name: of a record, or of a record and one of its tables.
        results: the folders of records; `FOLDERS` if none.

    Raises:
        InvalidInputError: there is no such record, or it has no such table.
    """
    stem, _, part = name.partition("/")
    folders = results or FOLDERS
    files = [folder / f"{stem}.json" for folder in folders if (folder / f"{stem}.json").exists()]
    require(
        len(files) > 0,
        f"Expected table: {name} to name a record of {', '.join(one.name for one in folders)}.",
    )
    record: Record = json.loads(files[0].read_text(encoding="utf-8"))
    return markdown(*_cells(record, part)) + "\n" + caption(record)


def _cells(record: Record, part: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Columns and rows of one table of a record; its headline numbers if `part` is ""."""
    if not part:
        return HEADLINES, headlines(record)
    kept = record.get("tables", {})
    made = TABLES.get(module_of(record), {})
    one_of("table", part, {**kept, **made})
    if part in made:
        return made[part](record)
    return kept[part]["columns"], kept[part]["rows"]


def caption(record: Record) -> str:
    """Where and when a record was made, in a line; "" where it does not say."""
    if "commit" not in record:
        return ""
    words = [record["processor"], f"{record['cores']} core(s)", f"JAX {record['versions']['jax']}"]
    if not record["device"].startswith("cpu"):
        words.insert(0, record["device"])
    return f"({', '.join(words)}, {record['date'][:10]}, commit {record['commit']})\n"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, a line each row."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
