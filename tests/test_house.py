"""The house keeps its rules, and each rule catches what it is there for."""

import ast
import subprocess
from collections.abc import Callable
from pathlib import Path

import house
import pytest

ROOT = Path(__file__).resolve().parents[1]
BYTES_A_FILE = 1_000_000
TUPLE_ASSIGNMENTS = 0.01  # of all statements
CONDITIONAL_EXPRESSIONS = 5 / 1000  # of all lines
IGNORED_TYPES = 15


def sources() -> dict[str, str]:
    """The package's modules: path inside the package -> source."""
    folder = ROOT / house.PACKAGE
    files = sorted(folder.rglob("*.py"))
    assert len(files) > 5, f"Expected the package in {folder}."
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


def over_the_package(rule: Callable[[str, str], list[str]]) -> list[str]:
    """What breaks a rule anywhere in the package."""
    return [sentence for module, source in sources().items() for sentence in rule(source, module)]


def tracked(*endings: str) -> list[Path]:
    """The files that git tracks, of these endings."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name.endswith(endings or "")]
    files = [file for file in files if file.is_file()]
    assert files, f"Expected git to track files in {ROOT}."
    return files


def over_tracked(rule: Callable[[str, str], list[str]], *endings: str) -> list[str]:
    """What breaks a rule in any tracked file."""
    return [
        sentence
        for file in tracked(*endings)
        for sentence in rule(file.read_text(errors="ignore"), file.relative_to(ROOT).as_posix())
    ]


# ------------------------------------------------------------------ the house keeps its rules


@pytest.mark.parametrize(
    "rule",
    [house.upward_imports, house.stray_maps, house.undocumented, house.oversized],
    ids=lambda rule: rule.__name__,
)
def test_every_module_keeps_the_rule(rule):
    wrong = over_the_package(rule)
    assert not wrong, "\n".join(wrong)


def test_each_file_named_as_mapping_elsewhere_does_so():
    for module, axis in house.MAPPED_ELSEWHERE.items():
        tree = ast.parse((ROOT / house.PACKAGE / module).read_text())
        maps = any(house.uses_name(node, "vmap") for node in ast.walk(tree))
        assert maps, f"{module} maps over {axis} no longer"


def test_statements_assign_one_thing():
    wrong = over_the_package(house.tuple_assignments)
    statements = sum(map(house.num_statements, sources().values()))
    assert len(wrong) <= TUPLE_ASSIGNMENTS * statements, "\n".join([f"{len(wrong)}:", *wrong])


def test_conditional_expressions_are_rare():
    wrong = over_the_package(house.conditional_expressions)
    lines = sum(len(source.splitlines()) for source in sources().values())
    assert len(wrong) <= CONDITIONAL_EXPRESSIONS * lines, "\n".join([f"{len(wrong)}:", *wrong])


def test_the_type_checker_is_rarely_silenced():
    wrong = over_the_package(house.ignored_types)
    assert len(wrong) <= IGNORED_TYPES, "\n".join([f"{len(wrong)}:", *wrong])


def test_every_module_stands_in_the_picture_of_the_house():
    page = (ROOT / "docs" / "architecture.md").read_text()
    missing = house.missing_from_page(page, sources())
    assert not missing, "\n".join(missing)


def test_tracked_files_name_no_registry_and_no_machine():
    wrong = over_tracked(house.unshareable)
    assert not wrong, "\n".join(wrong)


def test_code_and_documents_cite_papers_and_no_page_of_ours():
    wrong = over_tracked(house.private_references, ".py", ".md", ".toml")
    assert not wrong, "\n".join(wrong)


def test_no_data_is_tracked():
    sizes = {file.relative_to(ROOT): file.stat().st_size for file in tracked()}
    wrong = [f"{file}: {size} bytes" for file, size in sizes.items() if size > BYTES_A_FILE]
    assert not wrong, "\n".join(wrong)


# ------------------------------------------------------------------ each rule catches something


@pytest.mark.parametrize(
    ("module", "line", "expected"),
    [
        ("shapley/exact.py", "from fedjax_shap.games.game import Game", "upwards from floor 3"),
        ("shapley/exact.py", "import fedjax_shap.economics.rules", "sideways from floor 1"),
        ("data/sources.py", "from ..learning import model", "upwards from floor 2 (learning)"),
        (
            "games/silo.py",
            "def f():\n    from fedjax_shap import engine",
            "upwards from floor 4",
        ),
        (
            "valuation/estimate.py",
            "from fedjax_shap import report",
            "upwards from floor 8",
        ),
        ("games/silo.py", "from fedjax_shap import FederatedData", "imports the package itself"),
        ("__init__.py", "from fedjax_shap.__main__ import main", "imports __main__"),
        ("games/silo.py", "from fedjax_shap.cellar import wine", "cellar, which has no floor"),
        ("cellar.py", "", "has no floor"),
    ],
)
def test_an_import_that_does_not_go_down_is_caught(module, line, expected):
    (sentence,) = house.upward_imports(line, module)
    assert sentence.startswith(module)
    assert expected in sentence


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (
            "shapley/exact.py",
            "from fedjax_shap.shapley.estimator import Estimator\nfrom . import semivalue",
        ),
        (
            "games/silo.py",
            "import jax\nfrom fedjax_shap.learning import train\nfrom ..data.federated import x",
        ),
        ("coalitions.py", "from fedjax_shap._validate import require"),
        ("__init__.py", "from fedjax_shap.report import run\nfrom fedjax_shap.engine import plan"),
        ("__main__.py", "import fedjax_shap\nfrom fedjax_shap.cli.main import main"),
    ],
)
def test_an_import_that_goes_down_or_stays_in_its_room_is_not_caught(module, line):
    assert house.upward_imports(line, module) == []


def test_a_vmap_outside_the_engine_is_caught():
    by_attribute = "import jax\nf = jax.vmap(g)"
    by_import = "from jax import vmap as batch\nf = batch(g)"
    assert len(house.stray_maps(by_attribute, "games/silo.py")) == 1
    assert len(house.stray_maps(by_import, "games/silo.py")) == 1
    assert house.stray_maps(by_attribute, "engine/evaluate.py") == []


def test_a_missing_docstring_is_caught():
    source = '"""A."""\nclass A:\n    """A."""\n    def b(self): ...\n    def _c(self): ...\n'
    source += "def d(): ..."
    wrong = house.undocumented(source, "x.py")
    assert [sentence.split(": ")[1].split()[0] for sentence in wrong] == ["A.b", "d"]
    assert len(house.undocumented("", "x.py")) == 1


def test_a_long_file_a_long_function_and_a_long_line_are_caught():
    body = "\n".join(f"    a = {i}" for i in range(house.LINES_A_FUNCTION))
    assert len(house.oversized(f"def f():\n{body}", "x.py")) == 1
    assert len(house.oversized("a = 1\n" * (house.LINES_A_FILE + 1), "x.py")) == 1
    assert len(house.oversized(f"a = '{'x' * house.COLUMNS}'", "x.py")) == 1
    assert house.oversized("a = 1\n" * house.LINES_A_FILE, "x.py") == []


def test_an_assignment_of_unrelated_values_is_caught():
    assert len(house.tuple_assignments("a, b = 1, f(2)", "x.py")) == 1
    for fine in ("a, b = b, a", "a, b = f(1)", "(a, b), c = f(1)", "pair = 1, 2"):
        assert house.tuple_assignments(fine, "x.py") == [], fine


def test_conditional_expressions_and_silenced_types_are_counted():
    nested = "a = 1 if b else 2 if c else 3\nif a:\n    b = 1\n"
    assert len(house.conditional_expressions(nested, "x.py")) == 2
    assert len(house.ignored_types("a = b  # type: " + "ignore[misc]\nc = 1", "x.py")) == 1


def test_a_module_that_the_picture_lacks_or_invents_is_caught():
    page = "```\npackage/\n  one                what it does\n\n  room/     a room    floor 1\n"
    page += "    two                what it does\n    gone               what it did\n```\n"
    modules = ("one.py", "room/__init__.py", "room/two.py", "room/three.py")
    wrong = house.missing_from_page(page.replace("package/", "fedjax_shap/"), modules)
    assert [sentence.split(":")[0] for sentence in wrong] == ["room/gone.py", "room/three.py"]


def test_a_registry_or_a_machine_is_caught():
    lines = (
        "--index" + "-url x",
        "https://pypi.org/" + "simple",
        "cd " + "/home" + "/me/x",
        "'" + "/work" + "/x'",
    )
    for line in lines:
        assert len(house.unshareable(line, "x.txt")) == 1, line
    assert house.unshareable("https://example.org/home/page and docs/work/list", "x.txt") == []


def test_a_page_that_only_we_have_is_caught():
    for line in ("see Sp" + "ec 5.2", "(Sp" + "ec 1.1e)", "from PEERS" + ".md", "PEERS" + " G"):
        assert len(house.private_references(line, "x.py")) <= 1, line
    assert len(house.private_references("see Sp" + "ec 5.2", "x.py")) == 1
    assert len(house.private_references("from PEERS" + ".md", "x.py")) == 1
    for fine in ("a ModuleSpec 3", "Special 5", "specification 2", "jax.sharding.PartitionSpec"):
        assert house.private_references(fine, "x.py") == [], fine
