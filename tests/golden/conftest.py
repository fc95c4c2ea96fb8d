"""What this folder's tests share; they may import its other modules and those of the corpus."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
for folder in (TESTS / "gateway", TESTS / "corpus", TESTS / "golden"):
    sys.path.insert(0, str(folder))
