"""The command line's options, each a setting of the same name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from points_grpc import config, database_url


def setting(field: str, callback: Any = None) -> Any:
    """Return the option of a setting: its help, default and environment variable."""
    about = config.Settings.model_fields[field]
    flag = field.replace("_", "-")
    switch = about.annotation is bool
    return typer.Option(
        f"--{flag}/--no-{flag}" if switch else f"--{flag}",
        help=about.description,
        envvar=config.variable(field),
        show_default=_shown(about.default),
        callback=callback,
    )


def _shown(default: object) -> str:
    if default is None:
        return "none"
    return ("no", "yes")[default] if isinstance(default, bool) else str(default)


def _without_password(context: typer.Context, option: typer.CallbackParam, url: str | None) -> Any:
    """Every process of the machine may look at another's command line."""
    given = context.get_parameter_source(option.name or "")
    if given is not None and given.name == "COMMANDLINE" and database_url.has_secret(url or ""):
        fail(f"put a password into {config.variable('database_url')} or PGPASSFILE", code=2)
    return url


Grpc = Annotated[str | None, setting("grpc")]
Http = Annotated[str | None, setting("http")]
Workers = Annotated[int | None, setting("workers")]
Metrics = Annotated[str | None, setting("metrics")]
Upstream = Annotated[str | None, setting("upstream")]
DatabaseUrl = Annotated[str | None, setting("database_url", _without_password)]
DataDir = Annotated[Path | None, setting("data_dir")]
AllowOlderTzdata = Annotated[bool | None, setting("allow_older_tzdata")]
Dev = Annotated[bool | None, setting("dev")]
StartTime = Annotated[str | None, setting("start_time")]
Migrate = Annotated[bool | None, setting("migrate")]
Demo = Annotated[bool | None, setting("demo")]
Reflection = Annotated[bool | None, setting("reflection")]
Plaintext = Annotated[bool | None, setting("plaintext")]
LogLevel = Annotated[str | None, setting("log_level")]
LogFormat = Annotated[str | None, setting("log_format")]
RequestRetentionDays = Annotated[int | None, setting("request_retention_days")]
Sweep = Annotated[bool | None, setting("sweep")]
SweepIntervalSeconds = Annotated[float | None, setting("sweep_interval_seconds")]
SweepChunk = Annotated[int | None, setting("sweep_chunk")]


def settings(**given: Any) -> config.Settings:
    """Return the settings as given, or exit with code 2 and one line for each problem."""
    try:
        return config.load(**given)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            field = str(problem["loc"][0])
            said = problem["msg"].removeprefix("Value error, ")
            fail(f"--{field.replace('_', '-')} ({config.variable(field)}): {said}", code=None)
        raise typer.Exit(2) from None


def fail(message: str, code: int | None = 1) -> None:
    """Print a problem on standard error, and exit with `code` unless it is None."""
    typer.secho(f"points-grpc: {message}", err=True, fg=typer.colors.RED)
    if code is not None:
        raise typer.Exit(code)
