"""The page on result.json names every key that a run may write, and no other."""

import ast
import inspect
import re

from handmade import result_of
from pages import ROOT

from fedjax_shap.pipeline import result
from fedjax_shap.report import run


def added(module) -> set[str]:
    """The keys that a module adds to a record by name."""
    targets = (
        target
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Assign)
        for target in node.targets
    )
    return {
        target.slice.value
        for target in targets
        if isinstance(target, ast.Subscript)
        and ast.unparse(target.value) == "record"
        and isinstance(target.slice, ast.Constant)
    }


def test_every_key_of_result_json_is_explained():
    text = (ROOT / "docs" / "results.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", text, re.M)
    explained = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    written = set(result_of(["a", "b"], [1, 2]).to_json()) | added(run)
    written |= added(result) | set(result.SLICES.values())
    assert explained - {"key"} == written - {"weights"}
