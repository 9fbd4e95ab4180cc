"""Every renderer shows every cell whole and as it is, whatever its format reads as markup."""

import csv
import io
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from fedjax_shap.report import render
from fedjax_shap.report.tables import Column, Table, numbers, text

NAMES = [
    "Hospital [north]",
    "[/x] clinic",
    "[red]west",
    ":smile: $10-$20 band",
    r"a $_$ b \ {c}",
    "<b>A & B</b>, 5 % #1",
    'a "quoted", name',
    "* star ~ hat ^ bar |",
]
AMOUNT = "1,000,000,000,000.00"
TABLE = Table(
    "of $5 [bold]and <i>more</i>",
    (text("member"), *numbers("share_%", "payment")),
    tuple((name, f"{place} %", AMOUNT) for place, name in enumerate(NAMES)),
    (("together", "", AMOUNT),),
)


class Cells(HTMLParser):
    """The texts of a page, one for each element that has any."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data)


def cells(table):
    return [cell for row in (*table.rows, *table.totals) for cell in row if cell]


def of_latex(cell):
    """What LaTeX typesets for an escaped cell."""
    for word, character in {
        r"\textbackslash{}": "\\",
        r"\textasciitilde{}": "~",
        r"\textasciicircum{}": "^",
        r"\textless{}": "<",
        r"\textgreater{}": ">",
        r"\textbar{}": "|",
        "{[}": "[",
        "{*}": "*",
    }.items():
        cell = cell.replace(word, f"\0{ord(character)}\0")
    for special in "&%$#_{}":
        cell = cell.replace(f"\\{special}", f"\0{ord(special)}\0")
    assert not set(cell) & set("\\&%$#_{}~^"), f"{cell!r} is not escaped"
    plain, *rest = cell.split("\0")
    return plain + "".join(
        chr(int(part)) if place % 2 == 0 else part for place, part in enumerate(rest)
    )


@pytest.mark.parametrize("ruled", [True, False])
def test_a_terminal_shows_names_with_brackets_colons_and_dollars(ruled):
    lines = render.to_text(TABLE, ruled=ruled, least=200).splitlines()
    assert lines[0].rstrip() == TABLE.title
    for row in (*TABLE.rows, *TABLE.totals):
        (line,) = (line for line in lines if line.strip().startswith(row[0]))
        assert line.split(row[0])[1].split() == " ".join(row[1:]).split()


@pytest.mark.parametrize("columns", [20, 80])
def test_a_narrow_terminal_cuts_no_amount_and_no_name(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = "a hospital whose name takes up more than one line of a terminal " * 2
    shown = render.to_text(Table("t", TABLE.columns, (*TABLE.rows, (long, "8 %", AMOUNT))))
    assert "…" not in shown
    assert shown.count(AMOUNT) == len(NAMES) + 1
    for name in NAMES:
        assert name in shown, "names of a usual length stay on one line"
    assert " ".join(shown.split()).count("than one line") >= 1
    letters = "".join(line[:60].split("%")[0].strip() for line in shown.splitlines())
    assert letters.replace(" ", "").count("hospitalwhosename") == 2, "a long name is wrapped"


def test_a_table_is_as_narrow_as_it_can_be_in_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    long = Table("", (text("member"), *numbers("value")), (("word " * 40, "0.125"),))
    assert max(map(len, render.to_text(long).splitlines())) <= 40


def test_csv_is_read_back_as_it_was():
    read = list(csv.reader(io.StringIO(render.to_csv(TABLE))))
    assert read == [[column.name for column in TABLE.columns], *map(list, TABLE.rows)]


def test_latex_escapes_what_it_would_read_as_a_command():
    lines = render.to_latex(TABLE).splitlines()
    body = [line for line in lines if line.endswith(r" \\")]
    rows = [[of_latex(cell) for cell in line[: -len(r" \\")].split(" & ")] for line in body]
    header = [column.name for column in TABLE.columns]
    assert rows == [header, *map(list, TABLE.rows), *map(list, TABLE.totals)]
    assert r"\begin{tabular}{lrr}" in lines
    (caption,) = (line for line in lines if line.startswith(r"\caption{"))
    assert of_latex(caption[len(r"\caption{") : -1]) == TABLE.title


def test_no_row_of_latex_begins_with_what_the_end_of_a_row_takes_as_an_option():
    lines = render.to_latex(TABLE).splitlines()
    after = [line for before, line in pairwise(lines) if before.endswith(r" \\")]
    assert not [line for line in after if line[0] in "[*"]


def test_html_shows_every_cell_as_text():
    page = Cells()
    page.feed(render.to_html(TABLE))
    headings = [column.name for column in TABLE.columns]
    assert page.texts == [TABLE.title, *headings, *cells(TABLE)]
    assert set(page.tags) == {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}


def test_a_table_without_title_and_totals_has_neither_in_any_format():
    table = Table("", (Column("n"),), (("1",),))
    assert render.to_csv(table) == "n\n1\n"
    assert "caption" not in render.to_latex(table) + render.to_html(table)
    assert render.to_latex(table).count(r"\midrule") == 1 and "tfoot" not in render.to_html(table)


def test_a_row_that_does_not_fit_the_columns_is_refused():
    for rows, totals in (((("1", "2"),), ()), ((), (("1", "2"),))):
        with pytest.raises(ValueError, match="Expected 1 cells"):
            Table("", (Column("n"),), rows, totals)
