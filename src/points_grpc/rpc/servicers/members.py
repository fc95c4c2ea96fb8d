"""points.v1.MemberService."""

from __future__ import annotations

import re
from collections.abc import Sequence

from points.v1 import member_service_pb2 as pb
from points_grpc.errors import Refusal
from points_grpc.rpc.backends import MemberBackend
from points_grpc.rpc.codec import members as codec
from points_grpc.rpc.codec.identifiers import read_member
from points_grpc.rpc.interceptors.auth import caller

_ITEM = re.compile(r"identifiers\[([0-9]+)\]")


class MemberServicer:
    """Hands decoded calls to the member service; the contract documents each method."""

    def __init__(self, service: MemberBackend) -> None:
        self._service = service

    # ruff: noqa: N802  # methods and their descriptions are the contract's
    async def CreateMember(self, request: pb.CreateMemberRequest) -> pb.CreateMemberResponse:
        change, paths = codec.read_create_member(request)
        try:
            outcome = await self._service.create_member(caller(), change)
        except Refusal as refusal:
            raise _at_the_field(refusal, paths) from None
        response = pb.CreateMemberResponse(replayed=outcome.replayed)
        codec.put_member(response.member, outcome.answer)
        return response

    async def GetMember(self, request: pb.GetMemberRequest) -> pb.GetMemberResponse:
        view = await self._service.get_member(caller(), read_member(request))
        response = pb.GetMemberResponse()
        codec.put_member(response.member, view)
        return response

    async def LinkIdentifier(self, request: pb.LinkIdentifierRequest) -> pb.LinkIdentifierResponse:
        outcome = await self._service.link_identifier(caller(), codec.read_link(request))
        response = pb.LinkIdentifierResponse(replayed=outcome.replayed)
        codec.put_member(response.member, outcome.answer)
        return response

    async def UnlinkIdentifier(
        self, request: pb.UnlinkIdentifierRequest
    ) -> pb.UnlinkIdentifierResponse:
        outcome = await self._service.unlink_identifier(caller(), codec.read_unlink(request))
        response = pb.UnlinkIdentifierResponse(replayed=outcome.replayed)
        codec.put_member(response.member, outcome.answer)
        return response


def _at_the_field(refusal: Refusal, paths: Sequence[str]) -> Refusal:
    """The refusal with the path that the identifier at fault has in the request."""
    if item := _ITEM.match(refusal.field):
        refusal.field = paths[int(item[1])] + refusal.field[item.end() :]
    return refusal
