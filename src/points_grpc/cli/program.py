"""The program as a whole: how it speaks of arguments that it does not take."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

_UsageError: Any = typer.BadParameter.__mro__[1]

_QUOTING = {
    "Got unexpected extra argument": "There are more arguments than the command takes.",
    "No such command": "There is no such command.",
}


class CommandGroup(TyperGroup):
    """Runs commands, and never quotes an argument that stands where none belongs.

    After a slip, such as a space or an & in a URL without quotes, that is a piece of a password.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            for begin, instead in _QUOTING.items():
                if error.message.startswith(begin):
                    error.message = instead
            raise
