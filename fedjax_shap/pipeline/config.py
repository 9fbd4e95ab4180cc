"""A run's configuration: sections that name registry entries and their keywords, checked before
anything is trained.
"""

import inspect
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedjax_shap._validate import InvalidInputError, integer, one_of, require
from fedjax_shap.pipeline.schema import SECTIONS, type_name
from fedjax_shap.shapley.estimators.registry import DEFAULT
from fedjax_shap.shapley.stopping import parse_rule
from fedjax_shap.valuation.in_run_methods import IN_RUN


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
        sections: room -> its section.
        corruptions: what is done to which clients, in order.
    """

    title: str
    seed: int
    sections: dict[str, Section]
    corruptions: tuple[Section, ...]

    @property
    def cross_device(self) -> bool:
        """Whether one run is valued, as its rounds or reconstructed, and not the trainings of every
        coalition.
        """
        return self.sections["game"].name != "silo"

    @property
    def metric(self) -> str:
        """What a coalition is worth."""
        return str(self.sections["game"].keywords.get("metric", "accuracy"))

    def to_dict(self) -> dict[str, Any]:
        """The configuration as it would stand in TOML or JSON."""
        written = {room: {"name": s.name, **s.keywords} for room, s in self.sections.items()}
        corrupt = [{"name": s.name, **s.keywords} for s in self.corruptions]
        return {"title": self.title, "seed": self.seed, **written, "corrupt": corrupt}

    def build(self, room: str, **given: Any) -> Any:
        """Calls the factory that a room's section names."""
        return build(room, self.sections[room], **given)


def build(room: str, section: Section, **given: Any) -> Any:
    """Calls a section's factory with its keywords and what the run gives besides."""
    shared = inspect.signature(SECTIONS[room].common).parameters
    own = {key: value for key, value in section.keywords.items() if key not in shared}
    return SECTIONS[room].entries[section.name](**own, **given)


def parse(raw: Mapping[str, Any]) -> Config:
    """Checks a configuration given as nested mappings.

    Raises:
        InvalidInputError: an unknown section, name or keyword (with the nearest known one), a wrong
            type, or a keyword that is missing.
    """
    for key in raw:
        one_of("section", key, ("title", "seed", *SECTIONS))
    title, seed = raw.get("title", "run"), raw.get("seed", 0)
    require(isinstance(title, str), f"Expected title={title!r} to be text.")
    integer("seed", seed, least=0, most=2**32 - 1)
    raw = _implied(raw)
    corrupt = raw.get("corrupt", [])
    require(
        isinstance(corrupt, Sequence),
        f"Expected corrupt={corrupt!r} to be a list of sections, [[corrupt]].",
    )
    sections = {room: _section(room, raw.get(room, {})) for room in SECTIONS if room != "corrupt"}
    config = Config(
        title, seed, sections, tuple(_section("corrupt", section) for section in corrupt)
    )
    _agree(config)
    return config


def _implied(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration with the names that its other keywords imply."""
    implied: dict[str, Any] = {}
    for room, of_keywords in _IMPLIED.items():
        section = raw.get(room)
        if isinstance(section, Mapping) and "name" not in section:
            names = [
                name for keyword, name in of_keywords.items() if keyword in section or keyword == ""
            ]
            implied |= {room: {"name": names[0], **section}} if names else {}
    devices = implied.get("devices", raw.get("devices", {}))
    known = isinstance(devices, Mapping) and devices.get("name", "unknown") != "unknown"
    if known and "costs" not in raw:
        implied["costs"] = {"name": "devices"}
    return {**raw, **implied}


# room -> {a keyword of its section: the name that it stands for where the section gives none}; ""
# is any section at all
_IMPLIED = {
    "estimator": {"budget": DEFAULT, "until": DEFAULT},
    "devices": {"path": "csv", "": "profiles"},
}


def _agree(config: Config) -> None:
    """Refuses sections that do not go together."""
    sections = config.sections
    for room in ("steps", "costs"):
        of_devices = {"steps": "device", "costs": "devices"}[room]
        require(
            sections[room].name != of_devices or sections["devices"].name != "unknown",
            f"Expected devices to be given with {room}.name={of_devices!r}, such as "
            "devices.profile='t4'.",
        )
    said = sorted(sections["local"].keywords.keys() & {"steps", "epochs"})
    require(
        not said or sections["steps"].name == "local",
        f"Expected local.{'/'.join(said)} to be left out with "
        f"steps.name={sections['steps'].name!r}, which decides it.",
    )
    game, method, tol = (
        sections["game"].name,
        sections["estimator"].name,
        sections["algorithm"].keywords.get("tol"),
    )
    fixed = not config.cross_device or tol is None
    require(
        fixed,
        f"Expected algorithm.tol={tol} to be left out with game.name={game!r}, whose runs have one "
        "length.",
    )
    in_rounds = game == "rounds" or method not in IN_RUN
    require(
        in_rounds,
        f"Expected game.name={game!r} to be 'rounds' with estimator.name={method!r}, for rounds "
        "alone.",
    )
    given = sections["estimator"].keywords
    repeats, until, turn = given.get("repeats", 1), given.get("until"), given.get("turn")
    integer("estimator.repeats", repeats, least=1)
    alone = repeats == 1 or not config.cross_device
    require(
        alone,
        f"Expected estimator.repeats={repeats} to be left out with game.name={game!r}; run it once "
        "a seed.",
    )
    if until is not None:
        parse_rule(until)
    earned = sections["economics"].keywords
    both = earned.get("curve") is not None and "revenue" in earned
    held = earned.get("verify") is None or sections["devices"].name != "unknown"
    require(
        held,
        f"Expected devices to be given with economics.verify={earned.get('verify')!r}, which they "
        "imply.",
    )
    require(
        not both,
        "Expected economics.revenue to be left out with economics.curve, which decides it.",
    )
    if turn is not None:
        integer("estimator.turn", turn, least=1)


def read_toml(path: str | Path) -> dict[str, Any]:
    """The mappings of a TOML file.

    Raises:
        InvalidInputError: the file cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"Expected config={str(path)!r} to be a readable TOML file: {error}."
        ) from error


def override(raw: Mapping[str, Any], assignments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """A configuration with some fields set, each by a dotted name such as `partition.alpha` or
    `corrupt.0.rate`.

    The text of a value is read as TOML (`0.3`, `true`, `[1, 2]`), or as plain text where it is
    none. Naming another entry for a room (`partition.name`) drops the keywords of the old one that
    the new one does not take.
    """
    changed = {key: _copied(value) for key, value in raw.items()}
    for dotted, text in sorted(assignments, key=lambda pair: not pair[0].endswith(".name")):
        *path, last = dotted.split(".")
        where: Any = changed
        for step in path:
            where = _enter(where, step, dotted)
        if isinstance(where, list):
            raise InvalidInputError(
                f"Expected {dotted!r} to name a field of one entry, such as corrupt.0.rate."
            )
        if last == "name" and path and path[0] in SECTIONS and text in SECTIONS[path[0]].entries:
            taken = SECTIONS[path[0]].keywords(text)
            for key in [key for key in where if key not in taken]:
                del where[key]
        where[last] = _value(text)
    return changed


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _enter(where: Any, step: str, dotted: str) -> Any:
    """One step along a dotted name, into a section or an entry of a list."""
    if isinstance(where, list):
        require(
            step.isdigit() and int(step) < len(where),
            f"Expected {dotted!r} to number one of the {len(where)} entries, from 0.",
        )
        return where[int(step)]
    require(isinstance(where, dict), f"Expected {dotted!r} to name a field of the configuration.")
    return where.setdefault(step, {})


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _section(room: str, raw: Any) -> Section:
    """One section, its name known, its keywords known and of the right type, none missing."""
    require(
        isinstance(raw, Mapping),
        f"Expected {room}={raw!r} to be a section with a name and keywords.",
    )
    known = SECTIONS[room]
    name = raw.get("name", known.default)
    one_of(f"{room}.name", name, known.entries)
    parameters = known.keywords(name)
    given = {key: value for key, value in raw.items() if key != "name"}
    for key in given:
        one_of(f"keyword in [{room}]", key, parameters, f"one that {name!r} takes")
    checked = {k: _typed(f"{room}.{k}", v, parameters[k].annotation) for k, v in given.items()}
    for key, parameter in parameters.items():
        required = parameter.default is inspect.Parameter.empty
        require(
            key in given or not required,
            f"Expected {room}.{key} to be given, as {room}.name={name!r} needs it.",
        )
    return Section(name, checked)


def _typed(name: str, value: Any, annotation: Any) -> Any:
    """The value as its annotation has it; integers pass for floats, lists for tuples, nothing else
    is converted.
    """
    adapter = TypeAdapter(annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True))
    try:
        return adapter.validate_python(_frozen(value))
    except ValidationError:
        raise InvalidInputError(
            f"Expected {name}={value!r} to be of type {type_name(annotation)}."
        ) from None


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
