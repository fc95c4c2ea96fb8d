"""What the names in a request stand for: its program, its currency and its member."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from points_grpc.domain.commands import MEMBER_ID, Caller, CurrencyName, MemberName
from points_grpc.domain.model import Currency, Program
from points_grpc.errors import CurrencyNotFound, ProgramNotFound
from points_grpc.storage import members
from points_grpc.storage.database import Connection

ProgramKey = tuple[int, int]
"""tenant_id, program_id"""


def program_key(caller: Caller, program_id: int) -> ProgramKey:
    """Where the program that a request names is found; 0 names the credential's default."""
    return caller.tenant_id, program_id or caller.default_program_id


def program_of(programs: Mapping[ProgramKey, Program], caller: Caller, program_id: int) -> Program:
    """The program that a request names; 0 names the credential's default.

    Raises ProgramNotFound.
    """
    program = programs.get(program_key(caller, program_id))
    if program is None:
        raise ProgramNotFound("program_id")
    return program


def currency_of(program: Program, name: CurrencyName) -> Currency:
    """The program's currency of that code or id; None names the program's default.

    Raises CurrencyNotFound.
    """
    if isinstance(name, str):
        field = "currency_code"
        found = next((c for c in program.currencies.values() if c.code == name), None)
    else:
        field = "program_id" if name is None else "currency_id"
        currency_id = program.default_currency_id if name is None else name
        found = program.currencies.get(currency_id)
    if found is None:
        raise CurrencyNotFound(field)
    return found


NamedMember = tuple[int, MemberName]
"""tenant_id, name"""


def member_ids(connection: Connection, named: Iterable[NamedMember]) -> dict[NamedMember, int]:
    """The member_id that each name stands for; names of nobody are absent."""
    asked = set(named)
    own = {pair: int(pair[1].value) for pair in asked if pair[1].type == MEMBER_ID}
    known = members.labels(connection, {(tenant, own[tenant, name]) for tenant, name in own})
    ids = {pair: member_id for pair, member_id in own.items() if (pair[0], member_id) in known}
    keys = {(tenant, name.type, name.value): (tenant, name) for tenant, name in asked - own.keys()}
    for key, member_id in members.resolve(connection, keys.keys()).items():
        ids[keys[key]] = member_id
    return ids
