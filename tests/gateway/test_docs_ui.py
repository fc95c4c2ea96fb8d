"""The pages under /docs: everything is there, and nothing comes from elsewhere."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from points_grpc.gateway import docs_ui
from points_grpc.gateway.app import make_app
from points_grpc.gateway.transcoding import canonical

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(docs_ui.__file__).parent
KINDS = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "": "text/html"}


@pytest.fixture
def get(upstream: Any, caller: Callable[..., Any]) -> Callable[..., Any]:
    """Asks an application with the pages, without a credential."""
    call = caller()
    call.app = make_app(upstream, canonical(), pages=docs_ui.documentation())
    return lambda target, method="GET", **headers: call(method, target, authorization="", **headers)


def linked(html: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', html)


@pytest.mark.parametrize("target", ["/docs", "/docs/", "/docs?api=tbns"])
def test_the_page_is_open_to_all(get: Callable[..., Any], target: str) -> None:
    """Whoever may reach the server may read the page, and needs no credential for it."""
    answered = get(target)
    assert answered.status == 200
    assert answered.headers["content-type"] == "text/html; charset=utf-8"
    assert get(target, "HEAD").status == 200


def test_what_the_page_names_is_there(get: Callable[..., Any]) -> None:
    """Everything that the page names is served, as what it is."""
    named = linked(get("/docs").body.decode())
    assert len(named) > len(docs_ui.NAMES)
    for target in named:
        answered = get(target)
        kind = KINDS.get(target.partition("?")[0].rpartition(".")[2], "text/html")
        kind = "application/json" if target.endswith(".json") else kind
        assert answered.status == 200, target
        assert answered.headers["content-type"].partition(";")[0] == kind


def test_every_document_is_chosen_from_the_page(get: Callable[..., Any]) -> None:
    """The page offers all documents, in their order."""
    chosen = [link for link in linked(get("/docs").body.decode()) if "?api=" in link]
    assert chosen == [f"/docs?api={name}" for name in docs_ui.NAMES]


@pytest.mark.parametrize("name", docs_ui.NAMES)
def test_documents_are_served_as_committed(get: Callable[..., Any], name: str) -> None:
    """What is served is what is under docs/openapi."""
    committed = json.loads((ROOT / "docs" / "openapi" / f"{name}.json").read_text())
    assert get(f"/docs/openapi/{name}.json").json == committed


@pytest.mark.parametrize("target", ["/docs", "/docs/docs.js", "/docs/openapi/v1.json"])
def test_nothing_comes_from_elsewhere(get: Callable[..., Any], target: str) -> None:
    """A browser is told to take nothing from anywhere else, and no script but ours."""
    policy = get(target).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy and "http" not in policy
    assert get(target).headers["x-content-type-options"] == "nosniff"


def test_what_is_known_is_not_sent_again(get: Callable[..., Any]) -> None:
    """A browser asks whether its copy still holds, and is sent nothing where it does."""
    target = "/docs/swagger-ui/swagger-ui-bundle.js"
    first = get(target)
    again = get(target, if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    assert get(target, if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    "target",
    ["/docs/VERSION", "/docs/../docs", "/docs/openapi/v2.json", "/docs%2Fdocs.css", "/docs%2f"],
)
def test_nothing_else_is_served(get: Callable[..., Any], target: str) -> None:
    """Other files and other methods are nobody's: a 404 as /v1 has it."""
    for answered in (get(target), get("/docs", "POST")):
        assert answered.status == 404
        assert answered.json["error"]["details"][0]["reason"] == "PATH_NOT_FOUND"


def test_a_wheel_has_the_pages() -> None:
    """Every file of the pages is among the package's data."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["points_grpc"]
    package = ROOT / "src" / "points_grpc"
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    sources = {path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in sources if path.suffix != ".py"} <= packed


def test_what_is_not_ours_has_its_licence() -> None:
    """The version and the licence of what the page is made of lie beside it."""
    folder = FOLDER / "swagger-ui"
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", (folder / "VERSION").read_text())
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "NOTICE").exists()
