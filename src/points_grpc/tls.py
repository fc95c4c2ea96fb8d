"""Certificates of a server, which may be renewed while it runs."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

FORWARDED = "x-client-certificate"
"""Metadata by which our own gateway tells its client's certificate: DER, in base64."""

VOUCHER = "x-client-certificate-voucher"
"""Metadata by which our own gateway is known."""


class BadCertificates(Exception):
    """The files do not hold a certificate with its key, or the certificates of an authority."""


@dataclass(frozen=True, slots=True)
class Files:
    """In PEM: the server's chain, its key without a password, and who may sign clients' ones.

    With `client_authorities` every connection has to show a certificate that they have signed.
    """

    chain: Path
    key: Path
    client_authorities: Path | None = None


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the files hold, checked to go together."""

    chain: bytes
    key: bytes
    client_authorities: bytes | None


class ReloadingCertificates:
    """The certificates as the files have them, read again when these have changed.

    Safe to use from several threads.
    """

    def __init__(self, files: Files) -> None:
        """Raises BadCertificates."""
        self.files = files
        self._lock = threading.Lock()
        self._signature = self._look()
        self.present = read(files)

    def renew(self) -> Certificates | None:
        """Return the files' present content; None if nothing has changed.

        Raises BadCertificates, once for each change, as long as new files do not go together;
        what was there before stays `present`.
        """
        with self._lock:
            seen = self._look()
            if seen == self._signature:
                return None
            self._signature = seen
            found = read(self.files)
            if found == self.present:
                return None
            self.present = found
            return found

    def _look(self) -> tuple[object, ...]:
        files = (self.files.chain, self.files.key, self.files.client_authorities)
        return tuple(_look_at(file) for file in files if file is not None)


def read(files: Files) -> Certificates:
    """Return the files' content. Raises BadCertificates."""
    context(files)
    try:
        authorities = files.client_authorities
        return Certificates(
            files.chain.read_bytes(),
            files.key.read_bytes(),
            None if authorities is None else authorities.read_bytes(),
        )
    except OSError as error:
        raise BadCertificates(f"{error.strerror}: {error.filename}") from error


def context(files: Files) -> ssl.SSLContext:
    """TLS 1.2 or later, for a server of HTTP/1.1. Raises BadCertificates."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    put_into(made, files)
    if files.client_authorities is not None:
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def put_into(made: ssl.SSLContext, files: Files) -> None:
    """Let new connections of a context use these files. Raises BadCertificates.

    An authority that is no longer among the files stays one of the context's.
    """
    try:
        # Without a password of ours OpenSSL would ask for one on the terminal.
        made.load_cert_chain(files.chain, files.key, password="")
        if files.client_authorities is not None:
            made.load_verify_locations(files.client_authorities)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise BadCertificates(f"{files.chain}, {files.key}: {error}") from error


def _look_at(file: Path) -> tuple[int, ...]:
    try:
        seen = file.stat()
    except OSError:
        return ()
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
