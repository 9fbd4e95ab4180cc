"""A configuration names functions of one's own in every section; they are imported from the working
directory too, checked like registry entries, and so is what they give."""

import json
import sys
from operator import attrgetter
from pathlib import Path

import jax
import numpy as np
import pytest

import fedjax_shap as fs
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.cli.main import main
from fedjax_shap.learning.architecture import Model
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.federation import federation_of
from fedjax_shap.pipeline.products import PRODUCTS
from fedjax_shap.pipeline.run import run
from fedjax_shap.pipeline.schema import SECTIONS
from fedjax_shap.pipeline.toml import override

MODULE = '''
"""Entries of my own."""
import numpy as np
from decimal import Decimal
import fedjax_shap as fs
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.shares import Shares
from fedjax_shap.games.closed_form import table
from fedjax_shap.pipeline.settings.setting import Setting, SettingKind

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = np.arange(12) % 2


def rows(*, path: str = "", count: int = 12):
    """Rows of my own."""
    return Pool(x=X[:count], y=Y[:count], test=(X, Y), num_classes=2)


def halves(rng, pool):
    return Shares([np.arange(6), np.arange(6, 12)], ["a", "b"])


def nothing(rng, data):
    return data


def net(*, width: int = 4, initializer="lecun") -> "NotImported":
    """A network of my own."""
    return fs.models.mlp(hidden=(width,), initializer=initializer)


def plain(shape, outputs):
    return fs.models.linear()(shape, outputs)


MODEL = fs.Model(*fs.models.linear()((3,), 2)[:2])


def my_fedprox(*, mu: float = 0.5, **schedule):
    return fs.algorithms.fedprox(mu=mu, **schedule)


def slow(*, rate: float = 0.01):
    return fs.local(learning_rate=rate)


def always(key, num_rounds, num_clients):
    return np.ones((num_rounds, num_clients), bool)


def twice(key, sizes, batches, num_rounds):
    return np.full((num_rounds, len(sizes)), 2)


def by_row(sizes, steps):
    return tuple(Decimal(int(size)) for size in sizes)


def first(*, semivalue: str = "shapley"):
    return fs.exact(semivalue=semivalue)


RULE = fs.rules.equal()


def game(*, scale: float = 1.0):
    """A table of my own."""


def build(config):
    scale = config.value("game", "scale")
    utilities = scale * np.arange(4.0)
    played = table(utilities).game
    return Setting(
        kind="of my own",
        players=("a", "b"),
        sizes=np.zeros(2, int),
        metric="utility",
        attribution=lambda estimator, options: fs.estimate(played, estimator, options),
    )


SECTIONS = ("game", "estimator", "economics", "plan", "costs")
KIND = SettingKind(build=build, game=game, sections=SECTIONS)
def share_right(outputs, y):
    return (outputs.argmax(-1) == y).mean()


def net_that_fails(shape, outputs):
    raise ValueError("no such layer")


def halves_that_fail():
    def split(rng, pool):
        return pool.nothing
    return split


wrong = lambda: 3
fails = lambda: 1 / 0
number = 3
'''


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The module `mine` in the working directory, forgotten afterwards."""
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("import numpy\n1 / 0\n")
    (tmp_path / "needy.py").write_text("import a_module_that_nobody_has\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield tmp_path
    assert sys.path == before
    for name in ("mine", "broken", "needy"):
        sys.modules.pop(name, None)


def built(section, name, **keywords):
    """What a section builds by a name of one's own."""
    raw = {"name": f"mine:{name}", **keywords}
    config = parse({section: [raw] if section == "corrupt" else raw})
    if section == "corrupt":
        return SECTIONS[section].entries[config.corruptions[0].name]()
    return config.build(section)


def test_every_section_takes_a_function_of_ones_own_or_the_thing_itself(mine):
    assert built("data", "rows", count=8).num_rows == 8
    assert built("partition", "halves")(None, None).names == ["a", "b"]
    assert built("corrupt", "nothing")(None, 3) == 3
    params = built("model", "net", width=5)((3,), 2).init(jax.random.key(0))
    assert params["Dense_0"]["kernel"].shape == (3, 5)
    assert isinstance(built("model", "plain")((3,), 2), Model)
    assert isinstance(built("model", "MODEL"), Model)
    assert built("algorithm", "my_fedprox", mu=1, max_rounds=3).max_rounds == 3
    assert built("local", "slow", rate=0.5).learning_rate == 0.5
    assert built("participation", "always")(None, 2, 3).shape == (2, 3)
    assert built("steps", "twice")(None, np.zeros(3), None, 2).tolist() == [[2] * 3] * 2
    assert built("costs", "by_row")([1, 2], None) == (1, 2)
    assert built("estimator", "first", semivalue="banzhaf").guarantees.target == "banzhaf"
    assert built("economics", "RULE").name == "equal"


def test_the_members_train_what_a_configuration_names(mine):
    from fedjax_shap.learning.training import model_of
    from fedjax_shap.pipeline.federation import federation_of

    names = {"data": "rows", "partition": "halves", "model": "MODEL", "local": "slow"}
    config = parse({section: {"name": f"mine:{name}"} for section, name in names.items()})
    federation = federation_of(config)
    assert federation.data.names == ("a", "b")
    assert isinstance(model_of(federation.training, federation.data), Model)


def test_a_run_records_the_names(mine, capsys):
    Path("own.toml").write_text(
        '[game]\nname = "mine:KIND"\nscale = 2\n[economics]\nname = "mine:RULE"\nrevenue = 9\n'
    )
    assert main(["run", "own.toml", "--out", "out"]) == 0
    record = json.loads(Path("out/result.json").read_text())
    assert record["config"]["game"] == {"name": "mine:KIND", "scale": 2}
    assert record["config"]["economics"]["name"] == "mine:RULE"
    assert record["values"] == [2.0, 4.0] and record["setting"] == "of my own"
    again = parse(override(record["config"], [("game.scale", "1")]))
    np.testing.assert_allclose(run(again).attribution.values, [1.0, 2.0])


@pytest.mark.parametrize(
    ("section", "raw", "sentence"),
    [
        (
            "model",
            {"name": "mine:nett"},
            "to be in mine, which has no 'nett'; did you mean 'net'",
        ),
        ("model", {"name": "absent:net"}, "name a module .* there is no module 'absent'"),
        ("model", {"name": "broken:net"}, "importing it gave ZeroDivisionError: division by zero"),
        (
            "model",
            {"name": "needy:net"},
            "needs another: No module named 'a_module_that_nobody_has'",
        ),
        ("model", {"name": "mine:net:x"}, r"of the form 'package\.module:function'"),
        ("model", {"name": ":net"}, r"of the form 'package\.module:function'"),
        ("model", {"name": "mine:net", "widht": 3}, "did you mean 'width'"),
        ("model", {"name": "mine:net", "width": "3"}, "model.width='3' to be of type int"),
        (
            "model",
            {"name": "mine:number"},
            "to give a Model or a StatisticsModel or a VerticalModel or a function",
        ),
        ("model", {"name": "mine:X.nothing"}, "to be in its module"),
        (
            "data",
            {"name": "mine:number"},
            "or a TransferData, such as load.'digits'. gives, got 3",
        ),
        ("game", {"name": "mine:game"}, "to give a SettingKind"),
        ("economics", {"name": "mine:number"}, "to give a Rule, such as rules.cost_aware.. gives"),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_refused_in_one_sentence(mine, section, raw, sentence):
    with pytest.raises(InvalidInputError, match=sentence) as caught:
        parse({section: raw})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("section", [name for name in SECTIONS if name not in ("corrupt", "game")])
def test_what_a_function_gives_is_checked(mine, section):
    def build(name):
        entry = SECTIONS[section].entries[f"mine:{name}"]
        entry()

    with pytest.raises(
        InvalidInputError, match=f"Expected {section}.name='mine:wrong' to give a .*got 3"
    ):
        build("wrong")
    with pytest.raises(InvalidInputError, match="it gave ZeroDivisionError: division by zero"):
        build("fails")


def test_an_error_of_ones_own_function_is_a_refusal_that_says_where(mine):
    names = {"data": "rows", "partition": "halves", "model": "net_that_fails"}
    raw = {section: {"name": f"mine:{name}"} for section, name in names.items()}
    sentence = (
        "Expected model.name='mine:net_that_fails' to give .* it gave ValueError: no such layer "
        r"\(line \d+ of mine.py\)\."
    )
    with pytest.raises(InvalidInputError, match=sentence):
        run(parse(raw))
    raw["partition"] = {"name": "mine:halves_that_fail"}
    with pytest.raises(InvalidInputError, match=r"'mine:halves_that_fail' .*nothing"):
        federation_of(parse(raw))


def test_a_metric_of_ones_own_is_named_in_the_section_of_the_game(mine):
    raw = {
        "data": {"name": "mine:rows"},
        "partition": {"name": "mine:halves"},
    }
    config = parse({**raw, "game": {"name": "rounds", "metric": "mine:share_right"}})
    federation = federation_of(config)
    assert federation.game["metric"] is sys.modules["mine"].share_right
    assert federation.measure(np.eye(2, dtype=np.float32), np.array([0, 0])) == 0.5
    assert federation.measure.name == "share_right"
    assert config.to_dict()["game"]["metric"] == "mine:share_right"


@pytest.mark.parametrize(
    ("metric", "part"),
    [("mine:number", "to name a function, got"), ("mine:share_rite", "did you mean 'share_right'")],
)
def test_a_metric_that_is_no_function_is_refused(mine, metric, part):
    raw = {"data": {"name": "mine:rows"}, "partition": {"name": "mine:halves"}}
    with pytest.raises(InvalidInputError, match=part):
        run(parse({**raw, "game": {"metric": metric}}))


def test_what_refusals_show_as_an_example_is_there():
    examples = [one.example.partition("(")[0] for one in PRODUCTS.values() if not one.is_row]
    assert all(attrgetter(example)(fs) for example in examples)
