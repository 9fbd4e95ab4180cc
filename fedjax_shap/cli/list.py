"""`fedjax-shap list`: the names that a configuration may use, with their keywords."""

import argparse
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fedjax_shap._validate import one_of

if TYPE_CHECKING:  # the rest of the package needs JAX, which help and refusals answer without
    from fedjax_shap.pipeline.schema import SectionSpec
    from fedjax_shap.report.tables import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `list` takes."""
    parser.add_argument(
        "section", nargs="?", metavar="SECTION", help="one section only, such as partition"
    )
    parser.set_defaults(call=_list)


def _list(known: argparse.Namespace, rest: list[str]) -> None:
    from fedjax_shap.pipeline.schema import SECTIONS
    from fedjax_shap.report.render import to_terminal

    if known.section is not None:
        one_of("section", known.section, SECTIONS)
    for name, spec in SECTIONS.items():
        if known.section in (None, name):
            to_terminal(section_table(name, spec), ruled=False)
            print()


def section_table(name: str, spec: "SectionSpec") -> "Table":
    """The entries of a section, each with its keywords and what it is.

    Args:
        name: of the section.
        spec: what it may say.
    """
    from fedjax_shap.report.tables import Table, text, word

    rows = []
    for entry, factory in sorted(spec.entries.items()):
        default = " (default)" * (entry == spec.default)
        rows.append((f"{entry}{default}", _keywords(spec.own(entry)), _first_sentence(factory)))
    if spec.shared:
        rows.append(("all of them", _keywords(spec.shared), _first_sentence(spec.common)))
    columns = (word("name"), text("keywords"), text("what it is"))
    return Table(f"[{name}]", columns, tuple(rows))


def _keywords(parameters: Mapping[str, inspect.Parameter]) -> str:
    """Keywords with their types and defaults, a line each."""
    from fedjax_shap.pipeline.schema import type_name

    described = []
    for name, parameter in parameters.items():
        line = f"{name}: {type_name(parameter.annotation)}"
        if parameter.default is not inspect.Parameter.empty:
            line += f" = {parameter.default!r}"
        described.append(line)
    return "\n".join(described)


def _first_sentence(factory: Callable[..., Any]) -> str:
    """The first paragraph of a factory's docstring, on one line."""
    text = inspect.getdoc(getattr(factory, "func", factory)) or ""
    return " ".join(text.split("\n\n")[0].split())
