"""The public face: few names, families as documented modules, and no wait for JAX."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import fedjax_shap as fs

SOURCE = Path(fs.__file__)
FAMILIES = [name for name in dir(fs) if isinstance(getattr(fs, name), ModuleType)]
REGISTRIES = {  # a family -> the registry that a configuration picks from
    "algorithms": "ALGORITHMS",
    "audits": "AUDITS",
    "corruptions": "CORRUPTIONS",
    "costs": "COSTS",
    "estimators": "ESTIMATORS",
    "in_run": "IN_RUN",
    "models": "MODELS",
    "participation": "PARTICIPATIONS",
    "partitions": "PARTITIONS",
    "rules": "RULES",
    "sources": "SOURCES",
    "statistics": "STATISTICS",
    "steps": "STEPS",
    "stopping": "STOPPING_RULES",
}


def modules_after(*command: str) -> set[str]:
    """The modules that are loaded once `fedjax-shap` has answered; its exit code goes by."""
    code = (
        "import sys\n"
        "from fedjax_shap.__main__ import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )
    return set(ran.stderr.splitlines()[-1].split())


def test_all_names_fit_on_a_screen_and_can_be_used():
    assert len(dir(fs)) <= 72
    assert dir(fs) == sorted(fs.__all__)
    for name in dir(fs):
        assert getattr(fs, name) is not None


def test_type_checkers_are_told_the_same_names_of_the_same_modules():
    (block,) = (
        node
        for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    told = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            module = import_module(node.module)
            told[alias.asname] = getattr(module, alias.name, None) or import_module(
                f"{node.module}.{alias.name}"
            )
    assert told == {name: getattr(fs, name) for name in fs.__all__}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_documented_and_says_what_is_in_it(name):
    family = getattr(fs, name)
    assert len(family.__doc__) > 20
    for public in family.__all__:
        assert getattr(family, public) is not None


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_family_has_all_that_a_configuration_may_name(name):
    family = getattr(fs, name)
    registry = getattr(family, REGISTRIES[name])
    public = {getattr(family, one) for one in family.__all__ if callable(getattr(family, one))}
    missing = [key for key, factory in registry.items() if factory not in public]
    assert not missing and REGISTRIES[name] in family.__all__


def test_a_name_that_does_not_exist_is_an_attribute_error():
    for name in ("fedsomething", "linear", "__wrapped__"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
            getattr(fs, name)


def test_modules_of_the_package_are_imported_beside_the_names():
    from fedjax_shap import engine

    assert engine.__name__ == "fedjax_shap.engine"


def test_importing_the_package_does_not_import_jax():
    code = "import sys, fedjax_shap; sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "command",
    [
        ["--version"],
        ["--help"],
        [],
        ["fly"],
        *([name, "--help"] for name in ("run", "quickstart", "list", "settle", "audit")),
        *([name, "--help"] for name in ("compare", "ledger", "store", "sweep", "study")),
        ["quickstart", "--fast"],
        ["run"],
        ["run", "absent.toml"],
        ["list"],
        ["list", "model"],
        ["list", "model", "mpl"],
        ["settle", "absent.csv"],
        ["audit", "run", "--figure", "page.doc"],
        ["store", "ls", "absent"],
        ["compare", "absent", "missing"],
        ["sweep", "absent.toml", "--set", "seed=0..4"],
        ["study", "absent", "--rows", "seed"],
        ["ledger", "show", "absent"],
        ["settle", "absent.csv", "--fast"],
    ],
    ids=" ".join,
)
def test_help_and_refusals_of_a_command_line_answer_without_jax(command):
    loaded = modules_after(*command)
    assert "fedjax_shap.cli.main" in loaded and not loaded & {"jax", "flax", "optax"}


def test_a_settlement_needs_no_jax(tmp_path):
    record = tmp_path / "input.json"
    record.write_text('{"values": [2, 1], "costs": [0, 0], "revenue": 9}')
    assert "jax" not in modules_after("settle", str(record), "--out", str(tmp_path / "out.json"))
    assert (tmp_path / "out.json").exists()


@pytest.mark.parametrize("words", [["ls"], ["verify"], ["merge"], ["export"]], ids=" ".join)
def test_stores_are_looked_after_without_jax(words, tmp_path):
    store = fs.UtilityStore(tmp_path / "store", fingerprint="abc", players=("a", "b"))
    store.add(np.array([[True, False], [True, True]]), np.array([1.0, 2.0]))
    store.flush()
    assert "jax" not in modules_after("store", *words, str(tmp_path / "store"))


def test_types_are_shipped():
    assert (SOURCE.parent / "py.typed").is_file()
