"""A run's configuration: sections that name registry entries and their keywords, checked before
anything is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedjax_shap._validate import InvalidInputError, integer, of_kind, one_of, require
from fedjax_shap.pipeline.descriptions import by_member, type_of
from fedjax_shap.pipeline.own_names import is_own
from fedjax_shap.pipeline.schema import SECTIONS, describe
from fedjax_shap.pipeline.wording import (
    Field,
    located,
    require_keyword,
    require_section,
)

EXAMPLES = {  # of types that read like Python
    "tuple[str, ...]": '["a", "b"]',
    "tuple[int, ...]": "[64, 32]",
    "tuple[float, ...]": "[0.5, 1.5]",
}
LIST = "corrupt"  # the section that is a list of sections: [[corrupt]]


class ByMember(dict[str, Any]):
    """Values by member's name, where a keyword takes one for each member."""


@dataclass(frozen=True)
class Section:
    """One section: the registry entry it names, and the keywords it gives."""

    name: str
    keywords: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """A checked configuration.

    Attributes:
        title: what the run is called in tables and figures.
        seed: seeds everything that is drawn.
        sections: what each section says, by its name; only those that the game uses.
        corruptions: what is done to which clients, in order.
    """

    title: str
    seed: int
    sections: dict[str, Section]
    corruptions: tuple[Section, ...]

    @property
    def knows_devices(self) -> bool:
        """Whether the members' devices are described."""
        devices = self.sections.get("devices")
        return devices is not None and devices.name != SECTIONS["devices"].default

    def given(self, section: str) -> dict[str, Any]:
        """The keywords that a section gives."""
        return self.sections[section].keywords

    def value(self, section: str, keyword: str) -> Any:
        """What a section says for one keyword of its entry, its default where it says nothing."""
        one = self.sections[section]
        if keyword in one.keywords:
            return one.keywords[keyword]
        return SECTIONS[section].parameters(one.name)[keyword].default

    def takes(self, section: str, parameter: str) -> bool:
        """Whether the entry that a section names takes `parameter` from the run."""
        return parameter in describe(section).entries[self.sections[section].name].bound

    def fields(self) -> list[Field]:
        """What the configuration gives, field by field."""
        sections = {**self.sections}
        sections |= {f"{LIST}.{place}": one for place, one in enumerate(self.corruptions)}
        return [
            Field(f"{section}.{key}", key, value)
            for section, one in sections.items()
            for key, value in one.keywords.items()
        ]

    def to_dict(self) -> dict[str, Any]:
        """The configuration as it would stand in TOML or JSON."""
        record: dict[str, Any] = {"title": self.title, "seed": self.seed}
        for section, one in self.sections.items():
            record[section] = {"name": one.name, **one.keywords}
        record[LIST] = [{"name": one.name, **one.keywords} for one in self.corruptions]
        return record

    def build(self, section: str, **bound: Any) -> Any:
        """Calls the factory that a section names, see `build`."""
        return build(section, self.sections[section], **bound)


def build(section: str, configured: Section, **bound: Any) -> Any:
    """Calls the factory that a section names.

    Args:
        section: the section's name.
        configured: what it says.
        bound: the parameters that the run fills in.
    """
    shared = describe(section).shared
    own = {key: value for key, value in configured.keywords.items() if key not in shared}
    return SECTIONS[section].entries[configured.name](**own, **bound)


def parse(raw: Mapping[str, Any]) -> Config:
    """Checks a configuration given as nested mappings.

    Raises:
        InvalidInputError: an unknown section, name or keyword (with the nearest known one), a wrong
            type, a keyword that is missing, or sections that do not go together.
    """
    of_kind("raw", raw, Mapping, "read_toml(path)")
    for key, value in raw.items():
        require_section(key, value, ("title", "seed"))
    title = raw.get("title", "run")
    seed = raw.get("seed", 0)
    require(isinstance(title, str), f"Expected title={title!r} to be text.")
    integer("seed", seed, least=0, most=2**32 - 1)
    full = _implied(raw)
    corrupt = full.get(LIST, [])
    require(
        isinstance(corrupt, Sequence),
        f"Expected corrupt={corrupt!r} to be a list of sections, [[corrupt]].",
    )
    config = Config(
        title=title,
        seed=seed,
        sections={name: _section(name, full.get(name, {})) for name in SECTIONS if name != LIST},
        corruptions=tuple(
            _section(LIST, one, f"{LIST}.{place}") for place, one in enumerate(corrupt)
        ),
    )
    # here, since it imports the registries and with them JAX: what is refused above is so at once
    from fedjax_shap.pipeline.checks import checked

    with located(config.fields()):
        return checked(config, [name for name, said in raw.items() if said])


def _implied(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the names that its other keywords imply."""
    full = dict(raw)
    for section, spec in SECTIONS.items():
        given = raw.get(section)
        if isinstance(given, Mapping) and "name" not in given:
            names = [name for key, name in spec.implied.items() if key in given or not key]
            if names:
                full[section] = {"name": names[0], **given}
    devices = full.get("devices", {})
    default = SECTIONS["devices"].default
    known = isinstance(devices, Mapping) and devices.get("name", default) != default
    if known and "costs" not in raw:
        entries = describe("costs").entries
        by_bill = (name for name, about in entries.items() if "bill" in about.bound)
        full["costs"] = {"name": next(by_bill)}
    return full


def _section(section: str, raw: Any, path: str = "") -> Section:
    """One section, its name known, its keywords known and of the right type, none missing.

    Args:
        section: its name.
        raw: what it says.
        path: its dotted name, where that is another, as in a list of sections.
    """
    path = path or section
    require(
        isinstance(raw, Mapping),
        f"Expected {path}={raw!r} to be a section with a name and keywords.",
    )
    known = describe(section)
    name = raw.get("name", known.default)
    if is_own(name):
        known = SECTIONS[section].describe()  # which imports it
    else:
        one_of(f"{path}.name", name, known.entries)
    keywords = known.keywords(name)
    given = {key: value for key, value in raw.items() if key != "name"}
    for key in given:
        require_keyword(section, name, key)
    members = SECTIONS[section].by_member
    checked = {
        key: _typed(f"{path}.{key}", value, keywords[key].type, by_name=members)
        for key, value in given.items()
    }
    for key, keyword in keywords.items():
        require(
            key in given or keyword.default is not None,
            f"Expected {path}.{key} to be given, as {path}.name={name!r} needs it.",
        )
    return Section(name, checked)


def _typed(name: str, value: Any, type_text: str, *, by_name: bool) -> Any:
    """The value as its type has it; integers pass for floats, lists for tuples, nothing else is
    converted. With `by_name` a table by member's name stands for a value each.
    """
    wanted = type_of(type_text)
    tabled = by_name and isinstance(value, Mapping) and by_member(wanted) is not None
    if tabled:
        wanted = by_member(wanted)
    settings = ConfigDict(strict=True, arbitrary_types_allowed=True)
    try:
        checked = TypeAdapter(wanted, config=settings).validate_python(_frozen(value))
    except ValidationError:
        example = next((f", such as {EXAMPLES[one]}" for one in EXAMPLES if one in type_text), "")
        raise InvalidInputError(
            f"Expected {name}={value!r} to be of type {type_text}{example}."
        ) from None
    if tabled:
        return ByMember(checked)
    return checked


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
