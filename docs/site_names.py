"""Names in docstrings and pages: links where the site documents them, and plain code elsewhere."""

import inspect
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import fedjax_shap as fs

PACKAGE = fs.__name__
LONGEST_SHORT = 12  # characters of a cell


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the hooks below; docstrings are prepared before napoleon reads their sections."""
    app.connect("autodoc-process-docstring", prepare, priority=400)
    app.connect("autodoc-skip-member", is_field)
    app.connect("doctree-read", shorten_and_link)
    app.connect("doctree-read", keep_numbers_whole)
    app.connect("missing-reference", link_or_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def prepare(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Says what a registry or a constant is, and takes |x| for the absolute value that it means."""
    if what == "data" and isinstance(thing, dict):
        family = name.rpartition(".")[0]
        entries = ", ".join(entry(family, key, value) for key, value in thing.items())
        lines[:] = [f"By the name that a configuration gives: {entries}."]
    elif what == "data":
        lines[:] = [f"``{thing!r}``"]
    lines[:] = map(escaped, lines)


def entry(family: str, key: str, value: Any) -> str:
    """A row of a registry, as a link to the function of the same family where there is one."""
    written = getattr(value, "__name__", key)
    if written in getattr(fs, family.rpartition(".")[2]).__all__:
        return f":py:obj:`{key} <{family}.{written}>`"
    return f"``{key}``"


def escaped(line: str) -> str:
    """A line whose bars are bars, outside of code."""
    parts = re.split(r"(`+[^`]*`+)", line)
    return "".join(part if part.startswith("`") else part.replace("|", r"\|") for part in parts)


def is_field(
    app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leaves out the fields of records: the section `Attributes` of their docstring has them."""
    if type(member).__name__ in ("_tuplegetter", "member_descriptor"):
        return True
    return None


def shorten_and_link(app: Sphinx, doctree: nodes.document) -> None:
    """Writes `fs.` for the package's name in signatures, and links code such as `fs.settle`."""
    for prefix in doctree.findall(addnodes.desc_addname):
        short = prefix.astext().replace(f"{PACKAGE}.", "fs.", 1)
        prefix.children = [nodes.Text(short)]
    for code in list(doctree.findall(nodes.literal)):
        public = documented().get(code.astext().partition("(")[0])
        inside_a_link = isinstance(code.parent, (nodes.reference, addnodes.pending_xref))
        inside_a_title = isinstance(code.parent, nodes.title)
        if public is None or not code.astext().startswith("fs.") or inside_a_link or inside_a_title:
            continue
        link = addnodes.pending_xref("", code.deepcopy(), refdomain="py", reftype="obj")
        link.update_all_atts({"reftarget": public, "refdoc": app.env.docname, "refwarn": True})
        code.replace_self(link)


def keep_numbers_whole(app: Sphinx, doctree: nodes.document) -> None:
    """Marks short cells of tables, which the style sheet keeps on one line: 5.8e-05, yes."""
    for cell in doctree.findall(nodes.entry):
        if len(cell.astext()) <= LONGEST_SHORT:
            cell["classes"].append("short")


def link_or_code(
    app: Sphinx, env: Any, node: addnodes.pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Of a docstring: a link to the name under which the site has what is meant, or plain code."""
    if node.get("refdomain") != "py" or not node["refdoc"].startswith("api/"):
        return None
    public = documented().get(node["reftarget"])
    if public is None:
        return content
    domain = env.domains["py"]
    link = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, content)
    return link or content


@cache
def documented() -> dict[str, str]:
    """What is written -> the full name under which it is documented.

    Written may be the name behind `fs.`, the name in the module that defines it, with the package
    or without, the name of a class alone, or that of a function alone with parentheses.
    """
    names: dict[str, str] = {}
    for short, thing in public():
        full = short.replace("fs.", f"{PACKAGE}.", 1)
        names[short] = full
        alone = short.rpartition(".")[2]
        if inspect.isclass(thing):
            names.setdefault(alone, full)
        elif inspect.isfunction(thing):
            names.setdefault(f"{alone}()", full)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            defined = f"{thing.__module__}.{thing.__qualname__}"
            names.setdefault(defined, full)
            names.setdefault(defined.removeprefix(f"{PACKAGE}."), full)
    return names


def public() -> Iterator[tuple[str, Any]]:
    """Every public name and what it is: first the flat ones, then those of the families."""
    flat = {name: getattr(fs, name) for name in fs.__all__}
    families = {name: thing for name, thing in flat.items() if isinstance(thing, ModuleType)}
    yield from ((f"fs.{name}", thing) for name, thing in flat.items() if name not in families)
    for family, module in families.items():
        yield from ((f"fs.{family}.{name}", getattr(module, name)) for name in module.__all__)
