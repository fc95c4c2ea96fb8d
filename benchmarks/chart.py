"""The figures as a picture: calls a second, and how far each figure is from what it must reach."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from math import log2
from typing import Any

from benchmarks.report import Facts, shown

WIDTH, LABELS, RIGHT = 960, 360, 120
BAR, GAP, TITLE = 15, 7, 46
INK, PALE, LINE = "#1f2933", "#616e7c", "#cbd2d9"
OURS, PEER, MET, MISSED = "#2f6f9f", "#b0763b", "#3d8361", "#b44545"

CALLS = {
    "noop": ("no-op call", PALE),
    "earn": ("Earn", OURS),
    "redeem": ("Redeem", OURS),
    "get_expiring": ("GetExpiringPoints", OURS),
    "get_account": ("GetAccount", OURS),
    "plpgsql": ("Earn: plpgsql, pgbench with 32, no gRPC", PEER),
    "orm": ("Earn: an ORM's unit of work per request", PEER),
}
OCTAVES = 3
"""Figures beyond 8 times, or below an eighth, of their bounds end at the edge."""


def draw(facts: Facts) -> str:
    """The whole picture, as SVG."""
    parts, top = _calls(facts, 28)
    more, top = _targets(facts, top + 18)
    where = facts["environment"]
    about = f"{where['date']}, commit {where['commit']}, {where['machine']}"
    parts += [*more, _text(20, top + 8, about, fill=PALE, size=11)]
    height = top + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" role="img">\n'
        "<title>Calls a second, and figures against their targets</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _calls(facts: Facts, top: float) -> tuple[list[str], float]:
    """Bars from zero, with a line from the lowest round to the highest."""
    loads = [(facts["loads"][n], *about) for n, about in CALLS.items() if n in facts["loads"]]
    parts = [_text(20, top, "Calls a second, 256 in flight", size=15, weight=600)]
    top += TITLE - 28
    most = max((max(_rates(load)) for load, _, _ in loads), default=1.0)
    scale = (WIDTH - LABELS - RIGHT) / most
    for load, label, colour in loads:
        rates, middle = _rates(load), load["median"]["rate"]
        parts += [
            _text(LABELS - 10, top + BAR - 3, label, anchor="end"),
            _rect(LABELS, top, middle * scale, colour),
            _line(LABELS + min(rates) * scale, LABELS + max(rates) * scale, top + BAR / 2),
            _text(LABELS + max(rates) * scale + 8, top + BAR - 3, f"{middle:,.0f}"),
        ]
        top += BAR + GAP
    return parts, top


def _targets(facts: Facts, top: float) -> tuple[list[str], float]:
    """Bars from the bound: to the right what is better, each octave as wide as the others."""
    figures = [f for f in facts["figures"] if f["met"] is not None and f["median"]]
    parts = [_text(20, top, "Figures against what they must reach", size=15, weight=600)]
    top += TITLE - 20
    middle = (LABELS + WIDTH - RIGHT) / 2
    octave = (WIDTH - RIGHT - LABELS) / 2 / OCTAVES
    bottom = top + len(figures) * (BAR + GAP)
    for n in range(-OCTAVES, OCTAVES + 1):
        name = "target" if n == 0 else f"{2**n}×" if n > 0 else f"1/{2**-n}"
        x = middle + n * octave
        parts += [
            f'<path d="M{x:.1f} {top - 4:.1f}V{bottom:.1f}" stroke="{LINE if n else INK}"/>',
            _text(x, top - 9, name, anchor="middle", fill=PALE, size=11),
        ]
    for figure in figures:
        x = middle + octave * max(-OCTAVES, min(OCTAVES, log2(_better(figure))))
        colour = MET if figure["met"] else MISSED
        parts += [
            _text(LABELS - 10, top + BAR - 3, figure["figure"], anchor="end", size=11),
            _rect(min(x, middle), top, abs(x - middle), colour),
            _text(WIDTH - RIGHT + 10, top + BAR - 3, _said(figure), size=11),
        ]
        top += BAR + GAP
    return parts, top + 8


def _better(figure: dict[str, Any]) -> float:
    """How many times as good as it has to be."""
    if figure["at_least"] is not None:
        return float(figure["median"] / figure["at_least"])
    return float(figure["at_most"] / figure["median"])


def _said(figure: dict[str, Any]) -> str:
    sign, bound = (
        ("≥", figure["at_least"]) if figure["at_most"] is None else ("≤", figure["at_most"])
    )
    return f"{shown(figure['of'], figure['median'], unit=False)} ({sign} {bound:,g})"


def _rates(load: Facts) -> list[float]:
    return [fact["rate"] for fact in load["rounds"]]


def _rect(x: float, y: float, width: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR}" fill="{fill}"/>'


def _line(start: float, end: float, y: float) -> str:
    return f'<path d="M{start:.1f} {y:.1f}H{end:.1f}" stroke="{INK}" stroke-width="1.5"/>'


def _text(x: float, y: float, text: str, **style: Any) -> str:
    names = {"anchor": "text-anchor", "size": "font-size", "weight": "font-weight"}
    given: Iterable[tuple[str, Any]] = {"fill": INK, "size": 12, **style}.items()
    attributes = " ".join(f'{names.get(name, name)}="{value}"' for name, value in given)
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'
