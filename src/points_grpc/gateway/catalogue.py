"""Every vendor's dialect that the gateway speaks."""

from __future__ import annotations

from points_grpc.gateway.dialects import Dialect, altcraft, autional, capillary, crowdtwist, tbns

DIALECTS: tuple[Dialect, ...] = (
    altcraft.DIALECT,
    autional.DIALECT,
    capillary.DIALECT,
    crowdtwist.DIALECT,
    tbns.DIALECT,
)
