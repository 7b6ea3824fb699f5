"""Where in the user's code a node was made, as a comment. Tables of a code object's lines are kept: decoding one costs time linear in it."""

from __future__ import annotations

import os
from bisect import bisect_right


class UserLines:
    """``basename:line`` of nodes."""

    def __init__(self):
        self._tables: dict = {}

    def __call__(self, node) -> str:
        if node is None or node.where is None:
            return ""
        code, offset = node.where
        table = self._tables.get(code)
        if table is None:
            rows = [(start, line) for start, _, line in code.co_lines() if line is not None]
            table = self._tables[code] = ([start for start, _ in rows], [line for _, line in rows], os.path.basename(code.co_filename))
        starts, lines, name = table
        position = bisect_right(starts, offset) - 1
        return f"{name}:{lines[position]}" if position >= 0 else name
