"""The operation table: one record per operation, by family; frozen after import.

``TABLE`` maps names to records, ``UFUNCS`` NumPy and SciPy ufuncs to the record that stands for them.
"""

from __future__ import annotations

import sys
from types import MappingProxyType

from ..graph.op import Op
from . import arithmetic, branch, compare, exponential, indexing, linalg, loop, movement, reduction, rounding, special, trigonometric, walk, while_loop
from .families import records_of

_FAMILIES = (arithmetic, compare, exponential, trigonometric, rounding, special, reduction, movement, indexing, linalg, loop, branch, walk, while_loop)


def _collect() -> dict[str, Op]:
    table: dict[str, Op] = {}
    for family in _FAMILIES:
        for op in records_of(family):
            if op.name in table:
                raise TypeError(f"operation {op.name!r} is recorded twice")
            table[op.name] = op
    return table


TABLE = MappingProxyType(_collect())


class _Ufuncs:
    """Ufuncs to records. SciPy's are found by name when they come: whoever holds one has imported scipy.special."""

    def __init__(self, table):
        self._known = {f: op for op in table.values() if op.kind == "elementwise" for f in op.numpy if not isinstance(f, str)}
        self._named = {f.partition(":")[2]: op for op in table.values() for f in op.numpy if isinstance(f, str)}

    def get(self, ufunc) -> Op | None:
        found = self._known.get(ufunc)
        if found is None:
            special = sys.modules.get("scipy.special")
            name = getattr(ufunc, "__name__", "")
            if special is not None and name in self._named and getattr(special, name, None) is ufunc:
                found = self._known[ufunc] = self._named[name]
        return found

    def __getitem__(self, ufunc) -> Op:
        return self._known[ufunc]

    def __iter__(self):
        return iter(self._known)

    def names(self) -> list[str]:
        """Of all ufuncs that have a record."""
        return sorted({f.__name__ for f in self._known} | self._named.keys())


UFUNCS = _Ufuncs(TABLE)
