"""How answers about programs are kept under their request ids.

Programs and currencies change, so they are kept as they were, as JSON. A policy's versions never
change, so the version's id says all.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

from points_grpc.domain.admin.commands import (
    CurrencyCreated,
    CurrencyView,
    PolicyView,
    ProgramView,
)
from points_grpc.service.admin.executor import AnswerCodec
from points_grpc.storage.admin import policies
from points_grpc.storage.core.database import Connection

Flat = TypeVar("Flat", ProgramView, CurrencyView)


def _pack(view: ProgramView | CurrencyView) -> bytes:
    plain = asdict(view)
    return json.dumps(plain, separators=(",", ":"), default=datetime.isoformat).encode()


def _unpack(kind: type[Flat], packed: bytes) -> Flat:
    plain: dict[str, Any] = json.loads(packed)
    instants = {k: datetime.fromisoformat(v) for k, v in plain.items() if k.endswith("_at")}
    return kind(**(plain | instants))


def _flat(kind: type[Flat]) -> AnswerCodec[Flat]:
    return AnswerCodec(_pack, lambda _, __, packed: _unpack(kind, packed))


def _pack_policy(view: PolicyView) -> bytes:
    return str(view.policy.policy_version_id).encode()


def _unpack_policy(connection: Connection, tenant_id: int, packed: bytes) -> PolicyView:
    return policies.by_version_id(connection, tenant_id, int(packed))


def _pack_created(created: CurrencyCreated) -> bytes:
    return _pack_policy(created.default_policy) + b" " + _pack(created.currency)


def _unpack_created(connection: Connection, tenant_id: int, packed: bytes) -> CurrencyCreated:
    policy, _, currency = packed.partition(b" ")
    return CurrencyCreated(
        _unpack(CurrencyView, currency), _unpack_policy(connection, tenant_id, policy)
    )


PROGRAM = _flat(ProgramView)
CURRENCY = _flat(CurrencyView)
POLICY = AnswerCodec(_pack_policy, _unpack_policy)
CURRENCY_CREATED = AnswerCodec(_pack_created, _unpack_created)
