"""Hidden tables: they give back their values, and look the same whatever keys they have."""

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.privacy import hidden_tables
from fedjax_shap.privacy.hidden_tables import PRIME, hide, look_up, shape_of
from tests.summed import entropy_of


def keys_of(seed, count):
    """Random keys."""
    random = entropy_of(seed)
    return [random(32) for _ in range(count)]


def values_of(seed, count):
    """Random values modulo PRIME."""
    random = entropy_of(seed)
    return [int.from_bytes(random(32), "little") % PRIME for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 11, 13, 200])
def test_a_table_gives_back_its_values_and_no_value_for_other_keys(count):
    keys = keys_of(0, count)
    values = values_of(1, count)
    table = hide(dict(zip(keys, values, strict=True)), entropy_of(2))
    assert len(table) == shape_of(count).num_bytes
    assert list(look_up(table, count, keys)) == values
    others = list(look_up(table, count, keys_of(3, 50)))
    assert not set(others) & set(values)
    assert len(set(others)) == 50


def test_a_table_looks_uniform_whatever_its_keys_and_even_where_bins_are_empty():
    count = 200
    tables = [
        hide(
            dict(zip(keys_of(seed, count), values_of(seed + 1, count), strict=True)), entropy_of(9)
        )
        for seed in (10, 20)
    ]
    for table in tables:
        bits = np.unpackbits(np.frombuffer(table, np.uint8))
        used = bits.size * 127 / 128  # the highest bit of 16 bytes is 0 below 2^127 - 1
        assert abs(bits.sum() - used / 2) < 5 * np.sqrt(used) / 2
        words = [table[start : start + 16] for start in range(0, len(table), 16)]
        assert len(set(words)) == len(words)


def test_values_of_keys_outside_look_as_random_as_those_of_keys_inside():
    count = 300
    keys = keys_of(30, count)
    table = hide(dict(zip(keys, values_of(31, count), strict=True)), entropy_of(32))
    for looked_up in (keys, keys_of(33, count)):
        upper = sum(value > PRIME // 2 for value in look_up(table, count, looked_up))
        assert abs(upper - count / 2) < 5 * np.sqrt(count) / 2


def test_a_table_has_room_for_as_many_keys_as_a_bin_can_have():
    for count in (1, 12, 13, 100, 1_000, 100_000):
        shape = shape_of(count)
        assert shape.width <= count
        fullest = max(
            np.bincount(np.random.default_rng(seed).integers(shape.bins, size=count)).max()
            for seed in range(5)
        )
        assert fullest <= shape.width


def test_tables_of_opposite_values_are_not_told_from_others():
    for count in (1, 2, 20):
        values = values_of(40, count)
        opposite = [-value % PRIME for value in values]
        one = hide(dict(zip(keys_of(41, count), values, strict=True)), entropy_of(42))
        other = hide(dict(zip(keys_of(43, count), opposite, strict=True)), entropy_of(44))
        keys = keys_of(45, 30)
        pairs = zip(look_up(one, count, keys), look_up(other, count, keys), strict=True)
        assert 0 not in {sum(pair) % PRIME for pair in pairs}
        words = [int.from_bytes(table[:16], "little") for table in (one, other)]
        assert sum(words) % PRIME != 0


def test_an_overfull_bin_is_refused(monkeypatch):
    monkeypatch.setattr(hidden_tables, "shape_of", lambda _count: hidden_tables.Shape(2, 3))
    with pytest.raises(InvalidInputError, match="at most 3 keys in a bin, got "):
        hide(dict.fromkeys(keys_of(0, 9), 1), entropy_of(0))
