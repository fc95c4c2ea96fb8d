"""Which route a path belongs to, by the path as it was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.request import Route

_NAME = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A path template: whose it is, and its route for each HTTP method."""

    owner: Dialect
    template: str
    routes: Mapping[str, Route]
    names: tuple[str, ...]

    def route(self, method: str) -> Route | None:
        """Return the route for `method`; HEAD is answered like GET, without the body."""
        return self.routes.get("GET" if method == "HEAD" else method)

    @property
    def allowed(self) -> str:
        """The methods, as the header Allow lists them."""
        heads = {"HEAD"} if "GET" in self.routes else set()
        return ", ".join(sorted({*self.routes, *heads, "OPTIONS"}))


class Router:
    """All places of some dialects.

    Raises ValueError where two of them claim the same path.
    """

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self.places = _places(dialects)
        self._exact = {place.template.encode(): place for place in self.places if not place.names}
        # The one with more text of its own first: `/lots/{id}:close` before `/lots/{id}`.
        self._open = sorted(
            ((_pattern(place.template), place) for place in self.places if place.names),
            key=lambda found: -len(_NAME.sub("", found[1].template)),
        )

    def find(self, raw_path: bytes) -> tuple[PathTemplate, dict[str, bytes]] | None:
        """The place of a path, and its values as they were sent.

        They are matched before they are decoded, so that an escaped slash stays in its value.
        """
        if place := self._exact.get(raw_path):
            return place, {}
        for pattern, place in self._open:
            if found := pattern.fullmatch(raw_path):
                return place, dict(zip(place.names, found.groups(), strict=True))
        return None


def names_in(template: str) -> tuple[str, ...]:
    """The names that a path template has in braces."""
    return tuple(_NAME.findall(template))


def _places(dialects: Iterable[Dialect]) -> list[PathTemplate]:
    found: dict[str, tuple[Dialect, dict[str, Route]]] = {}
    for dialect in dialects:
        for route in dialect.routes:
            owner, routes = found.setdefault(route.path, (dialect, {}))
            if owner is not dialect or route.method in routes:
                raise ValueError(f"{route.method} {route.path} is there twice")
            routes[route.method] = route
    return [
        PathTemplate(owner, template, routes, names_in(template))
        for template, (owner, routes) in found.items()
    ]


def _pattern(template: str) -> re.Pattern[bytes]:
    # With its odd places the list holds the names, which findall gives in the same order.
    parts = _NAME.split(template)
    parts[0::2] = [re.escape(part) for part in parts[0::2]]
    parts[1::2] = ["([^/]+)"] * len(parts[1::2])
    return re.compile("".join(parts).encode())
