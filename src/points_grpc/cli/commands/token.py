"""points-grpc token: credentials for those who call."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from points_grpc.cli import databases, options
from points_grpc.cli.administering import CommandLog, principal
from points_grpc.clock import SystemClock
from points_grpc.domain.admin.events import AdminEvent, FieldChange, Resource, differences
from points_grpc.domain.auth import SCOPES, TOKEN_NAME_MAX, Token
from points_grpc.service.admin.credentials import make_token
from points_grpc.storage.admin import programs, tokens
from points_grpc.storage.core.database import Connection

app = typer.Typer(help="Credentials for those who call.", no_args_is_help=True)

_LIFETIME = re.compile(r"([1-9][0-9]{0,4})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_YEARS_MAX = 100


@app.command()
def create(  # noqa: PLR0917  # each is an option, given by name
    tenant: Annotated[str, typer.Option("--tenant", help="Whose it is: a tenant's name.")],
    scopes: Annotated[
        str, typer.Option("--scopes", help=f"What it allows, with commas: {', '.join(SCOPES)}.")
    ],
    expires_in: Annotated[
        str | None,
        typer.Option("--expires-in", help="For how long: 90d, or w, h, m; else for ever."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What it is for, to tell it by.")] = "",
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Make a token and print it, this once: the database keeps only its SHA-256.

    The token alone goes to standard output, what is known of it to standard error.
    """
    wanted = _scopes(scopes)
    lifetime = _lifetime(expires_in)
    if len(name) > TOKEN_NAME_MAX or not name.isprintable():
        options.fail(f"--name: at most {TOKEN_NAME_MAX} printable characters", code=2)
    now = SystemClock().now()

    def make(connection: Connection, log: CommandLog) -> tuple[str, Token] | None:
        owner = programs.tenant_by_name(connection, tenant)
        if owner is None:
            return None
        made = make_token(connection, owner, name, wanted, now=now, lifetime=lifetime)
        changes = differences({}, _settings(made[1]))
        event = AdminEvent(principal(), "token create", Resource.TOKEN, now, changes)
        log.append(connection, owner.tenant_id, replace(event, token_id=made[1].token_id))
        return made

    with databases.opened(database_url=database_url, data_dir=data_dir) as database:
        log = CommandLog(database)
        made = database.run(lambda at: make(at, log))
    if made is None:
        options.fail(f"there is no tenant {tenant}: points-grpc tenant create makes one")
        return
    token, about = made
    typer.echo(_line(about, "live"), err=True)
    typer.echo("Keep it now: it cannot be shown again.", err=True)
    typer.echo(token)


@app.command("list")
def list_(database_url: options.DatabaseUrl = None, data_dir: options.DataDir = None) -> None:
    """Show what is known of every token."""
    now = SystemClock().now()
    with databases.opened(database_url=database_url, data_dir=data_dir) as database:
        for token in database.run(tokens.every):
            typer.echo(_line(token, token.state(now)))


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="The token's id, as `token list` shows it.")],
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Make a token invalid for good. Servers that run notice within five seconds."""
    now = SystemClock().now()
    with databases.opened(database_url=database_url, data_dir=data_dir) as database:
        log = CommandLog(database)

        def work(connection: Connection) -> bool:
            found = tokens.revoke(connection, token_id, now)
            if found is not None and found.is_new:
                changes = (FieldChange("revoke_time", "", now.isoformat()),)
                event = AdminEvent(principal(), "token revoke", Resource.TOKEN, now, changes)
                log.append(connection, found.tenant_id, replace(event, token_id=token_id))
            return found is not None

        if not database.run(work):
            options.fail(f"there is no token {token_id}")
    typer.echo(f"{token_id} revoked")


def _line(token: Token, state: str) -> str:
    shown = {
        "expires": token.expires_at,
        "revoked": token.revoked_at,
        "last used": token.last_used_at,
    }
    times = (f"{what} {at:%Y-%m-%d %H:%M} UTC" for what, at in shown.items() if at is not None)
    parts = (token.token_id, state, token.tenant, ",".join(token.scopes), token.name, *times)
    return "  ".join(part for part in parts if part)


def _settings(token: Token) -> dict[str, object]:
    """Return what the audit log records of a token, which is nothing of its secret."""
    expires_at = None if token.expires_at is None else token.expires_at.isoformat()
    return {"name": token.name, "scopes": " ".join(token.scopes), "expire_time": expires_at}


def _scopes(text: str) -> list[str]:
    wanted = [scope for scope in re.split(r"[\s,]+", text) if scope]
    if not wanted or set(wanted) - set(SCOPES):
        options.fail(f"--scopes: one or more of {', '.join(SCOPES)}", code=2)
    return [scope for scope in SCOPES if scope in wanted]


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = _LIFETIME.fullmatch(text)
    if found is None:
        options.fail("--expires-in: a number with m, h, d or w, such as 90d", code=2)
        return None
    lifetime = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if lifetime > timedelta(days=_YEARS_MAX * 365):
        options.fail(f"--expires-in: at most {_YEARS_MAX} years", code=2)
    return lifetime
