"""Above the games nothing asks for the name of an entry: what is asked of one stands in its row."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "fedjax_shap"
ROOMS = ("valuation", "pipeline", "report", "cli")
ATTRIBUTES = {"name", "setting", "kind"}  # of a section, a result, a setting
VARIABLES = {"name", "game", "method", "setting", "section"}


def names_compared(source: str, module: str) -> list[str]:
    """A sentence for each comparison of a name with a text."""
    return [
        f"{module}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare) and any(map(_is_name, _sides(node)))
        if any(map(_is_text, _sides(node)))
    ]


def _sides(node: ast.Compare) -> Iterator[ast.expr]:
    yield node.left
    yield from node.comparators


def _is_name(side: ast.expr) -> bool:
    if isinstance(side, ast.Attribute):
        return side.attr in ATTRIBUTES
    if isinstance(side, ast.Subscript):
        return isinstance(side.slice, ast.Constant) and side.slice.value in ATTRIBUTES
    if isinstance(side, ast.Call):  # section.get("name")
        return any(isinstance(one, ast.Constant) and one.value in ATTRIBUTES for one in side.args)
    return isinstance(side, ast.Name) and side.id in VARIABLES


def _is_text(side: ast.expr) -> bool:
    if isinstance(side, ast.Tuple | ast.List | ast.Set):
        return any(map(_is_text, side.elts))
    return isinstance(side, ast.Constant) and isinstance(side.value, str)


def test_no_name_is_compared_with_a_text_above_the_games():
    files = [file for room in ROOMS for file in sorted((PACKAGE / room).rglob("*.py"))]
    assert len(files) > 20
    wrong = [
        sentence
        for file in files
        for sentence in names_compared(file.read_text(), file.relative_to(PACKAGE).as_posix())
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        'config.sections["game"].name != "silo"',
        'name in ("local", "epochs")',
        'result.setting == "cross-device"',
        'record.get("setting") == "cross-device"',
        'section["name"] == "csv"',
        '"rounds" == game',
    ],
)
def test_a_name_that_is_compared_is_caught(line):
    assert len(names_compared(line, "x.py")) == 1


@pytest.mark.parametrize("line", ['column == "name"', "name in names", "one.name == other.name"])
def test_other_comparisons_are_not_caught(line):
    assert names_compared(line, "x.py") == []
