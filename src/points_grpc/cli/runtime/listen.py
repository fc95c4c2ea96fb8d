"""Where a server may listen, and the certificates that it shows there."""

from __future__ import annotations

import grpc

from points_grpc.cli import options
from points_grpc.config import Settings, is_loopback
from points_grpc.tls import BadCertificates, Files, ReloadingCertificates


def refuse_what_cannot_be(settings: Settings, address: str) -> None:
    """Exit with one line if a server must not listen at `address` as configured."""
    if (settings.tls_cert_file is None) != (settings.tls_key_file is None):
        options.fail("POINTS_TLS_CERT_FILE and POINTS_TLS_KEY_FILE go together", code=2)
    if settings.tls_client_ca_file is not None and settings.tls_cert_file is None:
        options.fail("POINTS_TLS_CLIENT_CA_FILE needs POINTS_TLS_CERT_FILE", code=2)
    try:
        tls(settings)
    except BadCertificates as error:
        options.fail(str(error), code=2)
    if is_loopback(address):
        return
    if settings.dev:
        options.fail(
            f"{address} can be reached from other machines, and with --dev there are no"
            " credentials: listen on 127.0.0.1 or [::1]",
            code=2,
        )
    if settings.tls_cert_file is None and not settings.plaintext:
        options.fail(
            f"{address} can be reached from other machines, to which credentials would go in the"
            " clear: configure POINTS_TLS_CERT_FILE, or --plaintext behind a proxy that does TLS",
            code=2,
        )


def tls(settings: Settings) -> ReloadingCertificates | None:
    """Return the certificates; None without TLS. Raises BadCertificates."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    files = Files(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
    return ReloadingCertificates(files)


def upstream_credentials(settings: Settings) -> grpc.ChannelCredentials | None:
    """Return the credentials of a gateway's channel to its upstream; None: plaintext."""
    if settings.upstream_ca_file is None:
        return None
    try:
        chain, key = settings.upstream_cert_file, settings.upstream_key_file
        return grpc.ssl_channel_credentials(
            settings.upstream_ca_file.read_bytes(),
            None if key is None else key.read_bytes(),
            None if chain is None else chain.read_bytes(),
        )
    except OSError as error:
        options.fail(f"{error.filename}: {error.strerror}", code=2)
        raise
