"""One case of each parametrised test, where a second Python and JAX are tried."""

import zlib
from collections.abc import Iterable
from typing import Any


def one_of_each(items: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """(what runs, what is left out) of pytest's items: one case of each test, and every case of
    one that is marked `every_name`.

    A checksum of the test's name picks it: the same case in every process and on every day, and
    among all tests every kind of game, algorithm and layout.
    """
    tests: dict[str, list[Any]] = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = []
    left_out = []
    for name, cases in tests.items():
        chosen = zlib.crc32(name.encode()) % len(cases)
        for place, case in enumerate(cases):
            if place == chosen or case.get_closest_marker("every_name"):
                kept.append(case)
            else:
                left_out.append(case)
    return kept, left_out
