"""The refusal of a server that would forget what it has confirmed."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


class NotDurable(Exception):
    """The server may lose what it has confirmed; `settings` names what is switched off."""

    def __init__(self, settings: tuple[str, ...]) -> None:
        super().__init__(
            f"the database server runs with {' and '.join(settings)} off and may lose"
            " confirmed writes; switch it on"
        )
        self.settings = settings


def assert_durable(connection: Connection) -> None:
    """Raise `NotDurable` unless what is committed on this connection survives a crash.

    For embedded and external servers alike. `synchronous_commit` can differ by role, database
    and session, so ask with a connection made like those that write.
    """
    values = connection.execute(select(*map(func.current_setting, _SETTINGS))).one()
    off = tuple(name for name, value in zip(_SETTINGS, values, strict=True) if value == "off")
    if off:
        raise NotDurable(off)
