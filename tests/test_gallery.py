"""The gallery's examples call what there is, by its public names; building the site runs them."""

import ast
import inspect
from operator import attrgetter

import pytest
from pages import ROOT

import fedjax_shap as fs

EXAMPLES = sorted((ROOT / "docs/gallery").glob("plot_*.py"))


def dotted(node: ast.expr) -> str:
    """`fs.models.linear` of its nodes; "" for what is no public name."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr}"
    return "fs" if isinstance(node, ast.Name) and node.id == "fs" else ""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_calls_are_those_of_public_names_and_keywords(example):
    tree = ast.parse(example.read_text(encoding="utf-8"))
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [node for node in imported if (node.module or "").startswith("fedjax_shap")]
    called = 0
    for node in ast.walk(tree):
        name = dotted(node).removeprefix("fs.") if isinstance(node, ast.Attribute) else ""
        if name:
            assert attrgetter(name)(fs) is not None
        if isinstance(node, ast.Call) and dotted(node.func):
            target = attrgetter(dotted(node.func).removeprefix("fs."))(fs)
            keywords = {one.arg: None for one in node.keywords if one.arg}
            inspect.signature(target).bind_partial(*node.args, **keywords)
            called += 1
    assert called > 2


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_asks_one_question_and_draws_one_figure(example):
    text = example.read_text(encoding="utf-8")
    title, line = ast.get_docstring(ast.parse(text), clean=False).splitlines()[:2]
    assert title.endswith("?")
    assert set(line) == {"="}
    assert len(line) == len(title)
    assert text.count("plt.subplots(") == 1
    assert text.endswith("plt.show()\n")
