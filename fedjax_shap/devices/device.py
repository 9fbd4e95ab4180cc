"""Devices: what rounds take of a member's machine, in seconds, joules, bytes and money.

A synchronous federation: in a round each participant downloads the model, does its local steps,
uploads what came of them, and waits for the slowest. A step takes 1 / speed seconds, a message
bytes / bandwidth, one after the other.

Not modelled: memory and its bandwidth, the overhead of starting a step (which rules where models
are small: give `steps_per_second` as measured there), latency, retransmission, contention for the
server's link, heat, the energy of the radio and of waiting, and the server's own work.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from fedjax_shap._validate import InvalidInputError, number, require
from fedjax_shap.economics import cost, money
from fedjax_shap.typing import HostArray


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A member's machine, its links and its prices.

    One of `steps_per_second` and `flops` says how fast it is. The defaults are assumptions, not
    measurements: 100 Mbit/s both ways, 0.30 a kWh, nothing for time and traffic.

    Attributes:
        name: what it is called.
        steps_per_second: local steps a second, > 0, as measured for the model at hand; None where
            `flops` says.
        flops: peak floating-point operations a second, > 0, as a data sheet has it; None where
            `steps_per_second` says.
        efficiency: the share of `flops` that training reaches, in (0, 1]. The default is an
            assumption, and a high one for small models: Llama 3.1 reports 0.38 to 0.43 on H100s
            (Grattafiori et al. 2024).
        power: watts drawn while it trains, >= 0; 0 where it is not given, and energy then costs
            nothing.
        uplink: bytes a second to the server, > 0.
        downlink: bytes a second from the server, > 0.
        energy_price: money a kWh, >= 0.
        time_price: money an hour in which it trains or communicates, >= 0.
        traffic_price: money a GB (10^9 bytes) up or down, >= 0.
        fixed: money for being a member, once, >= 0.
        source: where the numbers are from; "" where they are the user's own.
    """

    name: str
    steps_per_second: float | None = None
    flops: float | None = None
    efficiency: float = 0.3
    power: float = 0.0
    uplink: float = 12.5e6
    downlink: float = 12.5e6
    energy_price: float | int | str = 0.30
    time_price: float | int | str = 0
    traffic_price: float | int | str = 0
    fixed: float | int | str = 0
    source: str = ""

    def __post_init__(self) -> None:
        """Refuses numbers that no machine has.

        Raises:
            InvalidInputError: both speeds or none, a number out of its range, or a price that is no
                amount.
        """
        require(
            (self.steps_per_second is None) != (self.flops is None),
            f"Expected one of steps_per_second={self.steps_per_second} and flops={self.flops} of "
            f"device {self.name!r} to be given.",
        )
        for name in ("steps_per_second", "flops", "efficiency", "uplink", "downlink"):
            if getattr(self, name) is not None:
                number(f"{self.name}.{name}", getattr(self, name), above=0)
        require(
            self.efficiency <= 1,
            f"Expected {self.name}.efficiency={self.efficiency!r} to be at most 1.",
        )
        number(f"{self.name}.power", self.power, least=0)
        for name in ("energy_price", "time_price", "traffic_price", "fixed"):
            money.amount(f"{self.name}.{name}", getattr(self, name))


@dataclass(frozen=True, kw_only=True, eq=False)
class Usage:
    """What R rounds took of C devices.

    Attributes:
        steps: int[R, C], local steps done.
        training: float[R, C], seconds of training.
        communication: float[R, C], seconds of sending and receiving.
        joules: float[R, C], energy of training.
        uploaded: float[R, C], bytes to the server.
        downloaded: float[R, C], bytes from the server.
        rounds: float[R], seconds that each round lasted: as long as its slowest participant; 0
            where nobody took part.
        idle: float[R, C], seconds in which a participant waited for the slowest; 0 for one that
            dropped out.
    """

    steps: HostArray
    training: HostArray
    communication: HostArray
    joules: HostArray
    uploaded: HostArray
    downloaded: HostArray
    rounds: HostArray
    idle: HostArray

    def totals(self) -> dict[str, HostArray]:
        """Sums over all rounds.

        Returns:
            {name of the attribute: number[C]}, and "rounds", float[]: the seconds of the whole run.
        """
        return {part.name: getattr(self, part.name).sum(axis=0) for part in fields(self)}


def steps_per_second(profiles: Sequence[Profile], flops_per_step: HostArray | float) -> HostArray:
    """float64[C]: local steps a second of each client's device.

    Args:
        profiles: the C devices.
        flops_per_step: floating-point operations of a step, float[C] or one number, > 0 where a
            profile needs it.

    Raises:
        InvalidInputError: another number of profiles than of `flops_per_step`, or one of these that
            is not > 0.
    """
    flops = _each("flops_per_step", flops_per_step, len(profiles))
    for profile, count in zip(profiles, flops):
        if profile.flops is not None:
            number("flops_per_step", float(count), above=0)
    return np.array([_speed(profile, count) for profile, count in zip(profiles, flops)], np.float64)


def steps_done(num_steps: HostArray, share: HostArray) -> HostArray:
    """int[R, C]: local steps that were done.

    Args:
        num_steps: int[R, C], those planned.
        share: [R, C], how much of the round a client does.
    """
    done: HostArray = np.floor(np.asarray(num_steps) * np.asarray(share, np.float64))
    return done.astype(np.int64)


def usage(
    profiles: Sequence[Profile],
    num_steps: HostArray,
    share: HostArray,
    *,
    flops_per_step: HostArray | float,
    upload_bytes: HostArray | float,
    download_bytes: HostArray | float,
) -> Usage:
    """What rounds take of the devices.

    A client that drops out after a share of its round has downloaded the model, done that share of
    its steps (rounded down) and uploads nothing; the server is taken to learn of it at once.

    Args:
        profiles: the C devices.
        num_steps: int[R, C], the local steps K_i that a client does where it takes part to the end.
        share: [R, C], how much of the round a client does: 0 or False for none, 1 or True for all,
            in between where it drops out.
        flops_per_step: floating-point operations of a step, float[C] or one number.
        upload_bytes: bytes of what a client sends in a round, float[C] or one number.
        download_bytes: bytes of what it is sent, float[C] or one number.

    Raises:
        InvalidInputError: shapes that disagree, a share outside [0, 1], or a negative number of
            steps or bytes.
    """
    planned = np.asarray(num_steps)
    share = np.asarray(share, np.float64)
    require(
        planned.ndim == 2 and planned.shape == share.shape and planned.shape[1] == len(profiles),
        f"Expected num_steps and share to be [R, C] with C={len(profiles)} devices, got shapes "
        f"{planned.shape} and {share.shape}.",
    )
    require(
        bool(((share >= 0) & (share <= 1)).all()), "Expected share to lie in [0, 1] everywhere."
    )
    require(bool((planned >= 0).all()), "Expected num_steps to be >= 0 everywhere.")
    # count what was done: a client that dropped out has trained for a while and sent nothing
    steps = steps_done(planned, share)
    uploaded = (share == 1) * _each("upload_bytes", upload_bytes, len(profiles))
    downloaded = (share > 0) * _each("download_bytes", download_bytes, len(profiles))
    training = steps / steps_per_second(profiles, flops_per_step)
    communication = uploaded / _column(profiles, "uplink") + downloaded / _column(
        profiles, "downlink"
    )
    # the round lasts as long as its slowest client; the others wait, unless they dropped out
    busy = training + communication
    rounds = busy.max(axis=1, initial=0.0)
    return Usage(
        steps=steps,
        training=training,
        communication=communication,
        joules=training * _column(profiles, "power"),
        uploaded=uploaded,
        downloaded=downloaded,
        rounds=rounds,
        idle=np.where(share == 1, rounds[:, None] - busy, 0.0),
    )


def bill(profiles: Sequence[Profile], used: Usage) -> cost.Bill:
    """What the devices' use cost their owners: c_i and its parts, over all rounds.

    Energy is that of training; time is that of training and communication, not that of waiting;
    traffic counts both ways. The fixed cost is there whether or not a member took part in a round.

    Args:
        profiles: the C devices.
        used: what the rounds took of them.
    """
    total = used.totals()
    return cost.bill(
        joules=total["joules"],
        seconds=total["training"] + total["communication"],
        traffic=total["uploaded"] + total["downloaded"],
        energy_prices=[one.energy_price for one in profiles],
        time_prices=[one.time_price for one in profiles],
        traffic_prices=[one.traffic_price for one in profiles],
        fixed=[one.fixed for one in profiles],
    )


def _speed(profile: Profile, flops_per_step: float) -> float:
    """Local steps a second of one device."""
    if profile.steps_per_second is not None:
        return profile.steps_per_second
    return (profile.flops or 0.0) * profile.efficiency / flops_per_step


def _column(profiles: Sequence[Profile], name: str) -> HostArray:
    """One attribute of every device, float64[C]."""
    return np.array([getattr(one, name) for one in profiles], np.float64)


def _each(name: str, value: HostArray | float, length: int) -> HostArray:
    """One number for all, or one each, as float64[C]; refuses another count or a negative one."""
    read = np.asarray(value, np.float64)
    if read.shape not in ((), (length,)):
        raise InvalidInputError(
            f"Expected {name} to be one number or one for each of {length} devices."
        )
    require(
        bool((read >= 0).all() and np.isfinite(read).all()),
        f"Expected {name}={value} to be finite and >= 0.",
    )
    return np.broadcast_to(read, (length,))
