"""One case of each test: no test is left out, and not always the same case is taken."""

from collections import Counter
from types import SimpleNamespace

from cases import one_of_each


def item(test, case="", marked=False):
    """What pytest collects, as far as it is asked."""
    return SimpleNamespace(
        nodeid=f"tests/test_a.py::{test}{case}", get_closest_marker=lambda name: marked or None
    )


ITEMS = [item(f"test_{test}", f"[{case}-x[0]]") for test in range(60) for case in range(4)]
ITEMS += [item("test_alone")]


def test_each_test_keeps_one_case_and_all_cases_have_their_turn():
    kept, left_out = one_of_each(ITEMS)
    assert [one for one in ITEMS if one in kept] == kept, "in the order in which they stood"
    assert len(kept) + len(left_out) == len(ITEMS) and ITEMS[-1] in kept
    tests = Counter(one.nodeid.partition("[")[0] for one in kept)
    assert len(tests) == 61 and set(tests.values()) == {1}
    assert len({one.nodeid.partition("[")[2] for one in kept[:-1]}) == 4


def test_of_a_test_that_goes_through_a_registry_every_case_is_kept():
    names = [item("test_names", f"[{name}]", marked=True) for name in "abc"]
    kept, left_out = one_of_each([*ITEMS, *names])
    assert kept[-3:] == names and len(kept) == 61 + 3 and len(left_out) == 180
