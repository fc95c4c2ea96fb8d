"""Lets the tests of this folder import what they share: `stories` and `audit`."""

from __future__ import annotations

import os

from hypothesis import Phase, settings

# Of a mutant that fails a test, nobody needs the smallest example.
if "MUTANT_UNDER_TEST" in os.environ:
    settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")
