"""Every vendor's dialect that the gateway speaks."""

from __future__ import annotations

from points_grpc.gateway.dialects import Dialect, crowdtwist, tbns

DIALECTS: tuple[Dialect, ...] = (crowdtwist.DIALECT, tbns.DIALECT)
