"""A federation for transfer from its configuration to payments: the target is permanent."""

from pathlib import Path

import numpy as np
import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import setting_of

RAW = {
    "data": {
        "name": "member_transfer",
        "source": {"name": "csv", "path": "rows.csv", "label": "ill", "client": "ward"},
        "target": "west",
        "labels": 4,
    },
    "model": {"name": "mlp", "hidden": [3]},
    "game": {"name": "transfer", "dimension": 2, "steps": 5, "metric": "negative_loss"},
    "economics": {"revenue": 100, "permanent": {"cost": 20, "alone": 30}},
}


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ward = np.repeat(["north", "east", "west"], 30)
    age = rng.normal(size=90)
    ill = np.where(age + rng.normal(size=90) > 0, "yes", "no")
    rows = np.c_[ward, age, rng.normal(size=90), ill]
    np.savetxt("rows.csv", rows, "%s", ",", header="ward,age,weight,ill", comments="")


def changed(**sections):
    return parse(RAW | {name: RAW.get(name, {}) | said for name, said in sections.items()})


def test_the_sources_are_valued_and_paid_and_the_target_has_its_own_line():
    result = run(parse(RAW))
    assert result.players == ("east", "north")
    assert result.to_json()["setting"] == "transfer"
    values = result.attribution
    assert values.values.sum() == pytest.approx(float(values.grand - values.empty), abs=1e-6)
    [target] = [note for note in result.notes if note.startswith("'west' is in every coalition")]
    assert "alone with its 4 labels" in target
    # its cost of 20 and the 30 that it would earn alone come first
    paid = sum(map(float, result.settlement.payments))
    assert paid == pytest.approx(50.0)


def test_it_can_be_trained_again_under_further_seeds():
    setting = setting_of(changed(estimator={"repeats": 2}))
    assert not setting.grand_is_exact
    assert setting.permanent.name == "west"
    assert setting.sizes.tolist() == [23, 23]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"data": {"target": "south"}}, "target='south'"),
        ({"data": {"labels": 0}}, "labels=0"),
        ({"data": {"source": {"name": "breast_cancer"}}}, "members of its own"),
        ({"data": {"source": {"path": "rows.csv"}}}, "to have a name"),
        ({"data": {"validation": 0.5}}, "data.validation=0.5"),
        ({"model": {"name": "linear", "hidden": None}}, "hidden"),
        ({"game": {"metric": "f2"}}, "f2"),
        ({"game": {"gamma": -1.0}}, "gamma=-1.0"),
        ({"partition": {"name": "iid", "num_clients": 3}}, r"\[partition\] to be left out"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_trained(sections, said):
    with pytest.raises(InvalidInputError, match=said):
        setting_of(changed(**sections))


def test_rows_of_members_and_sources_of_a_target_are_not_taken_for_each_other():
    with pytest.raises(InvalidInputError, match=r"'digits'.*credit_transfer"):
        parse({**RAW, "data": {"name": "digits"}})
    with pytest.raises(InvalidInputError, match="such as 'transfer'"):
        parse({"data": {"name": "credit_transfer"}, "game": {"name": "silo"}})
    Path("own.py").write_text(
        "import numpy as np\n"
        "from fedjax_shap.data.sources import digits\n"
        "from fedjax_shap.data.transfer_splits import by_columns\n"
        "def rows():\n    return digits()\n"
        "def parties():\n"
        "    x, y = np.eye(9), np.arange(9) % 2\n"
        "    columns = {'bank': [0, 1], 'shop': [2, 3]}\n"
        "    return by_columns(x, y, (x, y), columns, target='shop', overlap=2, labels=2)\n"
    )
    with pytest.raises(InvalidInputError, match="TransferData"):
        setting_of(parse({**RAW, "data": {"name": "own:rows"}}))
    assert setting_of(parse({**RAW, "data": {"name": "own:parties"}})).players == ("bank",)
    with pytest.raises(InvalidInputError, match="split among members with"):
        setting_of(parse({"data": {"name": "own:parties"}, "game": {"name": "silo"}}))
