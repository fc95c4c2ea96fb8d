"""What the names in a request stand for: its program and its currency."""

from __future__ import annotations

from collections.abc import Mapping

from points_grpc.domain.commands import Caller, CurrencyName
from points_grpc.domain.model import Currency, Program
from points_grpc.errors import CurrencyNotFound, ProgramNotFound

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
