from itertools import permutations

import pytest

from fedjax_shap._validate import InvalidInputError
from fedjax_shap.pipeline.config import parse
from fedjax_shap.pipeline.schema import SECTIONS, describe
from fedjax_shap.pipeline.toml import override, read_toml
from fedjax_shap.shapley.estimators.registry import DEFAULT


def refusal(raw: dict) -> str:
    with pytest.raises(InvalidInputError) as caught:
        parse(raw)
    return str(caught.value)


def test_nothing_said_is_a_whole_configuration():
    config = parse({})
    assert config.seed == 0 and config.corruptions == ()
    assert {room: section.name for room, section in config.sections.items()} == {
        room: known.default for room, known in SECTIONS.items() if room != "corrupt"
    }


def test_a_configuration_survives_being_written_down():
    raw = {
        "title": "two",
        "seed": 3,
        "partition": {"name": "dirichlet", "num_clients": 4, "alpha": 1},
        "corrupt": [{"name": "label_noise", "client": 1, "rate": 0.2}],
        "estimator": {"name": "permutation", "budget": 50},
        "model": {"name": "mlp", "hidden": [8, 4]},
    }
    config = parse(raw)
    assert parse(config.to_dict()) == config
    assert config.sections["model"].keywords["hidden"] == (8, 4)


@pytest.mark.every_name
@pytest.mark.parametrize("room", [room for room in SECTIONS if room != "corrupt"])
def test_every_default_can_be_built(room):
    config = parse({})
    known = describe(room)
    assert config.sections[room].name == known.default
    if not known.entries[known.default].bound:
        # which task the data suggest shows only once they are loaded; no privacy is none
        assert (config.build(room) is None) == (room in ("task", "privacy"))


def test_an_unknown_name_offers_the_nearest_known_one():
    assert "did you mean 'dirichlet'?" in refusal({"partition": {"name": "dirichlt"}})
    assert "did you mean 'partition'?" in refusal({"partitions": {}})
    assert "did you mean 'alpha'?" in refusal({"partition": {"name": "dirichlet", "alhpa": 1.0}})


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (
            {"partition": {"name": "dirichlet", "alpha": "one"}},
            "Expected partition.alpha='one' to be of type float.",
        ),
        (
            {"partition": {"name": "iid", "num_clients": 2.5}},
            "Expected partition.num_clients=2.5 to be of type int.",
        ),
        (
            {"partition": {"name": "iid", "num_clients": True}},
            "Expected partition.num_clients=True to be of type int.",
        ),
        (
            {"model": {"name": "mlp", "hidden": 3}},
            "Expected model.hidden=3 to be of type tuple[int, ...], such as [64, 32].",
        ),
        ({"seed": -1}, "Expected seed=-1 to be an integer >= 0 and <= 4294967295."),
        ({"title": 3}, "Expected title=3 to be text."),
        ({"partition": 3}, "Expected partition=3 to be a section with a name and keywords."),
        ({"corrupt": 3}, "Expected corrupt=3 to be a list of sections, [[corrupt]]."),
        (
            {"corrupt": [{"name": "label_noise", "client": 0}]},
            "Expected corrupt.0.rate to be given, as corrupt.0.name='label_noise' needs it.",
        ),
    ],
)
def test_a_wrong_type_is_one_sentence(raw, sentence):
    assert refusal(raw) == sentence


def test_the_command_line_sets_any_field_of_any_depth():
    raw = {
        "partition": {"name": "iid", "num_clients": 3},
        "corrupt": [{"name": "label_noise", "client": 0, "rate": 0.1}],
    }
    changed = override(
        raw,
        [
            ("corrupt.0.rate", "0.5"),
            ("partition.alpha", "0.3"),
            ("partition.name", "dirichlet"),
            ("seed", "9"),
            ("title", "a b"),
            ("model.hidden", "[4, 4]"),
        ],
    )
    assert changed["corrupt"][0]["rate"] == 0.5
    assert changed["partition"] == {"name": "dirichlet", "num_clients": 3, "alpha": 0.3}
    assert (changed["seed"], changed["title"], changed["model"]) == (9, "a b", {"hidden": [4, 4]})
    assert raw["partition"] == {"name": "iid", "num_clients": 3}


def test_naming_another_entry_drops_what_it_does_not_take():
    raw = {"partition": {"name": "dirichlet", "num_clients": 3, "alpha": 0.3}}
    for text in ("iid", '"iid"'):  # as it is, or as TOML has it
        assert override(raw, [("partition.name", text)])["partition"] == {
            "name": "iid",
            "num_clients": 3,
        }


@pytest.mark.parametrize(
    "assignments",
    [
        [("partition.name", "dirichlet"), ("partition.alpha", "0.3"), ("model.hidden", "[4]")],
        [("partition.alpha", "0.3"), ("partition.name", '"dirichlet"'), ("title", "two")],
        [("partition", '{name = "iid", num_clients = 5}'), ("partition.seed", "3")],
        [
            ("partition", '{name = "iid", num_clients = 5}'),
            ("partition.name", "dirichlet"),
            ("partition.alpha", "0.3"),
            ("model.name", "linear"),
        ],
        [
            ("corrupt", '[{name = "duplicate", client = 1, of = 0}]'),
            ("corrupt.0.name", "label_noise"),
            ("corrupt.0.rate", "0.5"),
            ("corrupt.0.client", "2"),
        ],
        [("local.options", "{momentum = 0.5}"), ("local.options.nesterov", "true")],
        [("game.name", "rounds"), ("game.absent", "unchanged"), ("estimator.budget", "9")],
    ],
)
def test_the_order_of_overrides_does_not_matter(assignments):
    raw = {
        "partition": {"name": "quantity", "ratios": [1, 2], "num_clients": 2},
        "model": {"name": "mlp", "hidden": [8]},
        "game": {"name": "silo", "report": "best"},
        "corrupt": [{"name": "label_noise", "client": 0, "rate": 0.1}],
    }
    one, *others = [override(raw, order) for order in permutations(assignments)]
    assert all(other == one for other in others)
    for dotted, text in assignments:
        *path, last = dotted.split(".")
        where = one
        for step in path:
            where = where[int(step) if step.isdigit() else step]
        if "{" not in text:
            assert where[last] == _read(text)


def _read(text):
    """A text as `override` reads it."""
    return override({}, [("title", text)])["title"]


def test_a_name_given_twice_counts_as_it_was_given_last():
    raw = {"partition": {"name": "dirichlet", "num_clients": 3, "alpha": 0.3}}
    twice = [("partition.name", "iid"), ("partition.name", "dirichlet")]
    assert override(raw, twice) == raw


@pytest.mark.parametrize("dotted", ["corrupt.rate", "corrupt.3.rate", "seed.deeper.still"])
def test_an_override_that_leads_nowhere_is_refused(dotted):
    with pytest.raises(InvalidInputError, match=dotted.replace(".", r"\.")):
        override({"seed": 1, "corrupt": [{"name": "label_noise"}]}, [(dotted, "1")])


def test_the_number_after_the_last_adds_an_entry():
    noise = {"name": "label_noise", "client": 1, "rate": 0.5}
    options = [(f"corrupt.0.{key}", str(value)) for key, value in noise.items()]
    second = [("corrupt.1.client", "0"), ("corrupt.1.name", "free_rider")]
    rider = {"name": "free_rider", "client": 0}
    assert override({}, options)["corrupt"] == [noise]
    assert override({"corrupt": [noise]}, second)["corrupt"] == [noise, rider]
    assert override({}, [*second, *options])["corrupt"] == [noise, rider]
    with pytest.raises(InvalidInputError, match=r"'corrupt\.1\.name' to number one of the 0"):
        override({}, second)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"alpha": 0.3}, "alpha=0.3 to stand in a section, as partition.alpha."),
        ({"rate": 0.3}, "to stand in a section, as corrupt.0.rate."),
        ({"frob": 0.3}, "section='frob' to be a known name"),
        ({"model": {"hidden": [4]}}, r"'linear' takes; it belongs to model.name=.*'mlp'"),
        ({"model": {"hiden": [4]}}, "'hiden' to be one that 'linear' takes; known: "),
        ({"estimator": {"name": "exact", "semivalue": "x"}}, "Expected estimator.semivalue='x' to"),
    ],
)
def test_a_refusal_says_where_a_keyword_belongs(raw, sentence):
    if "semivalue" in str(raw):
        raw = {"estimator": {**raw["estimator"], "name": "permutation", "until": "budget(9)"}}
    with pytest.raises(InvalidInputError, match=sentence):
        parse(raw)


def test_an_unreadable_file_is_refused_by_name(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("[data\nname = 3")
    for path in (broken, tmp_path / "absent.toml", tmp_path):
        with pytest.raises(InvalidInputError, match="to be a readable TOML file"):
            read_toml(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_however_an_editor_saved_it(tmp_path, encoding):
    path = tmp_path / "saved.toml"
    path.write_bytes('title = "Zürich"\r\nseed = 3\r\n'.encode(encoding))
    assert read_toml(path) == {"title": "Zürich", "seed": 3}


def test_a_file_in_another_encoding_is_refused_with_the_line(tmp_path):
    path = tmp_path / "saved.toml"
    path.write_bytes('seed = 3\ntitle = "Zürich"\n'.encode("cp1252"))
    with pytest.raises(InvalidInputError, match=r"saved.toml' .* line 2 is not in UTF-8"):
        read_toml(path)


@pytest.mark.parametrize("name", ["exact", "leave_one_out", "individual"])
def test_a_rule_that_could_stop_nothing_is_refused(name):
    section = {"name": name, "until": "wall_clock(3)"}
    with pytest.raises(InvalidInputError, match=f"left out with estimator.name='{name}'"):
        parse({"estimator": section})
    parse({"estimator": {**section, "name": "permutation"}})


def test_settings_that_a_game_would_ignore_are_refused():
    participation = {"name": "uniform", "participants": 2}
    assert "algorithm.tol=0.1" in refusal({"game": {"name": "rounds"}, "algorithm": {"tol": 0.1}})
    config = parse({"game": {"name": "rounds"}, "participation": participation})
    assert config.sections["participation"].keywords == {"participants": 2}


def test_a_budget_alone_takes_the_default_estimator_and_a_named_one_stays():
    assert parse({"estimator": {"budget": 100}}).sections["estimator"].name == DEFAULT
    assert parse({"estimator": {"until": "wall_clock(5)"}}).sections["estimator"].name == DEFAULT
    assert (
        parse({"estimator": {"budget": 100, "name": "svarm"}}).sections["estimator"].name == "svarm"
    )
    assert parse({}).sections["estimator"].name == "exact"


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"until": "wall_clok(5)"}, "did you mean 'wall_clock'"),
        ({"budget": 9, "turn": 0}, "estimator.turn=0 to be an integer >= 1"),
        ({"repeats": 0}, "estimator.repeats=0 to be an integer >= 1"),
    ],
)
def test_stopping_rules_turns_and_repeats_are_checked_before_anything_is_trained(section, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        parse({"estimator": section})


def test_repeats_are_for_trained_coalitions():
    with pytest.raises(
        InvalidInputError, match=r"repeats=2 to be left out with game.name='rounds'"
    ):
        parse({"game": {"name": "rounds"}, "estimator": {"repeats": 2}})


def test_what_devices_decide_needs_devices():
    assert "devices to be given with steps.name='device'" in refusal(
        {"steps": {"name": "device", "seconds": 1.0}}
    )
    assert "devices to be given with costs.name='devices'" in refusal(
        {"costs": {"name": "devices"}}
    )
    assert "local.steps to be left out with steps.name='constant'" in refusal(
        {"local": {"steps": 3}, "steps": {"name": "constant", "steps": 2}}
    )


def test_devices_imply_their_costs_unless_others_are_given():
    named, listed = {"profile": "t4"}, {"path": "devices.csv"}
    assert parse({"devices": named}).sections["devices"].name == "profiles"
    assert parse({"devices": listed}).sections["devices"].name == "csv"
    assert parse({"devices": named}).sections["costs"].name == "devices"
    assert parse({"devices": named, "costs": {"name": "free"}}).sections["costs"].name == "free"
    assert parse({"devices": {"name": "unknown"}}).sections["costs"].name == "free"
    again = parse(
        {
            "devices": named,
            "steps": {"name": "device", "seconds": 2},
            "participation": {"drop_out": 0.1},
        }
    )
    assert parse(again.to_dict()) == again
