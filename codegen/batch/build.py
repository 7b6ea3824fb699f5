"""The kernel of a batch: one sample per lane where the function of one sample is code on scalars, else a loop over samples."""

from __future__ import annotations

from codegen.cache.store import Store
from codegen.kernel import COMPILED, Options, find_code, keep_code, text_key
from codegen.llvm.target import compile_object
from codegen.pipeline import compile_graph
from tracer.graph.graph import Graph

from .cost import ARITHMETIC, nanoseconds
from .emit import emit, lanes_of
from .kernel import LaneKernel, LoopKernel
from .leaves import row_leaves
from .lower import NoLanes, lower
from .rounds import VECTOR_BYTES, slot_bytes

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
    return LaneKernel(code, key, origin, lanes_of(program), len(program.slots) * slot_bytes(program) + VECTOR_BYTES, len(program.inputs) + len(program.arrays),
                      [(b.shape, b.dtype) for b in program.leaves], program.arrays, row_leaves(program), nanoseconds(program), program.tapes > 0, text)


def _nanoseconds_of_loops(graph: Graph) -> float:
    return sum(ARITHMETIC * node.type.size for node in graph.nodes) + 50.0


