"""The operation table: one record per operation, by family; frozen after import.

``TABLE`` maps names to records, ``UFUNCS`` NumPy and SciPy ufuncs to the record that stands for them.
"""

from __future__ import annotations

from types import MappingProxyType

from ..graph.op import Op
from . import arithmetic, compare, exponential, indexing, linalg, movement, reduction, rounding, special, trigonometric
from .families import records_of

_FAMILIES = (arithmetic, compare, exponential, trigonometric, rounding, special, reduction, movement, indexing, linalg)


def _collect() -> dict[str, Op]:
    table: dict[str, Op] = {}
    for family in _FAMILIES:
        for op in records_of(family):
            if op.name in table:
                raise TypeError(f"operation {op.name!r} is recorded twice")
            table[op.name] = op
    return table


TABLE = MappingProxyType(_collect())
UFUNCS = MappingProxyType({f: op for op in TABLE.values() if op.kind == "elementwise" for f in op.numpy})
