"""Device profiles by name, with the source of their numbers, and from a CSV file.

A profile's `flops` is the peak of the data sheet in float32 where there is one. For the boards and
computers that have none it is what High-Performance Linpack reached in float64 at the measured
power of the whole machine: a lower bound. Links and prices are the assumptions of `Profile`, the
same for all.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from fedjax_shap._validate import InvalidInputError, one_of, require
from fedjax_shap.data import files
from fedjax_shap.devices.device import Profile

_LINPACK = (
    "J. Geerling, top500-benchmark, README: {} Gflops (float64) at {} W; "
    "https://github.com/geerlingguy/{}"
)

PROFILES: dict[str, Profile] = {
    one.name: one
    for one in (
        Profile(
            name="raspberry_pi_4",
            flops=11.889e9,
            power=7.2,
            source=_LINPACK.format("11.889", "7.2", "top500-benchmark/issues/13"),
        ),
        Profile(
            name="raspberry_pi_5",
            flops=30.249e9,
            power=11.0,
            source=_LINPACK.format("30.249", "11", "top500-benchmark/issues/18"),
        ),
        Profile(
            name="phone_2015",
            flops=153.6e9,
            power=9.0,
            source="Qualcomm Snapdragon 650: Adreno 510, 128 units x 2 x 600 MHz; nanoreview.net, "
            "Snapdragon 650. Power: the chip's thermal design power; cputronic.com, Qualcomm "
            "Snapdragon 650",
        ),
        Profile(
            name="jetson_nano",
            flops=236e9,
            power=10.0,
            source="NVIDIA Jetson Nano, technical specifications: 472 GFLOPS in float16, half of "
            "that in float32 (128 units x 2 x 921.6 MHz), 10 W mode; "
            "https://developer.nvidia.com/embedded/jetson-nano",
        ),
        Profile(
            name="desktop_i5_7400t",
            flops=72.472e9,
            power=41.0,
            source=_LINPACK.format("72.472", "41", "top500-benchmark") + " (Lenovo M710q Tiny)",
        ),
        Profile(
            name="mac_mini_m4",
            flops=299.93e9,
            power=39.6,
            source=_LINPACK.format("299.93", "39.6", "top500-benchmark/issues/47") + " (its CPU)",
        ),
        Profile(
            name="t4",
            flops=8.1e12,
            power=70.0,
            source="NVIDIA T4 data sheet: 8.1 TFLOPS in float32, 70 W; "
            "https://www.nvidia.com/en-us/data-center/tesla-t4/",
        ),
        Profile(
            name="a100",
            flops=19.5e12,
            power=400.0,
            source="NVIDIA A100 data sheet, SXM: 19.5 TFLOPS in float32, 400 W; "
            "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/"
            "nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf",
        ),
        Profile(
            name="h100",
            flops=67e12,
            power=700.0,
            source="NVIDIA H100 specifications, SXM: 67 TFLOPS in float32, up to 700 W; "
            "https://www.nvidia.com/en-us/data-center/h100/",
        ),
    )
}

_TEXT = ("name", "source")
_COLUMNS = tuple(field.name for field in fields(Profile))
# amounts: read as they are written, exactly
_PRICES = ("energy_price", "time_price", "traffic_price", "fixed")


def named(profile: str, /, **overrides: Any) -> Profile:
    """A profile of `PROFILES`, with some of its attributes replaced.

    Args:
        profile: one of `PROFILES`.
        **overrides: attributes of `Profile`. One speed replaces the other: `steps_per_second` drops
            `flops`.

    Raises:
        InvalidInputError: an unknown name or attribute, or a value that `Profile` refuses.
    """
    one_of("profile", profile, PROFILES)
    return overridden(PROFILES[profile], overrides)


def overridden(profile: Profile, overrides: Mapping[str, Any]) -> Profile:
    """A profile with some attributes replaced; see `named`."""
    for key in overrides:
        one_of("attribute of a device", key, _COLUMNS)
    changes = dict(overrides)
    if ("steps_per_second" in changes) != ("flops" in changes):
        changes.setdefault("steps_per_second", None)
        changes.setdefault("flops", None)
    return replace(profile, **changes)


def profiles_from_csv(path: str) -> tuple[Profile, ...]:
    """The clients' devices from a CSV file, one row a client in the order of their ids.

    The first line names the columns: attributes of `Profile`, and perhaps `profile`, which names an
    entry of `PROFILES` whose attributes the other cells of the row replace. An empty cell stands
    for what the named profile has, or for the default of `Profile`.

    Args:
        path: the file.

    Returns:
        One profile a row; a client without a name is called after its profile, or "device 0",
        "device 1", ...

    Raises:
        InvalidInputError: no such file or no rows, an unknown or repeated column, a cell that is no
            number, an unknown profile, or values that `Profile` refuses; the sentence names the
            line.
    """
    (_, header), *body = files.rows(files.given(path))
    require(
        len(set(header)) == len(header), f"Expected {path} to name each column once, got {header}."
    )
    require(
        len(body) > 0,
        f"Expected {path} to hold a row for each client below its line of names, but there is "
        "none.",
    )
    for column in header:
        one_of(f"a column of {path}", column, ("profile", *_COLUMNS))
    return tuple(
        _of_row(path, line, i, dict(zip(header, cells))) for i, (line, cells) in enumerate(body)
    )


def _of_row(path: str, line: int, index: int, cells: Mapping[str, str]) -> Profile:
    """One row's profile, or the refusal with its line."""
    filled = {key: cell for key, cell in cells.items() if cell}
    try:
        given: dict[str, Any] = {
            key: _read(key, cell) for key, cell in filled.items() if key != "profile"
        }
        if "profile" in filled:
            return named(filled["profile"], **given)
        return Profile(**{"name": f"device {index}", **given})
    except InvalidInputError as error:
        raise InvalidInputError(
            f"Expected line {line} of {path} to describe a device: {error}"
        ) from None


def _read(column: str, cell: str) -> float | str:
    """A cell as its column has it: text, an amount as it is written, or a number."""
    if column in _TEXT or column in _PRICES:
        return cell
    try:
        return float(cell)
    except ValueError:
        raise InvalidInputError(f"Expected {column}={cell!r} to be a number.") from None
