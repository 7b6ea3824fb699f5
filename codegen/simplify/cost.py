"""Estimated work of a node, in additions, from the way it is lowered.

The figures are reciprocal throughputs in vector code, rounded; only their order decides anything. A movement costs nothing: it becomes an index map.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tracer.errors import UnsupportedError
from tracer.graph.graph import live_nodes
from tracer.graph.node import Node
from tracer.graph.op import Convert, Expand, Instruction, Intrinsic, Libm, Op, Select, Special, lowering
from tracer.graph.types import array_type
from tracer.trace.context import Trace
from tracer.trace.value import Traced

INSTRUCTION = 1
SLOW_INSTRUCTIONS = {"fdiv": 5, "frem": 20, "sdiv": 20, "udiv": 20, "srem": 20, "urem": 20}
SLOW_INTRINSICS = {"llvm.sqrt": 6}
LIBRARY = 20
SPECIAL = 60


def cost(node: Node) -> int:
    """The work of one element of an element-wise node; 0 for any other."""
    if node.op.kind != "elementwise":
        return 0
    return _cost(node.op, tuple([operand.type.dtype for operand in node.inputs]))


@functools.cache
def _cost(op: Op, dtypes: tuple[np.dtype, ...]) -> int:
    lower = lowering(op, dtypes[-1])
    if isinstance(lower, Instruction):
        return SLOW_INSTRUCTIONS.get(lower.float if dtypes[-1].kind == "f" else lower.signed, INSTRUCTION)
    if isinstance(lower, Intrinsic):
        return SLOW_INTRINSICS.get(lower.name, INSTRUCTION)
    if isinstance(lower, (Select, Convert)):
        return INSTRUCTION
    if isinstance(lower, Libm):
        return LIBRARY
    if isinstance(lower, Special):
        return SPECIAL
    return _expansion_cost(lower.body, dtypes) if isinstance(lower, Expand) else 0


def _expansion_cost(body, dtypes: tuple[np.dtype, ...]) -> int:
    """The work of what an operation is expanded into."""
    trace = Trace()
    operands = [Traced(trace.builder.input(array_type(dtype), position), trace) for position, dtype in enumerate(dtypes)]
    try:
        return sum([cost(node) for node in live_nodes((body(*operands).node,))])
    except UnsupportedError:   # the expansion depends on an operand's value
        return LIBRARY


def total_cost(nodes: Sequence[Node]) -> int:
    """The work of these nodes, all elements together."""
    kinds = {(node.op, node.type): node for node in nodes}
    counts = Counter([(node.op, node.type) for node in nodes])
    return sum([cost(kinds[kind]) * kind[1].size * count for kind, count in counts.items()])
