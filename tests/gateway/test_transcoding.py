"""/v1: the contract over HTTP, one route at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import grpc.aio
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from tests.support.gateway.v1 import EARN, MakeCaller, refusal

from points.v1 import earn_pb2, listing_pb2, lookup_pb2, program_pb2
from points_grpc.gateway.errors import Problem
from points_grpc.gateway.transcoding import all_bindings
from points_grpc.gateway.transcoding.binding import WHOLE, Binding
from points_grpc.gateway.transcoding.parsing import from_json
from points_grpc.gateway.transcoding.printing import to_json
from points_grpc.gateway.upstream import METHODS, Channel

BINDINGS = [pytest.param(name, b, id=f"{b.verb} {b.path}") for name, b in all_bindings()]


# Every route
def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """JSON as query parameters."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from flat(inner, name)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def as_http(binding: Binding, request: Message) -> tuple[str, bytes]:
    """The target and the body that carry `request`."""
    given = MessageToDict(request)
    path = binding.path
    for name in binding.names:
        key = request.DESCRIPTOR.fields_by_name[name].json_name
        path = path.replace(f"{{{name}}}", quote(str(given.pop(key)), safe=""))
    if binding.body == WHOLE:
        return path, json.dumps(given).encode()
    assert binding.body == ""
    return f"{path}?{urlencode(list(flat(given)))}", b""


def service_of(name: str, behave: Any) -> grpc.GenericRpcHandler:
    service, _, method = name.partition("/")
    handler = grpc.unary_unary_rpc_method_handler(behave)
    return grpc.method_handlers_generic_handler(service, {method: handler})


@pytest.mark.parametrize(("name", "binding"), BINDINGS)
def test_every_route_carries_its_request(name: str, binding: Binding, caller: MakeCaller) -> None:
    """What goes in as HTTP comes out at the service as the same request, and its answer back."""
    rng = Random(binding.path)
    request = a_request(binding, rng)
    response = a_message(METHODS[name].output_type, rng)
    heard = []

    async def behave(raw: bytes, _: Any) -> bytes:
        heard.append(type(request).FromString(raw))
        return response.SerializeToString()

    async def main() -> Any:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((service_of(name, behave),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with asyncio.timeout(20), Channel(f"127.0.0.1:{port}") as channel:
            target, body = as_http(binding, request)
            headers = [("Authorization", "Bearer demo")]
            call = caller(before=channel).sent
            answered = await call(binding.verb, target.encode(), [body], headers)
        await server.stop(None)
        return answered

    answered = asyncio.run(main())
    assert answered.status == 200, answered.body
    assert heard == [request]
    assert ParseDict(answered.json, type(response)()) == response


def test_every_method_has_a_route() -> None:
    """No method of the contract is left out of /v1."""
    assert {name for name, _ in all_bindings()} == METHODS.keys()


# Random messages
def a_request(binding: Binding, rng: Random) -> Message:
    """A request that the route can carry: what is in its path is there and not empty."""
    message = a_message(binding.method.input_type, rng)
    for name in binding.names:
        field = message.DESCRIPTOR.fields_by_name[name]
        setattr(message, name, "a/b c:d%e" if field.type == field.TYPE_STRING else 2**46 + 5)
    return message


def a_message(descriptor: Descriptor, rng: Random) -> Any:
    """A message in which about half of the fields are set."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if rng.random() < 0.5:
            put(message, field, rng)
    return message


def put(message: Any, field: FieldDescriptor, rng: Random) -> None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        key, value = (kind.fields_by_name[name] for name in ("key", "value"))
        getattr(message, field.name)[a_value(key, rng)] = a_value(value, rng)
    elif field.is_repeated:
        held = getattr(message, field.name)
        for _ in range(rng.randrange(4)):
            if kind is None:
                held.append(a_value(field, rng))
            else:
                held.add().CopyFrom(an_inner(kind, rng))
    elif kind is None:
        setattr(message, field.name, a_value(field, rng))
    else:
        getattr(message, field.name).CopyFrom(an_inner(kind, rng))


def an_inner(kind: Descriptor, rng: Random) -> Any:
    message = GetMessageClass(kind)()
    match kind.full_name:
        case "google.protobuf.Timestamp":
            message.seconds = rng.randrange(-(10**9), 4 * 10**9)
            message.nanos = rng.choice((0, 123_000_000, 123_456_000, 123_456_789))
        case "google.protobuf.Struct":
            message.update({"text": "ü", "number": 1.5, "list": [True, None, {}]})
        case "google.protobuf.FieldMask":
            message.paths.extend(("points_type", "exchange_rate"))
        case "google.protobuf.Any":
            message.Pack(error_details_pb2.ErrorInfo(reason="X", metadata={"a": "b"}))
        case "google.protobuf.Duration":
            message.seconds = 5
        case _:
            return a_message(kind, rng)
    return message


def a_value(field: FieldDescriptor, rng: Random) -> Any:
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    return {
        FieldDescriptor.CPPTYPE_STRING: rng.choice(("", "plain", 'ü\n"&=+%', "\U0001f600")),
        FieldDescriptor.CPPTYPE_BOOL: rng.random() < 0.5,
        FieldDescriptor.CPPTYPE_INT32: rng.choice((0, 1, -5, 2**31 - 1)),
        FieldDescriptor.CPPTYPE_INT64: rng.choice((0, 7, 2**46 + 1, 2**63 - 1, -(2**63))),
    }[field.cpp_type]


MESSAGES = sorted(
    {kind.full_name for m in METHODS.values() for kind in (m.input_type, m.output_type)}
)


@pytest.mark.parametrize("name", MESSAGES)
def test_json_is_that_of_protobuf(name: str) -> None:
    """What is written and read here is what protobuf's own JSON writes and reads."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    rng = Random(name)
    for _ in range(20):
        message = a_message(descriptor, rng)
        shown = to_json(message)
        assert shown == MessageToDict(message, always_print_fields_with_no_presence=True)
        for spelt in (shown, MessageToDict(message, preserving_proto_field_name=True)):
            read = type(message)()
            from_json(json.loads(json.dumps(spelt)), read)
            assert read == message


def test_unknown_enum_values_and_details_are_shown() -> None:
    """A number that is no value is shown as a number, a detail of an unknown type as bytes."""
    assert to_json(earn_pb2.EarnRequest(kind=99))["kind"] == 99  # type: ignore[arg-type]
    status = status_pb2.Status()
    status.details.add(type_url="type.googleapis.com/a.B", value=b"\x01")
    assert to_json(status)["details"] == [{"@type": "type.googleapis.com/a.B", "value": "AQ=="}]


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        (EARN | {"foo": 1}, "foo", "is not a field of this message"),
        (EARN | {"member": {"foo": 1}}, "member.foo", "is not a field of this message"),
        (EARN | {"programId": "a"}, "program_id", "must be an integer"),
        (EARN | {"programId": 1.5}, "program_id", "must be an integer"),
        (EARN | {"programId": True}, "program_id", "must be an integer"),
        (EARN | {"programId": 2**63}, "program_id", f"must be from {-(2**63)} to {2**63 - 1}"),
        (EARN | {"program_id": 1}, "program_id", "excludes what is given beside it"),
        (EARN | {"amount": "100"}, "amount", "must be an object"),
        (EARN | {"amount": {"value": 100}}, "amount.value", "must be a string"),
        (EARN | {"validateOnly": "true"}, "validate_only", "must be true or false"),
        (EARN | {"days": 1, "never": True}, "never", "excludes what is given beside it"),
        (
            EARN | {"expireTime": "2030-02-30T00:00:00Z"},
            "expire_time",
            "must be a time such as 2030-01-31T23:59:59Z",
        ),
        ([], "", "The body must be an object."),
    ],
)
def test_bodies_that_do_not_fit_are_refused(
    body: Any, field: str, text: str, caller: MakeCaller, upstream: Any
) -> None:
    """A field that is unknown, given twice or of another type is named; nothing is asked."""
    assert refusal(caller()("POST", "/v1/points:earn", body)) == (field, text)
    assert upstream.asked == []


def test_items_are_counted() -> None:
    """The path of a field in a list says in which item it is."""
    with pytest.raises(Problem) as caught:
        from_json({"earns": [{}, {"member": {"email": 1}}]}, earn_pb2.BatchEarnRequest())
    assert caught.value.field == "earns[1].member.email"


def test_null_is_as_good_as_absent() -> None:
    """A field that is null keeps its default."""
    message = earn_pb2.EarnRequest()
    from_json({"member": None, "days": None, "never": True}, message)
    assert message == earn_pb2.EarnRequest(never=True)


def test_an_empty_body_is_an_empty_request(caller: MakeCaller, upstream: Any) -> None:
    """A method that takes a body takes none for a request without fields."""
    upstream.answers["Earn"] = earn_pb2.EarnResponse()
    assert caller()("POST", "/v1/points:earn").status == 200
    assert upstream.asked[0][1] == earn_pb2.EarnRequest()


# Paths and queries
@pytest.mark.parametrize(
    ("query", "field", "text"),
    [
        ("foo=1", "foo", "is not a parameter of this call"),
        ("member.foo=1", "member.foo", "is not a parameter of this call"),
        ("pageSize.x=1", "pageSize.x", "is not a parameter of this call"),
        ("member=1", "member", "must be given field by field, such as member.externalId"),
        ("pageSize=1&page_size=2", "page_size", "must not be given more than once"),
        ("pageSize=x", "page_size", "must be an integer"),
        ("states=OPEN", "states[0]", "must be one of LOT_STATE_UNSPECIFIED, LOT_STATE_OPEN,"),
        ("member.email=a&member.phone=1", "member.phone", "excludes what is given beside it"),
        ("startTime=now", "start_time", "must be a time such as 2030-01-31T23:59:59Z"),
        ("a=%ff", "", "The query is not UTF-8."),
        ("a=%00", "", "The query must not contain NUL."),
        ("a=%ed%a0%80", "", "The query is not UTF-8."),
        ("a=%4", "", "The query has a % that begins no escape."),
    ],
)
def test_queries_that_do_not_fit_are_refused(
    query: str, field: str, text: str, caller: MakeCaller
) -> None:
    """A parameter that is unknown, repeated or malformed is named."""
    found, said = refusal(caller()("GET", f"/v1/lots?{query}"))
    assert (found, said[: len(text)]) == (field, text)


def test_queries_are_read_by_either_name(caller: MakeCaller, upstream: Any) -> None:
    """Parameters go by both of their names, enums by name or number, lists by repetition."""
    upstream.answers["ListLots"] = listing_pb2.ListLotsResponse()
    query = "member.external_id=a%20b&pageSize=5&states=LOT_STATE_OPEN&states=3"
    assert (
        caller()("GET", f"/v1/lots?{query}&startTime=2030-01-31T23:59:59.5%2B01:00").status == 200
    )
    (_, asked, _) = upstream.asked[0]
    assert (asked.member.external_id, asked.page_size, list(asked.states)) == ("a b", 5, [1, 3])
    assert asked.start_time.ToJsonString() == "2030-01-31T22:59:59.500Z"


def test_a_call_with_a_body_takes_no_query(caller: MakeCaller) -> None:
    """What belongs into the body is not taken from the query."""
    answered = caller()("POST", "/v1/points:earn?programId=1", EARN)
    assert refusal(answered) == ("programId", "belongs into the body")


def test_the_path_and_the_rest_must_agree(caller: MakeCaller, upstream: Any) -> None:
    """A field of the path may be repeated elsewhere with the same value only."""
    upstream.answers["UpdateProgram"] = program_pb2.UpdateProgramResponse()
    call = caller()
    assert call("PATCH", "/v1/programs/469", {"programId": 469, "name": "x"}).status == 200
    said = "is not what the path says (program_id)"
    assert refusal(call("PATCH", "/v1/programs/469", {"programId": 1})) == ("program_id", said)
    answered = call("PATCH", "/v1/currencies/5", {"currencyCode": "POINTS"})
    assert refusal(answered) == ("currency_code", "is not what the path says (currency_id)")


def test_a_path_value_must_fit(caller: MakeCaller) -> None:
    """An id in the path that is none is refused by its field."""
    assert refusal(caller()("GET", "/v1/lots/abc")) == ("lot_id", "must be an integer")


@pytest.mark.parametrize("value", ["5%2F6", "5%3AupdateStatus", "5%3Fx=1"])
def test_an_escape_does_not_divide_the_path(value: str, caller: MakeCaller) -> None:
    """An escaped slash, colon or question mark is part of its value, and leads nowhere else."""
    answered = caller()("GET", f"/v1/transactions/{value}")
    assert refusal(answered) == ("transaction_id", "must be an integer")


def test_an_escape_does_not_divide_the_query(caller: MakeCaller, upstream: Any) -> None:
    """An escaped `&` or `=` is part of its value, and begins no other parameter."""
    upstream.answers["ListLots"] = listing_pb2.ListLotsResponse()
    value = "member.external_id=a%26pageSize%3D5"
    assert caller()("GET", f"/v1/lots?{value}").status == 200
    (_, asked, _) = upstream.asked[0]
    assert (asked.member.external_id, asked.page_size) == ("a&pageSize=5", 0)


def test_the_longer_template_goes_first(caller: MakeCaller, upstream: Any) -> None:
    """A method of one thing (`/{id}:verb`) is not taken for a thing with an odd id."""
    call = caller()
    answered = call("GET", "/v1/transactions/5:updateStatus")
    assert (answered.status, answered.headers["allow"]) == (405, "OPTIONS, POST")
    upstream.answers["GetAccount"] = lookup_pb2.GetAccountResponse()
    call("GET", "/v1/accounts:lookup?member.email=a@b.example")
    assert upstream.asked[0][1].member.email == "a@b.example"
