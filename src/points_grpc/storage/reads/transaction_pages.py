"""Transactions in pages: each statement reads a bounded run of an index.

Every row comes with `examined`, its rank in the run that it was found in, and `text_bytes`, how
long the texts are up to it. A run ends with the row whose texts pass its bound. Rows that the
filter leaves out are left out by the database, except the last of a run that was cut short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    SmallInteger,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from points_grpc.domain.model import TransactionType
from points_grpc.domain.results import READ_BYTES_MAX
from points_grpc.domain.state import Transaction
from points_grpc.storage.core.ids import BUCKETS, bucket_of_id
from points_grpc.storage.core.unnest import (
    BIGINT,
    INT,
    SMALL,
    TEXT,
    PackedArray,
    Params,
    fill,
    rows,
)
from points_grpc.storage.ledger.transactions import TRANSACTION_COLUMNS, to_transaction
from points_grpc.storage.tables import INSTANT, transactions

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = "infinity"
"""After every instant, as PostgreSQL has it: the last datetime is an instant like others."""

ID_END = 2**63 - 1
"""Above every id, version and amount."""

_TENANT = bindparam("of_tenant", type_=INT)
_BUCKET = bindparam("of_bucket", type_=INT)
_ACCOUNT = bindparam("of_account", type_=BIGINT)
_AFTER = bindparam("after", type_=BIGINT)
_QUOTA = bindparam("quota", type_=BIGINT)
_TEXT_BYTES = bindparam("most_text", type_=BIGINT)

ROW_BYTES = 128
"""What a row counts for beside its texts."""

TEXTS = ("request_id", "reference", "source", "reason", "description")
_TEXTS = tuple(transactions.c[name] for name in TEXTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transactions: of these types, with this reference ("": any), created in [from, to).

    `currency_id` and `account_id` 0 mean any.
    """

    types: frozenset[TransactionType] = frozenset()
    reference: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    currency_id: int = 0
    account_id: int = 0

    def matches(self, row: Transaction) -> bool:
        """Whether a transaction is wanted."""
        return (
            (not self.types or row.type in self.types)
            and self.reference in ("", row.reference)
            and self.currency_id in (0, row.currency_id)
            and self.account_id in (0, row.account_id)
            and (self.start_at is None or self.start_at <= row.created_at)
            and (self.end_at is None or row.created_at < self.end_at)
        )

    def params(self) -> Params:
        """The filter as every statement takes it."""
        return {
            "types": sorted(self.types or TransactionType),
            "reference": self.reference,
            "start_at": self.start_at or BEGINNING,
            "end_at": self.end_at or END,
            "currency_id": self.currency_id,
            "account_id": self.account_id,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """Matching transactions of one run; `cut_at` is the last examined one if there are more.

    `text_bytes` is how long the texts are that were read.
    """

    transactions: list[Transaction]
    cut_at: Transaction | None
    text_bytes: int = 0


def _any_or(name: str, kind: Any, nothing: Any, column: ColumnElement[Any]) -> ColumnElement[bool]:
    bound = bindparam(name, type_=kind)
    return or_(bound == nothing, column == bound)


def _is_wanted(row: Any) -> ColumnElement[bool]:
    types = bindparam("types", type_=PackedArray("SMALLINT[]"))
    wanted: ColumnElement[bool] = (
        (row.type == func.any(types, type_=SMALL))
        & _any_or("reference", TEXT, "", row.reference)
        & _any_or("currency_id", BIGINT, 0, row.currency_id)
        & _any_or("account_id", BIGINT, 0, row.account_id)
        & (row.created_at >= bindparam("start_at", type_=INSTANT))
        & (row.created_at < bindparam("end_at", type_=INSTANT))
    )
    return wanted


def is_kept(row: Any, is_wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    """A matching row, or the one that its run was cut at; none behind that."""
    is_cut = or_(row.examined == _QUOTA, row.text_bytes > _TEXT_BYTES)
    kept: ColumnElement[bool] = (row.text_bytes - row.own_bytes <= _TEXT_BYTES) & or_(
        is_wanted, is_cut
    )
    return kept


def measured(
    texts: Sequence[ColumnElement[Any]], *order: ColumnElement[Any]
) -> tuple[ColumnElement[int], ...]:
    """Return what tells how far a run was read: `own_bytes`, `text_bytes` and `examined`."""
    own = sum((func.coalesce(func.octet_length(c), 0) for c in texts), start=literal(ROW_BYTES))
    return (
        own.label("own_bytes"),
        func.sum(own).over(order_by=order).label("text_bytes"),
        func.row_number().over(order_by=order).label("examined"),
    )


def _columns(row: Any) -> list[ColumnElement[Any]]:
    """Return the columns of a run: the transaction, how far was read, whether it is wanted."""
    shown = [row[column.name] for column in TRANSACTION_COLUMNS]
    return [*shown, row.text_bytes, row.examined, _is_wanted(row).label("is_wanted")]


# One account's history


def _history(ascending: bool) -> Select[Any]:
    version = transactions.c.version
    order = version.asc() if ascending else version.desc()
    run = (
        select(*TRANSACTION_COLUMNS, *measured(_TEXTS, order))
        .where(
            transactions.c.bucket == _BUCKET,
            transactions.c.tenant_id == _TENANT,
            transactions.c.account_id == _ACCOUNT,
            version > _AFTER if ascending else version < _AFTER,
        )
        .order_by(order)
        .limit(_QUOTA)
        .subquery("run")
    )
    by_version = run.c.version.asc() if ascending else run.c.version.desc()
    kept = is_kept(run.c, _is_wanted(run.c))
    return select(*_columns(run.c)).where(kept).order_by(by_version)


_HISTORY = {ascending: _history(ascending) for ascending in (True, False)}


def history(
    connection: Connection,
    account: tuple[int, int],
    wanted: Wanted,
    *,
    after: int,
    quota: int,
    ascending: bool = False,
) -> Run:
    """Read `quota` transactions of the account after a version; return the wanted ones.

    Newest first, or oldest with `ascending`; `after` is the version to continue from.
    """
    tenant_id, account_id = account
    params = {
        "of_bucket": bucket_of_id(account_id),
        "of_tenant": tenant_id,
        "of_account": account_id,
        "after": after,
        "quota": quota,
        "most_text": READ_BYTES_MAX,
    }
    found = connection.execute(_HISTORY[ascending], params | wanted.params())
    return _runs(found, quota, READ_BYTES_MAX)[0]


# Across accounts

_places = rows("places", bucket=INT)

_newest_run = (
    select(*TRANSACTION_COLUMNS, *measured(_TEXTS, transactions.c.transaction_id.desc()))
    .where(
        transactions.c.bucket == _places.c.bucket,
        transactions.c.tenant_id == _TENANT,
        transactions.c.transaction_id < _AFTER,
    )
    .order_by(transactions.c.transaction_id.desc())
    .limit(_QUOTA)
    .lateral("run")
)
_newest = (
    select(*_columns(_newest_run.c))
    .select_from(_places)
    .join(_newest_run, true())
    .where(is_kept(_newest_run.c, _is_wanted(_newest_run.c)))
)

_largest_first = (transactions.c.amount.desc(), transactions.c.transaction_id.desc())
_after_amount = bindparam("after_amount", type_=BIGINT)
# Both are in the partial index's own terms, or the planner does not see that it applies.
_is_earn = transactions.c.type == literal(1, SmallInteger, literal_execute=True)
_OF_CURRENCY = bindparam("of_currency", type_=BIGINT)

_largest_run = (
    select(*TRANSACTION_COLUMNS, *measured(_TEXTS, *_largest_first))
    .where(
        transactions.c.bucket == _places.c.bucket,
        transactions.c.tenant_id == _TENANT,
        transactions.c.currency_id == _OF_CURRENCY,
        tuple_(transactions.c.amount, transactions.c.transaction_id)
        < tuple_(_after_amount, _AFTER),
        _is_earn,
    )
    .order_by(*_largest_first)
    .limit(_QUOTA)
    .lateral("run")
)
_largest = (
    select(*_columns(_largest_run.c))
    .select_from(_places)
    .join(_largest_run, true())
    .where(is_kept(_largest_run.c, _is_wanted(_largest_run.c)))
)


def newest(
    connection: Connection,
    tenant_id: int,
    buckets: Sequence[int],
    wanted: Wanted,
    *,
    after: int,
    quota: int,
) -> list[Run]:
    """Read `quota` transactions of each bucket below an id, newest first; return the wanted."""
    most = READ_BYTES_MAX // len(buckets)
    params = {"of_tenant": tenant_id, "after": after, "quota": quota, "most_text": most}
    places = fill("places", ("bucket",), [(bucket,) for bucket in buckets])
    return _runs(connection.execute(_newest, params | places | wanted.params()), quota, most)


def largest(
    connection: Connection,
    tenant_id: int,
    buckets: Sequence[int],
    wanted: Wanted,
    *,
    after: tuple[int, int],
    quota: int,
) -> list[Run]:
    """Read `quota` EARNs of each bucket of a currency after (amount, id); return the wanted.

    The largest first, of equal ones the highest id. `wanted` must name the currency.
    """
    params = {
        "of_tenant": tenant_id,
        "of_currency": wanted.currency_id,
        "after_amount": after[0],
        "after": after[1],
        "quota": quota,
        "most_text": (most := READ_BYTES_MAX // len(buckets)),
    }
    places = fill("places", ("bucket",), [(bucket,) for bucket in buckets])
    return _runs(connection.execute(_largest, params | places | wanted.params()), quota, most)


_with_reference = (
    select(*TRANSACTION_COLUMNS)
    .where(
        transactions.c.bucket == _places.c.bucket,
        transactions.c.tenant_id == _TENANT,
        transactions.c.reference == bindparam("of_reference", type_=TEXT),
    )
    .limit(_QUOTA)
    .correlate(_places)
    .subquery("referred")
)
_referred_run = select(
    *_with_reference.c, *measured([_with_reference.c[text] for text in TEXTS])
).lateral("run")
_referred = (
    select(*(_referred_run.c[c.name] for c in TRANSACTION_COLUMNS), _referred_run.c.text_bytes)
    .select_from(_places)
    .join(_referred_run, true())
    .where(or_(_referred_run.c.text_bytes <= _TEXT_BYTES, _referred_run.c.examined == 1))
)


def referred(
    connection: Connection, tenant_id: int, buckets: Sequence[int], reference: str, quota: int
) -> list[Transaction] | None:
    """The transactions with this reference, in no order; None where a bucket has too many.

    Too many are `quota` and more, or such that have too long texts.
    """
    most = READ_BYTES_MAX // len(buckets)
    params = {
        "of_tenant": tenant_id,
        "of_reference": reference,
        "quota": quota,
        "most_text": most,
    }
    places = fill("places", ("bucket",), [(bucket,) for bucket in buckets])
    found = []
    counts = [0] * BUCKETS
    for *columns, text_bytes in connection.execute(_referred, params | places):
        if text_bytes > most:
            return None
        transaction = to_transaction(columns)
        found.append(transaction)
        counts[bucket_of_id(transaction.transaction_id)] += 1
    return found if max(counts) < quota else None


def _runs(found: Iterable[Any], quota: int, most_text: int) -> list[Run]:
    """One run for each bucket that rows were found in, or an empty one."""
    runs: dict[int, Run] = {}
    for *columns, text_bytes, examined, is_wanted in found:
        transaction = to_transaction(columns)
        bucket = bucket_of_id(transaction.transaction_id)
        run = runs.get(bucket) or Run([], None)
        if is_wanted:
            run.transactions.append(transaction)
        is_cut = examined == quota or text_bytes > most_text
        runs[bucket] = Run(
            run.transactions,
            transaction if is_cut else run.cut_at,
            max(run.text_bytes, text_bytes),
        )
    return list(runs.values()) or [Run([], None)]
