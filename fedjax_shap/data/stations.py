"""Stations that measure the air of Beijing, hour by hour."""

import csv
from typing import Literal

import numpy as np

from fedjax_shap._validate import InvalidInputError, integer, one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.parts import last_of_each, parted
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.scaling import Scale, scaled
from fedjax_shap.typing import HostArray

STATIONS = (
    "Aotizhongxin",
    "Changping",
    "Dingling",
    "Dongsi",
    "Guanyuan",
    "Gucheng",
    "Huairou",
    "Nongzhanguan",
    "Shunyi",
    "Tiantan",
    "Wanliu",
    "Wanshouxigong",
)
HEADER = (
    "No",
    "year",
    "month",
    "day",
    "hour",
    "PM2.5",
    "PM10",
    "SO2",
    "NO2",
    "CO",
    "O3",
    "TEMP",
    "PRES",
    "DEWP",
    "RAIN",
    "wd",
    "WSPM",
    "station",
)
POLLUTANTS = ("PM10", "SO2", "NO2", "CO", "O3")
WEATHER = ("TEMP", "PRES", "DEWP", "RAIN", "WSPM")
WINDS = (
    *("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE"),
    *("S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"),
)
CYCLES = ("wind", "hour", "day of the year")  # each a sine and a cosine
HOURS = 35_064  # of each station, from March 2013 to February 2017
MISSING = "NA"


def beijing_air(
    *,
    folder: str | None = None,
    every: int = 1,
    pollutants: bool = True,
    missing: Literal["drop", "forward", "mean"] = "drop",
    scale: Scale = "pooled",
    test_fraction: float = 0.25,
) -> Pool:
    """Air of Beijing (UCI), 12 stations with 35,064 hours each, 16 features, PM2.5 in ug/m3.

    Features are the other pollutants of the same hour (ug/m3), temperature (C), pressure (hPa), dew
    point (C), the logarithm of 1 + rain (mm; in mm, one hour of heavy rain is 48 deviations away
    and upsets gradient descent), wind speed (m/s), and the direction of the wind, the hour and the
    day of the year, each as sine and cosine. The year is not a feature. The natural federation is
    by station (column "station"). The test set is the last part of each station's rows in time, so
    that a model is tested on months that it has not seen. Licence: CC BY 4.0.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        every: how many hours lie between rows that are used; 1 uses all. A number that shares no
            factor with 24, such as 25, goes through all hours of the day.
        pollutants: whether the other pollutants are features; without them there are 11 features,
            and the task is harder.
        missing: what becomes of a row without some measurement. "drop" leaves it out (382,168 of
            420,768 hours are complete), "forward" repeats the station's last measurement among the
            rows that are used, "mean" takes the mean of the station's training rows. Rows without
            PM2.5 are always left out.
        scale: "pooled" standardises features by all training rows, "per_client" each station's
            rows by its own, "none" leaves the units. PM2.5 stays in ug/m3.
        test_fraction: the fraction of each station's rows, its last, that are the test set.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Zhang, Guo, Dong, He, Xu, Chen 2017, "Cautionary tales on air-quality improvement in
        Beijing" (Proceedings of the Royal Society A 473); archive.ics.uci.edu/dataset/501.
    """
    integer("every", every, least=1, most=HOURS // 10)
    one_of("missing", missing, ("drop", "forward", "mean"))
    used = WEATHER
    if pollutants:
        used = POLLUTANTS + WEATHER
    parts = []
    for station in STATIONS:
        cells = _cells(folder, station, every)
        parts.append((station, cells["PM2.5"], _features(cells, used), cells["No"], cells["year"]))
    owner = np.repeat(STATIONS, [len(y) for _, y, _, _, _ in parts])
    y, raw, hour, year = (np.concatenate([part[place] for part in parts]) for place in (1, 2, 3, 4))
    if missing == "forward":
        raw = _forward(raw, owner)
    # rows without the target, or with a feature that is still missing where that is not filled
    kept = np.isfinite(y)
    if missing != "mean":
        kept &= np.isfinite(raw).all(axis=1)
    left = f"{(~kept).sum():,} of {len(kept):,} rows without some measurement were left out."
    owner, y, raw, hour, year = (part[kept] for part in (owner, y, raw, hour, year))
    train = last_of_each(owner, hour, fraction=test_fraction)
    if missing == "mean":
        raw = _means(raw, owner, train)
    named = ["log(1 + RAIN)" if name == "RAIN" else name for name in used]
    names = [*named, *(f"{part} of {what}" for what in CYCLES for part in ("sine", "cosine"))]
    return parted(
        scaled("beijing_air", raw, train, scale, owner),
        y,
        train,
        columns={"station": owner, "year": year.astype(int).astype(str)},
        natural="station",
        num_classes=None,
        notes={"features": names, "said": (left,) * (not kept.all())},
    )


def _cells(folder: str | None, station: str, every: int) -> dict[str, HostArray]:
    """The numbers of a station by column, float64[T], NaN where missing; the wind in turns."""
    path = files.locate(
        folder,
        "beijing_air",
        [f"PRSA_Data_{station}_20130301-20170228.csv"],
        origin="the UCI archive's Beijing Multi-Site Air-Quality set "
        "(archive.ics.uci.edu/dataset/501)",
    )
    header, *lines = files.text(path).splitlines()
    (names,) = csv.reader([header])
    require(
        tuple(names) == HEADER and len(lines) == HOURS,
        f"Expected {path} to have the columns {list(HEADER)} and {HOURS} rows, got {names} and "
        f"{len(lines)}.",
    )
    rows = list(csv.reader(lines[::every]))
    angle = {name: number / len(WINDS) for number, name in enumerate(WINDS)}
    angle[MISSING] = np.nan
    numbers = {}
    try:
        table = np.array(rows)
        for name, cells in zip(names, table.T):
            if name == "wd":
                numbers[name] = np.array([angle[cell] for cell in cells])
            elif name != "station":
                numbers[name] = np.where(cells == MISSING, "nan", cells).astype(np.float64)
    except (ValueError, KeyError) as error:
        raise InvalidInputError(
            f"Expected {path} to hold {len(HEADER)} cells a row, each a number, a wind or NA, but: "
            f"{error}."
        ) from error
    return numbers


def _features(cells: dict[str, HostArray], used: tuple[str, ...]) -> HostArray:
    """float64[T, features]: measurements, then the sine and the cosine of each cycle."""
    day = (cells["month"] - 1) / 12 + (cells["day"] - 1) / 372
    measured = {**cells, "RAIN": np.log1p(cells["RAIN"])}
    columns = [measured[name] for name in used]
    for turn in (cells["wd"], cells["hour"] / 24, day):
        columns += [np.sin(2 * np.pi * turn), np.cos(2 * np.pi * turn)]
    return np.stack(columns, axis=1)


def _forward(raw: HostArray, owner: HostArray) -> HostArray:
    """Each missing value becomes the last one before it at its station, if there is one."""
    filled = raw.copy()
    for station in STATIONS:
        rows = np.flatnonzero(owner == station)
        part = raw[rows]
        # for each cell the number of the last row that has a value
        last = np.where(np.isfinite(part), np.arange(len(rows))[:, None], 0)
        last = np.maximum.accumulate(last, axis=0)
        filled[rows] = np.take_along_axis(part, last, axis=0)
    return filled


def _means(raw: HostArray, owner: HostArray, train: HostArray) -> HostArray:
    """Each missing value becomes the mean of its column over its station's training rows."""
    filled = raw.copy()
    for station in STATIONS:
        rows = owner == station
        mean = np.nanmean(raw[rows & train], axis=0)
        filled[rows] = np.where(np.isfinite(raw[rows]), raw[rows], mean)
    return filled
