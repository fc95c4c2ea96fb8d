"""The possible effect of a call that is ended before it is answered.

A call that changes something says so here when it hands its change on, and takes it back where the
change was withdrawn before it was begun. Whoever ends the call tells its caller by that.
"""

from __future__ import annotations

from contextvars import ContextVar


class Effect:
    """Whether a call may have changed something: not before its change is handed on."""

    __slots__ = ("possible",)

    def __init__(self) -> None:
        self.possible = False


_effect: ContextVar[Effect | None] = ContextVar("effect", default=None)


def watch() -> Effect:
    """Follow what the present call, which is a task of its own, may change from now on."""
    effect = Effect()
    _effect.set(effect)
    return effect


def set_possible(possible: bool) -> None:
    """Note that the present call's change is handed on, or that it was withdrawn."""
    effect = _effect.get()
    if effect is not None:
        effect.possible = possible
