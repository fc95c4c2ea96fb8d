"""Client certificates: whose each one is, as a file says.

The file is a JSON list of objects, each with a `tenant`, its `scopes`, and one of

- `fingerprint`: the SHA-256 of the certificate, in hexadecimal, colons or not;
- `san`: one of its alternative names (a DNS name, a URI, an e-mail or IP address), exactly;
- `subject`: its subject as RFC 4514 writes it, such as `CN=till-7,O=Shop`.

A fingerprint goes before an alternative name, and that before a subject. That the certificate is
valid and signed by an authority of ours has been seen to when the connection was made.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from points_grpc.clock import Clock
from points_grpc.domain.auth import SCOPES, Grant
from points_grpc.domain.commands import Caller
from points_grpc.errors import TokenInvalid
from points_grpc.rpc.auth import Authenticator
from points_grpc.rpc.interceptors import Context
from points_grpc.tls import FORWARDED, VOUCHER

_KINDS = ("fingerprint", "san", "subject")
_REMEMBERED_MAX = 10_000

_UNREADABLE = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What is raised for certificates that an authority has signed all the same."""

FindCaller = Callable[[str, str], Awaitable[Caller]]


class InvalidCertificateMap(Exception):
    """The file does not say whose certificates are."""


@dataclass(frozen=True, slots=True)
class CertificateOwner:
    """Whose a certificate is; `name` is what it is known by."""

    name: str
    tenant: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Known:
    owner: CertificateOwner | None
    ends: float


class CertificateMap:
    """Whose certificates are, read again from the file when `renew` is called."""

    def __init__(self, file: Path) -> None:
        """Raises InvalidCertificateMap, OSError."""
        self._file = file
        self._text: bytes | None = None
        self._owners: dict[tuple[str, str], CertificateOwner] = {}
        self._known: dict[bytes, _Known] = {}
        self.renew()

    def renew(self) -> None:
        """Read the file again, or keep what there was. Raises InvalidCertificateMap, OSError."""
        text = self._file.read_bytes()
        if text != self._text:
            self._owners, self._known = dict(_owners(text)), {}
            self._text = text

    def owner_of(self, der_or_pem: bytes, now: float) -> CertificateOwner:
        """Return a certificate's owner at an instant in seconds. Raises TokenInvalid."""
        known = self._known.get(der_or_pem)
        if known is None:
            known = self._look_up(der_or_pem)
            self._known[der_or_pem] = known
            if len(self._known) > _REMEMBERED_MAX:
                del self._known[next(iter(self._known))]
        if known.owner is None or known.ends <= now:
            raise TokenInvalid
        return known.owner

    def _look_up(self, der_or_pem: bytes) -> _Known:
        try:
            if der_or_pem.startswith(b"-----"):
                certificate = x509.load_pem_x509_certificate(der_or_pem)
            else:
                certificate = x509.load_der_x509_certificate(der_or_pem)
            ends = certificate.not_valid_after_utc.timestamp()
            owners = (self._owners.get(name) for name in _names_of(certificate))
            return _Known(next(filter(None, owners), None), ends)
        except _UNREADABLE:
            return _Known(None, 0.0)


class CertificateAuthenticator:
    """Goes by the client's certificate where a call has no `authorization`, else by that.

    Our own gateway tells its clients' certificates in metadata, and is believed by a secret that
    nobody else has. From everybody else such metadata is refused.
    """

    def __init__(
        self,
        bearers: Authenticator,
        owners: CertificateMap,
        clock: Clock,
        find_caller: FindCaller,
        voucher: str,
    ) -> None:
        self._bearers = bearers
        self._owners = owners
        self._clock = clock
        self._find_caller = find_caller
        self._voucher = voucher.encode()

    async def authenticate(self, context: Context) -> Grant:
        """Return what the call's certificate allows. Raises TokenInvalid."""
        forwarded, voucher, has_bearer = None, b"", False
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                has_bearer = True
            elif key == FORWARDED:
                forwarded = value
            elif key == VOUCHER:
                voucher = value if isinstance(value, bytes) else value.encode()
        if has_bearer:
            return await self._bearers.authenticate(context)
        if forwarded is None:
            shown = context.auth_context().get("x509_pem_cert", ())
            certificate = next(iter(shown), b"")
        elif hmac.compare_digest(voucher, self._voucher):
            certificate = _decoded(forwarded)
        else:
            raise TokenInvalid
        owner = self._owners.owner_of(certificate, self._clock.now().timestamp())
        return Grant(await self._find_caller(owner.tenant, owner.name), owner.scopes)


def _decoded(forwarded: str | bytes) -> bytes:
    try:
        return base64.b64decode(forwarded, validate=True)
    except (binascii.Error, ValueError):
        raise TokenInvalid from None


def _names_of(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    yield "fingerprint", sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    for name in names:
        if not isinstance(name, x509.DirectoryName | x509.OtherName | x509.RegisteredID):
            yield "san", str(name.value)
    yield "subject", certificate.subject.rfc4514_string()


def _owners(text: bytes) -> Iterator[tuple[tuple[str, str], CertificateOwner]]:
    try:
        listed = json.loads(text)
    except ValueError:
        raise InvalidCertificateMap("is not JSON") from None
    if not isinstance(listed, list):
        raise InvalidCertificateMap("is not a list")
    seen = set()
    for place, entry in enumerate(listed):
        key, owner = _owner(place, entry)
        if key in seen:
            raise InvalidCertificateMap(f"[{place}] names the same certificate as an earlier entry")
        seen.add(key)
        yield key, owner


def _owner(place: int, entry: Any) -> tuple[tuple[str, str], CertificateOwner]:
    kinds = [kind for kind in _KINDS if isinstance(entry, dict) and kind in entry]
    if len(kinds) != 1 or set(entry) != {kinds[0], "tenant", "scopes"}:
        raise InvalidCertificateMap(
            f"[{place}] needs tenant, scopes and one of {', '.join(_KINDS)}"
        )
    [kind] = kinds
    name, tenant, scopes = entry[kind], entry["tenant"], entry["scopes"]
    if not isinstance(name, str) or not name or not isinstance(tenant, str) or not tenant:
        raise InvalidCertificateMap(f"[{place}] needs texts")
    if not isinstance(scopes, list) or not scopes or not set(map(str, scopes)) <= set(SCOPES):
        raise InvalidCertificateMap(f"[{place}].scopes needs some of {', '.join(SCOPES)}")
    if kind == "fingerprint":
        name = name.replace(":", "").lower()
    return (kind, name), CertificateOwner(f"cert:{name}", tenant, frozenset(scopes))
