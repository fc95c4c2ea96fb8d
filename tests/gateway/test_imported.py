"""Whatever an import takes in can be read, over gRPC and over REST; what it refuses is alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import hostile_rows
from tests.support.gateway.live import Live

from points_grpc.cli.demo import seed
from points_grpc.gateway.errors import UpstreamRefusal
from points_grpc.service.transfer.importer.importer import CSV, JSON_LINES, Importer, ImportJob
from points_grpc.storage.transfer.imports import Progress


def take(live: Live, path: Path, form: str) -> Progress:
    """Import a file into the demo's program."""
    report = path.with_name(path.name + ".refused.csv")
    with live.importing() as (database, clock, tenant_id):
        order = ImportJob(path, form, tenant_id, seed.PROGRAM, report, 500)
        importer = Importer(database, clock, order)
        try:
            (*_, done) = importer.run()
        finally:
            importer.close()
    return done


def refused(path: Path) -> dict[int, str]:
    with path.with_name(path.name + ".refused.csv").open(newline="") as file:
        return {int(row["line"]): row["reason"] for row in csv.DictReader(file)}


def is_known(live: Live, name: str) -> bool:
    """Whether there is such a member, which then can be shown."""
    try:
        live.ask("MemberService/GetMember", {"member": {"external_id": name}})
    except UpstreamRefusal as refusal:
        assert refusal.reason == "MEMBER_NOT_FOUND"
        return False
    query = f"member.externalId={name}"
    reply = live.call("GET", f"/v1/members:lookup?{query}", authorization="Bearer demo")
    return reply.status == 200


def pages(live: Live, method: str, path: str, field: str, member: str) -> Iterator[list[Any]]:
    """Every page of a listing, which REST and gRPC have alike."""
    token = ""
    while True:
        request = {"member": {"external_id": member}, "page_size": 100, "page_token": token}
        over_grpc = live.ask(f"PointsService/{method}", request)
        query = f"member.externalId={member}&pageSize=100&pageToken={token}"
        reply = live.call("GET", f"/v1/{path}?{query}", authorization="Bearer demo")
        assert reply.status == 200, reply
        over_rest = reply.json
        found = over_grpc.get(field, [])
        assert len(over_rest.get(_camel(field), [])) == len(found)
        yield found
        token = over_grpc.get("next_page_token", "")
        assert over_rest.get("nextPageToken", "") == token
        if not token:
            return


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


LISTINGS = (
    ("ListLots", "lots", "lots"),
    ("ListTransactions", "transactions", "transactions"),
    ("ListExpiryChanges", "expiryChanges", "expiry_changes"),
)


@pytest.mark.parametrize("form", [JSON_LINES, CSV])
def test_hostile_rows_end_alone(shared_live: Live, tmp_path: Path, form: str) -> None:
    """Each row is imported, known or refused with its line; the file goes on; all of it is read."""
    lines = hostile_rows.json_lines if form == JSON_LINES else hostile_rows.csv_lines
    content, count = lines(form)
    path = tmp_path / f"rows.{form}"
    path.write_bytes(content)
    done = take(shared_live, path, form)
    assert done.finished
    assert done.imported + done.known + done.refused == count
    reasons = refused(path)
    assert len(reasons) == done.refused > count // 4
    assert done.imported > count // 40
    places = range(len(hostile_rows.VALUES))
    names = (f"{form}-stock", *(f"{form}-{of}-{n}" for of in ("lot", "member") for n in places))
    seen = 0
    for name in filter(lambda name: is_known(shared_live, name), names):
        for method, route, field in LISTINGS:
            for page in pages(shared_live, method, route, field, name):
                seen += len(page)
    assert seen > 100
