"""Costs: what the cost models charge, exactly, and what they refuse."""

from decimal import Decimal

import jax.numpy as jnp
import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.economics.cost import COSTS, Bill, bill, given, metered, per_example, per_step

SIZES = np.array([10, 0, 7])
STEPS = np.array([3, 5, 0])
SETTINGS = {
    "free": {},
    "given": {"amounts": (1, 2.5, "3.25")},
    "per_example": {"price": 0.1},
    "per_step": {"price": "0.1"},
}
USED = {  # one kWh, an hour and a gigabyte; nothing; and a third of each
    "joules": np.array([3.6e6, 0.0, 1.2e6]),
    "seconds": [3600, 0, 1200],
    "traffic": jnp.asarray([1e9, 0.0, 0.0]),
    "energy_prices": (0.3, 0.3, 0.1),
    "time_prices": ("1.5", 1, 0),
    "traffic_prices": (Decimal("0.02"), 1, 1),
    "fixed": (0, 2, "0.25"),
}
SETTINGS["devices"] = {"bill": bill(**USED)}


def test_given_costs_come_back_as_reported():
    assert given(amounts=(10, 0.1, "2.50"))(SIZES, STEPS) == (
        Decimal(10),
        Decimal("0.1"),
        Decimal("2.50"),
    )


def test_examples_and_steps_are_charged_at_their_price():
    assert per_example(price=0.1, fixed=2)(SIZES, STEPS) == (Decimal(3), Decimal(2), Decimal("2.7"))
    assert per_step(price="0.01")(SIZES, STEPS) == (Decimal("0.03"), Decimal("0.05"), Decimal(0))


def test_a_charge_is_exact_however_long():
    price = "0.1234567890123456789"
    assert per_step(price=price)(SIZES, np.array([10**15 + 1, 0, 0]))[0] == Decimal(
        "123456789012345.8023567890123456789"
    )


def test_a_bill_is_price_by_quantity_part_by_part():
    charged = bill(**USED)
    assert charged.energy == (Decimal("0.3"), Decimal(0), Decimal("0.033333333"))
    assert charged.time == (Decimal("1.5"), Decimal(0), Decimal(0))
    assert charged.communication == (Decimal("0.02"), Decimal(0), Decimal(0))
    assert charged.fixed == (Decimal(0), Decimal(2), Decimal("0.25"))
    assert charged.total == (Decimal("1.82"), Decimal(2), Decimal("0.283333333"))
    assert metered(bill=charged)(SIZES, STEPS) == charged.total
    assert charged.to_json()["energy"] == ["0.3", "0", "0.033333333"]
    assert Bill.from_json(charged.to_json(), "ABC") == charged


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"joules": [1.0, -2.0, 0.0]}, r"joules\[1\]=-2 to be >= 0"),
        ({"seconds": [1.0, float("nan"), 0.0]}, r"seconds\[1\]=nan to be a finite number"),
        ({"traffic": [1.0]}, "traffic to have 3 entries, one a player, got 1"),
        ({"time_prices": (1, -1, 1)}, r"time_prices\[1\]=-1 to be an amount"),
        ({"fixed": (1, 1)}, "fixed to have 3 entries, one a player, got 2"),
    ],
)
def test_a_bill_that_cannot_be_made_out_is_refused(change, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        bill(**{**USED, **change})


@pytest.mark.parametrize("name", COSTS)
def test_every_cost_model_charges_each_player_and_takes_jax_arrays(name):
    cost = COSTS[name](**SETTINGS[name])
    charged = cost(jnp.asarray(SIZES), jnp.asarray(STEPS))
    assert charged == cost(SIZES, STEPS)
    assert len(charged) == 3 and all(isinstance(c, Decimal) and c >= 0 for c in charged)


@pytest.mark.parametrize(
    ("factory", "settings", "sentence"),
    [
        (per_example, {"price": -1}, r"price=-1 .*>= 0"),
        (per_step, {"price": 1, "fixed": -0.5}, r"fixed=-0.5 "),
        (per_step, {"price": float("nan")}, r"price=nan "),
        (per_step, {"price": "ten"}, r"price='ten' "),
        (per_step, {"price": True}, r"price=True "),
        (given, {"amounts": (1, -2)}, r"amounts\[1\]=-2 "),
        (given, {"amounts": 3}, r"amounts to be a list .* got 3"),
    ],
)
def test_a_price_that_is_not_an_amount_is_refused(factory, settings, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        factory(**settings)


def test_work_that_cannot_be_charged_is_refused():
    with pytest.raises(InvalidInputError, match=r"amounts to have 3 entries, one a player, got 2"):
        given(amounts=(1, 2))(SIZES, STEPS)
    with pytest.raises(InvalidInputError, match=r"steps\[1\]=-5 .* whole number >= 0"):
        per_step(price=1)(SIZES, [3, -5, 1])
    with pytest.raises(InvalidInputError, match=r"sizes\[0\]=1.5 .* whole number"):
        per_example(price=1)([1.5, 2, 3], STEPS)
