"""What a database says about itself, for whoever has to judge its health."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The server's version (180001 is 18.1) and the time by its clock."""

    version: int
    version_text: str
    clock: datetime


def connections_allowed(connection: Connection) -> int:
    """Return the number of connections that the server allows to ordinary roles."""

    def number(name: str) -> int:
        return int(connection.scalar(select(func.current_setting(name, True))) or 0)

    reserved = number("superuser_reserved_connections") + number("reserved_connections")
    return number("max_connections") - reserved


def read_clock(connection: Connection) -> datetime:
    """Return what the server's clock shows while it answers."""
    shown: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return shown


def read_server_info(connection: Connection) -> ServerInfo:
    """Ask the server. Its clock decides nothing, but a wrong one shows a machine in trouble."""
    setting = func.current_setting
    number, text, clock = connection.execute(
        select(setting("server_version_num"), setting("server_version"), func.clock_timestamp())
    ).one()
    return ServerInfo(int(number), text, clock)
