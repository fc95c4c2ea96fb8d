"""Writes the documents: `python -m points_grpc.gateway.openapi IMAGE INDENTED COMPACT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from points_grpc.gateway.openapi import documents


def main(image: str, indented: str, compact: str) -> None:
    """Write every document into both folders."""
    for name, document in documents(Path(image).read_bytes()).items():
        file = f"{name}.json"
        text = json.dumps(document, ensure_ascii=False, indent=2)
        Path(indented, file).write_text(f"{text}\n", encoding="utf-8")
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        Path(compact, file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
