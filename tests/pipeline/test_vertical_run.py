"""Vertical federations from a configuration to payments: parties' files are aligned, coalitions of
columns valued as scikit-learn would, and the label holder is paid beside the players."""

import json
import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from console import refused, said
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.payment import pay
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.settings.registry import setting_of
from fedjax_shap.pipeline.vertical_data import loaded_columns
from fedjax_shap.protocols.coordinated_counts import of_hosts, training
from fedjax_shap.report.run_tables import members_table
from fedjax_shap.shapley.exact import shapley_values

TOML = """
title = "a bank, a shop and a phone company"
[data]
name = "vertical_csv"
parties = {bank = "bank.csv", shop = "shop.csv", phone = "phone.csv"}
label = "spent"
test_fraction = 0.4
[task]
name = "regression"
[model]
name = "least_squares"
[game]
name = "vertical"
metric = "r2"
[costs]
name = "given"
amounts = {bank = 5, shop = 20, phone = 10}
[economics]
curve = [[0, 0], [1, 1000]]
"""


@pytest.fixture(autouse=True)
def parties(tmp_path, monkeypatch):
    """Three files of rows in orders of their own, 60 ids of which all have."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    y = x @ [3.0, 2.0, -1.0, 0.5] + 0.3 * rng.normal(size=80)
    held = {"bank": (range(70), [0], True), "shop": (range(5, 75), [1], False)}
    held["phone"] = (range(10, 80), [2, 3], False)
    for party, (ids, places, has_label) in held.items():
        names = [f"x{place}" for place in places] + ["spent"] * has_label
        lines = [
            ",".join([f"p{one}", *(repr(float(x[one, place])) for place in places)])
            + f",{float(y[one])!r}" * has_label
            for one in rng.permutation(ids)
        ]
        Path(f"{party}.csv").write_text("\n".join([",".join(["id", *names]), *lines]) + "\n")
    Path("three.toml").write_text(TOML)


def raw(**sections):
    given = tomllib.loads(TOML)
    return {**given, **{name: {**given.get(name, {}), **one} for name, one in sections.items()}}


def by_hand(columns):
    """R^2 of ordinary least squares on each coalition's columns and the label holder's."""
    worth = {}
    x, y = columns.validation
    for size in range(3):
        for coalition in combinations(range(2), size):
            mine = np.isin(columns.owners, [*coalition, -1])
            model = LinearRegression().fit(columns.x[:, mine].astype(float), columns.y)
            worth[sum(1 << player for player in coalition)] = model.score(x[:, mine], y)
    return np.array([worth[row] for row in range(4)])


def test_values_are_those_of_models_on_the_columns_of_each_coalition():
    config = parse(raw())
    columns = loaded_columns(config).columns
    assert columns.names == ("shop", "phone") and len(columns.y) == 36
    worth = by_hand(columns)
    result = run(config)
    assert_allclose(result.attribution.values, shapley_values(worth), atol=1e-5)
    assert_allclose(result.attribution.empty, worth[0], atol=1e-5)
    paid = result.settlement.permanent
    # the bank keeps what its model alone earns, and all of the revenue is paid out
    alone = np.floor(100 * 1000 * float(result.attribution.empty)) / 100
    assert alone > 0
    assert float(paid.payment) == pytest.approx(5 + alone, abs=0.011)
    earned = np.floor(100 * 1000 * float(result.attribution.grand)) / 100
    assert float(sum(result.settlement.payments) + paid.payment) == pytest.approx(earned)
    assert "60 rows in common, of 70 of shop, 70 of phone, 70 of bank" in result.notes[0]
    assert result.permanent["keeps"] == "rest"


def test_private_alignment_changes_no_number():
    clear = loaded_columns(parse(raw()))
    private = loaded_columns(parse(raw(game={"alignment": "private"})))
    np.testing.assert_array_equal(clear.columns.x, private.columns.x)
    for one, other in zip(clear.columns.validation, private.columns.validation):
        np.testing.assert_array_equal(one, other)
    assert "by private set intersection" in private.notes[0]
    assert "in the clear" in clear.notes[0]


@pytest.fixture
def priced():
    """Devices that pay for traffic alone: 1 a MB."""
    section = {"steps_per_second": 10.0, "traffic_price": 1000}
    given = {key: one for key, one in raw().items() if key != "costs"}
    return lambda **game: {**given, "devices": section, "game": {**given["game"], **game}}


def work_of(config):
    """What a configuration's players do; nothing is trained."""
    config = parse(config)
    setting = setting_of(config)
    return setting, pay(config, setting, np.ones(2), 0)


def test_devices_are_billed_for_the_bytes_of_a_training_that_is_counted(priced):
    how = {"epochs": 3, "batch_size": 10, "encryption": "paillier"}
    setting, found = work_of(priced(**how))
    asked = training(36, **how)
    counts = of_hosts(asked, {"shop": 1, "phone": 2})
    expected = [(one.sent + one.received) * 1000 / 1e9 for one in counts.values()]
    assert_allclose([float(cost) for cost in found.costs], expected)
    assert found.metered.used.steps.tolist() == [[12, 12]]
    assert f"{counts['phone'].encryptions:,}" in setting.notes[-2]
    # an encrypted number has 512 bytes, a plain one 8
    _, plain = work_of(priced(**{**how, "encryption": "none"}))
    assert found.costs[0] > 10 * plain.costs[0] > 0
    flops = found.metered.workload.flops_per_step, plain.metered.workload.flops_per_step
    assert (flops[0] > 1e4 * flops[1]).all() and flops[1][1] > flops[1][0]


def test_bytes_of_a_private_alignment_are_billed_too(priced):
    clear = work_of(priced())[1]
    private = work_of(priced(alignment="private"))[1]
    moved = loaded_columns(parse(priced(alignment="private"))).moved
    for place, name in enumerate(("shop", "phone")):
        more = float(private.costs[place] - clear.costs[place])
        assert more == pytest.approx(sum(moved[name]) * 1000 / 1e9) and more > 0


@pytest.mark.parametrize(
    ("game", "model", "sentence"),
    [
        ({"encryption": "rsa"}, "ridge", "encryption='rsa'"),
        ({"epochs": 0}, "ridge", "epochs=0"),
        ({"encryption": "paillier"}, "split", "model.name='split' to be one of least_squares"),
    ],
)
def test_a_training_that_cannot_be_counted_is_refused(game, model, sentence, priced):
    given = {**priced(**game), "model": {"name": model}}
    with pytest.raises(InvalidInputError, match=sentence):
        setting_of(parse(given))


@pytest.mark.slow
def test_a_run_records_reports_and_settles_by_its_devices(capsys):
    devices = ["--devices.steps_per_second", "10.0", "--devices.traffic_price", "1000"]
    Path("three.toml").write_text(re.sub(r"\[costs\].*\n.*\n.*\n", "", TOML))
    shown = said(capsys, "run", "three.toml", "--out", "out", *devices)
    assert "use of the devices" in shown and "1 synchronous round" in shown
    record = json.loads(Path("out/result.json").read_text())
    uploads, downloads = record["member_devices"]["message_bytes"].values()
    assert len(uploads) == len(downloads) == 2 and uploads[1] > uploads[0]
    assert record["settlement"]["costs"] == record["member_devices"]["costs"]["communication"]
    again = json.loads(said(capsys, "settle", "out"))
    assert again["payments"] == record["settlement"]["payments"]
    assert "of 4" in " ".join(said(capsys, "audit", "out").split())


@pytest.mark.slow
def test_the_command_line_runs_settles_audits_and_keeps_its_store(capsys):
    shown = said(capsys, "run", "three.toml", "--out", "out")
    assert "bank (in all coalitions)" in shown and "of bank alone" in shown
    record = json.loads(Path("out/result.json").read_text())
    assert record["setting"] == "vertical" and record["players"] == ["shop", "phone"]
    again = json.loads(said(capsys, "settle", "out"))
    assert again["payments"] == record["settlement"]["payments"]
    assert again["permanent"] == record["settlement"]["permanent"]
    assert "Utilities of 4 of 4" in " ".join(said(capsys, "audit", "out").split())
    said(capsys, "run", "three.toml", "--out", "out", "--economics.permanent.keeps", "veto")
    record = json.loads(Path("out/result.json").read_text())
    assert record["coalitions"] == {"asked": 4, "trained": 0, "from_store": 4}
    assert record["permanent"]["chance"] == 0.0 and len(record["permanent"]["means"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("game", [{"resamples": 5}, {"judges": "classes", "metric": "accuracy"}])
def test_a_veto_is_read_off_the_utilities_whatever_follows_them(game):
    """The label holder keeps the same whether each utility has more numbers behind it or none."""
    plain = {"metric": "accuracy"}
    paid = []
    for settings in (plain, {**plain, **game}):
        sections = {
            "data": {"name": "breast_cancer"},
            "partition": {"name": "random_columns", "num_parties": 3, "own": ["mean radius"]},
            "model": {"name": "taylor"},
            "game": {"name": "vertical", **settings},
            "economics": {"revenue": 1000, "permanent": {"keeps": "veto"}},
        }
        result = run(parse(sections))
        paid.append(result.settlement.permanent.payment)
        assert len(result.permanent["means"]) == 4
    assert paid[0] == paid[1] > 100


@pytest.mark.slow
def test_one_run_values_steps_of_parties():
    result = run(
        parse(
            {
                **{key: one for key, one in raw().items() if key != "model"},
                "game": {"name": "vertical_run", "rounds": 20, "learning_rate": 0.1},
                "economics": {"revenue": 100},
            }
        )
    )
    assert result.setting == "vertical, in one run" and result.metric == "mse"
    assert_allclose(
        result.attribution.values.sum(), result.attribution.grand - result.attribution.empty
    )
    assert result.attribution.values[0] > 1


def test_columns_of_whole_rows_are_given_to_parties():
    config = {
        "data": {"name": "breast_cancer", "validation": 0.5},
        "partition": {"name": "random_columns", "num_parties": 3, "own": ["mean radius"]},
        "model": {"name": "taylor"},
        "game": {"name": "vertical", "metric": "roc_auc"},
    }
    columns = loaded_columns(parse(config)).columns
    assert [len(one) for one in columns.features] == [10, 10, 9, 1]
    assert columns.label_holder == "label holder" and len(columns.validation[1]) == 71
    other = loaded_columns(parse({**config, "seed": 1})).columns
    assert other.features != columns.features


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"partition": {"name": "iid", "num_clients": 2}}, "'iid' to be a partition of columns"),
        ({"data": {"member_test": 0.2}}, "member_test=0.2 to be left out"),
        ({"model": {"name": "mlp"}}, "model.name='mlp' to be a model of parties"),
        ({"model": {"name": "kmeans"}}, "model.name='kmeans' to be a model of parties"),
        ({"game": {"alignment": "secret"}}, "game.alignment='secret'"),
        ({"game": {"name": "silo"}, "model": {"name": "linear"}}, "to be of whole rows"),
        ({"economics": {"permanent": {"keep": 1}}}, "did you mean 'keeps'"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_read(sections, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        parse(raw(**sections))


@pytest.mark.parametrize(
    "raw_config",
    [
        {"data": {"name": "fate_hetero", "which": "breast"}},
        {"partition": {"name": "random_columns", "num_parties": 2}},
        {"model": {"name": "taylor"}},
    ],
)
def test_columns_are_refused_where_members_hold_rows(raw_config):
    with pytest.raises(InvalidInputError, match="for a game such as 'vertical'"):
        parse({"game": {"name": "silo"}, **raw_config})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data.label", "spend"], "did you mean 'spent'"),
        (["--data.id_column", "key"], "id_column='key'"),
        (["--data.test_fraction", "1"], "test_fraction"),
        (["--data.parties.shop", "none.csv"], "none.csv"),
        (["--data.parties.shop", "bank.csv"], "of one party's file"),
        (["--costs.amounts.mall", "3"], "costs.amounts='mall'"),
        (["--economics.permanent.keeps", "veto", "--game.metric", "rmse"], "permanent.chance"),
        (["--partition.name", "columns", "--partition.parties.shop", "x9"], "'x9', named for"),
        (["--data.name", "breast_cancer"], "data."),
    ],
)
def test_the_command_line_refuses_in_a_sentence_and_writes_nothing(arguments, sentence, capsys):
    assert sentence in refused(capsys, "run", "three.toml", "--out", "out", *arguments)
    assert not Path("out").exists()


@pytest.mark.parametrize("alignment", ["clear", "private"])
@pytest.mark.filterwarnings("ignore::fedjax_shap._validate.InputWarning")
def test_parties_without_a_common_id_are_refused(alignment, capsys):
    lines = Path("shop.csv").read_text().replace("\np", "\nq")
    Path("shop.csv").write_text(lines)
    sentence = refused(capsys, "run", "three.toml", "--out", "o", "--game.alignment", alignment)
    assert "an id in common" in sentence and not Path("o").exists()


def test_whole_rows_without_a_partition_are_refused(capsys):
    Path("whole.toml").write_text(
        '[data]\nname = "breast_cancer"\n[model]\nname = "logistic"\n[game]\nname = "vertical"\n'
    )
    sentence = refused(capsys, "run", "whole.toml", "--out", "out")
    assert "partition.name to say who holds which columns" in sentence


def test_rows_that_all_parties_hold_are_not_added_up():
    table = members_table(run(parse(raw())))
    examples = [row[1] for row in table.rows]
    assert set(examples) == {examples[0]} and int(examples[0]) > 0
    assert table.totals[0][:2] == ("together", "")
