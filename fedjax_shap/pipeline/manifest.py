"""The manifest: what every section of a configuration may say, as a file in the package.

With it a configuration can be refused, and the names listed, without importing JAX. Write it anew
where a registry changed: `python -m fedjax_shap.pipeline.manifest`.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from fedjax_shap.pipeline.descriptions import EntryDescription, Keyword, SectionDescription

FILE = "manifest.json"


@cache
def shipped() -> dict[str, SectionDescription]:
    """The sections by name, as the file in the package describes them."""
    return read(files("fedjax_shap.pipeline").joinpath(FILE).read_text(encoding="utf-8"))


def read(text: str) -> dict[str, SectionDescription]:
    """The sections that `written` wrote."""
    sections = {}
    for name, one in json.loads(text).items():
        entries = {
            entry: EntryDescription(
                summary=about["summary"],
                keywords=_keywords(about["keywords"]),
                bound=tuple(about["bound"]),
            )
            for entry, about in one["entries"].items()
        }
        sections[name] = SectionDescription(
            default=one["default"],
            entries=entries,
            shared=_keywords(one["shared"]),
            shared_summary=one["shared_summary"],
        )
    return sections


def written(sections: Mapping[str, SectionDescription]) -> str:
    """The sections as JSON."""
    record = {}
    for name, one in sections.items():
        entries = {entry: one.entries[entry]._asdict() for entry in sorted(one.entries)}
        record[name] = {**one._asdict(), "entries": entries}
    return json.dumps(record, indent=1) + "\n"


def _keywords(listed: Mapping[str, list[str | None]]) -> dict[str, Keyword]:
    return {name: Keyword(str(kind), default) for name, (kind, default) in listed.items()}


if __name__ == "__main__":
    from fedjax_shap.pipeline.schema import SECTIONS, VOCABULARIES

    live = {name: spec.describe() for name, spec in {**SECTIONS, **VOCABULARIES}.items()}
    Path(__file__).with_name(FILE).write_text(written(live), encoding="utf-8")
