"""Walks as nodes: small bodies of scalars that are run in the order of a table, on elements of one memory that the table names.

What a loop in a loop has unrolled whose trip count depends on the outer loop (a triangular solve, a factorisation, sums over pairs) is a walk:
the table has the trip counts and the places, the code has the bodies once.

Operands: what is in the memory first, a vector; then the table, int64, one row a *step*: which body, how often it is run, and for each place
that it works on the first and the distance from one time to the next; then vectors that are read alone. Attributes:
``(body, ..., slots, is_backward, is_adding, which)``. ``slots`` has for each body a :class:`Slot` for each of its inputs, then of its outputs.
The table is followed from its end if ``is_backward``; outputs are added to what is there if ``is_adding``. The value is the memory behind the
last step. ``which`` is 0: the one output.

Whatever is read is read only once all is there that is ever written to it, so that what was read stands in the memory behind the last step. What is
written over is nobody's variable: it has no cotangent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..graph.evaluate import evaluate
from ..graph.graph import Graph
from ..graph.op import JOINTLY, STRUCTURAL, Op
from ..graph.types import INT64, ArrayType

HEAD = 2  # columns of the table in front of the pairs


class Slot(NamedTuple):
    """A place of a body: that of pair ``pair`` of the table's row, ``offset`` further. With ``after``, a pair, it is so the first time only, and later where
    that pair was the time before: a value that goes from one time to the next. ``source``: 0 for the memory, or the number of a vector that is read alone."""

    pair: int
    offset: int = 0
    after: int | None = None
    source: int = 0

    def at(self, places: list[int], k: int) -> int:
        """The place in a step with these pairs, time ``k``."""
        pair, k = (self.pair, k) if self.after is None or not k else (self.after, k - 1)
        return places[2 * pair] + k * places[2 * pair + 1] + self.offset


class Parts(NamedTuple):
    """The attributes of a walk by their names."""

    bodies: list[Graph]
    slots: list[list[Slot]]
    is_backward: bool
    is_adding: bool


def parts_of(attrs: tuple) -> Parts:
    """What the attributes of a walk are."""
    *bodies, slots, is_backward, is_adding, _ = attrs
    return Parts(bodies, [[Slot(*slot) for slot in places] for places in slots], is_backward, is_adding)


def _made(types, attrs) -> ArrayType:
    bodies, slots, _, _ = parts_of(attrs)
    memory, table, *vectors = types
    assert all(each.ndim == 1 and each.dtype == memory.dtype for each in (memory, *vectors)), types
    assert table.ndim == 2 and table.dtype == INT64.dtype, types
    for body, places in zip(bodies, slots, strict=True):
        assert all(node.type.shape == () and node.type.dtype == memory.dtype for node in (*body.inputs, *body.outputs)), attrs
        for position, slot in zip(range(len(body.inputs) + len(body.outputs)), places, strict=True):
            assert HEAD + 2 * max(slot.pair, slot.after or 0) + 1 < table.shape[1], (types, attrs)
            assert slot.source <= (len(vectors) if position < len(body.inputs) else 0), (types, attrs)
    return memory


def _run(memory, table, *vectors_and_attrs):
    split = next(k for k, each in enumerate(vectors_and_attrs) if not isinstance(each, np.ndarray))
    vectors, (bodies, slots, is_backward, is_adding) = vectors_and_attrs[:split], parts_of(vectors_and_attrs[split:])
    memory = memory.copy()
    sources, way = (memory, *vectors), -1 if is_backward else 1
    for body, count, *places in table[::way].tolist():
        inputs = len(bodies[body].inputs)
        for k in range(count)[::way]:
            given = [sources[slot.source][slot.at(places, k)] for slot in slots[body][:inputs]]
            for slot, value in zip(slots[body][inputs:], evaluate(bodies[body], *given)):
                place = slot.at(places, k)
                memory[place] = memory[place] + value if is_adding else value
    return memory


WALK = Op(name="walk", kind="loop", infer=_made, evaluate=_run, vjp=JOINTLY, jvp=JOINTLY, lower=STRUCTURAL, source=STRUCTURAL,
          grad_fn="WalkBackward0", domain=None)
