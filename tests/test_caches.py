"""What is remembered between calls is listed, with its key, in SECURITY.md."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "points_grpc"
LISTED = (ROOT / "SECURITY.md").read_text().partition("## What is remembered")[2]
LISTED = LISTED.partition("\n## ")[0]

DECORATORS = frozenset(("cache", "lru_cache"))
CONTAINERS = frozenset(
    (
        "dict",
        "set",
        "list",
        "defaultdict",
        "OrderedDict",
        "WeakKeyDictionary",
        "WeakValueDictionary",
    )
)


def _name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")


def remembers(source: str) -> bool:
    """Whether a module caches what functions return, or begins with an empty container.

    What is empty when a module is imported is filled by calls, and shared by all of them.
    """
    tree = ast.parse(source)
    empty = any(
        (isinstance(node.value, ast.Dict) and not node.value.keys)
        or (isinstance(node.value, ast.List) and not node.value.elts)
        or (
            isinstance(node.value, ast.Call)
            and not node.value.args
            and _name(node.value) in CONTAINERS
        )
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
    )
    calls = {
        _name(node)
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call)
    }
    decorators = {
        _name(decorator)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
    }
    return empty or bool((calls | decorators) & DECORATORS)


def test_what_remembers_is_found() -> None:
    """Cached functions and module-level containers that begin empty are both seen."""
    for source in (
        "known: dict[int, int] = {}",
        "known = WeakKeyDictionary()",
        "@lru_cache(8)\ndef f(x): ...",
        "@functools.cache\ndef f(x): ...",
        "f = lru_cache(maxsize=8)(g)",
    ):
        assert remembers(source), source
    for source in ("names = {'a': 1}", "def f():\n    found = {}", "NAMES = frozenset()"):
        assert not remembers(source), source


def test_every_cache_is_listed_with_its_key() -> None:
    """A module that remembers something between calls has a row that says by which key."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if remembers(path.read_text())
    }
    assert found, "the search finds nothing at all"
    assert {name for name in found if f"`{name}`" not in LISTED} == set()


def test_what_is_listed_is_there() -> None:
    """The table names no module that is gone."""
    named = {part for part in LISTED.split("`") if part.endswith(".py")}
    named = {name for name in named if not name.startswith("tests/")}
    assert {name for name in named if not (SOURCE / name).exists()} == set()
