"""The administration of programs, their currencies and their policies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.service.program_changes import YEAR, do, policy, program

from points_grpc.domain.admin.commands import (
    CreateCurrency,
    CreatePolicy,
    CreateProgram,
    Outcome,
    UpdateCurrency,
    UpdatePolicy,
    UpdateProgram,
)
from points_grpc.domain.commands import VENDOR_ID_END
from points_grpc.domain.model import Period, Policy, PolicyKind
from points_grpc.errors import (
    CurrencyNotFound,
    IdentifierTaken,
    InvalidField,
    PolicyNotFound,
    ProgramNotFound,
    RequestIdReused,
)


# Programs
def test_a_program_is_created_without_currencies(admin_harness: Any) -> None:
    """A new program has version 1, no default currency and enrols unless told otherwise."""
    created = do(admin_harness, CreateProgram("Shop", "Europe/Berlin", 7)).answer
    assert (created.program_id, created.version, created.default_currency_code) == (7, 1, "")
    assert created.auto_enroll
    assert created.created_at == created.updated_at == admin_harness.clock.now()
    assert program(admin_harness, 7) == created


def test_ids_that_were_not_chosen_are_generated(admin_harness: Any) -> None:
    """A program, currency and policy version without a chosen id gets one from 2^46 on."""
    made = do(admin_harness, CreateProgram("Shop", "UTC")).answer
    currency = do(admin_harness, CreateCurrency(made.program_id, "pts", 0)).answer
    version_id = currency.default_policy.policy.policy_version_id
    for an_id in (made.program_id, currency.currency.currency_id, version_id):
        assert VENDOR_ID_END <= an_id < 2**53


@pytest.mark.parametrize("chosen", [1, VENDOR_ID_END - 1])
def test_a_chosen_id_at_the_ends_of_its_range_is_kept(admin_harness: Any, chosen: int) -> None:
    """1 and 2^46 - 1 can be chosen for programs and currencies."""
    assert do(admin_harness, CreateProgram("", "UTC", chosen)).answer.program_id == chosen
    created = do(admin_harness, CreateCurrency(chosen, "pts", 0, currency_id=chosen)).answer
    assert created.currency.currency_id == chosen


@pytest.mark.parametrize("chosen", [-1, VENDOR_ID_END])
def test_a_chosen_id_outside_its_range_is_refused(shop: Any, chosen: int) -> None:
    """Neither negative ids nor ours can be chosen."""
    with pytest.raises(InvalidField) as refusal:
        do(shop, CreateProgram("", "UTC", chosen))
    assert refusal.value.field == "program_id"
    with pytest.raises(InvalidField) as refusal:
        do(shop, CreateCurrency(1, "x", 0, currency_id=chosen))
    assert refusal.value.field == "currency_id"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_an_iana_name_is_a_time_zone(admin_harness: Any, zone: str) -> None:
    """A program may live in any zone of the IANA database."""
    assert do(admin_harness, CreateProgram("", zone, 1)).answer.time_zone == zone


@pytest.mark.parametrize(
    "zone",
    ["", "Nowhere", "europe/berlin", "/etc/passwd", "../UTC", "posix/UTC", "localtime", "+02:00"],
)
def test_another_time_zone_is_refused(admin_harness: Any, zone: str) -> None:
    """Paths, offsets, wrong case and unknown names are no time zones."""
    with pytest.raises(InvalidField) as refusal:
        do(admin_harness, CreateProgram("", zone))
    assert refusal.value.field == "time_zone"


def test_names_and_codes_have_bounds(shop: Any) -> None:
    """A name and a points type may be full and not fuller; a code must also not be empty."""
    do(shop, CreateProgram("n" * 256, "UTC", 2))
    do(shop, CreateCurrency(1, "c" * 64, 6, "t" * 64))
    do(shop, CreatePolicy(1, None, replace(YEAR, code="p" * 64)))
    for change, field in (
        (CreateProgram("n" * 257, "UTC"), "name"),
        (UpdateProgram(1, name="n" * 257), "name"),
        (CreateCurrency(1, "", 0), "currency_code"),
        (CreateCurrency(1, "c" * 65, 0), "currency_code"),
        (CreateCurrency(1, "x", 0, "t" * 65), "points_type"),
        (CreateCurrency(1, "x", -1), "scale"),
        (CreateCurrency(1, "x", 7), "scale"),
        (CreateCurrency(1, "x", 0, exchange_rate=-1), "exchange_rate"),
        (UpdateCurrency(1, "pts", points_type="t" * 65), "points_type"),
        (UpdateCurrency(1, "pts", exchange_rate=-1), "exchange_rate"),
        (CreatePolicy(1, None, replace(YEAR, code="")), "policy"),
        (CreatePolicy(1, None, replace(YEAR, code="p" * 65)), "policy"),
    ):
        with pytest.raises(InvalidField) as refusal:
            do(shop, change)
        assert refusal.value.field == field
    assert program(shop, 1).version == 4


def test_a_program_id_is_taken_once_per_tenant(shop: Any) -> None:
    """A chosen program id that exists is refused, and is free in another tenant."""
    with pytest.raises(IdentifierTaken) as refusal:
        do(shop, CreateProgram("Other", "UTC", 1))
    assert refusal.value.field == "program_id"
    assert do(shop, CreateProgram("Theirs", "UTC", 1), shop.rival).answer.name == "Theirs"
    assert program(shop, 1).name == "Shop"


def test_a_program_is_changed_in_what_is_named(shop: Any) -> None:
    """An update changes the settings it gives, leaves the others and is the next version."""
    do(shop, CreateCurrency(1, "eur", 2))
    before = program(shop, 1)
    shop.clock.set(shop.clock.now() + timedelta(hours=1))
    renamed = do(shop, UpdateProgram(1, name="Store")).answer
    assert renamed == replace(
        before, name="Store", version=before.version + 1, updated_at=shop.clock.now()
    )
    both = do(shop, UpdateProgram(1, auto_enroll=False, default_currency_code="eur")).answer
    assert (both.name, both.auto_enroll, both.default_currency_code) == ("Store", False, "eur")
    assert program(shop, 1) == both


def test_an_update_to_the_present_settings_changes_nothing(shop: Any) -> None:
    """Updates that say what is so already leave the version and the times as they are."""
    before = program(shop, 1)
    shop.clock.set(shop.clock.now() + timedelta(hours=1))
    do(shop, UpdateProgram(1, "Shop", True, "pts"))
    do(shop, UpdateCurrency(1, "pts", "cash", 100, "default"))
    do(shop, UpdatePolicy(1, "pts", Policy(0, "", 0, PolicyKind.NEVER)))
    assert program(shop, 1) == before


def test_programs_are_listed_by_id_in_pages(admin_harness: Any) -> None:
    """A page has the tenant's next programs in the order of their ids."""
    for program_id in (3, 1, 2):
        do(admin_harness, CreateProgram(str(program_id), "UTC", program_id))
    do(admin_harness, CreateProgram("theirs", "UTC", 4), admin_harness.rival)
    page = admin_harness.programs.list_programs
    assert [p.program_id for p in admin_harness.ask(page(admin_harness.acme, limit=2))] == [1, 2]
    assert [
        p.program_id for p in admin_harness.ask(page(admin_harness.acme, after=2, limit=2))
    ] == [3]


def test_program_zero_is_the_callers_default(shop: Any) -> None:
    """The program 0 means the credential's default program; without one there is none."""
    shop_caller = replace(shop.acme, default_program_id=1)
    assert program(shop, 0, shop_caller).name == "Shop"
    with pytest.raises(ProgramNotFound):
        program(shop, 0)


def test_another_tenants_program_is_not_found(shop: Any) -> None:
    """No method finds a program of another tenant, nor one that does not exist."""
    for caller, program_id in ((shop.rival, 1), (shop.acme, 2)):
        for change in (
            UpdateProgram(program_id, name="x"),
            CreateCurrency(program_id, "x", 0),
            UpdateCurrency(program_id, "pts", "x"),
            CreatePolicy(program_id, None, YEAR),
            UpdatePolicy(program_id, None, YEAR),
        ):
            with pytest.raises(ProgramNotFound):
                do(shop, change, caller)
        for read in (
            shop.programs.get_program(caller, program_id),
            shop.programs.get_currency(caller, program_id, 10),
            shop.programs.list_currencies(caller, program_id),
            shop.programs.get_policy(caller, program_id, None),
            shop.programs.list_policies(caller, program_id, None),
        ):
            with pytest.raises(ProgramNotFound):
                shop.ask(read)


# Currencies
def test_the_first_currency_becomes_the_default(shop: Any) -> None:
    """A program's first currency is its default, a later one is not."""
    do(shop, CreateCurrency(1, "eur", 2))
    assert program(shop, 1).default_currency_code == "pts"


def test_a_currency_without_a_policy_never_expires(shop: Any) -> None:
    """A currency created without a policy has one called `default`, under which nothing expires."""
    made = policy(shop)
    assert (made.code, made.version, made.kind) == ("default", 1, PolicyKind.NEVER)


def test_a_currency_may_bring_its_default_policy(shop: Any) -> None:
    """The policy given at creation is the default, called `default` unless it has a code."""
    named = do(shop, CreateCurrency(1, "a", 0, default_policy=YEAR)).answer
    assert named.currency.default_policy == named.default_policy.policy.code == "year"
    unnamed = do(shop, CreateCurrency(1, "b", 0, default_policy=replace(YEAR, code=""))).answer
    assert unnamed.default_policy.policy.code == "default"
    assert unnamed.default_policy.policy.period == Period(months=12)


def test_a_currency_with_a_bad_policy_is_refused_whole(shop: Any) -> None:
    """A currency whose default policy is not well defined is not created."""
    bad = replace(YEAR, period=Period())
    with pytest.raises(InvalidField) as refusal:
        do(shop, CreateCurrency(1, "bad", 0, default_policy=bad))
    assert refusal.value.field == "default_policy.period"
    with pytest.raises(CurrencyNotFound):
        shop.ask(shop.programs.get_currency(shop.acme, 1, "bad"))


def test_a_currency_id_is_taken_once_per_tenant(shop: Any) -> None:
    """A chosen currency id counts for all programs of the tenant, and for no other tenant."""
    do(shop, CreateProgram("Second", "UTC", 2))
    with pytest.raises(IdentifierTaken) as refusal:
        do(shop, CreateCurrency(2, "pts", 0, currency_id=10))
    assert refusal.value.field == "currency_id"
    do(shop, CreateProgram("Theirs", "UTC", 1), shop.rival)
    do(shop, CreateCurrency(1, "pts", 0, currency_id=10), shop.rival)


def test_a_currency_code_is_taken_once_per_program(shop: Any) -> None:
    """A currency's code counts for its program alone."""
    with pytest.raises(IdentifierTaken) as refusal:
        do(shop, CreateCurrency(1, "pts", 0))
    assert refusal.value.field == "currency_code"
    do(shop, CreateProgram("Second", "UTC", 2))
    do(shop, CreateCurrency(2, "pts", 0))


def test_a_currency_is_found_by_each_of_its_names(shop: Any) -> None:
    """Code, id and, for the default currency, no name at all find the same currency."""
    get = shop.programs.get_currency
    by_code = shop.ask(get(shop.acme, 1, "pts"))
    assert by_code.scale == 2
    assert shop.ask(get(shop.acme, 1, 10)) == by_code
    assert shop.ask(get(shop.acme, 1, None)) == by_code
    for name, field in (("x", "currency_code"), (11, "currency_id")):
        with pytest.raises(CurrencyNotFound) as refusal:
            shop.ask(get(shop.acme, 1, name))
        assert refusal.value.field == field


def test_a_currency_id_alone_says_its_program(shop: Any) -> None:
    """A currency named by its id without a program is found in its own, within the tenant."""
    get = shop.programs.get_currency
    assert shop.ask(get(shop.acme, 0, 10)).program_id == 1
    with pytest.raises(CurrencyNotFound):
        shop.ask(get(shop.rival, 0, 10))


def test_a_currency_of_another_program_is_not_found(shop: Any) -> None:
    """Within a named program only its own currencies are found, by code and by id."""
    do(shop, CreateProgram("Second", "UTC", 2))
    for name in (10, "pts", None):
        with pytest.raises(CurrencyNotFound):
            shop.ask(shop.programs.get_currency(shop.acme, 2, name))


def test_currencies_are_listed_by_code_in_pages(shop: Any) -> None:
    """A page has the program's next currencies in the order of their codes."""
    for code in ("z", "B", "a"):
        do(shop, CreateCurrency(1, code, 0))
    page = shop.programs.list_currencies
    assert [c.code for c in shop.ask(page(shop.acme, 1, limit=3))] == ["B", "a", "pts"]
    assert [c.code for c in shop.ask(page(shop.acme, 1, after="pts"))] == ["z"]


def test_a_currency_is_changed_in_what_is_named(shop: Any) -> None:
    """An update changes what it gives, and the program's version and time with it."""
    do(shop, CreatePolicy(1, "pts", YEAR))
    before = program(shop, 1)
    shop.clock.set(shop.clock.now() + timedelta(hours=1))
    after = do(shop, UpdateCurrency(1, 10, exchange_rate=0, default_policy="year")).answer
    assert (after.points_type, after.exchange_rate, after.default_policy) == ("cash", 0, "year")
    assert after.updated_at == shop.clock.now() > after.created_at
    assert shop.ask(shop.programs.get_currency(shop.acme, 1, "pts")) == after
    now = program(shop, 1)
    assert (now.version, now.updated_at) == (before.version + 1, shop.clock.now())


def test_defaults_must_exist(shop: Any) -> None:
    """Neither a default policy nor a default currency can be one that is not there."""
    with pytest.raises(PolicyNotFound) as refusal:
        do(shop, UpdateCurrency(1, "pts", default_policy="year"))
    assert refusal.value.field == "default_policy"
    with pytest.raises(CurrencyNotFound) as missing:
        do(shop, UpdateProgram(1, default_currency_code="eur"))
    assert missing.value.field == "default_currency_code"


# Repeated requests
def test_every_change_repeated_gets_its_first_answer(admin_harness: Any) -> None:
    """A repeated change has one effect and the first answer, also after later changes."""
    changes = [
        CreateProgram("Shop", "UTC", 1, request_id="r1"),
        CreateCurrency(1, "pts", 0, default_policy=YEAR, request_id="r2"),
        CreatePolicy(1, None, replace(YEAR, code="p"), request_id="r3"),
        UpdatePolicy(1, None, replace(YEAR, priority=2), request_id="r4"),
        UpdateCurrency(1, None, points_type="x", request_id="r5"),
        UpdateProgram(1, name="Store", request_id="r6"),
    ]
    first = [do(admin_harness, change) for change in changes]
    before = program(admin_harness, 1)
    admin_harness.clock.set(admin_harness.clock.now() + timedelta(days=1))
    for change, outcome in zip(changes, first, strict=True):
        assert not outcome.replayed
        assert do(admin_harness, change) == Outcome(outcome.answer, replayed=True)
    assert program(admin_harness, 1) == before


def test_a_request_id_cannot_serve_other_content(shop: Any) -> None:
    """Within a program the same id with other content or for another method is refused."""
    do(shop, UpdateProgram(1, name="Store", request_id="r1"))
    for change in (
        UpdateProgram(1, name="Other", request_id="r1"),
        UpdateProgram(1, name="Store", auto_enroll=False, request_id="r1"),
        CreateCurrency(1, "x", 0, request_id="r1"),
    ):
        with pytest.raises(RequestIdReused) as refusal:
            do(shop, change)
        assert refusal.value.field == "request_id"
    assert program(shop, 1).name == "Store"


def test_request_ids_are_the_programs_and_the_tenants_own(shop: Any) -> None:
    """The same request id is free in another program and in another tenant."""
    do(shop, CreateProgram("Second", "UTC", 2))
    do(shop, CreateProgram("Theirs", "UTC", 1), shop.rival)
    for program_id, caller in ((1, shop.acme), (2, shop.acme), (1, shop.rival)):
        renamed = do(shop, UpdateProgram(program_id, name="New", request_id="r1"), caller)
        assert not renamed.replayed


# Races
def test_of_two_creations_at_once_one_wins(open_admin: Any) -> None:
    """When two processes create the same thing, one succeeds and the other is refused."""
    one, two = open_admin(), open_admin()
    do(one, CreateProgram("Shop", "UTC", 1))
    for index in range(10):
        for method, change in (
            ("create_program", CreateProgram("", "UTC", 100 + index)),
            ("create_currency", CreateCurrency(1, f"c{index}", 0, currency_id=200 + index)),
            ("create_policy", CreatePolicy(1, "c0", replace(YEAR, code=f"p{index}"))),
        ):
            answers = one.ask_at_once(
                getattr(one.programs, method)(one.acme, change),
                getattr(two.programs, method)(two.acme, change),
            )
            kinds = sorted(type(answer).__name__ for answer in answers)
            assert kinds == ["IdentifierTaken", "Outcome"]


def test_changes_at_once_all_count(open_admin: Any) -> None:
    """Changes of two processes to one program wait for each other: no version is lost."""
    one, two = open_admin(), open_admin()
    do(one, CreateProgram("Shop", "UTC", 1))
    do(one, CreateCurrency(1, "pts", 0, default_policy=YEAR))
    before = program(one, 1).version
    works = [
        admin_harness.programs.update_policy(
            one.acme, UpdatePolicy(1, None, replace(YEAR, priority=n))
        )
        for n in range(1, 11)
        for admin_harness in ((one, two)[n % 2],)
    ]
    answers = one.ask_at_once(*works)
    assert sorted(answer.answer.policy.version for answer in answers) == list(range(2, 12))
    assert program(two, 1).version == before + 10
