"""The rules of the house: functions from a module's source to sentences on what breaks them."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

PACKAGE = "fedjax_shap"
WINDOW = "__init__"
LINES_A_FILE = 300
LINES_A_FUNCTION = 45
COLUMNS = 100

# The floors, ground first, each a list of rooms. A module imports from lower floors and from its
# own room. Files that share a floor without a folder share a room. `fedjax_shap/__init__.py` is the
# shop window: it imports anything but `__main__`, and nothing but `__main__` imports it.
FLOORS: tuple[tuple[set[str], ...], ...] = (
    ({"typing", "coalitions", "trees", "_validate", "_version", "atomic", "keys"},),
    ({"data"}, {"shapley"}, {"economics"}, {"privacy"}),
    ({"learning"}, {"audits"}, {"ledger"}, {"protocols"}),
    ({"games"}, {"devices"}),
    ({"engine"},),
    ({"valuation"},),
    ({"pipeline"},),
    ({"studies"},),
    ({"report"},),
    ({"cli"},),
    ({"__main__"},),
)
ROOMS = {
    name: (floor, room) for floor, rooms in enumerate(FLOORS) for room in rooms for name in room
}

# `vmap` over coalitions stands only in engine/. Other files that map over something stand here.
MAPPED_ELSEWHERE: dict[str, str] = {
    "learning/side_by_side.py": "the members of one coalition",
    "learning/judges.py": "the judges with equally many test rows",
    "learning/row_orders.py": "the clients of a round, and their passes",
    "learning/vertical/split.py": "the parties, whose initial weights are drawn",
    "games/statistics.py": "the coalitions of a block",
    "games/transfer.py": "the coalitions of a block",
    "games/vertical.py": "the coalitions of a block",
    "games/mixtures.py": "the uploads of a round, and the mixtures of a chunk",
    "learning/train_chunk.py": "the coalitions of a chunk that contain one client",
}


parsed = cache(ast.parse)  # a module goes through every rule, but its source is read once


# ------------------------------------------------------------------ imports and maps


def imported(source: str, module: str) -> Iterator[tuple[int, str]]:
    """The (line, room) of each import of this package in `module`, a path such as games/silo.py."""
    parents = [PACKAGE, *Path(module).parts[:-1]]
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, *rest = alias.name.split(".")
                if top == PACKAGE:
                    yield node.lineno, rest[0] if rest else WINDOW
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else []
            top, *rest = base + (node.module or "").split(".")
            rest = [name for name in rest if name]
            if top == PACKAGE and rest:
                yield node.lineno, rest[0]
            elif top == PACKAGE:  # a room, or a public name
                for alias in node.names:
                    yield node.lineno, alias.name if alias.name in ROOMS else WINDOW


def upward_imports(source: str, module: str) -> list[str]:
    """Imports that do not go down, or that enter another room on the same floor."""
    own = Path(module).parts[0].removesuffix(".py")
    imports = list(imported(source, module))
    if own == WINDOW:
        return [f"{module}:{line}: imports __main__" for line, to in imports if to == "__main__"]
    if own not in ROOMS:
        return [f"{module}: has no floor; add it to FLOORS and to docs/architecture.md"]
    sentences = (_upward(own, to) for _, to in imports)
    return [
        f"{module}:{line}: {sentence}"
        for (line, _), sentence in zip(imports, sentences, strict=True)
        if sentence
    ]


def _upward(own: str, to: str) -> str:
    """What is wrong with an import of `to` by a module of `own`, or nothing."""
    if to == WINDOW:
        if own == "__main__":
            return ""
        return "imports the package itself; import the module that defines the name"
    if to not in ROOMS:
        return f"imports {to}, which has no floor"
    floor, room = ROOMS[own]
    their_floor, their_room = ROOMS[to]
    if their_floor > floor:
        return f"floor {floor} ({own}) imports upwards from floor {their_floor} ({to})"
    if their_floor == floor and their_room != room:
        return f"floor {floor} ({own}) imports sideways from floor {their_floor} ({to})"
    return ""


def stray_maps(source: str, module: str) -> list[str]:
    """Uses of `vmap` outside engine/ in a file that MAPPED_ELSEWHERE does not name."""
    if module.startswith("engine/") or module in MAPPED_ELSEWHERE:
        return []
    uses = {node.lineno for node in ast.walk(parsed(source)) if uses_name(node, "vmap")}
    return [
        f"{module}:{line}: vmap outside engine/; MAPPED_ELSEWHERE may say over what"
        for line in sorted(uses)
    ]


def uses_name(node: ast.AST, name: str) -> TypeGuard[ast.expr | ast.stmt]:
    """Whether `node` uses or imports `name`."""
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == name for alias in node.names)
    if isinstance(node, ast.Attribute):
        return node.attr == name
    return isinstance(node, ast.Name) and node.id == name


# ------------------------------------------------------------------ documentation and size


def undocumented(source: str, module: str) -> list[str]:
    """Public modules, classes, functions and methods without a docstring."""

    def visit(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.ClassDef) or child.name.startswith("_"):
                continue
            if not ast.get_docstring(child):
                yield f"{module}:{child.lineno}: {prefix}{child.name} has no docstring"
            if isinstance(child, ast.ClassDef):
                yield from visit(child, f"{child.name}.")

    tree = parsed(source)
    wrong = list(visit(tree, ""))
    if not ast.get_docstring(tree):
        wrong.insert(0, f"{module}:1: the module has no docstring")
    return wrong


def oversized(source: str, module: str) -> list[str]:
    """Files and functions of too many lines, and lines of too many columns."""
    lines = source.splitlines()
    wrong = []
    if len(lines) > LINES_A_FILE:
        wrong.append(f"{module}: {len(lines)} lines > {LINES_A_FILE}")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            wrong.append(f"{module}:{number}: {len(line)} columns > {COLUMNS}")
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1 - _docstring_lines(node)
            if length > LINES_A_FUNCTION:
                wrong.append(
                    f"{module}:{node.lineno}: {node.name} has {length} lines > {LINES_A_FUNCTION}"
                )
    return wrong


def _docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines the docstring of a function takes: the contract is no part of its length."""
    if ast.get_docstring(node) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


# ------------------------------------------------------------------ the picture of the house


def modules_on_page(page: str) -> set[str]:
    """The modules that the tree on a page names: a name a line, folders by indentation."""
    tree = page.partition(f"\n{PACKAGE}/\n")[2].partition("```")[0]
    folders: dict[int, str] = {}
    modules = set()
    for line in tree.splitlines():
        match = re.match(r"( +)([\w]+)(/?)(\s|$)", line)
        if not match:
            continue
        depth = len(match[1])
        folder = "".join(folders[above] for above in sorted(folders) if above < depth)
        folders = {above: name for above, name in folders.items() if above < depth}
        if match[3]:
            folders[depth] = f"{match[2]}/"
        else:
            modules.add(f"{folder}{match[2]}.py")
    return modules


def missing_from_page(page: str, modules: Iterable[str]) -> list[str]:
    """Modules that a page's tree lacks, and those that it names and that are not there."""
    there = {module for module in modules if "/" not in module or "__init__" not in module}
    named = modules_on_page(page)
    gone = [f"{module}: the page names it, but it is not there" for module in named - there]
    new = [f"{module}: the page does not name it" for module in there - named]
    return sorted(gone + new)


# ------------------------------------------------------------------ counts over all modules


def num_statements(source: str) -> int:
    """How many statements a module has."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(parsed(source)))


def tuple_assignments(source: str, module: str) -> list[str]:
    """Assignments that pair unrelated values, `a, b = x, y`; a swap is none."""
    wrong = []
    for node in ast.walk(parsed(source)):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
            continue
        for target in node.targets:
            if isinstance(target, ast.Tuple) and not _is_swap(target, node.value):
                wrong.append(f"{module}:{node.lineno}: {ast.unparse(node)}")
    return wrong


def _is_swap(target: ast.Tuple, value: ast.Tuple) -> bool:
    """Whether a tuple assignment only changes the order of what stands on its left."""
    return sorted(map(ast.unparse, target.elts)) == sorted(map(ast.unparse, value.elts))


def conditional_expressions(source: str, module: str) -> list[str]:
    """Conditional expressions, `x if condition else y`."""
    return [
        f"{module}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.IfExp)
    ]


def ignored_types(source: str, module: str) -> list[str]:
    """Lines that silence the type checker."""
    return [
        f"{module}:{number}: {line.strip()}"
        for number, line in enumerate(source.splitlines(), 1)
        if re.search(r"#\s*type:\s*ignore", line)
    ]


# ------------------------------------------------------------------ all tracked files


def unshareable(text: str, path: str) -> list[str]:
    """Lines with the address of a package registry or a folder of somebody's machine."""
    names = ("index" + "-url", "find" + "-links", re.escape("pypi.org/" + "simple"))
    registry = "|".join((*names, "python" + "hosted"))
    folder = r"(?<![\w.])/(?:" + "|".join(("work", "farm", "root", "home", "Users")) + r")/\w"
    return [
        f"{path}:{number}: {match.group()!r} means nothing elsewhere"
        for number, line in enumerate(text.splitlines(), 1)
        if (match := re.search(f"{registry}|{folder}", line))
    ]


def private_references(text: str, path: str) -> list[str]:
    """Lines that cite a page that only we have, such as "Spec" and a number, and not the paper."""
    page = "|".join(("Sp" + "ec", "PEERS" + r"\b", "DESIGN" + r"\b"))
    pattern = re.compile(rf"\b(?:{page})(?:\.md)?(?: section)? ?[A-Z]?\d|\b(?:{page})\.md")
    return [
        f"{path}:{number}: {match.group()!r} is a page that a reader does not have"
        for number, line in enumerate(text.splitlines(), 1)
        if (match := pattern.search(line))
    ]
