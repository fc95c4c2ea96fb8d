"""What the names in a request stand for: its program, its currency and its member."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from points_grpc.domain.commands import MEMBER_ID, Caller, CurrencyName, MemberName
from points_grpc.domain.model import Currency, Program
from points_grpc.domain.results import MemberLabel
from points_grpc.errors import CurrencyNotFound, ProgramNotFound
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.pipeline import Query
from points_grpc.storage.ledger import accounts, members
from points_grpc.storage.ledger.accounts import MemberCurrency
from points_grpc.storage.ledger.members import Known, MemberKey

ProgramKey = tuple[int, int]
"""tenant_id, program_id"""


def program_key(caller: Caller, program_id: int) -> ProgramKey:
    """Return the key of the program that a request names; 0 names the credential's default."""
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
    known = finding(asked).run(connection)
    return NamedMembers(connection, asked, known).ids


def finding(named: Collection[NamedMember]) -> Query[dict[members.Name, Known]]:
    """Return the query for the members of these names' identifiers."""
    return members.finding(
        [(tenant, name.type, name.value) for tenant, name in named if name.type != MEMBER_ID]
    )


class NamedMembers:
    """The members that a batch of reads names, with what came along with their names.

    `ids` has the member_id that each name stands for; names of nobody are absent.
    """

    def __init__(
        self,
        connection: Connection,
        named: Collection[NamedMember],
        known: Mapping[members.Name, Known],
    ) -> None:
        self._connection = connection
        self._accounts: dict[MemberKey, dict[int, int]] = {}
        self.labels: dict[MemberKey, MemberLabel] = {}
        self.ids: dict[NamedMember, int] = {}
        own: dict[NamedMember, MemberKey] = {}
        for pair in named:
            tenant, name = pair
            if name.type == MEMBER_ID:
                own[pair] = tenant, int(name.value)
            elif (found := known.get((tenant, name.type, name.value))) is not None:
                self.ids[pair] = found.member_id
                if found.label is not None:
                    self.labels[tenant, found.member_id] = found.label
                    self._accounts[tenant, found.member_id] = found.accounts
        self.labels |= members.labels(connection, set(own.values()) - self.labels.keys())
        self.ids |= {pair: key[1] for pair, key in own.items() if key in self.labels}

    def accounts(self, pairs: Iterable[MemberCurrency]) -> dict[MemberCurrency, int]:
        """The account ids of these, where there are such."""
        return accounts_of(self._connection, self._accounts, pairs)


def accounts_of(
    connection: Connection,
    came_along: Mapping[MemberKey, dict[int, int]],
    pairs: Iterable[MemberCurrency],
) -> dict[MemberCurrency, int]:
    """The account ids of these, where there are such; most came along with the members' names."""
    found: dict[MemberCurrency, int] = {}
    unread: set[MemberCurrency] = set()
    for pair in pairs:
        tenant_id, member_id, currency_id = pair
        known = came_along.get((tenant_id, member_id))
        if known is None:
            unread.add(pair)
        elif currency_id in known:
            found[pair] = known[currency_id]
    return found | accounts.find(connection, unread)
