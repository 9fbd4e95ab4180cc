"""`fedjax-shap list`: the names that a configuration may use, with their keywords."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fedjax_shap._validate import one_of, require
from fedjax_shap.cli.output import say

if TYPE_CHECKING:  # the rest of the package needs JAX, which help and refusals answer without
    from fedjax_shap.pipeline.descriptions import Keyword, SectionDescription
    from fedjax_shap.report.tables import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `list` takes."""
    parser.add_argument(
        "section",
        nargs="?",
        metavar="SECTION",
        help="the keywords of one section, such as partition, or the names that metric, profile "
        "and until take",
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="all that is said of one name, such as dirichlet"
    )
    parser.set_defaults(call=_list)


def _list(known: argparse.Namespace, rest: list[str]) -> None:
    from fedjax_shap.pipeline.schema import SECTIONS, VOCABULARIES, describe
    from fedjax_shap.report.render import to_terminal

    if known.section is None:
        sections = {name: describe(name) for name in {**SECTIONS, **VOCABULARIES}}
        to_terminal(names_table(sections), ruled=False)
        say("`fedjax-shap list SECTION` shows keywords, `list SECTION NAME` all there is.")
        return
    section = known.section.strip("[]")
    one_of("section", section, {**SECTIONS, **VOCABULARIES})
    description = describe(section)
    if known.name is None:
        to_terminal(section_table(section, description), ruled=False)
        return
    one_of(f"name in [{section}]", known.name, description.entries)
    keywords = description.keywords(known.name)
    if keywords:
        to_terminal(keywords_table(known.name, keywords), ruled=False)
    say(_words(section, known.name))


def names_table(sections: Mapping[str, "SectionDescription"]) -> "Table":
    """The names in each section, the default first.

    Args:
        sections: what each may say, by its name.
    """
    from fedjax_shap.report.tables import Table, text, word

    rows = []
    for name, section in sections.items():
        others = sorted(section.entries.keys() - {section.default})
        default = [f"{section.default} (default)"] * (section.default in section.entries)
        rows.append((name, ", ".join([*default, *others])))
    return Table("", (word("section"), text("names")), tuple(rows))


def section_table(name: str, section: "SectionDescription") -> "Table":
    """The entries of a section with their keywords and what they are; those that differ in name
    alone share a row.

    Args:
        name: of the section.
        section: what it may say.
    """
    from fedjax_shap.report.tables import Table, text

    alike: dict[tuple[str, str], list[str]] = {}
    for entry, description in sorted(section.entries.items()):
        default = " (default)" * (entry == section.default)
        words = (_keywords(description.keywords), description.summary)
        alike.setdefault(words, []).append(f"{entry}{default}")
    rows = [(", ".join(names), *words) for words, names in alike.items()]
    if section.shared:
        rows.append(("all of them", _keywords(section.shared), section.shared_summary))
    columns = (text("name"), text("keywords"), text("what it is"))
    return Table(f"[{name}]", columns, tuple(rows))


def keywords_table(name: str, keywords: Mapping[str, "Keyword"]) -> "Table":
    """The keywords of one entry, a row each.

    Args:
        name: of the entry.
        keywords: what it takes.
    """
    from fedjax_shap.report.tables import Table, text, word

    rows = [(key, one.type, one.default or "must be given") for key, one in keywords.items()]
    columns = (word("keyword"), text("type"), text("default"))
    return Table(name, columns, tuple(rows))


def _words(section: str, name: str) -> str:
    """The whole docstring of an entry."""
    import inspect

    from fedjax_shap.pipeline.schema import SECTIONS, VOCABULARIES

    spec = {**SECTIONS, **VOCABULARIES}[section]
    factory = spec.factory(spec.entries[name])
    words = inspect.getdoc(getattr(factory, "func", factory))
    require(words is not None, f"Expected {name!r} to have a docstring.")
    return str(words)


def _keywords(keywords: Mapping[str, "Keyword"]) -> str:
    """Keywords with their types and defaults, a line each."""
    described = []
    for name, keyword in keywords.items():
        line = f"{name}: {keyword.type}"
        if keyword.default is not None:
            line += f" = {keyword.default}"
        described.append(line)
    return "\n".join(described)
