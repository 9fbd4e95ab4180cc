"""Costs of a coordinated training follow from its seconds and its bytes."""

from decimal import Decimal

import pytest
from coordinated import federation, train

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.protocols.coordinated_costs import billed


def test_costs_are_seconds_energy_and_bytes_at_their_prices():
    out = train(*federation())._replace(
        seconds={"host 1": 7200.0, "host 2": 3600.0, "label holder": 1.0, "coordinator": 1.0}
    )
    found = billed(out, watts=500, energy_price="0.3", time_price=2, traffic_price=100, fixed=1)
    assert found.time == (Decimal(4), Decimal(2))
    assert found.energy == (Decimal("0.3"), Decimal("0.15"))
    gigabytes = [Decimal(out.traffic[host]) / 10**9 for host in ("host 1", "host 2")]
    assert list(found.communication) == [100 * one for one in gigabytes]
    assert found.total[0] == 4 + Decimal("0.3") + 100 * gigabytes[0] + 1
    assert billed(out, ("coordinator",), time_price=3600).time == (Decimal(1),)


def test_encryption_moves_more_bytes_than_plain_numbers():
    blocks, y = federation()
    traffic = [train(blocks, y, encryption=one).traffic["host 2"] for one in ("paillier", "none")]
    assert traffic[0] > 10 * traffic[1]


def test_bills_of_nobody_are_refused():
    out = train(*federation(), encryption="none")
    with pytest.raises(InvalidInputError, match="party='host' to be a party of this training"):
        billed(out, ("host",))
    with pytest.raises(InvalidInputError, match="watts=-1 to be a finite number >= 0"):
        billed(out, watts=-1)
    for nobody in ((), ["host 1", "host 1"]):
        with pytest.raises(InvalidInputError, match="parties to name parties, each once, got"):
            billed(out, nobody)
    with pytest.raises(InvalidInputError, match="trained=None to be of type Coordinated or Traine"):
        billed(None)


def test_one_party_may_be_billed_by_its_name():
    out = train(*federation(), encryption="none")
    assert billed(out, "host 1", fixed=3).total == (Decimal(3),)
