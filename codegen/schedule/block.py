"""Row blocks: nests over the same long leading axis run block by block, so that what one writes the next still finds in the cache.

A pass over 100,000×30 data that is followed by another pass over it reads memory once instead of twice.
Sums keep their tree: a block is a whole number of the summation's own blocks.
"""

from __future__ import annotations

import math

from codegen.loops import Affine, Blocked, Buffer, Gather, Load, Nest, Scatter, read_buffers, root_of, written_buffers

from .collapse import collapse

CACHE_BYTES = 96 * 1024     # of all that the nests of a group touch in one block: well inside a second-level cache
WORTH_BYTES = 1024 * 1024   # a group that touches less finds everything in the cache anyway
SMALLEST_BLOCK = 128        # rows: the block of the pairwise summation


def in_row_blocks(statements: list) -> list:
    """The statements with groups of nests that can run row block by row block put into one Blocked each."""
    result: list = []
    pending = list(statements)
    while pending:
        start = next((k for k, s in enumerate(pending) if _can_lead(s)), None)
        if start is None:
            return result + [_collapsed(s) for s in pending]
        before, group, after = _grow(pending[start:])
        result += [_collapsed(s) for s in (*pending[:start], *before)]
        rows = _block_rows(group) if len(group) > 1 else None
        result += [Blocked(group[0].extents[0], rows, group)] if rows else [collapse(nest) for nest in group]
        pending = after
    return result


def _collapsed(statement):
    return collapse(statement) if isinstance(statement, Nest) else statement


def _can_lead(statement) -> bool:
    return isinstance(statement, Nest) and bool(statement.extents) and not statement.ordered and statement.extents[0] > 2 * SMALLEST_BLOCK


def _grow(statements: list) -> tuple[list, list[Nest], list]:
    """(what may run before the group, the group that the first nest leads, what must run after it)."""
    group = [statements[0]]
    extent = statements[0].extents[0]
    inside = _roots(written_buffers(statements[0]))
    behind: set[Buffer] = set()
    used_behind: set[Buffer] = set()
    before, after = [], []
    for statement in statements[1:]:
        reads, writes = _roots(read_buffers(statement)), _roots(written_buffers(statement))
        if reads & behind or writes & (behind | used_behind):
            joins = early = False
        else:
            shared = (reads | writes) & inside
            early = not shared
            joins = _can_lead(statement) and statement.extents[0] == extent and all(_row_local(b, extent, [*group, statement]) for b in shared)
        if joins:
            group.append(statement)
            inside |= writes
        elif early and not writes & _roots([b for nest in group for b in read_buffers(nest)]):
            before.append(statement)
        else:
            after.append(statement)
            behind |= writes
            used_behind |= reads
    return before, group, after


def _roots(buffers: list[Buffer]) -> set[Buffer]:
    return set(map(root_of, buffers))


def _row_local(buffer: Buffer, extent: int, nests: list[Nest]) -> bool:
    """Is each row of a buffer written and read at that row of the leading loop only?"""
    size = math.prod(buffer.shape)
    if size % extent or not buffer.dense:
        return False
    row = size // extent
    for nest in nests:
        for item in (*nest.body, *nest.roots):
            used = getattr(item, "buffer", None)
            if used is not None and root_of(used) is buffer:
                if used is not buffer or isinstance(item, (Gather, Scatter)) or not _in_row(item.place, nest.extents, row):
                    return False
    return True


def _in_row(place: Affine, extents: tuple[int, ...], row: int) -> bool:
    if place.coefs[0] != row:
        return False
    rest = list(zip(place.coefs[1:], extents[1:]))
    low = place.offset + sum(min(0, c * (n - 1)) for c, n in rest)
    high = place.offset + sum(max(0, c * (n - 1)) for c, n in rest)
    return low >= 0 and high < row


def _block_rows(group: list[Nest]) -> int | None:
    """How many rows make a block; None when blocks do not pay."""
    extent = group[0].extents[0]
    moving = {}
    for nest in group:
        for item in (*nest.body, *nest.roots):
            if isinstance(item, Load) or hasattr(item, "place"):
                parts = (item.place,) if isinstance(item.place, Affine) else item.place
                if any(part.coefs[0] for part in parts):
                    moving[item.buffer] = math.prod(item.buffer.shape) * item.buffer.dtype.itemsize
    total = sum(moving.values())
    if total < WORTH_BYTES:
        return None
    rows = SMALLEST_BLOCK
    while rows * 2 * total <= CACHE_BYTES * extent:
        rows *= 2
    return rows if rows < extent else None
