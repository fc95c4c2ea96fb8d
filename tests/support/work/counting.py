"""Counts the work that the project's code does with its input, in steps instead of seconds.

Modules are loaded anew with a counter written into their syntax tree: each turn of a loop is a
step, and so is each element that an operation of C's goes through: `text.count(…)`, `a + b`, a
slice, `in` a list, a call of `dict` or `sorted`. What is quadratic in C shows as well as what is
quadratic in Python, and a count is the same on every machine.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import BuiltinFunctionType, MethodDescriptorType, ModuleType
from typing import Any

PART = "points_grpc"
RELOADED = frozenset(
    (
        "tests.support.fuzzing.handlers_only",
        "tests.support.rpc.sample_engine",
        "tests.support.fuzzing.targets",
        "tests.support.corpus.requests",
        "tests.support.corpus.routes",
    )
)
"""Modules of the tests that hold classes of the project, and are loaded anew along with it."""

_COUNTER = "__work__"
_SIZED = (str, bytes, bytearray, list, tuple)
_COPIED = (str, bytes, tuple)
_TAKEN = (*_SIZED, dict, set, frozenset)
# They take the same time however large what they are asked about is.
_QUICK = frozenset(
    (
        *("append", "pop", "get", "setdefault", "add", "items", "keys", "values", "startswith"),
        *("endswith", "len", "isinstance", "iter", "next", "id", "hash", "type", "getattr"),
        *("hasattr", "setattr", "enumerate", "zip", "map", "filter", "callable", "range", "bool"),
        *("partial", "repeat", "chain", "islice", "issubclass", "discard", "clear", "popitem"),
    )
)


class Counter:
    """The steps so far."""

    def __init__(self) -> None:
        self.steps = 0

    def turn(self) -> bool:
        """Another turn of a loop; True, to be part of a condition."""
        self.steps += 1
        return True

    def made(self, value: Any) -> Any:
        """A value that was copied together: a sum, a slice, a formatted text."""
        if isinstance(value, _COPIED) or type(value) is list:
            self.steps += len(value)
        return value

    def grown(self, value: Any) -> None:
        """What `+=` left behind; a list grew in place."""
        if isinstance(value, _COPIED):
            self.steps += len(value)

    def searched(self, value: Any) -> Any:
        """What `in` looks through; a dict or a set it does not."""
        if isinstance(value, _SIZED):
            self.steps += len(value)
        return value

    def call(self, function: Any, *args: Any, **named: Any) -> Any:
        """Call, counting what C goes through: the object of the method, and what it is given."""
        self.steps += 1
        if _is_of_c(function) and getattr(function, "__name__", "") not in _QUICK:
            owner = getattr(function, "__self__", None)
            for value in (owner, *args, *named.values()):
                if isinstance(value, _TAKEN):
                    self.steps += len(value)
        return function(*args, **named)


def _is_of_c(function: Any) -> bool:
    if isinstance(function, type):
        return function.__module__ == "builtins"
    return isinstance(function, BuiltinFunctionType | MethodDescriptorType)


COUNTER = Counter()


class _Written(ast.NodeTransformer):
    """Writes the counter into a module."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("super", "locals"):
            return node
        return ast.copy_location(_ask("call", node.func, *node.args, keywords=node.keywords), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return ast.copy_location(_ask("made", node), node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.copy_location(_ask("made", node), node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
            return ast.copy_location(_ask("made", node), node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for place, operator in enumerate(node.ops):
            if isinstance(operator, ast.In | ast.NotIn):
                node.comparators[place] = _ask("searched", node.comparators[place])
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        self.generic_visit(node)
        target = ast.parse(ast.unparse(node.target), mode="eval").body
        return [node, ast.Expr(_ask("grown", target))]

    def _loop(self, node: Any) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.Expr(_ask("turn")))
        return node

    visit_For = visit_AsyncFor = visit_While = _loop

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs.insert(0, _ask("turn"))
        return node

    def _typed(self, node: Any) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    visit_AnnAssign = _typed

    def _function(self, node: Any) -> ast.AST:
        # Not its annotations, which are not evaluated but by those who want to know types.
        node.body = self.generic_visit(ast.Module(node.body, [])).body
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function


def _ask(what: str, *args: ast.expr, keywords: Sequence[ast.keyword] = ()) -> ast.Call:
    method = ast.Attribute(ast.Name(_COUNTER, ast.Load()), what, ast.Load())
    return ast.Call(method, list(args), list(keywords))


def instrumented(source: str | bytes) -> ast.Module:
    """A module with the counter in it; it has to be there as `__work__`."""
    return ast.fix_missing_locations(_Written().visit(ast.parse(source)))


class _Loader(SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, **_: Any) -> Any:
        return compile(instrumented(data), path, "exec", dont_inherit=True)

    def get_code(self, fullname: str) -> Any:
        """Never what is cached, which counts nothing."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[_COUNTER] = COUNTER
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if _is_counted(name) else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def _is_counted(name: str) -> bool:
    return name.partition(".")[0] == PART


def _is_reloaded(name: str) -> bool:
    return _is_counted(name) or name in RELOADED


@contextmanager
def counted() -> Iterator[None]:
    """While it lasts, the project's modules are imported anew, with the counter in them."""
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_reloaded(name)}
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _is_reloaded(name)]:
            del sys.modules[name]
        sys.modules.update(hidden)


def steps_of(work: Callable[[], object]) -> int:
    """How many steps it takes."""
    before = COUNTER.steps
    work()
    return COUNTER.steps - before
