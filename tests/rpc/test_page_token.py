"""Page tokens: opaque, bound to their query."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest

from points_grpc.domain.commands import MemberName
from points_grpc.domain.model import LotState, TransactionType
from points_grpc.domain.queries import ListLots, ListTransactions, Order
from points_grpc.errors import InvalidPageToken
from points_grpc.rpc import page_token
from points_grpc.rpc.page_token import TEXT_MAX, TOKEN_MAX, read_page_token, write_page_token

LISTING = ListTransactions(469, MemberName("external_id", "cust-1"), "POINTS")
CURSOR = ("2031-05-06T07:08:09+00:00", 2**53 - 1, "straße")


def test_a_cursor_comes_back():
    """A token gives back the cursor that it was made of."""
    token = write_page_token(1, LISTING, CURSOR)
    assert read_page_token(1, LISTING, token) == CURSOR


def test_tokens_are_url_safe():
    """A token can stand in a URL as it is."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", write_page_token(1, LISTING, CURSOR))


def test_the_first_and_the_last_page_have_no_token():
    """No token is the beginning, and after the last page there is none."""
    assert read_page_token(1, LISTING, "") == ()
    assert write_page_token(1, LISTING, ()) == ""


def test_page_size_may_change_between_pages():
    """A token is good for another page size, and whatever cursor the listing has."""
    token = write_page_token(1, LISTING, CURSOR)
    other = replace(LISTING, page_size=7, cursor=("x",))
    assert read_page_token(1, other, token) == CURSOR


@pytest.mark.parametrize(
    "other",
    [
        replace(LISTING, program_id=123),
        replace(LISTING, member=MemberName("external_id", "cust-2")),
        replace(LISTING, member=MemberName("username", "cust-1")),
        replace(LISTING, member=None),
        replace(LISTING, currency=None),
        replace(LISTING, states=frozenset((LotState.OPEN,))),
        replace(LISTING, types=frozenset((TransactionType.EARN,))),
        replace(LISTING, reference="r"),
        replace(LISTING, order=Order.OLDEST),
        ListLots(469, MemberName("external_id", "cust-1"), "POINTS"),
    ],
)
def test_a_token_of_another_query_is_refused(other):
    """A token is refused by every query that differs in more than its page size."""
    token = write_page_token(1, LISTING, CURSOR)
    with pytest.raises(InvalidPageToken) as caught:
        read_page_token(1, other, token)
    assert caught.value.field == "page_token"


def test_a_token_of_another_tenant_is_refused():
    """The same query of another tenant is another query."""
    with pytest.raises(InvalidPageToken):
        read_page_token(2, LISTING, write_page_token(1, LISTING, CURSOR))


def test_values_of_a_filter_have_no_order():
    """Two listings that select the same have the same tokens, however they were written."""
    one = replace(LISTING, states=frozenset((LotState.OPEN, LotState.CLOSED)))
    two = replace(LISTING, states=frozenset((LotState.CLOSED, LotState.OPEN)))
    assert write_page_token(1, one, CURSOR) == write_page_token(1, two, CURSOR)


@pytest.mark.parametrize("token", ["a", "!!!!", "AAAA", "é", "=", "A" * (TOKEN_MAX + 1), "\0"])
def test_a_malformed_token_is_refused(token):
    """What was never a token is refused, not decoded."""
    with pytest.raises(InvalidPageToken):
        read_page_token(1, LISTING, token)


def test_a_damaged_token_is_refused():
    """A token in which any one character is another is refused."""
    token = write_page_token(1, LISTING, ("abc", 5, 7))
    for place, letter in enumerate(token):
        damaged = token[:place] + ("B" if letter == "A" else "A") + token[place + 1 :]
        with pytest.raises(InvalidPageToken):
            read_page_token(1, LISTING, damaged)


def forge(place, listing=LISTING):
    """A token with a mark that fits, but with a place that was never a cursor."""
    marked = page_token._mark(1, listing, place) + place
    return urlsafe_b64encode(marked).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "place",
    [
        b"", b"5", b"null", b'"x"', b"{}", b"[]", b"[[]]", b"[{}]", b"[null]", b"[true]", b"[1.5]",
        b"[1e400]", b"[NaN]", b"[" * 1400, b"[%d]" % 2**63, b"[%d]" % (-(2**63) - 1),
        b"[" + b"9" * 1400 + b"]", b'["\\u0000"]', b'["\\ud800"]', b'["\xed\xa0\x80"]', b"\xff",
        b'["%s"]' % (b"x" * (TEXT_MAX + 1)),
    ],
)  # fmt: skip
def test_a_forged_place_is_refused(place):
    """What is not a flat list of 64-bit numbers and short texts is no place."""
    with pytest.raises(InvalidPageToken) as caught:
        read_page_token(1, LISTING, forge(place))
    assert caught.value.field == "page_token"


@pytest.mark.parametrize("cursor", [(2**63 - 1, -(2**63)), ("x" * TEXT_MAX,), ("", 0)])
def test_the_outermost_cursors_come_back(cursor):
    """The largest numbers and the longest text are still places."""
    assert read_page_token(1, LISTING, write_page_token(1, LISTING, cursor)) == cursor
