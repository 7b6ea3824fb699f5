"""From a function to its graph without the API; calling a kernel from Python, as the entry does it: pointers, byte strides, parameters, a workspace."""

from __future__ import annotations

import ctypes

import numpy as np

from codegen.pipeline import Kernel
from tracer.derive.reverse import gradients
from tracer.graph.graph import Graph
from tracer.graph.types import array_type
from tracer.graph.verify import verify as verify_graph
from tracer.trace import numpy_api  # noqa: F401  registers NumPy's functions
from tracer.trace.context import Trace
from tracer.trace.value import Traced, as_traced

_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_GUARD = 64  # bytes around all that a kernel writes, which must come back unchanged; also the alignment
_PATTERN = 0xA5


class _Guarded:
    """Aligned memory between two guards. It is not cleared, so that a place the kernel does not write shows."""

    def __init__(self, size: int):
        memory = np.full(size + 3 * _GUARD, _PATTERN, np.uint8)
        start = _GUARD + -memory.ctypes.data % _GUARD
        self.inside = memory[start:start + size]
        self._around = memory[:start], memory[start + size:]

    def check(self, what: str) -> None:
        assert all((part == _PATTERN).all() for part in self._around), f"the kernel writes outside of {what}"


def graph_of(function, *arguments, wrt=()):
    """The traced function's graph; with the gradients of its first output by the arguments ``wrt``."""
    trace = Trace()
    inputs = [Traced(trace.builder.input(array_type(np.asarray(a).dtype, np.shape(a)), k), trace) for k, a in enumerate(arguments)]
    outputs = function(*inputs)
    outputs = [as_traced(o, trace) for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
    outputs += gradients(trace, outputs[0], [inputs[k] for k in wrt]) if wrt else []
    return verify_graph(Graph([x.node for x in inputs], [y.node for y in outputs]))


def call(kernel: Kernel, graph: Graph, *arguments) -> tuple[np.ndarray, ...]:
    """The outputs of a kernel, one array each (0-d for scalars); raises what its error code stands for.

    Arguments take the dtype of their input. Arrays keep their strides, which must be those of C order unless the kernel was
    compiled with the input among the ``strided`` ones.
    """
    inputs = [_argument(a, node.type) for a, node in zip(arguments, graph.inputs, strict=True)]
    before = [a.tobytes() for a in inputs]
    memory = [_Guarded(node.type.size * node.type.dtype.itemsize) for node in graph.outputs]
    outputs = [m.inside.view(node.type.dtype).reshape(node.type.shape) for m, node in zip(memory, graph.outputs)]
    buffers = np.array([a.ctypes.data for a in (*inputs, *outputs)], np.int64)
    strides = np.array([s for a in inputs for s in a.strides] or [0], np.int64)
    workspace = _Guarded(kernel.workspace_bytes)
    code = _PROTOTYPE(kernel.address)(buffers.ctypes.data, strides.ctypes.data, kernel.params.ctypes.data, workspace.inside.ctypes.data)
    workspace.check("its workspace")
    for position, m in enumerate(memory):
        m.check(f"output {position}")
    assert before == [a.tobytes() for a in inputs], "the kernel writes to an input"
    if code:
        raise kernel.error(code)
    return tuple(outputs)


def _argument(value, type) -> np.ndarray:
    array = value if isinstance(value, np.ndarray) and value.dtype == type.dtype else np.array(value, type.dtype)
    assert array.shape == type.shape, (array.shape, type)
    return array
