"""TLS for gRPC, with certificates that may be renewed while the server runs."""

from __future__ import annotations

import grpc
import structlog

from points_grpc.tls import BadCertificates, Certificates, ReloadingCertificates

log = structlog.get_logger("points_grpc.rpc")


def server_credentials(tls: ReloadingCertificates) -> grpc.ServerCredentials:
    """Credentials whose files are looked at with every new connection."""

    def renew() -> grpc.ServerCertificateConfiguration | None:
        # Called by the runtime's own threads, which nothing may be raised to.
        try:
            found = tls.renew()
        except BadCertificates:
            log.error("certificate reload failed; keeping the previous certificates")
            return None
        return None if found is None else _configuration(found)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(tls.present),
        renew,  # type: ignore[arg-type]  # None means no change, as grpcio documents
        require_client_authentication=tls.files.client_authorities is not None,
    )


def _configuration(found: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(found.key, found.chain)], root_certificates=found.client_authorities
    )
