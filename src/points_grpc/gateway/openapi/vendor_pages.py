"""What is declared about each vendor's page, beside what its dialect says itself."""

from __future__ import annotations

from points_grpc.gateway.openapi.pages import VendorPage
from points_grpc.gateway.vendors.altcraft import openapi as altcraft
from points_grpc.gateway.vendors.autional import openapi as autional
from points_grpc.gateway.vendors.capillary import openapi as capillary
from points_grpc.gateway.vendors.crowdtwist import openapi as crowdtwist
from points_grpc.gateway.vendors.tbns import openapi as tbns

PAGES: tuple[VendorPage, ...] = (
    altcraft.PAGE,
    autional.PAGE,
    capillary.PAGE,
    crowdtwist.PAGE,
    tbns.PAGE,
)
