"""Names of members stay readable and different, whatever is in them."""

import csv
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from handmade import result_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedjax_shap.report import figure_files, render, run_figures
from fedjax_shap.report.names import chosen, distinct, shortened
from fedjax_shap.report.run import values_csv
from fedjax_shap.report.run_sentences import sentences
from fedjax_shap.report.run_tables import members_table

LETTERS = st.sampled_from([*"[]$/\\_^&<>=@'\"%#{} \n\t\r\x1b;,a0", "é", "北", "🙂", "‮", "…"])
NAMES = st.lists(
    st.one_of(
        st.text(LETTERS, min_size=1, max_size=12),
        st.builds(lambda letter, end: letter * 199 + end, LETTERS, LETTERS),
        st.builds(lambda middle: f"{'north ' * 15}{middle}{' south' * 15}", LETTERS),
    ),
    min_size=2,
    max_size=5,
    unique=True,
).filter(lambda names: all(name.strip() for name in names))


class Texts(HTMLParser):
    """The texts of a page's cells."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.open = False

    def handle_starttag(self, tag, attrs):
        self.open = tag == "td"
        if self.open:
            self.cells.append("")

    def handle_endtag(self, tag):
        self.open = False

    def handle_data(self, data):
        if self.open:
            self.cells[-1] += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where figures are written, one after the other."""
    return tmp_path_factory.mktemp("figures")


@settings(max_examples=30)
@given(NAMES)
@example(["a\n", "a ", "a  #1"])
@example(["x" * 200, "x" * 199 + "y", "x" * 100 + "z" + "x" * 99])
def test_short_names_fit_on_a_line_and_differ(names):
    for longest in (24, 40):
        short = distinct(names, longest)
        assert len(set(short)) == len(names)
        assert all(len(name) <= longest and name.isprintable() for name in short)


def test_a_name_loses_its_middle_and_keeps_its_ends():
    assert shortened("a" * 30 + "b" * 30, 11) == "aaaaa…bbbbb"
    assert shortened("short\nname", 40) == "short name"


@settings(max_examples=8)
@given(NAMES)
@example(["[/b]", "$x$ _{^", "=cmd|' /C calc'!A0", "two\nlines"])
def test_every_name_is_shown_in_every_format(names):
    result = result_of(names, np.linspace(1, 2, len(names)), revenue=10**12, title="a [/b] $x$")
    table = members_table(result)
    short = distinct(names)
    assert [row[0] for row in table.rows] == short
    shown = render.to_text(table, least=200)
    assert (
        shown.count("\n")
        == render.to_text(members_table(result_of("ab", [1, 2])), least=200).count("\n")
        + len(names)
        - 2
    ), "a name takes one line"
    assert "1,000,000,000,000.00" in shown
    page = Texts()
    page.feed(render.to_html(table))
    assert [cell for cell in page.cells if cell in short] == short
    assert len(list(csv.reader(io.StringIO(render.to_csv(table))))) == len(names) + 1
    render.to_latex(table)
    assert all(sentence.isprintable() for sentence in sentences(result))
    frame = result.to_pandas()
    assert frame.index.tolist() == names
    assert frame["value"].tolist() == result.attribution.values.tolist()
    assert frame["payment"].sum() == pytest.approx(10**12)
    notebook = Texts()
    notebook.feed(result._repr_html_())
    assert len(notebook.cells) == len(names) * len(result.columns())
    (head, *rows) = csv.reader(io.StringIO(values_csv(result), newline=""))
    assert len(head) == len(rows[0]) and len(rows) == len(names)
    for row, name in zip(rows, names, strict=True):
        assert row[0].removeprefix("'") == name.removeprefix("'")
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))


@settings(max_examples=3)
@given(NAMES)
@example(["a [/b] $x", "$10-$20 band", "_hidden", "a^b_c", "🙂北"])
def test_figures_draw_every_name(folder, names):
    result = result_of(names, np.linspace(1, 2, len(names)), title=" ".join(names))
    for figure in (run_figures.values(result), run_figures.payments(result, result.settlement)):
        labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
        assert [label.strip().replace(r"\$", "$") for label in labels] == [
            name.strip() for name in distinct(names, 24)
        ]
        figure_files.save(figure, folder / "figure.svg")


def test_many_members_are_those_of_the_highest_and_the_lowest_values():
    values = np.arange(100.0)
    shown = chosen(values, highest=2, lowest=3)
    assert shown.members == [99, 98, 2, 1, 0] and shown.left_out == 95
    assert shown.places.tolist() == [0, 1, 3, 4, 5]
    assert chosen(values[:40]).members == list(range(40))
