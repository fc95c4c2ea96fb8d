"""A server with TLS: what it shows, whom it knows by a certificate, and what is renewed."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from tests.support.certificate_authority import Authority, Identity
from typer.testing import CliRunner, Result

from points.v1 import program_pb2, program_service_pb2_grpc
from points_grpc.cli.main import app

SECONDS_MAX = 60
HERE = (x509.DNSName("localhost"),)
AUTHORITY = Authority()
CLIENTS = Authority("clients")
ADMIN = CLIENTS.identity("admin")
STRANGER = CLIENTS.identity("stranger")
FORGED = Authority("clients").identity("admin")


class Office:
    """The commands on one database, and a folder of files."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def __call__(self, *arguments: str, **environment: str) -> Result:
        given = {"POINTS_DATABASE_URL": self.url} | environment
        return CliRunner().invoke(app, list(arguments), env=given)


class Secured:
    """A server with TLS over gRPC and HTTP that knows ADMIN by its certificate."""

    def __init__(self, serve: Any, office: Office, *arguments: str) -> None:
        self.folder = office.folder
        office("tenant", "create", "acme")
        made = office("token", "create", "--tenant", "acme", "--scopes", "points.admin")
        self.token = made.stdout.strip()
        self.chain, self.key = self.show(AUTHORITY.identity("first", *HERE))
        (self.folder / "ca.pem").write_bytes(AUTHORITY.pem)
        (self.folder / "clients.pem").write_bytes(CLIENTS.pem)
        mapped = {"subject": "CN=admin,O=Shop", "tenant": "acme", "scopes": ["points.admin"]}
        (self.folder / "clients.json").write_text(json.dumps([mapped]))
        running = serve(
            "--http",
            "127.0.0.1:0",
            *arguments,
            POINTS_DATABASE_URL=office.url,
            POINTS_TLS_CERT_FILE=self.chain,
            POINTS_TLS_KEY_FILE=self.key,
            POINTS_TLS_CLIENT_CA_FILE=str(self.folder / "clients.pem"),
            POINTS_CLIENT_CERTS_FILE=str(self.folder / "clients.json"),
        )
        self.grpc_port = int(running.address.rpartition(":")[2])
        [line] = [line for line in running.said if line.startswith("HTTP")]
        assert "https://127.0.0.1:" in line
        self.http_port = int(line.rpartition(":")[2])

    def show(self, identity: Identity) -> tuple[str, str]:
        """Have the server show this certificate from now on."""
        return identity.put(self.folder, "server")

    def grpc(self, client: Identity | None, token: str = "") -> str:
        """What ListPrograms comes to over gRPC: the code."""
        with self.channel(client) as channel:
            stub = program_service_pb2_grpc.ProgramServiceStub(channel)
            metadata = (("authorization", f"Bearer {token}"),) if token else ()
            try:
                stub.ListPrograms(
                    program_pb2.ListProgramsRequest(), metadata=metadata, timeout=SECONDS_MAX
                )
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

    def channel(self, client: Identity | None) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(
            AUTHORITY.pem, *((client.key_pem, client.pem) if client else ())
        )
        return grpc.secure_channel(f"localhost:{self.grpc_port}", credentials)

    def http(self, client: Identity | None, **headers: str) -> int:
        """The status of the same over HTTP."""
        context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
        if client is not None:
            context.load_cert_chain(*client.put(self.folder, "client"))
        connection = http.client.HTTPSConnection(
            "localhost", self.http_port, timeout=SECONDS_MAX, context=context
        )
        try:
            connection.request("GET", "/v1/programs", headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def shown(self, port: int) -> str:
        """The common name of the certificate that is shown at a port."""
        context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
        context.load_cert_chain(*ADMIN.put(self.folder, "client"))
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("localhost", port), timeout=SECONDS_MAX) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as wrapped,
        ):
            found = x509.load_der_x509_certificate(wrapped.getpeercert(True) or b"")
        return found.subject.rfc4514_string()


@pytest.fixture(scope="module")
def secured(
    serve: Any, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    """The server."""
    yield Secured(serve, Office(module_database_url, tmp_path_factory.mktemp("tls")))


def test_a_certificate_is_a_credential_over_grpc(secured: Secured) -> None:
    """A client is known by its certificate; one that nobody has told of needs a token."""
    assert secured.grpc(ADMIN) == "OK"
    assert secured.grpc(STRANGER) == "UNAUTHENTICATED"
    assert secured.grpc(STRANGER, secured.token) == "OK"
    assert secured.grpc(ADMIN, "wrong") == "UNAUTHENTICATED"


def test_a_certificate_is_a_credential_over_http(secured: Secured) -> None:
    """The same over HTTP, where the server's own gateway tells it of the certificate."""
    assert secured.http(ADMIN) == 200
    assert secured.http(STRANGER) == 401
    assert secured.http(STRANGER, authorization=f"Bearer {secured.token}") == 200
    assert secured.http(ADMIN, authorization="Bearer wrong") == 401
    assert secured.http(ADMIN, authorization="Odd") == 401


@pytest.mark.parametrize("client", [None, FORGED])
def test_no_connection_without_a_signed_certificate(
    secured: Secured, client: Identity | None
) -> None:
    """Whose certificate our authorities have not signed gets no connection at all."""
    assert secured.grpc(client, secured.token) == "UNAVAILABLE"
    with pytest.raises(OSError):
        secured.http(client, authorization=f"Bearer {secured.token}")


def test_a_certificate_is_renewed_without_a_restart(secured: Secured) -> None:
    """New connections get a new certificate as soon as its files are there, over gRPC and HTTP."""
    ports = (secured.grpc_port, secured.http_port)
    before = secured.channel(ADMIN)
    stub = program_service_pb2_grpc.ProgramServiceStub(before)
    stub.ListPrograms(program_pb2.ListProgramsRequest(), timeout=SECONDS_MAX)
    secured.show(AUTHORITY.identity("second", *HERE))
    until = time.monotonic() + SECONDS_MAX
    while {secured.shown(port) for port in ports} != {"CN=second,O=Shop"}:
        assert time.monotonic() < until
    # Connections that there are stay.
    stub.ListPrograms(program_pb2.ListProgramsRequest(), timeout=SECONDS_MAX)
    before.close()
    assert secured.grpc(ADMIN) == "OK"
    assert secured.http(ADMIN) == 200


def test_every_worker_renews_its_certificates(
    serve: Any, module_database_url: str, tmp_path: Path
) -> None:
    """With several processes on a port, all of them show a new certificate, over gRPC and HTTP."""
    several = Secured(serve, Office(module_database_url, tmp_path), "--workers", "2")
    several.show(AUTHORITY.identity("second", *HERE))
    until = time.monotonic() + SECONDS_MAX
    for port in (several.grpc_port, several.http_port):
        # The kernel gives each connection to either of them: one in a million times all to one.
        in_a_row = 0
        while in_a_row < 20:
            assert time.monotonic() < until
            in_a_row = in_a_row + 1 if several.shown(port) == "CN=second,O=Shop" else 0
    assert several.grpc(ADMIN) == "OK"
    assert several.http(ADMIN) == 200


def test_an_ended_certificate_gets_no_connection(secured: Secured) -> None:
    """A client whose certificate has ended does not get as far as a credential, nor over HTTP."""
    ended = CLIENTS.identity("admin", end=datetime(2021, 1, 1, tzinfo=UTC))
    assert secured.grpc(ended, secured.token) == "UNAVAILABLE"
    with pytest.raises(OSError):
        secured.http(ended, authorization=f"Bearer {secured.token}")


def test_a_gateway_of_its_own_speaks_tls_to_the_server(secured: Secured) -> None:
    """A gateway that runs alone shows its own certificate upstream, and passes tokens on."""
    chain, key = STRANGER.put(secured.folder, "gateway")
    command = [
        *(sys.executable, "-m", "points_grpc.cli.main", "gateway", "--http", "127.0.0.1:0"),
        *("--upstream", f"localhost:{secured.grpc_port}"),
    ]
    process = subprocess.Popen(
        command,
        env={
            "PYTHONPATH": ":".join(sys.path),
            "POINTS_UPSTREAM_CA_FILE": str(secured.folder / "ca.pem"),
            "POINTS_UPSTREAM_CERT_FILE": chain,
            "POINTS_UPSTREAM_KEY_FILE": key,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        statuses = []
        for headers in ({"authorization": f"Bearer {secured.token}"}, {}):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS_MAX)
            connection.request("GET", "/v1/programs", headers=headers)
            statuses.append(connection.getresponse().status)
            connection.close()
        assert statuses == [200, 401]
    finally:
        process.terminate()
        process.wait(SECONDS_MAX)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"TLS_CERT_FILE": "server.pem"}, "POINTS_TLS_CERT_FILE and POINTS_TLS_KEY_FILE go tog"),
        ({"TLS_CLIENT_CA_FILE": "ca.pem"}, "POINTS_TLS_CLIENT_CA_FILE needs POINTS_TLS_CERT_FILE"),
        ({"TLS_CERT_FILE": "server.pem", "TLS_KEY_FILE": "other.key"}, "other.key"),
        ({"CLIENT_CERTS_FILE": "clients.json"}, "POINTS_CLIENT_CERTS_FILE needs"),
        (
            {
                "TLS_CERT_FILE": "server.pem",
                "TLS_KEY_FILE": "server.key",
                "TLS_CLIENT_CA_FILE": "ca.pem",
                "CLIENT_CERTS_FILE": "clients.json",
            },
            "POINTS_CLIENT_CERTS_FILE: is not a list",
        ),
    ],
)
def test_tls_is_configured_whole(tmp_path: Path, given: dict[str, str], problem: str) -> None:
    """A server whose certificates do not go together does not start."""
    AUTHORITY.identity("server").put(tmp_path, "server")
    AUTHORITY.identity("other").put(tmp_path, "other")
    (tmp_path / "ca.pem").write_bytes(CLIENTS.pem)
    (tmp_path / "clients.json").write_text("{}")
    environment = {f"POINTS_{name}": str(tmp_path / file) for name, file in given.items()}
    result = CliRunner().invoke(app, ["serve", "--grpc", "127.0.0.1:0"], env=environment)
    assert (result.exit_code, problem in result.output) == (2, True)
