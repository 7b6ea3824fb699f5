"""A walk as Python: a loop over the rows of its table, in which one of the bodies is chosen and repeated."""

from __future__ import annotations

from codegen.loops import Cell, Walk
from tracer.ops.walk import HEAD

from .nests import NestWriter
from .text import SourceText


def write_walk(text: SourceText, walk: Walk) -> None:
    """Add the loops of a walk."""
    sources, table = [text.name(each) for each in walk.sources], text.name(walk.table)
    step, at = text.names.take("step"), text.names.take("k")
    text.add(f"for {step} in {table}{'[::-1]' if walk.is_backward else ''}:")
    text.add(f"for {at} in range({f'{step}[1] - 1, -1, -1' if walk.is_backward else f'{step}[1]'}):", 1)

    def element(cell: Cell) -> str:
        pair, offset, after, source = cell.slot
        place = _place(step, pair, at) if after is None else f"({_place(step, after, f'({at} - 1)')} if {at} else {step}[{HEAD + 2 * pair}])"
        return f"{sources[source]}[{f'{offset} + ' if offset else ''}{place}]"
    for code, (body, (reads, writes)) in enumerate(zip(walk.bodies, walk.cells)):
        text.add(f"{'elif' if code else 'if'} {step}[0] == {code}:", 2)
        text.loops += [""] * 3
        for cell in reads:
            text.add(f"{text.declare(cell.number, text.names.take('x'))} = {element(cell)}")
        NestWriter(text, body).write()
        for cell in writes:
            text.add(f"{element(cell)} {'+=' if walk.is_adding else '='} {text.name(cell.number)}")
        if not writes:
            text.add("pass")
        del text.loops[-3:]


def _place(step: str, pair: int, at: str) -> str:
    return f"{step}[{HEAD + 2 * pair}] + {at}*{step}[{HEAD + 2 * pair + 1}]"


__all__ = ["write_walk"]
