"""Lengths of time."""

from __future__ import annotations

from datetime import timedelta

DAY = timedelta(days=1)
