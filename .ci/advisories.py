"""Says what pip-audit's JSON report means: `advisories.py REPORT LOG`; exit code 1 for advisories.

pip-audit ends well, too, where it could not ask about a single dependency; then and where there is
no report because nobody could be asked, this says so, and that is no failure.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

_OUT_OF_REACH = re.compile("ConnectionError|Timeout|resolve|ServiceError|HTTPError", re.I)
_LINES = 20


def main() -> int:
    """The exit code."""
    report, log = map(Path, sys.argv[1:])
    if not report.exists() or not report.stat().st_size:
        said = log.read_text()
        if _OUT_OF_REACH.search(said):
            return _say(f"NOT AUDITED: the advisories cannot be reached from here (see {log})", 0)
        return _say("\n".join(said.splitlines()[-_LINES:]), 1)
    found = json.loads(report.read_text())["dependencies"]
    skipped = [one["name"] for one in found if "skip_reason" in one]
    advisories = [
        f"{one['name']} {one['version']}: {advisory['id']}, mended in {advisory['fix_versions']}"
        for one in found
        for advisory in one.get("vulns", ())
    ]
    if skipped:
        _say(
            f"NOT AUDITED: {len(skipped)} of {len(found)} dependencies: the advisories about them"
            f" cannot be reached from here (see {report})",
            0,
        )
    if len(skipped) < len(found):
        _say(f"{len(advisories)} advisories about {len(found) - len(skipped)} dependencies", 0)
    return _say("\n".join(advisories), 1) if advisories else 0


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
