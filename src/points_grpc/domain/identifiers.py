"""The rules of members' identifiers: their normal forms, and which of them show a member.

Identifiers are kept and compared in their normal form alone. An `email` is trimmed, NFC, lower
case (`straße` is not `strasse`), its domain as IDNA writes it in ASCII. A `phone` is its decimal
digits, of any script, in ASCII. A `vendor_id` is a number. All other types are exact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import decimal, normalize

import idna

from points_grpc.domain.commands import MEMBER_ID, VENDOR_ID, VENDOR_ID_END, MemberName
from points_grpc.domain.limits import NAME_MAX, read_name, read_text
from points_grpc.domain.results import MemberLabel
from points_grpc.errors import InvalidField

EXTERNAL_ID = "external_id"
EMAIL = "email"
PHONE = "phone"

IDENTIFIERS_MAX = 20
"""The most identifiers that one request, or one row of a file, may bring beside its own fields."""

_TYPE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)

_PLACING = {
    kind: place for place, kind in enumerate((EXTERNAL_ID, VENDOR_ID, EMAIL, PHONE, "username"))
}

# Between digits: brackets, slashes, dots, dashes and tildes as people write them, spaces, and
# what is invisible, such as the marks of direction that come along when a number is copied.
_SEPARATORS = frozenset(
    "\t\n\v\f\r ()[]./~-（）［］．／～－ー"
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    "\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2053\u223c"
    "\u061c\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_LEFT_OUT = str.maketrans(dict.fromkeys(filter(str.isascii, _SEPARATORS)))

_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_DOMAIN_MAX = 254  # with a dot at its end
_LABEL_MAX = 63
_ACE = len("xn--")

# The lengths of international numbers.
_DIGITS_MIN, _DIGITS_MAX = 7, 15
_SIGMA_AT_END = re.compile(r"σ(?!\w)")


def read_identifier(kind: str, value: str, kind_field: str, value_field: str) -> MemberName:
    """Return an identifier of any type but member_id, in its normal form. Raises InvalidField."""
    if not _TYPE.fullmatch(kind) or kind == MEMBER_ID:
        problem = "must have the form [a-z][a-z0-9_]{0,39} and not be member_id"
        raise InvalidField(kind_field, problem)
    return MemberName(kind, normal_form(kind, value, value_field))


def normal_form(kind: str, value: str, field: str) -> str:
    """Return `value` as values of that type are kept and compared. Raises InvalidField."""
    value = read_name(value, field, NAME_MAX)
    if kind == EMAIL:
        value = _email(value, field)
    elif kind == PHONE:
        value = _phone(value, field)
    elif kind == VENDOR_ID:
        return str(read_vendor_id(value, field))
    if not value:
        raise InvalidField(field, f"must not be empty as {kind}")
    return read_text(value, field, NAME_MAX)


def can_merge(kind: str) -> bool:
    """Return whether somebody new may be taken for a member by an identifier of that type."""
    return _TYPE.fullmatch(kind) is not None and kind not in (MEMBER_ID, EXTERNAL_ID)


def read_vendor_id(text: str, field: str) -> int:
    """Return the vendor's id that `text` writes in decimal digits. Raises InvalidField."""
    if not _NUMBER.fullmatch(text) or not 0 < int(text) < VENDOR_ID_END:
        raise InvalidField(field, "must be a number from 1 to 2^46 - 1")
    return int(text)


def is_doubtful(kind: str, value: str) -> bool:
    """Return whether a stored e-mail or phone may differ from what was given, or be unfindable.

    Releases before these rules dropped digits of other scripts than ASCII and all letters from
    phones, and folded the case of e-mails. What they dropped cannot be recovered.
    """
    if kind == PHONE:
        is_number = value.isascii() and value.isdigit()
        return not (is_number and _DIGITS_MIN <= len(value) <= _DIGITS_MAX)
    try:
        kept = normal_form(kind, value, kind)
    except InvalidField:
        return True
    # Folding made every sigma alike; at the end of a word the lower case has another one.
    return kept != value or (kind == EMAIL and _SIGMA_AT_END.search(value) is not None)


def _email(value: str, field: str) -> str:
    value = value.strip()
    if value.isascii():
        return value.lower()
    local, at, domain = value.rpartition("@")
    if not at:
        return _lower(value)
    if domain.isascii():
        return f"{_lower(local)}@{domain.lower()}"
    written = _ascii_domain(domain)
    if written is None:
        raise InvalidField(field, "must have a domain that IDNA allows")
    return f"{_lower(local)}@{written}"


@lru_cache(maxsize=1024)  # some 0.1 ms each, and people share their domains
def _ascii_domain(domain: str) -> str | None:
    """The domain as IDNA writes it; None where it allows no such domain."""
    # What is too long here is longer in ASCII, and would take IDNA 100 times as long to refuse.
    lengths = [len(label) + (not label.isascii()) * _ACE for label in _labels(domain)]
    if max(lengths) > _LABEL_MAX or sum(lengths) + len(lengths) - 1 > _DOMAIN_MAX:
        return None
    try:
        return idna.encode(domain, uts46=True).decode()
    except UnicodeError:  # IDNAError is one
        return None


def _labels(domain: str) -> list[str]:
    return _DOTS.split(normalize("NFKC", domain))


def _lower(text: str) -> str:
    return normalize("NFC", normalize("NFC", text).lower())


def _phone(value: str, field: str) -> str:
    if not value.isascii():
        value = "".join(map(_dialled, value))
    digits = value.translate(_LEFT_OUT).removeprefix("+")
    if digits and not (digits.isascii() and digits.isdigit()):
        problem = "must be digits, with spaces, brackets, dots, dashes or slashes between them"
        raise InvalidField(field, f"{problem}, after a + or none")
    return digits


def _dialled(character: str) -> str:
    """A character of a phone number in ASCII; "" for a separator."""
    if character in _SEPARATORS:
        return ""
    if character.isdecimal():
        return str(decimal(character))
    return "+" if character == "＋" else character


def check_identifiers(names: Sequence[MemberName]) -> None:
    """Refuse (InvalidField, `identifiers[i]`) what together cannot be one member's."""
    for index, name in enumerate(names):
        check_identifier(name, f"identifiers[{index}]")
    vendor_ids = {name for name in names if name.type == VENDOR_ID}
    if len(vendor_ids) > 1:
        raise InvalidField("identifiers", "must have at most one vendor_id")


def check_identifier(name: MemberName, field: str) -> None:
    """Refuse (InvalidField) what cannot be an identifier: our ids, and vendor ids out of range."""
    if name.type == MEMBER_ID:
        raise InvalidField(field, "must not be of the type member_id")
    if name.type == VENDOR_ID and not is_vendor_id(name.value):
        raise InvalidField(field, "must be a number from 1 to 2^46 - 1")


def is_vendor_id(value: str) -> bool:
    """Return whether `value` is a vendor's id in its one normal form."""
    digits = value.isascii() and value.isdecimal() and len(value) <= len(str(VENDOR_ID_END))
    return digits and value[0] != "0" and int(value) < VENDOR_ID_END


def first_name(names: Sequence[MemberName]) -> MemberName | None:
    """The identifier that stands for a new member: it places the member and its request ids."""
    return min(
        names, key=lambda n: (_PLACING.get(n.type, len(_PLACING)), n.type, n.value), default=None
    )


def label_of(names: Sequence[MemberName], before: MemberLabel) -> MemberLabel:
    """Return the identifiers that a member is shown by.

    By the vendor_id and external_id that it was shown by before, as long as it has them, else
    by the first in `names` of each type.
    """
    vendor_ids = [int(name.value) for name in names if name.type == VENDOR_ID]
    external_ids = [name.value for name in names if name.type == EXTERNAL_ID]
    vendor_id, external_id = before.vendor_id, before.external_id
    if vendor_id not in vendor_ids:
        vendor_id = vendor_ids[0] if vendor_ids else 0
    if external_id not in external_ids:
        external_id = external_ids[0] if external_ids else ""
    return MemberLabel(before.member_id, vendor_id, external_id)
