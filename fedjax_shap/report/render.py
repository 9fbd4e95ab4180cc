"""Renderers of `tables.Table`: the terminal, CSV, LaTeX and HTML.

Each takes every cell as plain text and escapes what its format reads as markup, so that a member
called "[north]", "$10" or "a & b" is shown under that name everywhere.
"""

import csv
import html
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from fedjax_shap.report.tables import Column, Table

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet runs
LEAST_WRAPPED = 24  # columns of the terminal that a cell keeps before it wraps
_ANY_WIDTH = 10_000
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "[": "{[}",  # after the end of a row, LaTeX would read a length in brackets
        "*": "{*}",  # and a star as "no page break here"
        "±": r"$\pm$",
        **{special: f"\\{special}" for special in "&%$#_{}"},
    }
)


def to_rich(table: Table, *, ruled: bool = True) -> RichTable:
    """The table for a terminal.

    Args:
        table: what to show.
        ruled: whether a line stands under the headings; without one, columns stand closer.

    Returns:
        A renderable of rich, whose columns are never narrower than the numbers and words in them.
    """
    shown = RichTable(title_justify="left", box=None, pad_edge=ruled)
    if table.title:
        shown.title = Text(table.title, style="bold")
    if ruled:
        shown.box = box.SIMPLE_HEAD
    lines = [*table.rows, *table.totals]
    for place, column in enumerate(table.columns):
        cells = [column.name, *(row[place] for row in lines)]
        shown.add_column(
            Text(column.name),
            justify=column.align,
            overflow="fold",
            no_wrap=not column.wraps,
            min_width=_least_width(column, cells),
        )
    for row in table.rows:
        shown.add_row(*map(Text, row))
    shown.add_section()
    for row in table.totals:
        shown.add_row(*map(Text, row))
    return shown


def to_terminal(
    table: Table, file: TextIO | None = None, *, ruled: bool = True, least: int = 0
) -> None:
    """Prints the table, as wide as the terminal or as its numbers need.

    Args:
        table: what to print.
        file: where to; None for standard output.
        ruled: as in `to_rich`.
        least: print at least so many columns wide, as suits a file or a pipe.
    """
    shown = to_rich(table, ruled=ruled)
    console = Console(file=file)
    unlimited = console.options.update(max_width=_ANY_WIDTH)
    needed = console.measure(shown, options=unlimited).minimum
    Console(file=file, width=max(console.width, needed, least)).print(shown)


def to_text(table: Table, *, ruled: bool = True, least: int = 0) -> str:
    """The table as `to_terminal` prints it, without colours and the like."""
    content = io.StringIO()
    to_terminal(table, content, ruled=ruled, least=least)
    return content.getvalue()


def to_csv(table: Table) -> str:
    """The table as CSV: a line of headings, then one a row; the title and totals are left out.

    A reader of CSV would take the totals for another row.
    """
    content = io.StringIO(newline="")
    lines = csv.writer(content, lineterminator="\n")
    lines.writerow(column.name for column in table.columns)
    lines.writerows(table.rows)
    return content.getvalue()


def to_latex(table: Table) -> str:
    """The table as a LaTeX `table` with the lines of the package booktabs."""
    sides = "".join(column.align[0] for column in table.columns)
    caption = f"\\caption{{{_latex(table.title)}}}"
    lines = [
        r"\begin{table}",
        r"\centering",
        *([caption] * bool(table.title)),
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        _latex_row([column.name for column in table.columns]),
        r"\midrule",
        *map(_latex_row, table.rows),
        *([r"\midrule"] * bool(table.totals)),
        *map(_latex_row, table.totals),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """The table as an HTML `table` element, to be put into a page."""
    caption = f"<caption>{html.escape(table.title)}</caption>"
    names = [column.name for column in table.columns]
    lines = [
        "<table>",
        *([caption] * bool(table.title)),
        f"<thead>{_html_row(table, names, 'th')}</thead>",
        "<tbody>",
        *(_html_row(table, row, "td") for row in table.rows),
        "</tbody>",
        *(f"<tfoot>{_html_row(table, row, 'td')}</tfoot>" for row in table.totals),
        "</table>",
    ]
    return "\n".join(lines) + "\n"


RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "latex": to_latex,
    "html": to_html,
}


def no_formula(cell: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    if cell.startswith(FORMULAS):
        return f"'{cell}"
    return cell


def _least_width(column: Column, cells: list[str]) -> int:
    """How narrow a column may become: as wide as its longest cell, or less where cells wrap."""
    longest = max(Text(cell).cell_len for cell in cells)
    if column.wraps:
        return min(longest, LEAST_WRAPPED)
    return longest


def _latex(cell: str) -> str:
    return cell.translate(_LATEX)


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(map(_latex, row)) + r" \\"


def _html_row(table: Table, row: Sequence[str], tag: str) -> str:
    cells = "".join(
        f'<{tag} style="text-align: {column.align}">{html.escape(cell)}</{tag}>'
        for column, cell in zip(table.columns, row, strict=True)
    )
    return f"<tr>{cells}</tr>"
