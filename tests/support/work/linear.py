"""Whether work grows no faster than its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.support.work.counting import steps_of

SIZES = (150, 300, 600)
SLACK = 20
"""Steps for each unit of input that what begins or ends between two sizes may cost."""

Read = Callable[[int], Callable[[], object]]
"""Makes an input of a size; reading it is the work."""


def is_linear(read: Read) -> list[int]:
    """The steps for the sizes, empty where they grow like these."""
    read(SIZES[0])()  # caches of the module's own
    small, middle, large = (steps_of(read(size)) for size in SIZES)
    grows = large - middle <= 2.3 * max(0, middle - small) + SLACK * SIZES[1]
    return [] if grows else [small, middle, large]


def faults_of(reads: Iterator[tuple[str, Read]]) -> dict[str, list[int]]:
    """What is more than linear, with the steps that it took."""
    return {name: steps for name, read in reads if (steps := is_linear(read))}
