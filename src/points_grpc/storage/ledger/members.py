"""Members and the identifiers by which they are known, read and added in sets.

An identifier lives in the bucket of its own name and points to its member; `member_identifiers`
says the same from the member's side, in the member's bucket.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    null,
    select,
    union_all,
    update,
)

from points_grpc.domain.admin.commands import MemberView
from points_grpc.domain.commands import MemberName
from points_grpc.domain.results import MemberLabel
from points_grpc.storage.core.ids import bucket_of_id, bucket_of_name
from points_grpc.storage.core.pipeline import Query, Row, enqueue, execute
from points_grpc.storage.core.unnest import BIGINT, INT, TEXT, Params, fill, rows
from points_grpc.storage.ledger import former_identifiers as former
from points_grpc.storage.tables import (
    INSTANT,
    accounts,
    former_identifiers,
    identifiers,
    member_identifiers,
    members,
)

Name = tuple[int, str, str]
"""tenant_id, type, value"""

MemberKey = tuple[int, int]
"""tenant_id, member_id"""

MemberRow = tuple[int, int, int | None, str | None, datetime]
"""tenant_id, member_id, vendor_id, external_id, created_at"""

IdentifierRow = tuple[int, str, str, int]
"""tenant_id, type, value, member_id"""

# Reading in sets

_names = rows("names", bucket=INT, tenant_id=INT, type=TEXT, value=TEXT)
_resolve = (
    select(
        identifiers.c.tenant_id, identifiers.c.type, identifiers.c.value, identifiers.c.member_id
    )
    .select_from(_names)
    .join(
        identifiers,
        (identifiers.c.bucket == _names.c.bucket)
        & (identifiers.c.tenant_id == _names.c.tenant_id)
        & (identifiers.c.type == _names.c.type)
        & (identifiers.c.value == _names.c.value),
    )
)

# A member usually lives in the bucket of the identifier that it is named by. Those that do not
# are looked up by what their own ids carry: no statement joins across buckets.
_is_here = (members.c.bucket == identifiers.c.bucket) & (
    members.c.tenant_id == identifiers.c.tenant_id
)
_find = select(
    identifiers.c.tenant_id,
    identifiers.c.type,
    identifiers.c.value,
    identifiers.c.member_id,
    members.c.member_id,
    members.c.vendor_id,
    members.c.external_id,
    accounts.c.currency_id,
    accounts.c.account_id,
    accounts.c.version,
).select_from(
    _names.join(
        identifiers,
        (identifiers.c.bucket == _names.c.bucket)
        & (identifiers.c.tenant_id == _names.c.tenant_id)
        & (identifiers.c.type == _names.c.type)
        & (identifiers.c.value == _names.c.value),
    )
    .outerjoin(members, _is_here & (members.c.member_id == identifiers.c.member_id))
    .outerjoin(
        accounts,
        (accounts.c.bucket == members.c.bucket)
        & (accounts.c.tenant_id == members.c.tenant_id)
        & (accounts.c.member_id == members.c.member_id),
    )
)

# The members that an identifier was unlinked from come along, marked by the version of no account.
_FORMER = -1
_find_with_former = union_all(
    _find,
    select(
        former_identifiers.c.tenant_id,
        former_identifiers.c.type,
        former_identifiers.c.value,
        former_identifiers.c.member_id,
        null(),
        null(),
        null(),
        null(),
        null(),
        literal_column(str(_FORMER), BigInteger),
    )
    .select_from(_names)
    .join(
        former_identifiers,
        (former_identifiers.c.bucket == _names.c.bucket)
        & (former_identifiers.c.tenant_id == _names.c.tenant_id)
        & (former_identifiers.c.type == _names.c.type)
        & (former_identifiers.c.value == _names.c.value),
    ),
)

_keys = rows("keys", bucket=INT, tenant_id=INT, member_id=BIGINT)
_labels = (
    select(
        members.c.tenant_id,
        members.c.member_id,
        func.coalesce(members.c.vendor_id, 0),
        func.coalesce(members.c.external_id, ""),
    )
    .select_from(_keys)
    .join(
        members,
        (members.c.bucket == _keys.c.bucket)
        & (members.c.tenant_id == _keys.c.tenant_id)
        & (members.c.member_id == _keys.c.member_id),
    )
)

_count_identifiers = (
    select(_keys.c.member_id, func.count(member_identifiers.c.value))
    .select_from(_keys)
    .outerjoin(
        member_identifiers,
        (member_identifiers.c.bucket == _keys.c.bucket)
        & (member_identifiers.c.tenant_id == _keys.c.tenant_id)
        & (member_identifiers.c.member_id == _keys.c.member_id),
    )
    .group_by(_keys.c.member_id)
)


@dataclass(slots=True)
class Known:
    """Whose an identifier is, with the member's accounts.

    `accounts` are their ids by currency, `versions` their versions by id. Without a `label` the
    member lives in another bucket than the identifier: neither its label nor its accounts were
    looked for.
    """

    member_id: int
    label: MemberLabel | None
    accounts: dict[int, int] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)


def finding(names: Collection[Name]) -> Query[dict[Name, Known]]:
    """Return the query for each identifier's member; unknown ones are absent.

    A name of the type `member_id` is not an identifier: ask `labels` for it.
    """
    asked = [(bucket_of_name(*name), *name) for name in names]
    params = fill("names", ("bucket", "tenant_id", "type", "value"), asked)
    return Query(_find if names else None, params, _known)


@dataclass(slots=True)
class FoundMember:
    """Whose identifiers are, and the ids of the members whose they were before."""

    known: dict[Name, Known]
    former: dict[Name, list[int]]


def finding_with_former(names: Collection[Name]) -> Query[FoundMember]:
    """Return the query for each identifier's member, present and former."""
    ask = finding(names)
    return Query(_find_with_former if names else None, ask.params, _found)


def _found(found: Sequence[Row]) -> FoundMember:
    had: dict[Name, list[int]] = {}
    have = []
    for row in found:
        if row[-1] == _FORMER:
            had.setdefault((row[0], row[1], row[2]), []).append(row[3])
        else:
            have.append(row)
    return FoundMember(_known(have), had)


def _known(found: Sequence[Row]) -> dict[Name, Known]:
    known: dict[Name, Known] = {}
    for tenant_id, kind, value, id_, here, vendor, external, currency, account, version in found:
        name = (tenant_id, kind, value)
        of = known.get(name)
        if of is None:
            label = None if here is None else MemberLabel(id_, vendor or 0, external or "")
            of = known[name] = Known(id_, label)
        if currency is not None:
            of.accounts[currency] = account
            of.versions[account] = version
    return known


def resolve(connection: Connection, names: Collection[Name]) -> dict[Name, int]:
    """The member_id that each identifier belongs to; unknown ones are absent.

    A name of the type `member_id` is not an identifier: ask `labels` for it.
    """
    if not names:
        return {}
    asked = [(bucket_of_name(*name), *name) for name in names]
    found = execute(
        connection, _resolve, fill("names", ("bucket", "tenant_id", "type", "value"), asked)
    )
    return {(tenant_id, kind, value): id_ for tenant_id, kind, value, id_ in found}


def labels(connection: Connection, keys: Collection[MemberKey]) -> dict[MemberKey, MemberLabel]:
    """Return each member's label; unknown ones are absent."""
    if not keys:
        return {}
    asked = [(bucket_of_id(member_id), tenant_id, member_id) for tenant_id, member_id in keys]
    found = execute(connection, _labels, fill("keys", ("bucket", "tenant_id", "member_id"), asked))
    return {
        (tenant_id, member_id): MemberLabel(member_id, vendor_id, external_id)
        for tenant_id, member_id, vendor_id, external_id in found
    }


def count_identifiers(
    connection: Connection, tenant_id: int, member_ids: Collection[int]
) -> dict[int, int]:
    """Return how many identifiers each member of the tenant has."""
    if not member_ids:
        return {}
    asked = [(bucket_of_id(member_id), tenant_id, member_id) for member_id in member_ids]
    params = fill("keys", ("bucket", "tenant_id", "member_id"), asked)
    return dict(execute(connection, _count_identifiers, params))


# Adding in sets

_MEMBER = ("bucket", "tenant_id", "member_id", "vendor_id", "external_id", "created_at")
_new_members = rows(
    "new_members",
    bucket=INT,
    tenant_id=INT,
    member_id=BIGINT,
    vendor_id=BIGINT,
    external_id=TEXT,
    created_at=INSTANT,
)
_insert_members = insert(members).from_select(
    list(_MEMBER), select(*(_new_members.c[c] for c in _MEMBER))
)

_IDENTIFIER = ("bucket", "tenant_id", "type", "value", "member_id")
_new_identifiers = rows(
    "new_identifiers", bucket=INT, tenant_id=INT, type=TEXT, value=TEXT, member_id=BIGINT
)
_insert_identifiers = insert(identifiers).from_select(
    list(_IDENTIFIER), select(*(_new_identifiers.c[c] for c in _IDENTIFIER))
)
_insert_member_identifiers = insert(member_identifiers).from_select(
    list(_IDENTIFIER), select(*(_new_identifiers.c[c] for c in _IDENTIFIER))
)


def insert_members(connection: Connection, new: Iterable[MemberRow]) -> None:
    """Add members, in the order of their keys."""
    ordered = sorted((bucket_of_id(row[1]), *row) for row in new)
    if ordered:
        enqueue(connection, _insert_members, fill("new_members", _MEMBER, ordered))


def insert_identifiers(connection: Connection, new: Iterable[IdentifierRow]) -> None:
    """Make members known by identifiers, in the order of their keys.

    One that is known already is a conflict (23505).
    """
    new = list(new)
    if not new:
        return
    by_name = sorted((bucket_of_name(*row[:3]), *row) for row in new)
    by_member = sorted((bucket_of_id(row[3]), *row) for row in new)
    enqueue(connection, _insert_identifiers, fill("new_identifiers", _IDENTIFIER, by_name))
    enqueue(connection, _insert_member_identifiers, fill("new_identifiers", _IDENTIFIER, by_member))


# One member

_BUCKET = bindparam("of_bucket", type_=INT)
_TENANT = bindparam("of_tenant", type_=INT)
_MEMBER_ID = bindparam("of_member", type_=BIGINT)
_TYPE = bindparam("of_type", type_=TEXT)
_VALUE = bindparam("of_value", type_=TEXT)

_is_member = (
    (members.c.bucket == _BUCKET)
    & (members.c.tenant_id == _TENANT)
    & (members.c.member_id == _MEMBER_ID)
)
_head = select(
    members.c.member_id,
    func.coalesce(members.c.vendor_id, 0),
    func.coalesce(members.c.external_id, ""),
    members.c.created_at,
).where(_is_member)
_lock = select(members.c.member_id).where(_is_member).with_for_update(key_share=True)
_of_member = (
    (member_identifiers.c.bucket == _BUCKET)
    & (member_identifiers.c.tenant_id == _TENANT)
    & (member_identifiers.c.member_id == _MEMBER_ID)
)
_identifiers_of = select(member_identifiers.c.type, member_identifiers.c.value).where(_of_member)
_delete_name = delete(identifiers).where(
    identifiers.c.bucket == _BUCKET,
    identifiers.c.tenant_id == _TENANT,
    identifiers.c.type == _TYPE,
    identifiers.c.value == _VALUE,
    identifiers.c.member_id == _MEMBER_ID,
)
_delete_of_member = delete(member_identifiers).where(
    _of_member, member_identifiers.c.type == _TYPE, member_identifiers.c.value == _VALUE
)
_set_label = (
    update(members)
    .where(_is_member)
    .values(vendor_id=bindparam("vendor_id"), external_id=bindparam("external_id"))
)


def _key(tenant_id: int, member_id: int) -> Params:
    return {"of_bucket": bucket_of_id(member_id), "of_tenant": tenant_id, "of_member": member_id}


def lock(connection: Connection, tenant_id: int, member_id: int) -> None:
    """Keep other changes of the member's identifiers waiting until this unit of work ends."""
    connection.execute(_lock, _key(tenant_id, member_id))


def view(connection: Connection, tenant_id: int, member_id: int) -> MemberView | None:
    """The whole member."""
    key = _key(tenant_id, member_id)
    head = connection.execute(_head, key).one_or_none()
    if head is None:
        return None
    named = sorted(tuple(row) for row in connection.execute(_identifiers_of, key))
    _, vendor_id, external_id, created_at = head
    return MemberView(
        member_id,
        vendor_id,
        external_id,
        tuple(MemberName(kind, value) for kind, value in named),
        created_at,
    )


def link(connection: Connection, tenant_id: int, member_id: int, name: MemberName) -> None:
    """Make a member known by `name`; a conflict (23505) where something is known by it."""
    insert_identifiers(connection, [(tenant_id, name.type, name.value, member_id)])


def unlink(
    connection: Connection, tenant_id: int, member_id: int, name: MemberName, now: datetime
) -> None:
    """Take `name` away from a member, and note that it was known by it."""
    former.add(connection, (tenant_id, name.type, name.value), member_id, now)
    key = _key(tenant_id, member_id) | {"of_type": name.type, "of_value": name.value}
    bucket = bucket_of_name(tenant_id, name.type, name.value)
    connection.execute(_delete_name, key | {"of_bucket": bucket})
    connection.execute(_delete_of_member, key)


def set_label(connection: Connection, tenant_id: int, label: MemberLabel) -> None:
    """Write how a member is shown."""
    values = {"vendor_id": label.vendor_id or None, "external_id": label.external_id or None}
    connection.execute(_set_label, _key(tenant_id, label.member_id) | values)
