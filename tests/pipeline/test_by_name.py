"""A configuration may give values by member's name; they reach the member of that name."""

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.by_name import for_members
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.payment import require_payable
from fedjax_shap.pipeline.settings.registry import setting_of

MEMBERS = ("north", "south $", "[east]")
AMOUNTS = {"[east]": 3, "north": 1.5, "south $": "0.25"}
CSV = "site,age,y\n" + "".join(f"{site},{age},{age % 2}\n" for site in MEMBERS for age in range(8))


def costs(amounts):
    return parse({"costs": {"name": "given", "amounts": amounts}})


@pytest.fixture
def raw(tmp_path):
    """A federation of three members from a file of their own."""
    path = tmp_path / "rows.csv"
    path.write_text(CSV)
    return {
        "data": {"name": "csv", "path": str(path), "label": "y", "client": "site"},
        "algorithm": {"max_rounds": 1},
    }


def test_values_by_name_stand_in_the_members_order():
    config = costs(AMOUNTS)
    assert for_members(config, MEMBERS).given("costs")["amounts"] == (1.5, "0.25", 3)
    assert config.to_dict()["costs"]["amounts"] == AMOUNTS  # as it was given


@pytest.mark.parametrize(
    ("amounts", "sentence"),
    [
        ({**AMOUNTS, "nort": 1}, "did you mean 'north'"),
        ({"north": 1}, r"costs.amounts to have a value for each member, but it has none for sou"),
    ],
)
def test_names_of_nobody_and_members_without_a_value_are_refused(amounts, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        for_members(costs(amounts), MEMBERS)


@pytest.mark.parametrize(
    "section",
    [
        {"costs": {"name": "given", "amounts": {"north": [1]}}},
        {"model": {"name": "mlp", "hidden": {"north": 1}}},
        {"partition": {"name": "quantity", "ratios": {"north": 1}}},
    ],
)
def test_tables_are_values_by_name_only_where_each_member_has_one(section):
    with pytest.raises(InvalidInputError, match="to be of type"):
        parse(section)


def test_steps_weights_and_costs_by_name_reach_their_members(raw):
    raw["local"] = {"steps": dict(zip(MEMBERS, (5, 6, 7)))}
    raw["algorithm"]["weights"] = dict(zip(MEMBERS, (0.5, 0.25, 0.25)))
    raw["participation"] = {"drop_out": dict(zip(MEMBERS, (0, 0, 0.5)))}
    federation = federation_of(parse(raw))
    by_place = dict(zip(federation.data.names, federation.base.local.steps))
    assert by_place == raw["local"]["steps"]
    weights = federation.base.algorithm.weights(federation.data.sizes)
    assert dict(zip(federation.data.names, weights.tolist())) == raw["algorithm"]["weights"]


def test_costs_of_a_name_that_no_member_has_are_refused_before_training(raw):
    config = parse({**raw, "costs": {"name": "given", "amounts": {**AMOUNTS, "west": 1}}})
    with pytest.raises(InvalidInputError, match=r"costs\.amounts='west' to be a member's name"):
        require_payable(config, setting_of(config))


def test_whose_data_are_corrupted_may_be_said_by_name(raw):
    def member(client):
        noise = {"name": "label_noise", "client": client, "rate": 1.0}
        return federation_of(parse({**raw, "corrupt": [noise]})).data

    data = member("north")
    place = data.names.index("north")
    assert data.y.tolist() == member(place).y.tolist()
    with pytest.raises(InvalidInputError, match="client='nort' to be a client's name; did you"):
        member("nort")
