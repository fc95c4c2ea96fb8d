"""OpenAPI 3.1 documents of /v1 and of every dialect.

They are made when the contract or a dialect changes (`make openapi`), because the contract's
comments are there only then, and committed: indented under docs/openapi for those who read them,
and compact beside the pages that the gateway serves.
"""

from __future__ import annotations

from typing import Any

from points_grpc.gateway.openapi import methods, pages
from points_grpc.gateway.openapi.comments import comments_of
from points_grpc.gateway.openapi.vendor_pages import PAGES


def documents(image: bytes) -> dict[str, dict[str, Any]]:
    """All documents by name, given the compiler's image of the contract with its source info."""
    vendors = {page.dialect.name: pages.document(page) for page in PAGES}
    return {"v1": methods.document(comments_of(image)), **vendors}
