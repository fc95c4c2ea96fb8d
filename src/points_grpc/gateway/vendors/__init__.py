"""Every vendor's dialect that the gateway speaks."""

from __future__ import annotations

from points_grpc.gateway.dialect import Dialect
from points_grpc.gateway.vendors.altcraft import routes as altcraft
from points_grpc.gateway.vendors.autional import routes as autional
from points_grpc.gateway.vendors.capillary import routes as capillary
from points_grpc.gateway.vendors.crowdtwist import routes as crowdtwist
from points_grpc.gateway.vendors.tbns import routes as tbns

DIALECTS: tuple[Dialect, ...] = (
    altcraft.DIALECT,
    autional.DIALECT,
    capillary.DIALECT,
    crowdtwist.DIALECT,
    tbns.DIALECT,
)
