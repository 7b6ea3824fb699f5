"""The kernel of a batch: one sample per lane where the function of one sample is straight-line code, else a loop over samples."""

from __future__ import annotations

import math

from codegen.cache.store import Store
from codegen.kernel import COMPILED, Options, find_code, keep_code, text_key
from codegen.llvm.target import compile_object
from codegen.loops import Compute
from codegen.pipeline import compile_graph
from tracer.graph.graph import Graph
from tracer.graph.op import Libm, Special, lowering

from .emit import VECTOR_BYTES, emit, lanes_of
from .kernel import LaneKernel, LoopKernel
from .leaves import row_leaves
from .lower import LaneProgram, NoLanes, lower

# Estimated nanoseconds of one sample, to decide whether threads are worth waking.
_ARITHMETIC, _FUNCTION, _ELEMENT = 0.15, 1.0, 0.5
LONG = 400


def compile_batch(graph: Graph, mapped: tuple[bool, ...], strided: frozenset[int], options: Options, store: Store | None) -> LaneKernel | LoopKernel:
    """The kernel for batches of the function whose graph for one sample this is. ``mapped``: the inputs that differ from sample to sample;
    ``strided``: those whose samples are not in C order (it matters to a loop over samples only)."""
    program = lower(graph, mapped)
    if isinstance(program, NoLanes):
        kernel = compile_graph(graph, options, strided, store)
        return LoopKernel(kernel, program.why, _nanoseconds_of_loops(graph), [(n.type.shape, n.type.dtype) for n in graph.outputs])
    text, imports = emit(program, options.fast)
    level = 1 if program.instructions > LONG else 2
    key = text_key(text, level)
    code, origin = find_code(key, store) or (keep_code(key, compile_object(text, level), imports, store), COMPILED)
    return LaneKernel(code, key, origin, lanes_of(program), (len(program.slots) + 1) * VECTOR_BYTES, len(program.inputs) + len(program.arrays),
                      [(b.shape, b.dtype) for b in program.leaves], program.arrays, row_leaves(program), _nanoseconds(program), text)


def _nanoseconds(program: LaneProgram) -> float:
    computes = [i for nest in program.body for i in nest.body if isinstance(i, Compute)]
    elements = sum(math.prod(b.shape) for b in program.leaves)
    return _ELEMENT * elements + sum(_cost(i) for i in computes)


def _cost(instruction: Compute) -> float:
    lower = lowering(instruction.op, instruction.operand_dtype)
    return _FUNCTION if isinstance(lower, Libm) else 8 * _FUNCTION if isinstance(lower, Special) else _ARITHMETIC


def _nanoseconds_of_loops(graph: Graph) -> float:
    return sum(_ARITHMETIC * node.type.size for node in graph.nodes) + 50.0


