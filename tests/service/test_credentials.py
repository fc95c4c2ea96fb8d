"""Tokens and tenants as the service knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from points_grpc.clock import TestClock
from points_grpc.domain.auth import Token, digest, written
from points_grpc.errors import TokenInvalid
from points_grpc.service.admin.credentials import CredentialStore, make_token
from points_grpc.service.shared import ttl_cache
from points_grpc.service.shared.checked_clock import CheckedClock
from points_grpc.storage.admin import programs, tokens
from points_grpc.storage.core.database import Database
from points_grpc.storage.tables import tokens as table

NOW = datetime(2031, 5, 6, 7, tzinfo=UTC)


class StoreHarness:
    """A store of credentials, and what an operator does beside it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = TestClock(NOW)
        self.book = CredentialStore(database, self.clock)
        self.acme = database.run(lambda at: programs.create_tenant(at, "acme", NOW))

    def make(self, *scopes: str, lifetime: timedelta | None = None) -> tuple[str, Token]:
        """A new token of acme's."""

        def work(at: Any) -> tuple[str, Token]:
            return make_token(at, self.acme, "till", scopes, now=NOW, lifetime=lifetime)

        return self.database.run(work)

    def told(self, token: str) -> Any:
        """What a new store says."""
        return run(lambda: self.book.grant_of(token))


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await work()

    return asyncio.run(bounded())


@pytest.fixture
def store(database: Database) -> Any:
    """The tenant acme."""
    made = StoreHarness(database)
    yield made
    made.book.close()


@pytest.fixture
def database(database_url: str) -> Any:
    """A fresh database."""
    opened = Database(database_url)
    yield opened
    opened.close()


def test_a_token_stands_for_its_tenant_and_scopes(store: StoreHarness) -> None:
    """A token's grant is its tenant's, its id the principal, its scopes what may be done."""
    store.database.run(lambda at: programs.set_default_program(at, store.acme.tenant_id, 469))
    token, about = store.make("points.read", "points.expire")
    grant = store.told(token)
    assert (grant.caller.tenant, grant.caller.tenant_id) == ("acme", store.acme.tenant_id)
    assert (grant.caller.principal, grant.caller.default_program_id) == (about.token_id, 469)
    assert grant.scopes == {"points.read", "points.expire"}


def test_no_two_tokens_are_the_same(store: StoreHarness) -> None:
    """Each token is made of new random bytes, and each has an id of its own."""
    made = [store.make("points.read") for _ in range(20)]
    assert len({token for token, _ in made}) == len({about.token_id for _, about in made}) == 20


def test_the_token_itself_is_nowhere(store: StoreHarness) -> None:
    """The database has the SHA-256 of a token, and nothing that the token could be had from."""
    token, _ = store.make("points.read")
    rows = store.database.run(lambda at: at.execute(select(table)).all())
    assert token not in str(rows) and token[7:20] not in str(rows)
    assert [bytes(row.digest) for row in rows] == [digest(token)]


def test_unknown_expired_revoked_and_malformed_are_one(store: StoreHarness) -> None:
    """Whatever is wrong with a token, the refusal is the same."""
    expired, _ = store.make("points.read", lifetime=timedelta(hours=1))
    revoked, about = store.make("points.read")
    store.database.run(lambda at: tokens.revoke(at, about.token_id, NOW))
    store.clock.set(NOW + timedelta(hours=1))
    for token in (expired, revoked, written(b"\x01" * 32), "points_nonsense", ""):
        with pytest.raises(TokenInvalid) as refused:
            store.told(token)
        assert (refused.value.field, refused.value.facts) == ("", {})


def test_a_token_ends_at_its_instant_also_from_memory(store: StoreHarness) -> None:
    """A remembered token is refused from its expiry on, without a look into the database."""
    token, _ = store.make("points.read", lifetime=timedelta(hours=1))

    async def scenario() -> None:
        store.clock.set(NOW + timedelta(minutes=59, seconds=59))
        await store.book.grant_of(token)
        store.clock.set(NOW + timedelta(hours=1))
        with pytest.raises(TokenInvalid):
            await store.book.grant_of(token)

    run(scenario)


def test_a_revoked_token_is_refused_after_the_bound(
    store: StoreHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token in use is refused once what is remembered of it has ended."""
    token, about = store.make("points.read")

    async def scenario() -> None:
        await store.book.grant_of(token)
        store.database.run(lambda at: tokens.revoke(at, about.token_id, NOW))
        assert (await store.book.grant_of(token)).caller.tenant == "acme"
        monkeypatch.setattr(ttl_cache, "VALID_S", 0.0)
        with pytest.raises(TokenInvalid):
            await store.book.grant_of(token)

    run(scenario)


def test_revoking_twice_keeps_the_first_instant(store: StoreHarness) -> None:
    """A token is revoked when it first was; one that there is not cannot be."""
    _, about = store.make("points.read")
    later = NOW + timedelta(days=1)
    assert store.database.run(lambda at: tokens.revoke(at, about.token_id, NOW))
    assert store.database.run(lambda at: tokens.revoke(at, about.token_id, later))
    assert not store.database.run(lambda at: tokens.revoke(at, "token-0", later))
    assert [token.revoked_at for token in store.database.run(tokens.every)] == [NOW]


def test_the_last_use_is_written_when_told(store: StoreHarness) -> None:
    """Uses are written together, the latest of each token, and never put back."""
    first, _ = store.make("points.read")
    store.make("points.read")

    def last_uses() -> set[datetime | None]:
        return {token.last_used_at for token in store.database.run(tokens.every)}

    async def scenario() -> None:
        await store.book.grant_of(first)
        store.clock.set(NOW + timedelta(seconds=5))
        await store.book.grant_of(first)
        assert last_uses() == {None}
        await store.book.note_uses()
        assert last_uses() == {None, NOW + timedelta(seconds=5)}
        await store.book.note_uses()

    run(scenario)
    [about] = [token for token in store.database.run(tokens.every) if token.last_used_at]
    store.database.run(lambda at: tokens.note_use(at, {about.token_id: NOW}))
    assert last_uses() == {None, NOW + timedelta(seconds=5)}


def test_a_use_at_a_wrong_time_is_not_written(database: Database, store: StoreHarness) -> None:
    """While the machine's clock is wrong tokens are let in, and no last use is noted."""
    machine = TestClock(NOW)
    checked = CheckedClock(database, machine, read=lambda _: NOW)
    book = CredentialStore(database, machine, checked)
    token, _ = store.make("points.read")

    def last_use() -> datetime | None:
        async def use() -> None:
            checked.compare()
            await book.grant_of(token)
            await book.note_uses()

        run(use)
        return store.database.run(tokens.every)[0].last_used_at

    assert last_use() == NOW
    machine.set(NOW + timedelta(days=400))
    assert last_use() == NOW
    book.close()


def test_a_tenant_is_known_by_name(store: StoreHarness) -> None:
    """A credential that names its tenant gets that tenant's caller, and none for another name."""
    caller = run(lambda: store.book.caller_of("acme", "anna"))
    assert (caller.tenant_id, caller.tenant, caller.principal) == (
        store.acme.tenant_id,
        "acme",
        "anna",
    )
    with pytest.raises(TokenInvalid):
        run(lambda: store.book.caller_of("Acme", "anna"))


def test_whether_anybody_could_call(store: StoreHarness) -> None:
    """Only a token that is neither expired nor revoked counts as one."""

    def any_live(now: datetime) -> bool:
        return store.database.run(lambda at: tokens.any_live(at, now))

    assert not any_live(NOW)
    store.make("points.read", lifetime=timedelta(hours=1))
    assert any_live(NOW)
    assert not any_live(NOW + timedelta(hours=1))
    store.make("points.read")
    assert any_live(NOW + timedelta(hours=1))
    for token in store.database.run(tokens.every):
        store.database.run(lambda at, token=token: tokens.revoke(at, token.token_id, NOW))
    assert not any_live(NOW)
