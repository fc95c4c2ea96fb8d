"""Data that is not changed once it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(kind: type[T]) -> type[T]:
    """A dataclass with slots that compares and hashes by its fields and is never changed.

    The type checker holds that; a `frozen` one would check it at run time, too, and takes seven
    times as long to make (4.3 instead of 0.6 µs for a command of 15 fields, of which a batch
    has thousands).
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
