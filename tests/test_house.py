"""The house: imports go down only, coalitions are batched in one place, files stay small, what is
public is told."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "fedjax_shap"
LINES_A_FILE, LINES_A_FUNCTION, BYTES_A_FILE = 260, 60, 1_000_000

# The floors, ground first, each a list of rooms. A module imports from lower floors and from its
# own room. Files that share a floor without a folder share a room. `fedjax_shap/__init__.py` is the
# shop window: it imports anything but `__main__`, and nothing but `__main__` imports it.
FLOORS: tuple[tuple[set[str], ...], ...] = (
    ({"typing", "coalitions", "trees", "_validate", "atomic"},),
    ({"data"}, {"shapley"}, {"economics"}),
    ({"learning"}, {"audits"}, {"ledger"}),
    ({"games"}, {"devices"}),
    ({"engine"},),
    ({"valuation"},),
    ({"pipeline"},),
    ({"report"},),
    ({"cli"},),
    ({"__main__"},),
)
ROOMS = {
    name: (floor, room) for floor, rooms in enumerate(FLOORS) for room in rooms for name in room
}
WINDOW = "__init__"

# `vmap` over coalitions stands only in engine/. Where else a file maps over something, it is named
# here.
MAPPED_ELSEWHERE: dict[str, str] = {
    "learning/train.py": "the members of one coalition",
    "games/mixtures.py": "the uploads of a round, and the mixtures of a chunk: the layout that the engine asks for",
    "learning/train_chunk.py": "the coalitions of a chunk that hold one client: the layout that the engine asks for",
}


def imported(source: str, module: str) -> Iterator[tuple[int, str]]:
    """The (line, top module or room) of each import of this package in `module`, a path such as
    'games/silo.py'."""
    parents = [PACKAGE, *Path(module).parts[:-1]]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, *rest = alias.name.split(".")
                if top == PACKAGE:
                    yield node.lineno, rest[0] if rest else WINDOW
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            top, *rest = base + (node.module.split(".") if node.module else [])
            if top == PACKAGE and rest:
                yield node.lineno, rest[0]
            elif top == PACKAGE:  # a room, or a public name
                yield from (
                    (node.lineno, alias.name if alias.name in ROOMS else WINDOW)
                    for alias in node.names
                )


def upward_imports(source: str, module: str) -> list[str]:
    """A sentence for each import that does not go down, or that enters another room on the same
    floor."""
    own = Path(module).parts[0].removesuffix(".py")
    if own == WINDOW:
        return [
            f"{module}:{line}: imports __main__"
            for line, to in imported(source, module)
            if to == "__main__"
        ]
    if own not in ROOMS:
        return [
            f"{module}: has no floor; add it to FLOORS in tests/test_house.py and to "
            "docs/architecture.md"
        ]
    (floor, room), wrong = ROOMS[own], []
    for line, to in imported(source, module):
        if to == WINDOW:
            if own != "__main__":
                wrong.append(
                    f"{module}:{line}: imports the package itself; import the module that defines "
                    "the name"
                )
            continue
        if to not in ROOMS:
            wrong.append(f"{module}:{line}: imports {to}, which has no floor")
            continue
        their_floor, their_room = ROOMS[to]
        if their_floor > floor or (their_floor == floor and their_room != room):
            way = "upwards" if their_floor > floor else "sideways"
            wrong.append(
                f"{module}:{line}: floor {floor} ({own}) imports {way} from floor {their_floor} "
                f"({to})"
            )
    return wrong


def stray_maps(source: str, module: str) -> list[str]:
    """A sentence for each `vmap` outside engine/ in a file that MAPPED_ELSEWHERE does not name."""
    if module.startswith("engine/") or module in MAPPED_ELSEWHERE:
        return []
    uses = {node.lineno for node in ast.walk(ast.parse(source)) if _names(node, "vmap")}
    return [
        f"{module}:{line}: vmap outside engine/; if not over coalitions, say over what in "
        "MAPPED_ELSEWHERE"
        for line in sorted(uses)
    ]


def untold(source: str, module: str) -> list[str]:
    """A sentence for each public module, class, function or method without a docstring."""

    def visit(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
                if not ast.get_docstring(child):
                    yield f"{module}:{child.lineno}: {prefix}{child.name} has no docstring"
                if isinstance(child, ast.ClassDef):
                    yield from visit(child, f"{child.name}.")

    tree = ast.parse(source)
    return ([] if ast.get_docstring(tree) else [f"{module}:1: the module has no docstring"]) + list(
        visit(tree, "")
    )


def oversized(source: str, module: str) -> list[str]:
    """A sentence for a file, and for each function, of more lines than the house allows."""
    wrong = (
        [f"{module}: {n} lines > {LINES_A_FILE}"]
        if (n := len(source.splitlines())) > LINES_A_FILE
        else []
    )
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > LINES_A_FUNCTION:
                wrong.append(
                    f"{module}:{node.lineno}: {node.name} has {lines} lines > {LINES_A_FUNCTION}"
                )
    return wrong


def unshareable(text: str, path: str) -> list[str]:
    """A sentence for each line with a registry's address or a folder of somebody's machine."""
    registry = "|".join(
        (
            "index" + "-url",
            "find" + "-links",
            re.escape("pypi.org/" + "simple"),
            "python" + "hosted",
        )
    )
    folder = r"(?<![\w.])/(?:" + "|".join(("work", "farm", "root", "home", "Users")) + r")/\w"
    return [
        f"{path}:{number}: {found.group()!r} means nothing elsewhere"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.search(f"{registry}|{folder}", line))
    ]


def _names(node: ast.AST, name: str) -> TypeGuard[ast.expr | ast.stmt]:
    """Whether `node` uses or imports `name`."""
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == name for alias in node.names)
    return (isinstance(node, ast.Attribute) and node.attr == name) or (
        isinstance(node, ast.Name) and node.id == name
    )


def _over_the_package(check: Callable[[str, str], list[str]]) -> list[str]:
    folder = ROOT / PACKAGE
    files = sorted(folder.rglob("*.py"))
    assert len(files) > 5, f"Expected the package in {folder}."
    return [
        sentence
        for f in files
        for sentence in check(f.read_text(), f.relative_to(folder).as_posix())
    ]


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert files, f"Expected git to track files in {ROOT}."
    return files


def test_imports_go_down_only_and_rooms_on_one_floor_do_not_know_each_other():
    assert not (wrong := _over_the_package(upward_imports)), "\n".join(wrong)


def test_coalitions_are_mapped_only_in_the_engine():
    assert not (wrong := _over_the_package(stray_maps)), "\n".join(wrong)


def test_each_file_named_as_mapping_elsewhere_does_so():
    for module, axis in MAPPED_ELSEWHERE.items():
        tree = ast.parse((ROOT / PACKAGE / module).read_text())
        assert any(_names(node, "vmap") for node in ast.walk(tree)), (
            f"{module} maps over {axis} no longer"
        )


def test_all_that_is_public_has_a_docstring():
    assert not (wrong := _over_the_package(untold)), "\n".join(wrong)


def test_files_and_functions_stay_small():
    assert not (wrong := _over_the_package(oversized)), "\n".join(wrong)


def test_tracked_files_name_no_registry_and_no_machine():
    texts = [(f.read_text(errors="ignore"), f.relative_to(ROOT).as_posix()) for f in _tracked()]
    assert not (
        wrong := [sentence for text, path in texts for sentence in unshareable(text, path)]
    ), "\n".join(wrong)


def test_no_data_is_tracked():
    wrong = [
        f"{f.relative_to(ROOT)}: {size} bytes"
        for f in _tracked()
        if (size := f.stat().st_size) > BYTES_A_FILE
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "line", "found"),
    [
        (
            "shapley/exact.py",
            "from fedjax_shap.games.game import Game",
            "upwards from floor 3 (games)",
        ),
        (
            "shapley/exact.py",
            "import fedjax_shap.economics.rules",
            "sideways from floor 1 (economics)",
        ),
        ("data/sources.py", "from ..learning import model", "upwards from floor 2 (learning)"),
        (
            "games/silo.py",
            "def late():\n    from fedjax_shap import engine",
            "upwards from floor 4 (engine)",
        ),
        (
            "valuation/estimate.py",
            "from fedjax_shap import report",
            "upwards from floor 7 (report)",
        ),
        ("games/silo.py", "from fedjax_shap import FederatedData", "imports the package itself"),
        ("__init__.py", "from fedjax_shap.__main__ import main", "imports __main__"),
        (
            "games/silo.py",
            "from fedjax_shap.cellar import wine",
            "imports cellar, which has no floor",
        ),
        ("cellar.py", "", "has no floor"),
    ],
)
def test_an_import_that_does_not_go_down_is_caught(module, line, found):
    (sentence,) = upward_imports(line, module)
    assert sentence.startswith(module) and found in sentence


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
        (
            "__init__.py",
            "from fedjax_shap.report import run\nfrom fedjax_shap.engine import evaluate",
        ),
        ("__main__.py", "import fedjax_shap\nfrom fedjax_shap.cli.main import main"),
    ],
)
def test_an_import_that_goes_down_or_stays_in_its_room_is_not_caught(module, line):
    assert upward_imports(line, module) == []


def test_a_vmap_outside_the_engine_is_caught():
    assert len(stray_maps("import jax\nf = jax.vmap(g)", "games/silo.py")) == 1
    assert len(stray_maps("from jax import vmap as batch\nf = batch(g)", "games/silo.py")) == 1
    assert stray_maps("import jax\nf = jax.vmap(g)", "engine/evaluate.py") == []


def test_a_missing_docstring_is_caught():
    source = '"""Told."""\nclass A:\n    """Told."""\n    def b(self): ...\n    def _c(self): ...\ndef d(): ...'
    assert [s.split(": ")[1].split()[0] for s in untold(source, "x.py")] == ["A.b", "d"]
    assert len(untold("", "x.py")) == 1


def test_a_long_file_and_a_long_function_are_caught():
    body = "\n".join(f"    a = {i}" for i in range(LINES_A_FUNCTION))
    assert len(oversized(f"def f():\n{body}", "x.py")) == 1
    assert len(oversized("a = 1\n" * (LINES_A_FILE + 1), "x.py")) == 1
    assert oversized("a = 1\n" * LINES_A_FILE, "x.py") == []


def test_a_registry_or_a_machine_is_caught():
    for line in (
        "--index" + "-url x",
        "https://pypi.org/" + "simple",
        "cd " + "/home" + "/me/x",
        "'" + "/work" + "/x'",
    ):
        assert len(unshareable(line, "x.txt")) == 1, line
    assert unshareable("https://example.org/home/page and docs/work/list", "x.txt") == []
