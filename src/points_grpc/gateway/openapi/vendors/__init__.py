"""What is declared about each vendor's page, beside what its dialect says itself."""

from __future__ import annotations

from points_grpc.gateway.openapi.pages import Page
from points_grpc.gateway.openapi.vendors import altcraft, autional, capillary, crowdtwist, tbns

PAGES: tuple[Page, ...] = (
    altcraft.PAGE,
    autional.PAGE,
    capillary.PAGE,
    crowdtwist.PAGE,
    tbns.PAGE,
)
