"""Fleets: the members' devices as a configuration names them, and what a run took of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.devices.device import Profile, Usage, bill, usage
from fedjax_shap.devices.profiles import named, profiles_from_csv
from fedjax_shap.devices.workload import Workload
from fedjax_shap.economics.cost import Bill
from fedjax_shap.typing import HostArray

# one number for all, one each, or what the profile has
PerClient = float | tuple[float, ...] | None
Price = float | int | str | tuple[float | int | str, ...] | None


class Fleet(Protocol):
    """The devices of a federation's clients."""

    def __call__(self, num_clients: int, /) -> tuple[Profile, ...]:
        """One device a client, in the order of ids; () where none is known.

        Args:
            num_clients: C.

        Raises:
            InvalidInputError: the fleet is for another number of clients.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Metered:
    """What a run took of its members' devices.

    Attributes:
        profiles: the C devices.
        workload: operations of their local steps and bytes of their messages.
        used: seconds, joules and bytes by round and member.
        bill: what that cost each of them, by parts.
    """

    profiles: tuple[Profile, ...]
    workload: Workload
    used: Usage
    bill: Bill

    def to_json(self) -> dict[str, Any]:
        """Totals over all rounds, one entry a member, the costs' parts and the rounds' seconds."""
        totals = self.used.totals()
        totals.pop("rounds")
        return {
            "profiles": [one.name for one in self.profiles],
            "sources": [one.source for one in self.profiles],
            "flops_per_step": self.workload.flops_per_step.tolist(),
            "message_bytes": self.workload.messages._asdict(),
            **{name: total.tolist() for name, total in totals.items()},
            "round_seconds": self.used.rounds.tolist(),
            "costs": self.bill.to_json(),
        }


def metered(
    devices: tuple[Profile, ...], asked: Workload, num_steps: HostArray, share: HostArray
) -> Metered:
    """What rounds of training take of the members' devices.

    Args:
        devices: the C devices.
        asked: operations of a step and bytes of a message.
        num_steps: int[R, C], see `device.usage`.
        share: [R, C], see `device.usage`.

    Raises:
        InvalidInputError: shapes that disagree, or a price that is no amount.
    """
    used = usage(
        devices,
        num_steps,
        share,
        flops_per_step=asked.flops_per_step,
        upload_bytes=np.asarray(asked.messages.upload),
        download_bytes=np.asarray(asked.messages.download),
    )
    return Metered(profiles=devices, workload=asked, used=used, bill=bill(devices, used))


def profiles(
    *,
    profile: str | tuple[str, ...] | None = None,
    steps_per_second: PerClient = None,
    flops: PerClient = None,
    efficiency: PerClient = None,
    power: PerClient = None,
    uplink: PerClient = None,
    downlink: PerClient = None,
    energy_price: Price = None,
    time_price: Price = None,
    traffic_price: Price = None,
    fixed: Price = None,
) -> Fleet:
    """Devices by name, by numbers, or by name with some numbers replaced.

    `device.Profile` has the units and defaults.

    Args:
        profile: a name in `profiles.PROFILES` for all clients, or one each; None for devices of
            these numbers alone.
        steps_per_second: local steps a second, one number for all clients or one each, as are all
            that follow.
        flops: peak floating-point operations a second.
        efficiency: the share of it that training reaches.
        power: watts.
        uplink: bytes a second.
        downlink: bytes a second.
        energy_price: money a kWh.
        time_price: money an hour.
        traffic_price: money a GB.
        fixed: money.

    Returns:
        The fleet; it refuses a federation of another number of clients than there are entries.

    Raises:
        InvalidInputError: an unknown profile, or a number that no machine has; for the latter only
            when it is called.
    """
    columns = {
        "steps_per_second": steps_per_second,
        "flops": flops,
        "efficiency": efficiency,
        "power": power,
        "uplink": uplink,
        "downlink": downlink,
        "energy_price": energy_price,
        "time_price": time_price,
        "traffic_price": traffic_price,
        "fixed": fixed,
    }
    given = {key: value for key, value in columns.items() if value is not None}
    names = profile or ()
    if isinstance(names, str):
        names = (names,)
    for name in names:
        named(name)

    def fleet(num_clients: int) -> tuple[Profile, ...]:
        each = {key: _one_each(key, value, num_clients) for key, value in given.items()}
        devices = []
        for i, name in enumerate(_one_each("profile", profile, num_clients)):
            row = {key: column[i] for key, column in each.items()}
            if name is None:
                devices.append(Profile(name=f"device {i}", **row))
            else:
                devices.append(named(name, **row))
        return tuple(devices)

    return fleet


def csv(*, path: str) -> Fleet:
    """Devices from a CSV file, one row a client; see `profiles.profiles_from_csv`.

    Args:
        path: the file.

    Raises:
        InvalidInputError: as there; when called, another number of rows than of clients.
    """
    read = profiles_from_csv(path)

    def fleet(num_clients: int) -> tuple[Profile, ...]:
        require(
            len(read) == num_clients,
            f"Expected {path} to hold a row for each of the {num_clients} clients, got "
            f"{len(read)}.",
        )
        return read

    return fleet


def unknown() -> Fleet:
    """Nothing is known of the members' devices: none is metered."""
    return lambda num_clients: ()


def _one_each(name: str, value: Any, num_clients: int) -> tuple[Any, ...]:
    """The entries of a tuple, or one value for every client."""
    if not isinstance(value, tuple):
        return (value,) * num_clients
    if len(value) != num_clients:
        raise InvalidInputError(
            f"Expected {name}={list(value)} to be one value or one for each of the {num_clients} "
            "clients."
        )
    return value


FLEETS: dict[str, Callable[..., Fleet]] = {"unknown": unknown, "profiles": profiles, "csv": csv}
