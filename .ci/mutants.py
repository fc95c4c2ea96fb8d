"""Prepares a run of mutmut and says what came of it: `mutants.py prepare|report FOLDER`.

`prepare` copies code and tests into the folder. The caches are taken from the copy: what an earlier
test left in one would hide a mutant, and mutmut leaves decorated functions alone. A run that was
stopped goes on where it was; where code or tests have changed since, the mutants that were not
noticed are tried again, and of the others those whose function changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

_DOMAIN = Path("src/points_grpc/domain")
_COPIED = ("src", "tests", "generated")
_CACHE = re.compile(r"^@(lru_cache\(.*\)|cache)\n", re.MULTILINE)


def main() -> None:
    """Prepare, or report."""
    step, folder = sys.argv[1], Path(sys.argv[2])
    {"prepare": prepare, "report": report}[step](folder)


def prepare(folder: Path) -> None:
    """Copy what is to be tried; forget what changed code and tests may have outdated."""
    for name in (*_COPIED, "mutants/tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in _COPIED:
        shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2("pyproject.toml", folder)
    for path in (folder / _DOMAIN).glob("*.py"):
        path.write_text(_CACHE.sub("", path.read_text()))
    state, noted = _state(), folder / "state"
    if not noted.exists() or noted.read_text() != state:
        _forget(folder / "mutants")
        noted.write_text(state)


def report(folder: Path) -> None:
    """Print how many mutants of each module there are and were not noticed, and these."""
    names: list[str] = []
    print("| module | mutants | not tried | not reached | without end | survived |")  # noqa: T201
    print("|---|---|---|---|---|---|")  # noqa: T201
    total: Counter[str] = Counter()
    for path in sorted((folder / "mutants" / _DOMAIN).glob("*.meta")):
        verdicts: dict[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
        counts = Counter(status_by_exit_code[code] for code in verdicts.values())
        if verdicts:
            print(_line(path.name.split(".")[0], counts))  # noqa: T201
        total += counts
        names += [
            f"{name}: {status_by_exit_code[code]}"
            for name, code in verdicts.items()
            if status_by_exit_code[code] not in ("killed", "not checked", "no tests")
        ]
    print(_line("all", total), "", *names, sep="\n")  # noqa: T201
    print("\nbuild/mutmut/bin/mutmut show NAME, in build/mutation, shows one")  # noqa: T201


def _line(module: str, counts: Counter[str]) -> str:
    shown = [counts[status] for status in ("not checked", "no tests", "timeout", "survived")]
    return " | ".join(("| " + module, *map(str, (counts.total(), *shown)))) + " |"


def _state() -> str:
    found = hashlib.sha256()
    for path in sorted([*_DOMAIN.glob("*.py"), *Path("tests/domain").glob("*.py")]):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _forget(mutants: Path) -> None:
    (mutants / "mutmut-stats.json").unlink(missing_ok=True)
    for path in (mutants / _DOMAIN).glob("*.meta"):
        meta = json.loads(path.read_text())
        verdicts = meta["exit_code_by_key"]
        meta["exit_code_by_key"] = {
            name: code if code is not None and status_by_exit_code[code] == "killed" else None
            for name, code in verdicts.items()
        }
        path.write_text(json.dumps(meta))


if __name__ == "__main__":
    main()
