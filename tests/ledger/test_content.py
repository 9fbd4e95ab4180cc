"""Content: results are recorded to the cent, or refused where they do not balance."""

import json

import pytest
from recording import plain, settlement

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.ledger import canonical
from fedjax_shap.ledger.content import recorded


def test_a_settlement_is_recorded_to_the_cent():
    kind, content = recorded(settlement(100))
    assert kind == "settlement" and canonical.read(canonical.canonical(content))["costs"] == [
        "10.00",
        "2.50",
    ]
    assert list(map(str, content["payments"]["amounts"])) == ["75.62", "24.38"]
    assert (
        content["contributions"]["values"] == [0.3, 0.1]
        and content["contributions"]["sizes"] is None
    )


def test_a_run_is_recorded_with_what_identifies_it():
    config = {"title": "small", "seed": 2**60, "data": {"name": "digits"}}
    run = {
        "config": config,
        "settlement": json.loads(settlement()),
        "values": [0.3, 0.1],
        "std_errors": [0.01, None],
    }
    content = (
        json.dumps(run | {"sizes": [5, 6], "versions": {"jax": "0"}})
        .replace("0.01, null", "0.01, NaN")
        .encode()
    )
    kind, entry = recorded(content)
    assert kind == "run" and entry["contributions"]["std_errors"] == [0.01, None]
    assert entry["run"]["versions"] == {"jax": "0"} and entry["contributions"]["sizes"] == [5, 6]
    other = recorded(content.replace(b"digits", b"mnist"))[1]["run"]["config_sha256"]
    assert len(other) == 64 and other != entry["run"]["config_sha256"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"payments": ["75.63", "24.38"]},
            "Expected profits['A']=65.62 to be its payment less its cost, 65.63.",
        ),
        (
            {"revenue": "101.00"},
            "Expected the payments to sum to revenue=101.00, but they sum to 100.00.",
        ),
        ({"costs": ["10.00"]}, "Expected costs to have 2 entries"),
        ({"players": ["A", "A"]}, "Expected players to differ"),
        ({"rule": None}, "Expected the settlement to have the key 'rule', but it has not."),
        ({"values": ["x", 1]}, "Expected values['A']='x' to be a number."),
        ({"notes": [3]}, "Expected notes=3 to be a text."),
        ({"policy": "\ud800"}, "to be Unicode text"),
    ],
    ids=["profit", "sum", "shape", "names", "missing", "value", "note", "surrogate"],
)
def test_a_result_that_does_not_balance_is_refused(change, sentence, tmp_path):
    ledger = plain(tmp_path / "ledger.db", 0)
    with pytest.raises(InvalidInputError) as caught:
        ledger.append(*recorded(json.dumps(json.loads(settlement()) | change).encode()))
    assert sentence in str(caught.value) and len(ledger.entries()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"settlement": {}}']
)
def test_what_is_no_result_is_refused(content):
    with pytest.raises(InvalidInputError):
        recorded(content)
