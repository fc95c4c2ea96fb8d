"""points-grpc tenant: whom the server keeps points for."""

from __future__ import annotations

from typing import Annotated

import typer

from points_grpc.cli import databases, options
from points_grpc.cli.administering import (
    CommandLog,
    create_tenant,
    principal,
    set_default_program,
)
from points_grpc.clock import SystemClock
from points_grpc.storage.admin import programs
from points_grpc.storage.core.database import Connection
from points_grpc.storage.core.db_errors import Fault, fault_of

app = typer.Typer(help="Whom the server keeps points for.", no_args_is_help=True)

NAME_MAX = 64

Name = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command()
def create(
    name: Name,
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Make a tenant. Its programs are made by a token of its own with points.admin."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= NAME_MAX:
        options.fail(f"a name has 1 to {NAME_MAX} printable characters", code=2)
    with databases.opened(database_url=database_url, data_dir=data_dir) as database:
        log, now = CommandLog(database), SystemClock().now()
        try:
            made = database.run(lambda at: create_tenant(at, log, name, principal(), now))
        except Exception as error:
            if fault_of(error) is not Fault.CONFLICT:
                raise
            options.fail(f"there is a tenant {name} already")
        else:
            typer.echo(f"tenant {made.name} made")


@app.command("list")
def list_(database_url: options.DatabaseUrl = None, data_dir: options.DataDir = None) -> None:
    """Show every tenant, and the program that its calls mean where they name none."""
    with databases.opened(database_url=database_url, data_dir=data_dir) as database:
        for found in database.run(programs.every_tenant):
            typer.echo(f"{found.name}  default program {found.default_program_id or 'none'}")


@app.command("default-program")
def default_program(
    name: Name,
    program_id: Annotated[int, typer.Argument(help="One of its programs; 0 for none.")],
    database_url: options.DatabaseUrl = None,
    data_dir: options.DataDir = None,
) -> None:
    """Say which program calls of a tenant mean that name none (program_id 0).

    Servers that run notice within five seconds.
    """

    def change(connection: Connection, log: CommandLog) -> None:
        tenant = programs.tenant_by_name(connection, name)
        if tenant is None:
            options.fail(f"there is no tenant {name}")
            return
        if program_id and programs.view(connection, tenant.tenant_id, program_id) is None:
            options.fail(f"{name} has no program {program_id}")
        now = SystemClock().now()
        set_default_program(connection, log, tenant, program_id, principal(), now)

    with databases.opened(database_url=database_url, data_dir=data_dir) as database:
        log = CommandLog(database)
        database.run(lambda at: change(at, log))
        typer.echo(f"default program of {name}: {program_id or 'none'}")
