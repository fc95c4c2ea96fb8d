"""The public keys that JSON web tokens are checked with: from a file or a URL, renewed beside."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt import PyJWK, PyJWTError

BYTES_MAX = 2**20
FETCH_S = 10.0
RETRY_S = 10.0
"""How long the wait is after a failure, and before keys are asked for again that are not known."""

_KINDS = frozenset(("RSA", "EC", "OKP"))

log = structlog.get_logger("points_grpc.rpc")


class BadKeys(Exception):
    """What should hold public keys does not."""


class Keys:
    """The keys as they were last read. Requests only ever look at them; `renew` reads."""

    def __init__(self, read: Callable[[], bytes], interval_s: float) -> None:
        self._read = read
        self._interval_s = interval_s
        self._by_id: dict[str, Any] = {}
        self._wanted = asyncio.Event()
        self.generation = 0

    def find(self, key_id: str | None) -> Any:
        """The key of that id; None if there is none, which is then looked for beside.

        A key without an id of its own is for all tokens; a token without one needs a single key.
        """
        for_all = self._by_id.get("")
        if key_id is None:
            only = next(iter(self._by_id.values())) if len(self._by_id) == 1 else None
            return only if for_all is None else for_all
        found = self._by_id.get(key_id, for_all)
        if found is None:
            self._wanted.set()
        return found

    def load(self) -> None:
        """Read them now. Raises BadKeys, OSError."""
        read = dict(keys_of(self._read()))
        if read.keys() != self._by_id.keys() or any(
            _material(read[name]) != _material(self._by_id[name]) for name in read
        ):
            self._by_id = read
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
                log.error("the keys of tokens cannot be read", problem=type(error).__name__)
            await asyncio.sleep(min(wait, RETRY_S))
            try:
                async with asyncio.timeout(max(0.0, wait - RETRY_S)):
                    await self._wanted.wait()
            except TimeoutError:
                pass


def keys_of(text: bytes) -> Iterator[tuple[str, Any]]:
    """Public keys by id: of a JWK set, or ("") of a PEM file with one key or certificate.

    Keys of a set that are for encryption, that are secret, or of a kind that is not known here are
    left out, as RFC 7517 has it. Raises BadKeys, also where all of several are.
    """
    if text.lstrip().startswith(b"-----BEGIN"):
        yield "", _pem_key(text)
        return
    try:
        listed = json.loads(text)["keys"]
        usable = [key for key in listed if key.get("kty") in _KINDS and key.get("use") != "enc"]
        if any("d" in key for key in usable):
            raise BadKeys("a set of keys holds a private one")
        made = [(str(key.get("kid", "")), _made(key)) for key in usable]
        known = [(name, key) for name, key in made if key is not None]
        if made and not known:
            raise BadKeys("a set of keys holds none of a known kind")
        yield from known
    except (ValueError, KeyError, TypeError, AttributeError, PyJWTError) as error:
        raise BadKeys("neither a JWK set nor PEM") from error


def _made(key: dict[str, Any]) -> Any:
    try:
        return PyJWK(key).key
    except (ValueError, KeyError, TypeError, PyJWTError):
        return None  # an issuer may have keys for others


def file_reader(path: Path) -> Callable[[], bytes]:
    """Reads keys from a file."""
    return path.read_bytes


def url_reader(url: str) -> Callable[[], bytes]:
    """Reads keys from a URL, which has to be https, or on this machine. Raises BadKeys."""
    split = urlsplit(url)
    if split.scheme != "https" and not (split.scheme == "http" and _is_here(split.hostname)):
        raise BadKeys("the URL of keys must be https")
    opener = urllib.request.build_opener(_NoRedirects)

    def read() -> bytes:
        request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310
        with opener.open(request, timeout=FETCH_S) as response:
            body: bytes = response.read(BYTES_MAX + 1)
        if len(body) > BYTES_MAX:
            raise BadKeys("the set of keys is too large")
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
        raise BadKeys("not a public key or certificate in PEM") from error


def _material(key: Any) -> Any:
    return key.public_numbers() if hasattr(key, "public_numbers") else key.public_bytes_raw()
