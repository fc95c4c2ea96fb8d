"""Client certificates: whose they are, and when they count."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.certificate_authority import Authority

from points_grpc.clock import TestClock
from points_grpc.domain.auth import Grant
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.auth.certificates import (
    CertificateAuthenticator,
    CertificateMap,
    InvalidCertificateMap,
)
from points_grpc.tls import FORWARDED, VOUCHER

NOW = datetime(2031, 5, 6, tzinfo=UTC)
AUTHORITY = Authority()
SANS = (
    x509.DNSName("till-7.shop.example"),
    x509.UniformResourceIdentifier("spiffe://shop/till"),
    x509.IPAddress(ip_address("192.0.2.7")),
    x509.RFC822Name("till@shop.example"),
)
TILL = AUTHORITY.identity("till-7", *SANS, end=NOW + timedelta(days=1))
OTHER = AUTHORITY.identity("till-8")
BEARER = Grant(Caller(9, "bearer", "token"), frozenset())


def entry(**name):
    return {"tenant": "acme", "scopes": ["points.read"]} | name


class Bearers:
    async def authenticate(self, context):
        return BEARER


class Door:
    """An authenticator with a map of these entries."""

    def __init__(self, folder, *entries):
        self.file = folder / "clients.json"
        self.write(*entries)
        self.map = CertificateMap(self.file)
        self.clock = TestClock(NOW)
        self.inner = CertificateAuthenticator(
            Bearers(), self.map, self.clock, self.find, "the secret"
        )

    def write(self, *entries):
        self.file.write_text(json.dumps(entries))

    async def find(self, tenant, principal):
        return Caller(1, tenant, principal)

    def grant(self, identity=None, **metadata):
        names = {"forwarded": FORWARDED, "voucher": VOUCHER}
        context = SimpleNamespace(
            invocation_metadata=lambda: [(names.get(k, k), v) for k, v in metadata.items()],
            auth_context=lambda: {"x509_pem_cert": [identity.pem]} if identity else {},
        )
        return asyncio.run(self.inner.authenticate(context))

    def refuses(self, identity=None, **metadata):
        try:
            self.grant(identity, **metadata)
        except TokenInvalid:
            return True
        return False


@pytest.mark.parametrize(
    ("name", "principal"),
    [
        ({"fingerprint": TILL.fingerprint}, TILL.fingerprint.replace(":", "").lower()),
        ({"san": "till-7.shop.example"}, "till-7.shop.example"),
        ({"san": "spiffe://shop/till"}, "spiffe://shop/till"),
        ({"san": "192.0.2.7"}, "192.0.2.7"),
        ({"san": "till@shop.example"}, "till@shop.example"),
        ({"subject": "CN=till-7,O=Shop"}, "CN=till-7,O=Shop"),
    ],
    ids=["fingerprint", "dns", "uri", "address", "email", "subject"],  # the key is a new one
)
def test_a_certificate_is_known_by_its_names(tmp_path, name, principal):
    """A certificate is whose the file says, by its fingerprint, a further name or its subject."""
    door = Door(tmp_path, entry(**name))
    grant = door.grant(TILL)
    assert grant == Grant(Caller(1, "acme", f"cert:{principal}"), frozenset({"points.read"}))
    assert door.refuses(OTHER)
    assert door.refuses()


def test_the_narrower_name_goes_first(tmp_path):
    """A fingerprint goes before an alternative name, and that before a subject."""
    names = [
        {"subject": "CN=till-7,O=Shop"},
        {"san": "192.0.2.7"},
        {"fingerprint": TILL.fingerprint},
    ]
    for count, kind in ((3, "cert:"), (2, "cert:192.0.2.7"), (1, "cert:CN=till-7,O=Shop")):
        door = Door(tmp_path, *(entry(**name) for name in names[:count]))
        assert door.grant(TILL).caller.principal.startswith(kind)


def test_a_name_counts_whole(tmp_path):
    """Neither a part of a name nor another case of it will do."""
    door = Door(tmp_path, entry(san="shop.example"), entry(subject="cn=till-7,o=shop"))
    assert door.refuses(TILL)


def test_a_certificate_that_cannot_be_read_is_nobodys(tmp_path):
    """A certificate with a name of a kind that nobody reads is refused, and nothing worse."""
    door = Door(tmp_path, entry(subject="CN=till-9,O=Shop"))
    oid = x509.SubjectAlternativeName.oid
    assert door.refuses(AUTHORITY.with_extension("till-9", oid, b"\x30\x02\xa3\x00"))


def test_a_certificate_ends(tmp_path):
    """A certificate that has ended while its connection lasted is refused from then on."""
    door = Door(tmp_path, entry(subject="CN=till-7,O=Shop"))
    assert door.grant(TILL)
    door.clock.set(NOW + timedelta(days=1))
    assert door.refuses(TILL)


def test_authorization_goes_first(tmp_path):
    """A call with an authorization is judged by that, whatever certificate it comes with."""
    door = Door(tmp_path, entry(subject="CN=till-7,O=Shop"))
    assert door.grant(TILL, authorization="Bearer x") is BEARER
    assert door.grant(OTHER, authorization="Bearer x") is BEARER


def test_only_our_gateway_is_believed(tmp_path):
    """A certificate that is told counts with the gateway's secret, and is refused without."""
    door = Door(tmp_path, entry(subject="CN=till-7,O=Shop"))
    told = base64.b64encode(TILL.certificate.public_bytes(Encoding.DER)).decode()
    assert door.grant(forwarded=told, voucher="the secret").caller.tenant == "acme"
    for metadata in ({}, {"voucher": ""}, {"voucher": "another"}):
        assert door.refuses(TILL, forwarded=told, **metadata)
    for wrong in ("", "AAAA", "%", "é", told[:-8]):
        assert door.refuses(forwarded=wrong, voucher="the secret")


def test_the_file_may_change(tmp_path):
    """What the file says is read again, and what it no longer says no longer holds."""
    door = Door(tmp_path, entry(subject="CN=till-7,O=Shop"))
    assert door.grant(TILL) and door.refuses(OTHER)
    door.write(entry(subject="CN=till-8,O=Shop"))
    door.map.renew()
    assert door.refuses(TILL) and door.grant(OTHER)


def test_a_file_that_is_wrong_changes_nothing(tmp_path):
    """While the file cannot be read, what was read last holds."""
    door = Door(tmp_path, entry(subject="CN=till-7,O=Shop"))
    door.file.write_text("[")
    with pytest.raises(InvalidCertificateMap):
        door.map.renew()
    assert door.grant(TILL)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[7]", "[{}]",
        *(
            json.dumps([broken])
            for broken in (
                entry(),
                entry(subject="a", san="b"),
                entry(subject="a", more=1),
                entry(subject=""),
                entry(subject=7),
                entry(subject="a", tenant=""),
                entry(subject="a", scopes=[]),
                entry(subject="a", scopes="points.read"),
                entry(subject="a", scopes=["points.everything"]),
            )
        ),
        json.dumps([entry(fingerprint="aa:bb"), entry(fingerprint="AABB")]),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told(tmp_path, text):
    """A file that could mean something else than it says is refused whole."""
    (tmp_path / "clients.json").write_text(text)
    with pytest.raises(InvalidCertificateMap):
        CertificateMap(tmp_path / "clients.json")
