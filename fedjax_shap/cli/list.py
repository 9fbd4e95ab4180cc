"""`fedjax-shap list`: the names that a configuration may use, with their keywords."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fedjax_shap._validate import one_of

if TYPE_CHECKING:  # the rest of the package needs JAX, which help and refusals answer without
    from fedjax_shap.pipeline.descriptions import Keyword, SectionDescription
    from fedjax_shap.report.tables import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `list` takes."""
    parser.add_argument(
        "section", nargs="?", metavar="SECTION", help="one section only, such as partition"
    )
    parser.set_defaults(call=_list)


def _list(known: argparse.Namespace, rest: list[str]) -> None:
    from fedjax_shap.pipeline.schema import SECTIONS, describe
    from fedjax_shap.report.render import to_terminal

    if known.section is not None:
        one_of("section", known.section, SECTIONS)
    for name in SECTIONS:
        if known.section in (None, name):
            to_terminal(section_table(name, describe(name)), ruled=False)
            print()


def section_table(name: str, section: "SectionDescription") -> "Table":
    """The entries of a section, each with its keywords and what it is.

    Args:
        name: of the section.
        section: what it may say.
    """
    from fedjax_shap.report.tables import Table, text, word

    rows = []
    for entry, description in sorted(section.entries.items()):
        default = " (default)" * (entry == section.default)
        rows.append((f"{entry}{default}", _keywords(description.keywords), description.summary))
    if section.shared:
        rows.append(("all of them", _keywords(section.shared), section.shared_summary))
    columns = (word("name"), text("keywords"), text("what it is"))
    return Table(f"[{name}]", columns, tuple(rows))


def _keywords(keywords: Mapping[str, "Keyword"]) -> str:
    """Keywords with their types and defaults, a line each."""
    described = []
    for name, keyword in keywords.items():
        line = f"{name}: {keyword.type}"
        if keyword.default is not None:
            line += f" = {keyword.default}"
        described.append(line)
    return "\n".join(described)
