"""What a dialect is: one vendor's paths, forms and errors over the one contract.

A dialect is a package of `points_grpc.gateway.vendors`, which lists them, whose `routes` have a
`DIALECT`. It holds no rule of points: a handler reads the call, asks the service, and writes the
answer. Whatever it cannot do it raises, and leaves the answer to its `error`:

- `Problem(field, text)`: the request itself is at fault (`Problem("amount", "is required")`);
- `UpstreamRefusal`: the service refused. `call.ask` raises it; of the items of a batch
  `refusal_of(result.error)` makes one;
- anything else is a mistake of ours: it is logged with its traceback, and the dialect is asked
  to answer a failure with the code INTERNAL.

The same `error` answers what the gateway finds out before a handler runs: a path or query that is
not UTF-8, a wrong method (405), media type (415), size (413), a malformed X-Request-Timeout. It
tells them by `failure.http_status`, `code` and `reason`. It must not raise. `Allow` and
`Retry-After` (on 429 and 503) are added for it.

A dialect with one route, complete:

    import msgspec
    from starlette.responses import Response

    from points.v1 import expire_pb2
    from points_grpc.gateway.request import HttpCall, Route
    from points_grpc.gateway.credentials import Form
    from points_grpc.gateway.dialect import Dialect
    from points_grpc.gateway.errors import Failure
    from points_grpc.gateway.strict_json import answer, read_json, shaped

    class Order(msgspec.Struct, forbid_unknown_fields=True):
        amount: int
        description: str = ""

    async def expire(call: HttpCall) -> Response:
        order = shaped(read_json(call.body), Order)
        request = expire_pb2.ExpireRequest(
            member={"external_id": call.path["user_id"]},
            amount={"value": str(order.amount)},
            description=order.description,
            request_id=call.idempotency_key("X-Idempotency-Key"),
        )
        expired = await call.ask("points.v1.PointsService/Expire", request)
        return answer({"code": 0, "settled": expired.settled.value})

    def error(failure: Failure, _: HttpCall) -> Response:
        return answer({"code": failure.http_status, "message": failure.message},
                      failure.http_status)

    DIALECT = Dialect(
        name="example",
        credentials=(Form.BEARER,),
        routes=(
            Route(
                "POST",
                "/admin/points/{user_id}/expire",
                expire,
                asks="points.v1.PointsService/Expire",
            ),
        ),
        error=error,
    )

A token in the body has the form `Form.BODY`: the handler says it, before it judges anything else:
`call.use_token(find_token((Form.BODY,), {}, in_body=token))`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from points_grpc.gateway.credentials import Form
from points_grpc.gateway.errors import Failure
from points_grpc.gateway.request import HttpCall, Route


@dataclass(frozen=True, slots=True)
class Dialect:
    """One vendor's API.

    `credentials` are the forms in which its callers may send their token, in the order in which
    they are looked for. `error` gets the call as far as it had been read.
    """

    name: str
    credentials: tuple[Form, ...]
    routes: tuple[Route, ...]
    error: Callable[[Failure, HttpCall], Response]
