"""Rows as Markdown, and the file that keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
    own = find(rows, (SUBJECT,))
    ratio = ""
    if row.value and own and own.value is not None and own is not row and own.unit == row.unit:
        ratio = f"{own.value / row.value:.2f}"
    asked = "; ".join(text for ask in case.asks if (text := verdict(ask, row, rows)))
    return f"| {row.peer} | {row.results} | {figure(row)} | {ratio} | {asked} | {row.note.replace('|', '/')} |"


def verdict(ask: Ask, row: Row, rows: Sequence[Row]) -> str:
    """The figure asked for and what was reached, in the row it is about: the fastest peer named, or the subject."""
    own, other = find(rows, (ask.subject,)), find(rows, ask.peers)
    if row is not (other or (None if ask.peers else own)) and not (row is own and ask.peers and other is None):
        return ""
    limit = f"≤ {ask.at_most:g} ×" if ask.peers else f"≤ {quantity(ask.at_most, row.unit)}"
    if own is None or own.value is None or (ask.peers and other is None):
        return f"{limit}: not measured"
    reached = own.value / other.value if ask.peers else own.value
    shown = f"{reached:.2f} ×" if ask.peers else quantity(reached, own.unit)
    return f"{limit}: {shown} {'✓' if reached <= ask.at_most else '✗'}"


def find(rows: Sequence[Row], labels: Iterable[str]) -> Row | None:
    """The row with the smallest value among those named, by peer or by "peer, results"."""
    named = [row for row in rows if row.peer in labels or row.label in labels]
    measured = [row for row in named if row.value is not None]
    return min(measured, key=lambda row: row.value) if measured else next(iter(named), None) if SUBJECT in labels else None


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
    factor, name = next(((factor, name) for factor, name in UNITS if value >= factor), UNITS[-1])
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
