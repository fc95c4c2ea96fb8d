"""How often a server looks for garbage cycles."""

from __future__ import annotations

import gc


def collect_seldom() -> None:
    """Collect garbage cycles rarely, and never among the objects of the start.

    A batch of 1000 makes some ten thousand objects and no cycles; by default they would all be
    looked through again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
