"""Evidence: read once, found in any order, and refused where it does not fit the settlement."""

import numpy as np
import pytest
from audited import COSTS, MASKS, NAMES, TABLE, VALUES, audited, finding

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.audits.evidence import Evidence
from fedjax_shap.economics.rules import cost_aware
from fedjax_shap.economics.settle import settle


def test_errors_that_are_not_finite_are_unknown():
    assert audited(std_errors=[0.1, np.nan, 0.1, 0.1]).std_errors is None
    assert (
        finding("free_riders", audited(std_errors=[0.1, np.inf, 0.1, 0.1], known=False)).holds
        is None
    )


def test_utilities_are_found_in_any_order_and_of_several_the_first_counts():
    order = np.random.default_rng(0).permutation(16)
    masks = np.concatenate([MASKS[order], MASKS])
    utilities = np.concatenate([TABLE[order], TABLE + 1])
    mixed = Evidence(
        settlement=audited().settlement,
        names=NAMES,
        values=VALUES,
        masks=masks,
        utilities=utilities,
    )
    np.testing.assert_array_equal(mixed.table, TABLE)
    np.testing.assert_array_equal(mixed.known(MASKS), TABLE)
    missing = Evidence(
        settlement=audited().settlement,
        names=NAMES,
        values=VALUES,
        masks=MASKS[1:],
        utilities=TABLE[1:],
    )
    assert missing.table is None and np.isnan(missing.known(MASKS[:1])).all()


def test_many_players_are_told_apart_by_more_than_one_byte():
    players = 70
    masks = np.random.default_rng(0).random((200, players)) < 0.5
    utilities = masks @ np.arange(1.0, players + 1)
    settled = settle(np.ones(players), np.zeros(players, int), 70)
    wide = Evidence(
        settlement=settled,
        names=settled.players,
        values=np.ones(players),
        masks=masks,
        utilities=utilities,
    )
    np.testing.assert_array_equal(wide.known(masks), utilities)
    assert np.isnan(wide.known(~masks)).all() and wide.table is None


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        ({"names": ("A", "B", "C", "E")}, "names="),
        ({"values": [1, 2, 3]}, "values to have 4 entries"),
        ({"values": [1, 2, 3, np.nan]}, "values to be finite"),
        ({"std_errors": [1.0]}, "std_errors to have 4 entries"),
        ({"std_errors": [1.0, 1, 1, -1]}, "std_errors=.* to be >= 0"),
        ({"sizes": [1, 2, 3, -4]}, "sizes"),
        ({"metered": [1, 2, 3, -4]}, r"metered\['D'\]=-4"),
        ({"utilities": None}, "masks and utilities both, or neither"),
        ({"utilities": TABLE[:-1]}, r"masks bool\[M, 4\] and utilities \[M\]"),
        ({"masks": MASKS.astype(int)}, r"masks bool\[M, 4\]"),
        ({"utilities": np.append(TABLE[:-1], np.inf)}, "utilities to be finite"),
    ],
)
def test_evidence_that_does_not_fit_the_settlement_is_refused(evidence, sentence):
    fields = {"names": NAMES, "values": VALUES, "masks": MASKS, "utilities": TABLE} | evidence
    with pytest.raises(InvalidInputError, match=sentence):
        Evidence(settlement=settle(VALUES, COSTS, 200, rule=cost_aware(), players=NAMES), **fields)
