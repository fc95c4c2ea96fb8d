"""points-grpc: the program."""

from __future__ import annotations

import typer

from points_grpc.cli.commands import (
    audit,
    db,
    demo,
    doctor,
    export,
    gateway,
    import_,
    serve,
    sweep,
    tenant,
    token,
)
from points_grpc.cli.program import CommandGroup

app = typer.Typer(
    name="points-grpc",
    cls=CommandGroup,
    help="Keeps loyalty points and knows when each one expires.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: tables would cut the names of environment variables short.
    rich_markup_mode=None,
)
app.command("serve")(serve.serve)
app.command("gateway")(gateway.gateway)
app.command("sweep")(sweep.sweep)
app.command("import")(import_.import_)
app.command("export")(export.export)
app.command("audit")(audit.audit)
app.add_typer(tenant.app, name="tenant")
app.add_typer(token.app, name="token")
app.add_typer(db.app, name="db")
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)

if __name__ == "__main__":
    app()
