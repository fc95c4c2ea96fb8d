"""What can be a member's identifiers, in which form, and which of them place and show a member."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from points_grpc.domain.commands import MEMBER_ID, VENDOR_ID, MemberName
from points_grpc.domain.identifiers import (
    check_identifiers,
    first_name,
    is_doubtful,
    is_vendor_id,
    label_of,
    normal_form,
    read_identifier,
)
from points_grpc.domain.results import MemberLabel
from points_grpc.errors import InvalidField

ANNA = MemberName("external_id", "anna")
BERTA = MemberName("external_id", "berta")
SEVEN, EIGHT = MemberName(VENDOR_ID, "7"), MemberName(VENDOR_ID, "8")
EMAIL, PHONE = MemberName("email", "a@example.com"), MemberName("phone", "4912")
USER, CARD = MemberName("username", "anna"), MemberName("card", "1")


def refused_path(*names: MemberName) -> str | None:
    """The path that identifiers are refused with; None where they may be one member's."""
    try:
        check_identifiers(names)
    except InvalidField as refusal:
        assert refusal.problem
        return refusal.field
    return None


def test_any_number_of_identifiers_may_be_one_members() -> None:
    """A member may have several identifiers, also of one type, and the same one twice."""
    assert refused_path() is None
    assert refused_path(ANNA, BERTA, SEVEN, EMAIL, PHONE, USER, CARD, SEVEN) is None


def test_our_ids_are_no_identifiers() -> None:
    """A member_id cannot be linked; the refusal says which of the identifiers it is."""
    assert refused_path(MemberName(MEMBER_ID, "5")) == "identifiers[0]"
    assert refused_path(ANNA, SEVEN, MemberName(MEMBER_ID, "5")) == "identifiers[2]"


def test_a_member_comes_from_one_vendor_id() -> None:
    """Two different vendor ids are never one member's."""
    assert refused_path(SEVEN, ANNA, EIGHT) == "identifiers"


@pytest.mark.parametrize("value", ["1", "9", "10", "70368744177663"])
def test_a_vendor_id_is_from_1_to_2_to_the_46(value: str) -> None:
    """A vendor's id is a number from 1 to 2^46 - 1."""
    assert is_vendor_id(value)
    assert refused_path(MemberName(VENDOR_ID, value)) is None


@pytest.mark.parametrize(
    "value",
    ["", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "x", "１", "70368744177664", "9" * 5000],
)
def test_what_is_no_vendor_id(value: str) -> None:
    """Another range, another way of writing or other digits make no vendor id."""
    assert not is_vendor_id(value)
    assert refused_path(EMAIL, MemberName(VENDOR_ID, value)) == "identifiers[1]"


def test_the_steadiest_identifier_places_a_member() -> None:
    """external_id, vendor_id, email, phone, username, then other types; then by their values."""
    other = MemberName("twitter_user_id", "0")
    ordered = [ANNA, BERTA, SEVEN, EIGHT, EMAIL, PHONE, USER, CARD, other]
    for place in range(len(ordered)):
        assert first_name(ordered[place:][::-1]) == ordered[place]
    assert first_name([]) is None


def test_a_member_is_shown_by_the_first_of_each_type() -> None:
    """A member is shown by its first vendor id and external id, and without them by neither."""
    nobody = MemberLabel(5)
    assert label_of([EMAIL, BERTA, ANNA, EIGHT, SEVEN], nobody) == MemberLabel(5, 8, "berta")
    assert label_of([ANNA], nobody) == MemberLabel(5, 0, "anna")
    assert label_of([SEVEN, EMAIL], nobody) == MemberLabel(5, 7, "")


def test_a_member_is_shown_as_before_for_as_long_as_that_is_so() -> None:
    """Further identifiers change nothing in how a member is shown; losing the shown one does."""
    before = MemberLabel(5, 7, "anna")
    assert label_of([EIGHT, BERTA, SEVEN, ANNA], before) == before
    assert label_of([EIGHT, BERTA], before) == MemberLabel(5, 8, "berta")
    assert label_of([PHONE], before) == MemberLabel(5, 0, "")


# Normal forms


def refused(kind: str, value: str) -> str | None:
    """Why a value cannot be one of the type; None where it can."""
    try:
        normal_form(kind, value, "field")
    except InvalidField as refusal:
        assert refusal.field == "field"
        return refusal.problem
    return None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("+49 (0)170-1234567", "4901701234567"),
        ("0049.170/1234567", "00491701234567"),
        ("(+49) 170 1234567", "491701234567"),
        ("[030] 12~34", "0301234"),
        ("+966 ٥٠١٢٣٤٥٦٧", "966501234567"),
        ("+٩٦٦ ٥٠١٢٣٤٥٦٧", "966501234567"),
        ("۰۹۱۲۳۴۵۶۷۸۹", "09123456789"),
        ("०१२३४५६७८९", "0123456789"),
        ("＋８１（３）１２３４－５６７８", "81312345678"),
        ("０３ー１２３４ー５６７８", "0312345678"),
        ("+1‑202–555−0100", "12025550100"),
        ("\u202a+966 50 123 4567\u202c", "966501234567"),
        ("\u00a0+33\u202f1\u200923\u00ad45 67\ufeff", "331234567"),
        ("\t+1\n2025550100\r", "12025550100"),
        ("𝟎𝟏𝟐", "012"),
        ("7", "7"),
    ],
)
def test_a_phone_is_its_digits(given: str, kept: str) -> None:
    """Decimal digits of any script count, as ASCII; separators and a + before them do not."""
    assert normal_form("phone", given, "phone") == kept


@pytest.mark.parametrize(
    "given",
    [
        "170 1234567 ext. 5",
        "170 1234567x5",
        "170 1234567;5",
        "170 1234567#",
        "*123#",
        "tel:+491701234567",
        "0170-FLOWERS",
        "170 1234567, 170 7654321",
        "170 1234567 +49 170 7654321",
        "++49170",
        "49+170",
        "1²3",
        "①②③",
        "五六七",
        "Ⅷ",
        "1_000",
        "12e3",
        "1\u0301",
        "170\x0712",
        "none",
    ],
)
def test_what_is_no_phone(given: str) -> None:
    """Whatever is neither digit nor separator makes no phone: to leave it out joins two people."""
    assert refused("phone", given) == (
        "must be digits, with spaces, brackets, dots, dashes or slashes between them,"
        " after a + or none"
    )


@pytest.mark.parametrize("value", ["-", "+", " () ", "\u202a\u202c"])
def test_a_phone_has_a_digit(value: str) -> None:
    """Separators alone are no phone."""
    assert refused("phone", value) == "must not be empty as phone"


def test_numbers_that_differ_in_one_script_are_two() -> None:
    """Two numbers of the same country in Arabic digits stay two numbers."""
    one, other = ("+966 ٥٠١٢٣٤٥٦٧", "+966 ٥٥٩٨٧٦٥٤٣")
    assert normal_form("phone", one, "phone") != normal_form("phone", other, "phone")
    assert normal_form("phone", one, "phone") == normal_form("phone", "+966 501234567", "phone")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Anna@EXAMPLE.com\n", "anna@example.com"),
        ("\u3000anna@example.com\u00a0", "anna@example.com"),
        ("straße@example.com", "straße@example.com"),
        ("STRASSE@example.com", "strasse@example.com"),
        ("STRAẞE@example.com", "straße@example.com"),
        ("Jürgen@example.com", "jürgen@example.com"),
        ("Ju\u0308rgen@example.com", "jürgen@example.com"),
        ("JU\u0308RGEN@example.com", "jürgen@example.com"),
        ("ﬁ@example.com", "ﬁ@example.com"),
        ("ΝΊΚΟΣ@example.com", "νίκος@example.com"),
        ("anna@BÜCHER.example", "anna@xn--bcher-kva.example"),
        ("anna@bu\u0308cher.example", "anna@xn--bcher-kva.example"),
        ("anna@XN--BCHER-KVA.example", "anna@xn--bcher-kva.example"),
        ("anna@faß.example", "anna@xn--fa-hia.example"),
        ("anna@fass.example", "anna@fass.example"),
        ("anna@例え。テスト", "anna@xn--r8jz45g.xn--zckzah"),
        ("anna@ＥＸＡＭＰＬＥ.com", "anna@example.com"),
        ("a@b@bücher.example", "a@b@xn--bcher-kva.example"),
        ("Anna", "anna"),
        ("Änna", "änna"),
        ("anna@", "anna@"),
        ("anna@a_b.example", "anna@a_b.example"),
        ("anna@[192.0.2.1]", "anna@[192.0.2.1]"),
    ],
)
def test_the_form_of_an_email(given: str, kept: str) -> None:
    """Trimmed, NFC, lower case but not folded; a domain that is not ASCII as IDNA writes it."""
    assert normal_form("email", given, "email") == kept


@pytest.mark.parametrize(
    "domain",
    [
        "i❤.example",
        "-ü.example",
        "ü..example",
        "a_b.bücher.example",
        "ü\u200d.example",
        "\u0661.example",
        "ü" * 60 + ".example",
        "ü." * 43 + "example",
        "ﷺ" * 9 + ".example",
        "xn--ü.example",
    ],
)
def test_domains_that_idna_does_not_allow(domain: str) -> None:
    """An e-mail whose domain is not ASCII and cannot be written by IDNA is refused."""
    assert refused("email", f"anna@{domain}") == "must have a domain that IDNA allows"


def test_lengths_count_before_and_after() -> None:
    """An identifier has 1 to 256 characters as given, and as kept."""
    for kind in ("external_id", "email", "username", "card"):
        assert refused(kind, "é" * 256) is None
        assert refused(kind, "é" * 257) == "must not be longer than 256 characters"
        assert refused(kind, "") == "must have 1 to 256 characters"
    domain = ".".join(["ü" * 40] * 4) + ".example"
    assert len(normal_form("email", f"{'a' * 60}@{domain}", "email")) == 256
    assert refused("email", f"{'a' * 61}@{domain}") == "must not be longer than 256 characters"


@pytest.mark.parametrize("kind", ["external_id", "username", "profile_id", "email", "phone"])
@pytest.mark.parametrize("value", ["a\0b", "a\ud800", "\udfffa", "é\udc00"])
def test_identifiers_are_texts(kind: str, value: str) -> None:
    """NUL and unpaired surrogates, which no database and no answer can hold, are refused."""
    assert (refused(kind, value) or "").startswith("must not contain ")


@pytest.mark.parametrize("value", [" A ", "a\nb", "A", "ß", "é", "e\u0301", "٣", "\ufeffx"])
def test_other_types_are_exact(value: str) -> None:
    """External ids, user names and types of the tenant's own are kept as they are given."""
    for kind in ("external_id", "username", "profile_id"):
        assert normal_form(kind, value, "field") == value


@pytest.mark.parametrize(
    ("value", "kept"), [("0012", "12"), ("1", "1"), (str(2**46 - 1), str(2**46 - 1))]
)
def test_a_vendor_id_is_a_number(value: str, kept: str) -> None:
    """A vendor id is kept without leading zeros."""
    assert normal_form(VENDOR_ID, value, "field") == kept


@pytest.mark.parametrize("value", ["0", "-1", "+1", "1_0", " 1", "1.0", "٣", "１", str(2**46)])
def test_a_vendor_id_is_written_in_ascii_digits(value: str) -> None:
    """Signs, underscores, spaces and digits of other scripts make no vendor id."""
    assert refused(VENDOR_ID, value) == "must be a number from 1 to 2^46 - 1"


@pytest.mark.parametrize("kind", ["", "Twitter", "9lives", "a" * 41, "card\n", "ｃard", MEMBER_ID])
def test_types_have_a_form(kind: str) -> None:
    """A type is a short lower-case word of ASCII, and not that of our own ids."""
    with pytest.raises(InvalidField) as caught:
        read_identifier(kind, "1", "type", "value")
    assert caught.value.field == "type"
    assert read_identifier("card", "1", "type", "value") == CARD


@given(st.sampled_from(["email", "phone"]), st.text(max_size=40))
def test_a_normal_form_is_that_of_itself(kind: str, value: str) -> None:
    """What is kept is found by what is shown: the form of a form is the same."""
    if refused(kind, value) is None:
        kept = normal_form(kind, value, "field")
        assert normal_form(kind, kept, "field") == kept


# What earlier releases have stored


@pytest.mark.parametrize(
    ("kind", "value", "doubtful"),
    [
        ("phone", "966", True),
        ("phone", "123456", True),
        ("phone", "1234567", False),
        ("phone", "123456789012345", False),
        ("phone", "1234567890123456", True),
        ("phone", "٣٣٣٣٣٣٣", True),
        ("phone", "+4917012345", True),
        ("email", "anna@example.com", False),
        ("email", "jürgen@example.com", False),
        ("email", "ju\u0308rgen@example.com", True),
        ("email", "anna@bücher.example", True),
        ("email", "anna@xn--bcher-kva.example", False),
        ("email", "anna@i❤.example", True),
        ("email", "νίκος@example.com", False),
        ("email", "νίκοσ@example.com", True),
        ("email", "σοφία@example.com", False),
    ],
)
def test_what_is_doubtful(kind: str, value: str, doubtful: bool) -> None:
    """Phones that may have lost digits, and e-mails that these rules would have kept otherwise."""
    assert is_doubtful(kind, value) is doubtful
