"""Rows as Markdown, and the file that keeps them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .machine import description
from .registry import SUBJECT, Ask, Case, Row

RESULTS = Path(__file__).with_name("RESULTS.md")
INTRODUCTION = """# Measured comparisons

Made by `python -m tests.benchmarks --write`. Value and gradient in float64. Peers run in turn in one process (one process for each table), pinned to
the cores said; times are medians, with the fastest and the slowest sample in brackets. All numbers were compared with a gradient
written by hand before they were timed, to 1e-9. *fresh*: results are new arrays; *out=*: they are written into arrays that are used again;
*device*: arguments and results stay arrays of the peer. The ratio is {subject} ÷ peer: below 1 {subject} is faster.
"""
HEADER = "| peer | results | median | {subject} ÷ peer | asked | note |\n|---|---|---|---|---|---|"
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def section(case: Case, threads: int, rows: Sequence[Row]) -> str:
    """One case on one number of cores, as a heading and a table."""
    cores = "one core" if threads == 1 else f"{threads} cores"
    title = f"## {case.title} ({cores}) `{case.name}`"
    return "\n".join([title, "", HEADER.format(subject=SUBJECT), *(line(case, row, rows) for row in rows), ""])


def line(case: Case, row: Row, rows: Sequence[Row]) -> str:
    """One row of the table."""
    own = best(rows, (SUBJECT,))
    comparable = own is not None and own is not row and own.value is not None and row.value and own.unit == row.unit
    ratio = f"{own.value / row.value:.2f}" if comparable else ""
    asked = "; ".join(text for ask in case.asks if (text := verdict(ask, row, rows)))
    return f"| {row.peer} | {row.results} | {figure(row)} | {ratio} | {asked} | {row.note.replace('|', '/')} |"


def verdict(ask: Ask, row: Row, rows: Sequence[Row]) -> str:
    """The figure asked for and what was reached, in the row that it compares with: the fastest of the peers named, or the subject's own."""
    own = best(rows, (ask.subject,))
    about = best(rows, ask.peers) if ask.peers else own
    if row is not about:
        return ""
    shown = (lambda value: f"{value:.2f} ×") if ask.peers else (lambda value: quantity(value, row.unit))
    limit = f"≤ {ask.at_most:g} ×" if ask.peers else f"≤ {quantity(ask.at_most, row.unit)}"
    if own is None or own.value is None or not about.value:
        return f"{limit}: not measured"
    reached = own.value / about.value if ask.peers else own.value
    return f"{limit}: {shown(reached)} {'✓' if reached <= ask.at_most else '✗'}"


def best(rows: Sequence[Row], peers: Sequence[str]) -> Row | None:
    """The row with the smallest value among those of ``peers``."""
    named = [row for row in rows if row.peer in peers]
    return min(named, key=lambda row: (row.value is None, row.value or 0.0), default=None)


def figure(row: Row) -> str:
    """The value with its spread."""
    if row.value is None:
        return "–"
    spread = f" ({quantity(row.spread[0], row.unit)} – {quantity(row.spread[1], row.unit)})" if row.spread else ""
    return quantity(row.value, row.unit) + spread


def quantity(value: float, unit: str) -> str:
    """Three significant digits and a unit that fits."""
    if unit != "s":
        return f"{value:.4g} {unit}"
    factor, name = next(((factor, name) for factor, name in UNITS if abs(value) >= factor), UNITS[-1])
    return f"{value / factor:.3g} {name}"


def write(sections: Sequence[str]) -> None:
    """Rewrite RESULTS.md; sections that were not measured now stay as they are if the machine is the same."""
    head = f"{INTRODUCTION.format(subject=SUBJECT)}\n**Machine.** {description()}\n"
    kept = {}
    if RESULTS.exists():
        old_head, *old = re.split(r"^(?=## )", RESULTS.read_text(encoding="utf-8"), flags=re.M)
        if old_head.strip() == head.strip():
            kept = {heading(text): text.strip() + "\n" for text in old}
    kept.update({heading(text): text.strip() + "\n" for text in sections})
    RESULTS.write_text("\n".join([head, *kept.values()]), encoding="utf-8")


def heading(text: str) -> str:
    """The first line of a section."""
    return text.partition("\n")[0]
