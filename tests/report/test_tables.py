"""Numbers, amounts and times as tables and sentences write them."""

import pytest

from fedjax_shap.report import tables


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0 s"), (0.0033, "3.3 ms"), (5.0, "5 s"), (300.0, "5 min"), (53_300.0, "14.8 h")],
)
def test_a_time_is_said_in_the_unit_that_is_read_most_easily(seconds, said):
    assert tables.duration(seconds) == said
