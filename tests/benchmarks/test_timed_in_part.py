"""A slow rival plays a part of the coalitions; the seconds of the whole follow by its work."""

import time

import numpy as np
import pytest

from benchmarks import timing
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.coalitions import all_subsets

MASKS = all_subsets(6)
WORK = MASKS.sum(axis=1)


class Rival:
    """Takes a hundredth of a second for each member, by a clock that stands still meanwhile."""

    def __init__(self, monkeypatch) -> None:
        self.now = 0.0
        self.played = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def __call__(self, masks):
        self.played.append(masks)
        self.now += 0.01 * masks.sum()
        return masks.sum(axis=1).astype(float)


@pytest.fixture
def rival(monkeypatch):
    return Rival(monkeypatch)


def timed(rival, **options):
    given = {"seconds": 1e3, "repeats": 2} | options
    return timing.timed_in_part(rival, MASKS, WORK, **given)


def test_a_rival_that_is_fast_enough_plays_everything(rival):
    seconds = timed(rival)
    assert seconds["share_of_the_work"] == 1 and seconds["coalitions"] == 64
    assert seconds["warm"] == seconds["warm_measured"] == pytest.approx(0.01 * WORK.sum())


def test_a_slow_rival_plays_small_and_large_coalitions_and_its_seconds_are_those_of_all(rival):
    seconds = timed(rival, seconds=1.0)
    part = rival.played[-1]
    assert 0.05 < seconds["share_of_the_work"] < 1 / 5.76
    assert seconds["coalitions"] == len(part) and abs(part.sum(axis=1).mean() - 3) < 0.35
    assert seconds["warm"] == pytest.approx(0.01 * WORK.sum(), rel=1e-3)
    assert seconds["warm_measured"] == pytest.approx(0.01 * part.sum())
    assert seconds["first"] == pytest.approx(0.01 * WORK.sum(), rel=1e-3)
    # beside the first two calls, which warm up, all calls together keep to the seconds
    assert 3 * 0.01 * part.sum() <= 1.0


def test_programs_to_compile_are_counted_among_the_seconds(rival):
    compiled = set()

    def with_programs(masks):
        fresh = set(masks.sum(axis=1)) - compiled
        compiled.update(fresh)
        rival.now += 2.0 * len(fresh)
        return rival(masks)

    timed(with_programs, seconds=5.0, programs=WORK, repeats=0)
    assert len(compiled) == 3, "Expected the middle size and two more at 2 s each in 5 s."


def test_a_rival_of_many_at_once_is_tried_on_a_whole_chunk_and_plays_one_at_least(rival):
    seconds = timed(rival, seconds=1e-9, at_once=16)
    assert len(rival.played[0]) == 16 and seconds["coalitions"] == 16
    assert timed(rival, seconds=1e-9)["coalitions"] == timing.FEWEST


def test_the_part_is_checked_against_the_rows_that_it_has(rival):
    compared = []

    def check(rows, utilities):
        np.testing.assert_array_equal(WORK[rows], utilities)
        compared.append(len(rows))

    seconds = timed(rival, seconds=1.0, check=check)
    assert compared == [seconds["coalitions"]]
    with pytest.raises(InvalidInputError, match="seconds=0"):
        timed(rival, seconds=0)
