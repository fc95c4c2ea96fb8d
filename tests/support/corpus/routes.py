"""Every route of the gateway, each with a call that is answered and the places where values stand.

The routes are those of the application, what they take is what the contract or the vendor's
declared page says: a new route or field is here without a line being written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict
from tests.support.corpus.requests import base
from tests.support.corpus.values import whole

from points_grpc.gateway.openapi.pages import Operation, VendorPage
from points_grpc.gateway.openapi.vendor_pages import PAGES
from points_grpc.gateway.transcoding import all_bindings, canonical
from points_grpc.gateway.transcoding.binding import WHOLE, Binding
from points_grpc.gateway.vendors import DIALECTS

Path = tuple[str | int, ...]

UNDECLARED = {"filters": "status=Open"}
"""What a path may hold that no page declares."""

CREDENTIALS: Mapping[str, dict[str, str]] = {
    "v1": {"Authorization": "Bearer demo"},
    "altcraft": {},
    "autional": {"Authorization": "Bearer demo"},
    "capillary": {"Authorization": "Bearer demo"},
    "crowdtwist": {"X-CT-Authorization": "CTApiKey demo"},
    "tbns": {"X-Token": "demo"},
}
PLAIN = ("Timestamp", "FieldMask", "Duration")


@dataclass
class Example:
    """A call of a route that is answered.

    `values` are those in the path; `body` None where it takes none. `fields` are the places in the
    body that values may be put at, `parameters` the names that a query may have. A route that
    `only_refuses` says what its caller has left out.
    """

    dialect: str
    method: str
    template: str
    values: dict[str, str] = field(default_factory=dict)
    query: list[tuple[str, str]] = field(default_factory=list)
    body: Any = None
    fields: list[Path] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    only_refuses: bool = False

    @property
    def name(self) -> str:
        """What the tests are called by."""
        return f"{self.method} {self.template}"

    def target(self, values: Mapping[str, str] | None = None, query: str | None = None) -> str:
        """Path and query, with other values (escaped already) or another query."""
        path = self.template
        for name, value in (self.values | dict(values or {})).items():
            # Filters are several values with signs between them, which mean nothing escaped.
            safe = "=&" if name == "filters" else ""
            given = value if name in (values or {}) else quote(value, safe=safe)
            path = path.replace(f"{{{name}}}", given)
        query = urlencode(self.query) if query is None else query
        return f"{path}?{query}" if query else path


def names() -> list[tuple[str, str, str]]:
    """Dialect, method and template of every route that the application has."""
    return [
        (dialect.name, route.method, route.path)
        for dialect in (canonical(), *DIALECTS)
        for route in dialect.routes
    ]


def example(dialect: str, method: str, template: str, ids: dict[str, str]) -> Example:
    """The call of one route; `ids` are those of what there is. Raises KeyError: not declared."""
    made = Example(dialect, method, template)
    if dialect == "v1":
        _canonical(made, ids)
    else:
        _vendors(made)
    return made


# /v1, from the contract


def _canonical(made: Example, ids: dict[str, str]) -> None:
    name, binding = next(
        (name, one)
        for name, one in all_bindings()
        if (one.verb, one.path) == (made.method, made.template)
    )
    given = MessageToDict(base(name, ids))
    _say_where(made, binding, given, ids)
    if binding.body == WHOLE:
        made.body = given
        made.fields = list(_fields(binding.method.input_type))
    elif binding.body:
        made.body = given.pop(_camel(binding.body), {})
        inner = binding.method.input_type.fields_by_name[binding.body].message_type
        made.fields = list(_fields(inner))
    if binding.body != WHOLE:
        made.query = list(_query(given))
        made.parameters = [".".join(map(str, path)) for path in _fields(binding.method.input_type)]


def _say_where(made: Example, binding: Binding, given: dict[str, Any], ids: dict[str, str]) -> None:
    known = {
        "program_id": "469",
        "currency_code": "POINTS",
        "policy": "year_end",
        "currency_id": "1",
    }
    for name in binding.names:
        told = given.pop(_camel(name), None)
        made.values[name] = str(told or (known | ids | {"currency_id": "1"})[name])
    if "currency_id" in binding.names:
        # The only currency whose number is known, which needs its program.
        made.values["currency_id"], given["programId"] = "1", "123"
        given.pop("currencyCode", None)
        if "program_id" in made.values:
            made.values["program_id"] = given.pop("programId")
    if "account_id" in binding.names:
        for name in ("programId", "member", "currencyCode"):
            given.pop(name, None)


def _fields(of: Descriptor, path: Path = ()) -> Iterator[Path]:
    for one in of.fields:
        here: Path = (*path, _camel(one.name), *((0,) if one.is_repeated else ()))
        if one.is_repeated:
            yield here[:-1]
        if one.message_type is None or (whole(one) and one.message_type.name in (*PLAIN, "Struct")):
            yield here
        else:
            yield here
            yield from _fields(one.message_type, here)


def _query(given: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _query(value, f"{prefix}{name}.")
        else:
            for one in value if isinstance(value, list) else [value]:
                yield prefix + name, str(one).lower() if isinstance(one, bool) else str(one)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


# A vendor's, from its declared page


def _vendors(made: Example) -> None:
    page = next(page for page in PAGES if page.dialect.name == made.dialect)
    operation = _operation(page, made)
    if operation is None:
        made.only_refuses = True
        return
    given = {one["name"]: one for one in operation.parameters if "name" in one}
    for name in _braces(made.template):
        made.values[name] = str(UNDECLARED.get(name) or given[name]["example"])
    for name, one in given.items():
        if one.get("in") == "query":
            made.parameters.append(name)
            if one.get("required") or "example" in one:
                made.query.append((name, str(one.get("example", "x"))))
    if operation.body:
        made.body = next(iter(operation.examples.values()))
        made.fields = list(_places(page, {"$ref": f"/{operation.body}"}))


def _operation(page: VendorPage, made: Example) -> Operation | None:
    for below in ("", *page.bases):
        for (method, path), found in page.operations.items():
            if method == made.method and made.template.startswith(below + path):
                return found
    raise KeyError(made.template)


def _places(page: VendorPage, schema: Any, path: Path = ()) -> Iterator[Path]:
    while "$ref" in schema:
        schema = page.schemas[schema["$ref"].rpartition("/")[2]]
    if path:
        yield path
    for name, inner in schema.get("properties", {}).items():
        yield from _places(page, inner, (*path, name))
    if "items" in schema:
        yield from _places(page, schema["items"], (*path, 0))


def _braces(template: str) -> list[str]:
    return [part.partition("}")[0] for part in template.split("{")[1:]]
