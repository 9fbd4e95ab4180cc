"""The examples are what the pages show, stand in a list, and run."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping

import pytest
from pages import ROOT, blocks

import fedjax_shap as fs
from fedjax_shap.cli.main import main
from fedjax_shap.devices.profiles import profiles_from_csv

FOLDER = ROOT / "examples"
CONFIGURATIONS = sorted(file.name for file in FOLDER.glob("*.toml"))
SHOWN = [block for page in ("README.md", "docs/studies.md") for block in blocks(page) if block.file]
EXTENDED = "estimator.toml"  # completes what the README shows without a federation


@pytest.fixture
def here(monkeypatch):
    """Examples are run from their folder."""
    monkeypatch.chdir(FOLDER)
    monkeypatch.syspath_prepend(FOLDER)


def holds(whole: Mapping, part: Mapping) -> bool:
    """Whether a configuration says all that another says."""
    return all(
        holds(whole[key], one) if isinstance(one, Mapping) else whole.get(key) == one
        for key, one in part.items()
    )


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.file)
def test_a_file_that_a_page_shows_is_an_example(block):
    text = (FOLDER / block.file).read_text()
    if block.language == "toml":
        assert tomllib.loads(text) == tomllib.loads(block.text)
    else:
        assert text == block.text


def test_every_configuration_of_the_readme_is_an_example_or_part_of_one():
    whole = tomllib.loads((FOLDER / EXTENDED).read_text())
    shown = [block for block in blocks("README.md") if block.language == "toml"]
    assert len(shown) >= 7
    for block in shown:
        assert block.file or holds(whole, tomllib.loads(block.text)), block.text


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_an_example_is_accepted(name, here):
    raw = tomllib.loads((FOLDER / name).read_text())
    if "sweep" in raw:
        assert len(fs.studies.cells_of(raw, fs.studies.axes_of(raw["sweep"]))) == 30
    else:
        assert fs.parse(raw).title


def test_the_table_of_customers_is_what_the_readme_writes(tmp_path, monkeypatch):
    (code,) = (block.text for block in blocks("README.md") if "np.savetxt" in block.text)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "customers.csv").read_text() == (FOLDER / "customers.csv").read_text()


def test_tables_beside_a_configuration_are_of_the_same_members(here):
    rows = (FOLDER / "customers.csv").read_text().split()[1:]
    members = sorted({row.split(",")[0] for row in rows})
    assert [profile.name for profile in profiles_from_csv("fleet.csv")] == members
    config = tomllib.loads((FOLDER / "fleet.toml").read_text())
    header, *rounds = (FOLDER / "presence.csv").read_text().split()
    assert header.split(",") == members
    assert len(rounds) == config["algorithm"]["max_rounds"]


@pytest.mark.parametrize("name", ["members.csv", "input.json"])
def test_an_example_is_settled(name, here, capsys):
    assert main(["settle", name, "--revenue", "1000", "--format", "csv"]) == 0
    assert "north" in capsys.readouterr().out


def test_every_example_stands_in_the_list():
    listed = set(re.findall(r"`(\w+\.(?:toml|csv|py|json))`", (FOLDER / "README.md").read_text()))
    there = {file.name for file in FOLDER.iterdir() if file.is_file()}
    assert listed == there - {"README.md", "arrays.npz"}


@pytest.mark.slow
def test_an_example_of_three_tables_runs(here, tmp_path, capsys):
    assert main(["run", "fleet.toml", "--out", str(tmp_path)]) == 0  # the README's test runs others
    assert (tmp_path / "report.html").exists()


def test_arrays_are_written_and_read(tmp_path):
    subprocess.run([sys.executable, FOLDER / "arrays.py"], cwd=tmp_path, check=True)
    pool = fs.load("npz", path=str(tmp_path / "arrays.npz"))
    assert set(pool.columns[pool.natural]) == {"north", "east", "south"}
