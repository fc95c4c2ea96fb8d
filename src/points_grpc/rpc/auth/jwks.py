"""The public keys that JSON web tokens are checked with: from a file or a URL, renewed beside."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt import PyJWK, PyJWTError

BYTES_MAX = 2**20
FETCH_S = 10.0
RETRY_S = 10.0
"""How long the wait is after a failure, and before keys are asked for again that are not known."""

ALGORITHMS = frozenset(
    f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)
) | {"EdDSA"}
"""Those that need no secret of ours."""

_KINDS = frozenset(("RSA", "EC", "OKP"))
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}

log = structlog.get_logger("points_grpc.rpc")


class InvalidKeys(Exception):
    """What should hold public keys does not."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, and the one algorithm that it is for, where it says so."""

    key: Any
    algorithm: str | None = None

    def fits(self, algorithm: str) -> bool:
        """Return whether the key may check signatures of that algorithm (RFC 7517, RFC 7518)."""
        if self.algorithm is not None:
            return algorithm == self.algorithm
        if isinstance(self.key, rsa.RSAPublicKey):
            return algorithm[:2] in ("RS", "PS")
        if isinstance(self.key, ec.EllipticCurvePublicKey):
            return self.key.curve.name == _CURVES.get(algorithm)
        return algorithm == "EdDSA" and isinstance(
            self.key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
        )

    @property
    def content(self) -> tuple[Any, str | None]:
        """Return the key's content, for comparing."""
        numbers = hasattr(self.key, "public_numbers")
        material = self.key.public_numbers() if numbers else self.key.public_bytes_raw()
        return material, self.algorithm


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by the ids that tokens name; `unnamed` ones are for tokens that name none.

    The key of a PEM file, which can have no id, is for `all` tokens.
    """

    named: Mapping[str, list[SigningKey]] = field(default_factory=dict)
    unnamed: list[SigningKey] = field(default_factory=list)
    for_all: SigningKey | None = None

    def knows(self, key_id: str | None) -> bool:
        """Return whether there is a key for tokens of that id."""
        return self.for_all is not None or key_id is None or key_id in self.named

    def find(self, key_id: str | None, algorithm: str) -> Any:
        """Return the one key for that id and algorithm; None where there is none, or several."""
        if self.for_all is not None:
            found = [self.for_all]
        elif key_id is not None:
            found = self.named.get(key_id, [])
        elif self.unnamed:
            found = self.unnamed
        else:
            every = [key for keys in self.named.values() for key in keys]
            found = every if len(every) == 1 else []
        fitting = [key.key for key in found if key.fits(algorithm)]
        return fitting[0] if len(fitting) == 1 else None

    @property
    def content(self) -> Any:
        """Return the set's content, for comparing."""
        named = {key_id: [key.content for key in keys] for key_id, keys in self.named.items()}
        unnamed = [key.content for key in self.unnamed]
        return named, unnamed, None if self.for_all is None else self.for_all.content


class KeyLoader:
    """The keys as they were last read. Requests only ever look at them; `renew` reads."""

    def __init__(self, read: Callable[[], bytes], interval_s: float) -> None:
        self._read = read
        self._interval_s = interval_s
        self._present = KeySet()
        self._wanted = asyncio.Event()
        self.generation = 0

    def find(self, key_id: str | None, algorithm: str) -> Any:
        """Return the key that checks tokens of that id and algorithm, or None.

        An id that is not known is looked for beside. A token that names no key needs one without
        an id, or a single key.
        """
        if not self._present.knows(key_id):
            self._wanted.set()
        return self._present.find(key_id, algorithm)

    def load(self) -> None:
        """Read them now. Raises InvalidKeys, OSError."""
        read = parse_keys(self._read())
        if read.content != self._present.content:
            self._present = read
            self.generation += 1

    async def renew(self) -> None:
        """Read them again now and then, until cancelled; what cannot be read changes nothing."""
        while True:
            wait = self._interval_s
            self._wanted.clear()
            try:
                await asyncio.to_thread(self.load)
            except Exception as error:  # it has to be tried again, whatever it was
                wait = min(wait, RETRY_S)
                log.error("token keys cannot be read", problem=type(error).__name__)
            await asyncio.sleep(min(wait, RETRY_S))
            try:
                async with asyncio.timeout(max(0.0, wait - RETRY_S)):
                    await self._wanted.wait()
            except TimeoutError:
                pass


def parse_keys(text: bytes) -> KeySet:
    """Return the public keys of a JWK set, or of a PEM file with one key or certificate.

    Keys of a set that are not for checking signatures, that are secret, or of a kind or algorithm
    that is not known here are left out, as RFC 7517 has it. Raises InvalidKeys, also where all of
    several are.
    """
    if text.lstrip().startswith(b"-----BEGIN"):
        return KeySet(for_all=SigningKey(_pem_key(text)))
    try:
        listed = [key for key in json.loads(text)["keys"] if key.get("kty") in _KINDS]
        if any("d" in key for key in listed):
            raise InvalidKeys("a set of keys holds a private one")
        usable = [key for key in listed if _checks_signatures(key)]
        known = [(key.get("kid"), made) for key in usable if (made := _made(key)) is not None]
    except (ValueError, KeyError, TypeError, AttributeError, PyJWTError) as error:
        raise InvalidKeys("neither a JWK set nor PEM") from error
    if usable and not known:
        raise InvalidKeys("a set of keys holds none of a known kind")
    named: dict[str, list[SigningKey]] = defaultdict(list)
    for key_id, made in known:
        if key_id is not None:
            named[key_id].append(made)
    return KeySet(dict(named), [made for key_id, made in known if key_id is None])


def _checks_signatures(key: dict[str, Any]) -> bool:
    operations = key.get("key_ops", ["verify"])
    return (
        key.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    )


def _made(key: dict[str, Any]) -> SigningKey | None:
    algorithm, key_id = key.get("alg"), key.get("kid")
    if algorithm is not None and not (isinstance(algorithm, str) and algorithm in ALGORITHMS):
        return None
    if key_id is not None and not isinstance(key_id, str):
        return None
    try:
        return SigningKey(PyJWK(key).key, algorithm)
    except (ValueError, KeyError, TypeError, PyJWTError):
        return None  # an issuer may have keys for others


def file_reader(path: Path) -> Callable[[], bytes]:
    """Reads keys from a file."""
    return path.read_bytes


def url_reader(url: str) -> Callable[[], bytes]:
    """Reads keys from a URL, which has to be https, or on this machine. Raises InvalidKeys."""
    split = urlsplit(url)
    if split.scheme != "https" and not (split.scheme == "http" and _is_here(split.hostname)):
        raise InvalidKeys("the URL of keys must be https")
    opener = urllib.request.build_opener(_NoRedirects)

    def read() -> bytes:
        request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310
        with opener.open(request, timeout=FETCH_S) as response:
            body: bytes = response.read(BYTES_MAX + 1)
        if len(body) > BYTES_MAX:
            raise InvalidKeys("the set of keys is too large")
        return body

    return read


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever is asked for keys must not send us elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _pem_key(text: bytes) -> Any:
    try:
        if b"BEGIN CERTIFICATE" in text:
            return load_pem_x509_certificate(text).public_key()
        return load_pem_public_key(text)
    except (ValueError, TypeError) as error:
        raise InvalidKeys("not a public key or certificate in PEM") from error
