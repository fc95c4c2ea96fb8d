"""The two lock files: one for development, and of that what production needs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DEVELOPMENT, PRODUCTION = "requirements.lock", "requirements-production.lock"


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Each package of a lock file with its version and hashes."""
    found = {}
    for entry in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
        package = re.match(r"([a-z0-9._-]+)==([^ ;]+)", entry)
        assert package is not None, entry
        found[package[1]] = (package[2], frozenset(re.findall(r"--hash=(\S+)", entry)))
    return found


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements name, without ours."""
    return {re.split(r"[\[<>=; ]", text)[0].lower() for text in requirements} - {"points-grpc"}


@pytest.mark.parametrize("name", [DEVELOPMENT, PRODUCTION])
def test_every_package_has_hashes_and_no_index(name: str) -> None:
    """A lock file has a version and hashes for each package, and names no place to get it from."""
    assert all(hashes for _, hashes in locked(name).values())
    assert not re.search(r"index|find-links|trusted|://", (ROOT / name).read_text())


def test_production_has_the_versions_of_development() -> None:
    """The files agree: each package of production has the version and hashes of development."""
    development, production = locked(DEVELOPMENT), locked(PRODUCTION)
    assert {name: development.get(name) for name in production} == production


def test_production_has_what_it_needs_and_nothing_of_development() -> None:
    """The production file has the service with its extras, and no tool or embedded database."""
    needed = names(PROJECT["dependencies"])
    for extra in ("gateway", "jwt", "metrics"):
        needed |= names(EXTRAS[extra])
    production = locked(PRODUCTION).keys()
    assert needed <= production
    assert production & (names(EXTRAS["dev"]) | names(EXTRAS["embedded"])) == set()
    assert names(EXTRAS["dev"]) <= locked(DEVELOPMENT).keys()
