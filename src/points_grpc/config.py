"""What can be configured, from the environment (`POINTS_…`) and the command line above it."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from points_grpc import database_url
from points_grpc.rfc3339 import read_instant

PREFIX = "POINTS_"


_NOT_OF_A_HOST = frozenset("@/?#\\ ")


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`; IPv6 hosts in brackets. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed) or set(host) & _NOT_OF_A_HOST:
        raise ValueError("must be host:port, such as 127.0.0.1:50051 or [::1]:50051")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise ValueError("must end in a port from 0 to 65535")
    return host.strip("[]"), int(port)


def joined_address(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(address: str) -> bool:
    """Return whether only this machine can reach `address` (`host:port`)."""
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_address(address: str) -> str:
    split_address(address)
    return address


def _checked_database_url(url: SecretStr) -> SecretStr:
    database_url.check(url.get_secret_value())
    return url


def _checked_keys_url(url: SecretStr) -> SecretStr:
    """Refuse what has a user or a host that no library will find, in words of our own."""
    try:
        split = urlsplit(url.get_secret_value())
        found = bool(split.hostname) and split.port != 0
    except ValueError:  # it quotes what it cannot read
        found = False
    if not found or "@" in split.netloc:
        raise ValueError("must be https://host:port/path, without a user or password")
    return url


def _read_instant(given: object) -> object:
    # Pydantic alone takes numbers and offsets of 60 to 99 minutes, too.
    return read_instant(given) if isinstance(given, str) else given


def _in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


Address = Annotated[str, AfterValidator(_checked_address)]
Instant = Annotated[AwareDatetime, BeforeValidator(_read_instant), AfterValidator(_in_utc)]


class Settings(BaseSettings):
    """Every setting with its default. What is passed in goes before the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # an input may be a secret
        str_strip_whitespace=True,
    )

    grpc: Address = Field("127.0.0.1:50051", description="Where gRPC listens: host:port.")
    http: Address | None = Field(
        None, description="Where the REST APIs listen: host:port; without it there are none."
    )
    workers: int = Field(
        1,
        ge=1,
        le=256,
        description="Processes that serve side by side on the same ports, such as one per core.",
    )
    metrics: Address | None = Field(
        None,
        description="Where figures (/metrics) and health (/healthz, /readyz) are served over HTTP:"
        " host:port; without it nowhere.",
    )
    upstream: Address = Field(
        "127.0.0.1:50051", description="The gRPC server that a gateway of its own calls: host:port."
    )
    database_url: Annotated[SecretStr, AfterValidator(_checked_database_url)] | None = Field(
        None,
        description="The PostgreSQL database (postgresql://user:password@host/name); without it"
        " an embedded server runs in the data folder. Parameters behind a ? are libpq's, but for"
        " options and others that the service sets.",
    )
    data_dir: Path = Field(Path(".data"), description="The folder of the embedded database.")
    migrate: bool = Field(
        False, description="Bring the schema up to date first (an embedded database's always is)."
    )
    allow_older_tzdata: bool = Field(
        False,
        description="Write with time zone data that is older than what the database was written"
        " with, as after a rollback.",
    )
    dev: bool = Field(
        False, description="Development: no credentials, the tenant demo, and the test clock."
    )
    start_time: Instant | None = Field(
        None,
        description="Where the test clock stands at first, such as 2022-01-01T00:00:00Z;"
        " without it the clock runs until it is set. Only with --dev.",
    )
    demo: bool = Field(False, description="Load the demo programs 469 and 123. Only with --dev.")

    identifiers_max: int = Field(
        100, ge=1, description="The most identifiers that a member may have."
    )
    programs_max: int = Field(1_000, ge=1, description="The most programs of a tenant.")
    currencies_max: int = Field(1_000, ge=1, description="The most currencies of a tenant.")
    policies_max: int = Field(1_000, ge=1, description="The most expiration policies of a tenant.")
    policy_versions_max: int = Field(
        1_000, ge=1, description="The most versions of all expiration policies of a tenant."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least level that is logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="How log lines look; auto: console on a terminal, else json."
    )

    tls_cert_file: Path | None = Field(
        None, description="The certificate chain of gRPC and HTTP, in PEM; with it both speak TLS."
    )
    tls_key_file: Path | None = Field(None, description="Its private key, in PEM.")
    tls_client_ca_file: Path | None = Field(
        None, description="Who signs clients' certificates, in PEM; with it each client needs one."
    )
    client_certs_file: Path | None = Field(
        None, description="Whose clients' certificates are, in JSON; read again each minute."
    )
    plaintext: bool = Field(
        False, description="Serve other machines without TLS, which a proxy in front does."
    )
    upstream_ca_file: Path | None = Field(
        None,
        description="Who signs the certificate of the gateway's upstream; with it TLS is used.",
    )
    upstream_cert_file: Path | None = Field(
        None, description="The certificate that the gateway shows its upstream, in PEM."
    )
    upstream_key_file: Path | None = Field(None, description="Its private key, in PEM.")
    jwt_keys_file: Path | None = Field(
        None,
        description="Public keys of JSON web tokens: a JWK set, or PEM; read again each minute.",
    )
    jwt_keys_url: Annotated[SecretStr, AfterValidator(_checked_keys_url)] | None = Field(
        None, description="A URL of such a JWK set (https), fetched again every five minutes."
    )
    jwt_algorithms: str | None = Field(
        None, description="The algorithms that tokens may be signed with, such as RS256,ES256."
    )
    jwt_issuer: str | None = Field(None, description="The issuer that tokens must name (iss).")
    jwt_audience: str | None = Field(
        None, description="The audience that tokens must be meant for (aud)."
    )
    jwt_tenant_claim: str = Field("tenant", description="The claim that names the tenant.")
    jwt_scopes_claim: str = Field(
        "scope", description="The claim with the scopes: a list, or text with spaces."
    )
    jwt_leeway_seconds: float = Field(
        30.0, ge=0, le=300, description="By how much clocks may differ where tokens begin or end."
    )

    default_deadline_seconds: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="How long a call without a deadline of its own may take.",
    )
    deadline_seconds_max: float = Field(
        120.0, gt=0, le=3600, description="How long any call may take."
    )
    grace_seconds: float = Field(
        10.0, ge=0, le=600, description="How long running calls may take to finish at a stop."
    )
    calls_max: int = Field(
        2_048, ge=1, description="Calls running at once; more are answered with OVERLOADED."
    )
    calls_bytes_max: int = Field(
        64 * 2**20,
        ge=1,
        description="Bytes of the requests running at once; more are answered with OVERLOADED.",
    )

    request_bytes_max: int = Field(
        17 * 2**20,
        ge=64 * 2**10,
        le=256 * 2**20,
        description="Bytes of a request over gRPC; a larger one is RESOURCE_EXHAUSTED.",
    )

    tenant_calls_per_second: float | None = Field(
        None, gt=0, description="Calls per second that each server process takes of one tenant."
    )
    tenant_calls_burst: int | None = Field(
        None, ge=1, description="Calls of one tenant at once within that; else those of a second."
    )
    reflection: bool = Field(False, description="Offer server reflection; with --dev it always is.")

    request_retention_days: int = Field(
        7,
        ge=1,
        le=3650,
        description="How long a request id is remembered, at least: the longest that any server of"
        " the database was started with.",
    )
    lane_items_max: int = Field(
        20_000, ge=1, description="Commands that may wait in a lane; more are OVERLOADED."
    )
    lane_batch_max: int = Field(
        1_000, ge=1, le=10_000, description="Commands that a lane decides at once."
    )
    statement_timeout_ms: int = Field(
        15_000, ge=100, description="How long one statement may take, in milliseconds."
    )
    lock_timeout_ms: int = Field(
        2_000, ge=10, description="How long a statement may wait for a lock, in milliseconds."
    )

    sweep: bool = Field(True, description="Record lapses in the background.")
    sweep_interval_seconds: float = Field(
        60.0, gt=0, description="Time between two background sweeps."
    )
    sweep_chunk: int = Field(
        500, ge=1, le=10_000, description="Accounts that a sweep takes on at once."
    )

    @property
    def database_address(self) -> str | None:
        """The database URL as SQLAlchemy takes it, with the driver named; None for embedded."""
        if self.database_url is None:
            return None
        scheme, separator, rest = self.database_url.get_secret_value().partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+psycopg"
        return f"{scheme}{separator}{rest}"


def masked(value: object) -> str:
    """Return a setting for people to read, without the secrets in it.

    Of a URL that is no database's, what follows the `?` is taken for a secret as a whole.
    """
    if value is None:
        return "none"
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        if secret.startswith("http"):
            before, mark, _ = secret.partition("?")
            return f"{before}{mark}***" if mark else before
        return database_url.shown(secret)
    return str(value)


def variable(field: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def handed_on(settings: Settings, **changed: Any) -> dict[str, Any]:
    """Return every setting for JSON, secrets included: for a process of our own only."""
    given = settings.model_copy(update=changed)
    values = given.model_dump(mode="json")
    for name in values:
        if isinstance(secret := getattr(given, name), SecretStr):
            values[name] = secret.get_secret_value()
    return values


def load(**given: Any) -> Settings:
    """Return the settings; those given here that are not None override the environment."""
    return Settings(**{name: value for name, value in given.items() if value is not None})
