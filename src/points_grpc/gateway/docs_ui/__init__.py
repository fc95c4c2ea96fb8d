"""The pages for people: the documents of all APIs at /docs, where calls can be tried.

Everything comes from this package: the page asks nobody else for anything, and its policy does not
let it. What it is made of is in swagger-ui (see VERSION there), the documents in openapi.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

NAMES = ("v1", "autional", "altcraft", "capillary", "crowdtwist", "tbns")
"""The documents in the order in which they are offered."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
# Icons are data within the stylesheet; beside them there are files of ours and nothing else.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # Asked for again each time, which costs a 304: a new release shows at once.
    "cache-control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class _Page:
    content: bytes
    media_type: str
    tag: str


class _PathAsSent(Route):
    """A route whose path has no escapes, so that an escaped slash divides nothing."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.NONE, {}) if b"%" in scope["raw_path"] else super().matches(scope)


def documentation() -> tuple[Route, ...]:
    """The routes of /docs."""
    pages = _pages()

    async def show(request: Request) -> Response:
        page = pages[request.url.path]
        headers = {**_HEADERS, "etag": page.tag}
        if page.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(page.content, media_type=page.media_type, headers=headers)

    return tuple(_PathAsSent(path, show, methods=["GET"]) for path in pages)


def _pages() -> Mapping[str, _Page]:
    """By path."""
    folder = files(__name__)
    own = {f"/docs/{name}": folder / name for name in ("docs.css", "docs.js", "icon.svg")}
    ui = {
        f"/docs/swagger-ui/{name}": folder / "swagger-ui" / name
        for name in ("swagger-ui.css", "swagger-ui-bundle.js")
    }
    documents = {f"/docs/openapi/{n}.json": folder / "openapi" / f"{n}.json" for n in NAMES}
    index = folder / "docs.html"
    sources = {"/docs": index, "/docs/": index, **own, **ui, **documents}
    return {path: _page(source) for path, source in sources.items()}


def _page(source: Traversable) -> _Page:
    content = source.read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:32]
    return _Page(content, _TYPES[source.name.rpartition(".")[2]], f'"{tag}"')
