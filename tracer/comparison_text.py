"""The tables of a comparison, as text and as HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .comparison import Comparison

SHOWN_ELEMENTS = 4  # of an array; of the others the one that differs most
NODES = {"tape": "recorded by the eager tape, in one call", "traced": "traced, with arguments and constants", "derived": "with derivatives",
         "simplified": "simplified"}

Table = tuple[list[str], list[list[str]]]  # head and rows


@dataclass(frozen=True)
class Row:
    """One number both ways; without a compiled one the differences are NaN. ``ulps``: see `distance_in_ulps`."""

    name: str
    eager: float
    compiled: float | None
    dtype: str = "float64"

    @property
    def ulps(self) -> float:
        return math.nan if self.compiled is None else distance_in_ulps(self.eager, self.compiled, self.dtype)

    @property
    def absolute(self) -> float:
        return self.ulps if self.compiled is None or self.ulps == 0 else abs(self.eager - self.compiled)

    @property
    def relative(self) -> float:
        return self.absolute if self.compiled is None or self.ulps == 0 else self.absolute / max(abs(self.eager), abs(self.compiled))


def distance_in_ulps(a: float, b: float, dtype: str = "float64") -> float:
    """How many floats of a dtype lie between two of them; 0 for two NaN, inf when one is NaN or they are infinite and differ."""
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    integer = np.dtype(f"int{np.dtype(dtype).itemsize * 8}")
    bits = [int(np.dtype(dtype).type(each).view(integer)) for each in (a, b)]
    first, second = [each if each >= 0 else int(np.iinfo(integer).min) - each for each in bits]
    return float(abs(first - second))


def as_text(comparison: Comparison) -> str:
    """The tables in columns."""
    lines = [f"{comparison.name}: eager and compiled", ""]
    for head, rows in _tables(comparison):
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        for first, *others in [head, *rows]:
            lines.append("  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]).rstrip())
        lines.append("")
    return "\n".join([*lines, *_remarks(comparison)]).rstrip("\n")


def as_html(comparison: Comparison) -> str:
    """The tables for a notebook."""
    parts = [f"<h4>{html.escape(comparison.name)}: eager and compiled</h4>"]
    for head, rows in _tables(comparison):
        body = "".join(f"<tr>{_html_cells(row, 'td')}</tr>" for row in rows)
        top = f"<thead><tr>{_html_cells(head, 'th')}</tr></thead>"
        parts.append(f"<table style='font-variant-numeric:tabular-nums;margin-bottom:1em'>{top}<tbody>{body}</tbody></table>")
    remarks = "\n".join(_remarks(comparison)).strip("\n")
    return "".join([*parts, f"<pre style='white-space:pre-wrap'>{html.escape(remarks)}</pre>" if remarks else ""])


def _html_cells(cells: list[str], tag: str) -> str:
    style = "padding:0.1em 0.8em;white-space:nowrap"
    return "".join(f"<{tag} style='text-align:{'right' if k else 'left'};{style}'>{html.escape(cell)}</{tag}>" for k, cell in enumerate(cells))


def _tables(comparison: Comparison) -> Iterator[Table]:
    yield ["", "eager", "compiled", "absolute", "relative", "ulp"], _numbers(comparison.rows)
    compiled = comparison.seconds.get("compiled")
    yield ["time of one call", "", ""], [[name, duration(seconds), _ratio(seconds, compiled, name)] for name, seconds in comparison.seconds.items()]
    if comparison.compile_seconds:
        stages, pays = comparison.compile_seconds, comparison.pays_after
        paid = "does not pay" if math.isinf(pays) else f"has paid after {pays:,} calls"
        yield ["compiling", "", ""], [*([stage, duration(seconds), ""] for stage, seconds in stages.items()), ["all", duration(sum(stages.values())), paid]]
    yield ["operations", ""], [[NODES[name], f"{count:,}"] for name, count in comparison.nodes.items()]


def _numbers(rows: list[Row]) -> list[list[str]]:
    """The first elements of each array, and of the others that which differs most."""
    shown, hidden, seen = [], [], {}
    for row in rows:
        name = row.name.partition("[")[0]
        seen[name] = seen.get(name, 0) + 1
        (shown if seen[name] <= SHOWN_ELEMENTS else hidden).append(row)
    cells = list(map(_cells, shown))
    if hidden:
        worst = max(hidden, key=lambda row: row.ulps)
        cells += [[f"… {len(hidden):,} more, at most:", "", "", "", "", ""], _cells(worst)]
    return cells


def _cells(row: Row) -> list[str]:
    if row.compiled is None:
        return [row.name, _digits(row.eager, row.dtype), "", "", "", ""]
    ulps = "∞" if math.isinf(row.ulps) else f"{row.ulps:.0f}"
    return [row.name, _digits(row.eager, row.dtype), _digits(row.compiled, row.dtype), f"{row.absolute:.1e}", f"{row.relative:.1e}", ulps]


def _digits(number: float, dtype: str) -> str:
    return str(np.dtype(dtype).type(number))


def duration(seconds: float) -> str:
    """A time with its unit, in three digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _ratio(seconds: float, compiled: float | None, name: str) -> str:
    if compiled is None or name == "compiled":
        return ""
    ratio = seconds / compiled
    return f"{ratio:,.0f} × compiled" if ratio >= 10 else f"{ratio:.2g} × compiled"


def _remarks(comparison: Comparison) -> list[str]:
    lines = ["not compiled", *(f"  {line}" for line in comparison.refusal.splitlines()), ""] if comparison.refusal else []
    return [*lines, *(["differences in kind", *(f"  {line}" for line in comparison.kinds)] if comparison.kinds else [])]
