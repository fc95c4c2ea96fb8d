"""The URL of the database: checked, and shown without its secrets.

SQLAlchemy and libpq read a URL each in its own way, and quote in their errors the part that they
cannot use. After a slip that part holds a piece of the password. So a URL is checked here before
either of them sees it, and no problem that is found quotes anything of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address
from urllib.parse import unquote

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")

_FORM = "must be postgresql://user:password@host:port/name"

# libpq's connection parameters, as of PostgreSQL 18, but for those of _OURS.
_OPTIONS = frozenset(
    [
        "application_name",
        "channel_binding",
        "dbname",
        "gssdelegation",
        "gssencmode",
        "gsslib",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "krbsrvname",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_issuer",
        "oauth_scope",
        "passfile",
        "password",
        "port",
        "require_auth",
        "requirepeer",
        "scram_client_key",
        "scram_server_key",
        "service",
        "servicefile",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcertmode",
        "sslcompression",
        "sslcrl",
        "sslcrldir",
        "sslkey",
        "sslkeylogfile",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    ]
)
# The servers set these themselves, so one in the URL would count for migrations alone.
_OURS = frozenset(
    (
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "options",
        "replication",
    )
)
# What may be shown of those that stand in a URL. All others might hold a secret after a slip.
_HARMLESS = frozenset(
    (
        "channel_binding",
        "dbname",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "port",
        "require_auth",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcertmode",
        "sslmode",
        "sslnegotiation",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    )
)
_SECRET_OPTIONS = frozenset(
    ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
)
_REPEATABLE = frozenset(("host", "port"))  # several servers, of which one is the primary

_CLOSED = re.compile(r"[\s\x00-\x20\x7f'\"<>\\]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN = re.compile(r"[\w.-]+")
_PLAIN_VALUE = re.compile(r"[\w.,/-]+")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(,[A-Za-z0-9_][A-Za-z0-9._-]*)*", re.ASCII)
_SECRET_OPTION = re.compile(r"(?:pass(?:word|phrase)|secret|scram_\w+_key)\w*=", re.IGNORECASE)
_SECRET = re.compile(rf"//[^:@]*:.*@|{_SECRET_OPTION.pattern}", re.IGNORECASE | re.DOTALL)
_HIDDEN = "***"


def check(url: str) -> None:
    """Raise ValueError, which quotes nothing of it, unless the URL can mean one thing only."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError(_FORM)
    if _CLOSED.search(rest):
        raise ValueError(f"{_FORM}; spaces, quotes and the like are escaped: a space is %20")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    after = rest[len(authority) :]
    if "@" in after or "#" in after or authority.count("@") > 1:
        problem = "in a user, password or name @ is written %40, / %2F, ? %3F and # %23"
        raise ValueError(f"{_FORM}; {problem}")
    _check_escapes(rest)
    user_and_password, _, place = authority.rpartition("@")
    if not user_and_password and "@" in authority:
        raise ValueError(f"{_FORM}; before the @ there is nothing")
    _check_place(place)
    path, _, query = after.partition("?")
    if "/" in path[1:]:
        raise ValueError(f"{_FORM}; a / in the database's name is written %2F")
    _check_options(query)


def shown(url: str) -> str:
    """Return the URL for people to read: only those parts that cannot hold a secret.

    A user or a name that is not plain is hidden, as are all parameters but known harmless ones.
    """
    try:
        check(url)
    except ValueError:
        return _HIDDEN
    scheme, _, rest = url.partition("://")
    before, mark, query = rest.partition("?")
    authority, slash, name = before.partition("/")
    user_and_password, at, place = authority.rpartition("@")
    user, colon, _ = user_and_password.partition(":")
    password = _HIDDEN if colon else ""
    login = f"{_plain(user)}{colon}{password}{at}"
    return f"{scheme}://{login}{place}{slash}{_plain(name)}{mark}{_shown_options(query)}"


def has_secret(url: str) -> bool:
    """Return whether a URL has a password in it, or another secret, also an escaped one."""
    user_and_password = url.partition("://")[2].rpartition("@")[0]
    query = unquote(url.partition("?")[2])
    return (
        _SECRET.search(url) is not None
        or _SECRET_OPTION.search(query) is not None
        or ":" in unquote(user_and_password.partition("?")[0])
    )


def _plain(text: str) -> str:
    return text if not text or _PLAIN.fullmatch(text) else _HIDDEN


def _shown_options(query: str) -> str:
    return "&".join(
        f"{name}={value if name in _HARMLESS and _PLAIN_VALUE.fullmatch(value) else _HIDDEN}"
        for name, value in _options(query)
    )


def _check_escapes(rest: str) -> None:
    if _BAD_ESCAPE.search(rest):
        raise ValueError(f"{_FORM}; a % that is no escape is written %25")
    try:
        unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{_FORM}; its escapes must be UTF-8") from None


def _check_place(place: str) -> None:
    host, _, port = place.partition(":")
    if place.startswith("["):
        host, bracket, port = place[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError(f"{_FORM}; an IPv6 host stands in brackets")
        port = port[1:]
        try:
            IPv6Address(host)
        except ValueError:
            raise ValueError(f"{_FORM}; an IPv6 host stands in brackets") from None
    elif host and not _HOST.fullmatch(host):
        raise ValueError(f"{_FORM}; a host has letters, digits, dots and hyphens")
    if port:
        _check_port(port)


def _check_port(port: str) -> None:
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) <= 65_535):
        raise ValueError(f"{_FORM}; behind the host's : stands a port from 1 to 65535")


def _check_options(query: str) -> None:
    seen = set()
    for name, value in _options(query):
        if name in _OURS:
            raise ValueError(
                f"{_FORM}; {name} is set by the service itself: what a session needs is given to"
                " its role (ALTER ROLE ... SET)"
            )
        if name not in _OPTIONS or not value:
            raise ValueError(
                f"{_FORM}; behind the ? stand libpq's parameters, such as sslmode=require;"
                " in a value & is written %26"
            )
        if name in seen and name not in _REPEATABLE:
            raise ValueError(f"{_FORM}; a parameter is there twice")
        if name in _SECRET_OPTIONS and "+" in value:
            raise ValueError(f"{_FORM}; in a password behind the ? a + is written %2B")
        if name == "port":
            _check_port(value)
        seen.add(name)


def _options(query: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        yield name, value
