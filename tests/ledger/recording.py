"""Ledgers of settlements, for the tests of the ledger."""

import json

from fedjax_shap.economics.settle import settle
from fedjax_shap.ledger.content import recorded
from fedjax_shap.ledger.ledger import Ledger


def settlement(revenue=100):
    """The bytes of a settlement."""
    return json.dumps(
        settle([0.3, 0.1], [10, "2.5"], revenue, players=["A", "B"]).to_json()
    ).encode()


def plain(path, count=3):
    """A ledger that is not signed."""
    ledger = Ledger.create(path)
    for index in range(count):
        ledger.append(*recorded(settlement(50 + index)))
    return ledger
