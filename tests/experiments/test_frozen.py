"""Frozen games: files that others can read, exact values that are exact, and nothing twice."""

import json
from itertools import permutations

import jax
import numpy as np
import pytest

from experiments.frozen import __main__ as command
from experiments.frozen import games, tables
from fedjax_shap._validate import InvalidInputError
from fedjax_shap.games.closed_form import table as game_of

UTILITIES = np.array([0.5, 1.0, -0.25, 2.0, 0.125, 3.5, 1.5, 4.0])
META = {"name": "tiny", "about": "three players", "noise_floor": None}
NAMES = tuple(tables.manifest_of(tables.COMMITTED))


@pytest.fixture
def tiny():
    return tables.frozen(UTILITIES, META)


def by_orders(utilities):
    """Shapley values of three players as means over their six orders, in float64."""
    values = np.zeros(3)
    for order in permutations(range(3)):
        row = 0
        for player in order:
            values[player] += (utilities[row + 2**player] - utilities[row]) / 6
            row += 2**player
    return values


def by_coalitions(utilities):
    """Shapley values as sums over coalitions, one after another, in float64."""
    players = len(utilities).bit_length() - 1
    weights = [1.0 / players]
    for size in range(1, players):
        weights.append(weights[-1] * size / (players - size))
    values = np.zeros(players)
    sizes = [row.bit_count() for row in range(len(utilities))]
    for row, size in enumerate(sizes):
        for player in range(players):
            if not row >> player & 1:
                gain = utilities[row | 1 << player] - utilities[row]
                values[player] += weights[size] * gain
    return values


def test_the_arrays_of_a_file_are_those_that_shapiq_reads(tiny, tmp_path):
    tables.write(tiny, tmp_path)
    with np.load(tmp_path / "tiny.npz", allow_pickle=False) as held:
        assert set(held) == {"values", "coalitions", "n_players", "normalization_value", "meta"}
        assert held["values"].dtype == np.float32 and held["coalitions"].dtype == bool
        assert (held["n_players"], held["normalization_value"]) == (3, 0.5)


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_a_table_is_read_as_it_was_written(tiny, tmp_path, ending):
    tables.write(tiny, tmp_path)
    masks, utilities, meta = tables.load(tmp_path / f"tiny{ending}")
    np.testing.assert_array_equal(masks, tiny.masks)
    np.testing.assert_array_equal(utilities, UTILITIES)
    assert meta == tiny.meta
    np.testing.assert_allclose(meta["exact"], by_orders(UTILITIES), rtol=1e-14)
    assert (meta["n_players"], meta["empty"], meta["grand"]) == (3, 0.5, 4.0)


def test_masks_are_bit_strings_whose_first_character_is_player_0(tiny, tmp_path):
    tables.write(tiny, tmp_path)
    held = json.loads((tmp_path / "tiny.json").read_text())
    expected = ["000", "100", "010", "110", "001", "101", "011", "111"]
    assert held["masks"] == expected
    assert held["utilities"][held["masks"].index("110")] == 2.0
    np.testing.assert_array_equal(tables.masks_of(expected), tiny.masks)
    for wrong in ([], ["01", "0"], ["02"], [""]):
        with pytest.raises(InvalidInputError, match="bit strings"):
            tables.masks_of(wrong)


def test_the_same_table_gives_the_same_files(tiny, tmp_path):
    first = tables.write(tiny, tmp_path / "one")
    assert tables.write(tiny, tmp_path / "two") == first
    assert len(set(first.values())) == 2


def test_what_is_no_frozen_game_is_refused(tiny, tmp_path):
    tables.write(tiny, tmp_path)
    held = json.loads((tmp_path / "tiny.json").read_text())
    text = tmp_path / "wrong.json"
    for changed, words in (
        ({"masks": held["masks"][1:], "utilities": held["utilities"][1:]}, "all 2.P coalitions"),
        ({"masks": held["masks"][::-1]}, "count in binary"),
        ({"utilities": held["utilities"][1:]}, "a finite utility for each of 8"),
        ({"utilities": ["x"] * 8}, "hold a frozen game"),
    ):
        text.write_text(json.dumps(held | changed))
        with pytest.raises(InvalidInputError, match=words):
            tables.load(text)
    text.write_text("{}")
    with pytest.raises(InvalidInputError, match="hold a frozen game"):
        tables.load(text)
    with pytest.raises(InvalidInputError, match="No such file"):
        tables.load(tmp_path / "none.npz")
    with pytest.raises(InvalidInputError, match=r"end in \.npz or \.json"):
        tables.load(tmp_path / "tiny.csv")
    with pytest.raises(InvalidInputError, match="finite"):
        tables.frozen(np.array([0.0, np.nan]), META)
    broken = tmp_path / "broken.npz"
    for content in (b"", b"P", b"PK\x03\x04"):
        broken.write_bytes(content)
        with pytest.raises(InvalidInputError, match="hold a frozen game"):
            tables.load(broken)


@pytest.fixture
def trained(monkeypatch):
    """Two small games in the place of the federations; the seeds that were trained."""
    seeds = []

    def made(seed):
        seeds.append(seed)
        return [(game_of(UTILITIES * (1 + seed)).game, jax.random.key(seed))] * 2

    one = games.Frozen(made, "three players", "nats", "none")
    monkeypatch.setattr(games, "FROZEN", {"tiny": one, "still": one._replace(noisy=False)})
    return seeds


def test_a_game_is_built_end_to_end_and_not_again(trained, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert command.main(["--out", out, "--game", "tiny"]) == 0
    assert trained == [0, 1]
    table = tables.load(tmp_path / "out" / "tiny.npz")
    np.testing.assert_array_equal(table.utilities, 2 * UTILITIES)  # of both games together
    floor = table.meta["noise_floor"]
    np.testing.assert_allclose(floor["relative_l2"], (1 + 0.5) / 2, rtol=1e-9)
    assert command.main(["--out", out]) == 0
    assert trained == [0, 1, 0]
    assert tables.load(tmp_path / "out" / "still.json").meta["noise_floor"] is None
    entry = tables.manifest_of(tmp_path / "out")["tiny"]
    assert entry["trained"]["command"] == "python -m experiments.frozen --out DIR --game tiny"
    assert entry["trained"]["commit"] and entry["exact"] == table.meta["exact"]
    assert command.main(["--check", out]) == 0
    assert "2 games, nothing wrong" in capsys.readouterr().out


def test_a_game_that_was_interrupted_goes_on(trained, tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tables, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            command.main(["--out", str(tmp_path), "--game", "still"])
    asked = []
    plain = command.evaluate

    def counted(game, key, masks, plan, store):
        found = plain(game, key, masks, plan, store)
        asked.append((store.from_store, store.trained))
        return found

    monkeypatch.setattr(command, "evaluate", counted)
    assert command.main(["--out", str(tmp_path), "--game", "still"]) == 0
    assert asked == [(8, 0), (8, 0)]


def test_a_check_finds_what_was_changed(trained, tmp_path, capsys):
    assert command.main(["--out", str(tmp_path)]) == 0
    other = tables.frozen(UTILITIES + 1, META)
    kept = (tmp_path / "tiny.json").read_bytes()
    tables.write_text(other, tmp_path)
    assert command.main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "tiny.json is not the file of the manifest" in said and "another table than" in said
    (tmp_path / "tiny.json").write_bytes(kept)
    wrong = tables.load(tmp_path / "tiny.npz")
    wrong.meta["exact"][0] += 1e-6
    entry = tables.manifest_of(tmp_path)["tiny"]
    entry |= {"sha256": tables.write(wrong, tmp_path), "exact": wrong.meta["exact"]}
    tables.note(tmp_path, "tiny", entry)
    assert tables.faults(tmp_path) == [
        "tiny.npz states other Shapley values than its utilities have."
    ]
    (tmp_path / "still.npz").unlink()
    assert "still.npz is missing." in tables.faults(tmp_path)
    assert command.main(["--check", str(tmp_path / "none")]) == 1


def test_a_table_trained_again_is_compared_with_the_repositorys(
    trained, tmp_path, monkeypatch, capsys
):
    kept = tmp_path / "kept"
    monkeypatch.setattr(tables, "COMMITTED", kept)
    tables.write(tables.frozen(2 * UTILITIES + 1e-4, {**META, "name": "still"}), kept)
    tables.write(tables.frozen(2.1 * UTILITIES, META), kept)
    assert command.main(["--out", str(tmp_path / "out")]) == 0
    assert command.main(["--check", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "still: largest difference of a utility 1.0e-04" in said
    assert said.count("differs from the repository's table") == 1
    assert "tiny differs from the repository's table by more than 0.01." in said


def test_the_command_refuses_what_it_cannot_use(tmp_path, capsys):
    for given, words in (
        ([], "one of --out DIR"),
        (["--out", str(tmp_path), "--check", str(tmp_path)], "one of --out DIR"),
        (["--out", str(tmp_path), "--game", "sil"], "'silo'"),
    ):
        assert command.main(given) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("[]")
    assert command.main(["--check", str(tmp_path)]) == 2


# ------------------------------------------------------------------ the tables of the repository


def test_the_tables_of_the_repository_are_those_of_their_manifest():
    assert set(NAMES) == set(games.FROZEN)
    assert tables.faults(tables.COMMITTED) == []
    for name, frozen in games.FROZEN.items():
        entry = tables.manifest_of(tables.COMMITTED)[name]
        assert not entry["trained"]["commit"].endswith("+")
        assert (entry["noise_floor"] is not None) == frozen.noisy
        said = {key: entry[key] for key in ("about", "unit", "data")}
        assert said == {"about": frozen.about, "unit": frozen.unit, "data": frozen.data}


@pytest.mark.parametrize("name", NAMES)
def test_stated_values_are_those_of_a_loop_over_coalitions(name):
    _, utilities, meta = tables.load(tables.COMMITTED / f"{name}.npz")
    np.testing.assert_allclose(meta["exact"], by_coalitions(utilities), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.sum(meta["exact"]), meta["grand"] - meta["empty"], rtol=1e-9)


def test_every_table_is_exported_as_text(tmp_path):
    assert command.main(["--export", str(tmp_path), "--game", "transfer"]) == 0
    text = tables.load(tmp_path / "transfer.json")
    np.testing.assert_array_equal(
        text.utilities, tables.load(tables.COMMITTED / "transfer.npz").utilities
    )
    digest = tables.manifest_of(tables.COMMITTED)["transfer"]["sha256"]["transfer.json"]
    assert tables.digest(tmp_path / "transfer.json") == digest


def test_shapiq_takes_a_table_as_a_game_and_finds_its_values():
    shapiq = pytest.importorskip("shapiq")
    file = tables.COMMITTED / "transfer.npz"
    meta = tables.load(file).meta
    game = shapiq.Game(meta["n_players"], normalize=False)
    game.load_values(file, precomputed=True)
    assert game.precomputed and game.n_values_stored == 2 ** meta["n_players"]
    found = game.exact_values(index="SV", order=1)
    np.testing.assert_allclose(found.get_n_order_values(1), meta["exact"], atol=1e-6)
    centred = meta["grand"] - meta["empty"]
    np.testing.assert_allclose(game(game.grand_coalition), centred, rtol=1e-6)


@pytest.mark.slow
def test_the_game_of_sums_is_trained_to_the_table_of_the_repository(tmp_path):
    found = command.utilities_of("statistics", 0, tmp_path)
    kept = tables.load(tables.COMMITTED / "statistics.npz").utilities
    np.testing.assert_allclose(found, kept, atol=1e-6)
