"""Values by member's name in a configuration, such as costs.amounts = {north = 5, south = 2}."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fedjax_shap._validate import InvalidInputError, one_of, places, require
from fedjax_shap.devices.device import Profile
from fedjax_shap.pipeline.config import ByMember, Config, Section


def for_members(config: Config, members: Sequence[str]) -> Config:
    """The configuration with values by name as values in the members' order.

    Args:
        config: a checked configuration.
        members: the P names.

    Raises:
        InvalidInputError: a name that no member has, or a member without a value.
    """
    sections = {
        name: _in_order(name, section, members) for name, section in config.sections.items()
    }
    return replace(config, sections=sections)


def _in_order(name: str, section: Section, members: Sequence[str]) -> Section:
    """A section whose values by name stand in the members' order."""
    keywords = {
        key: _values(f"{name}.{key}", value, members) for key, value in section.keywords.items()
    }
    return Section(section.name, keywords)


def _values(field: str, value: Any, members: Sequence[str]) -> Any:
    """A value each member, in their order, of values by name; any other value as it is."""
    if not isinstance(value, ByMember):
        return value
    for name in value:
        one_of(field, name, members, "a member's name")
    missing = [member for member in members if member not in value]
    require(
        not missing,
        f"Expected {field} to have a value for each member, but it has none for "
        f"{', '.join(missing)}.",
    )
    return tuple(value[member] for member in members)


def devices_of(config: Config, names: Sequence[str]) -> tuple[Profile, ...]:
    """The devices of members in the order of their names; none where they are not known."""
    name = config.sections["devices"].name
    expected = f"Expected devices.name={name!r} to give a device Profile for each client"
    try:
        listed = config.build("devices")(len(names))
    except TypeError as error:
        raise InvalidInputError(f"{expected}, but it fails: {error}.") from error
    fits = isinstance(listed, Sequence) and all(isinstance(one, Profile) for one in listed)
    require(fits, f"{expected}.")
    place = places("devices.path", [profile.name for profile in listed], names)
    return tuple(listed) if place is None else tuple(listed[i] for i in place)
