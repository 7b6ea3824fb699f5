"""Kernels that evaluate their graph with NumPy, behind the real entry: what the compiled objects do, apart from code generation."""

import ctypes
import hashlib

import numpy as np

from tracer.graph.evaluate import evaluate
from tracer.graph.text import format_graph
from tracer.graph.verify import verify

_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_known: dict[str, int] = {}


class EvaluatedKernel:
    """Stands where `codegen.pipeline.compile_graph` gives a kernel. Its key is the text of the graph without extents in constants."""

    def __init__(self, graph, options=None, strided=frozenset(), store=None):
        self.graph = verify(graph)
        self.params = np.zeros(1, np.int64)
        self.workspace_bytes = 0
        self.key = hashlib.blake2b(format_graph(graph).encode(), digest_size=20).hexdigest()
        self.compiled = self.key not in _known
        self.origin = "compiled" if self.compiled else "reused"
        _known[self.key] = _known.get(self.key, 0) + 1
        self.seconds = {"evaluate": 0.0}
        self._callback = _PROTOTYPE(self._run)
        self.address = ctypes.cast(self._callback, ctypes.c_void_p).value

    def error(self, code):
        return self._error

    def _run(self, buffers, strides, params, workspace):
        try:
            self._evaluate(buffers, strides)
        except Exception as error:
            self._error = error
            return 1
        return 0

    def _evaluate(self, buffers, strides):
        graph = self.graph
        pointers = (ctypes.c_void_p * (len(graph.inputs) + len(graph.outputs))).from_address(buffers)
        steps = iter((ctypes.c_int64 * sum(node.type.ndim for node in graph.inputs)).from_address(strides) if strides else ())
        arguments = []
        for node, pointer in zip(graph.inputs, pointers):
            own = [next(steps) for _ in node.type.shape]
            arguments.append(_view(pointer, node.type, own))
        for value, node, pointer in zip(evaluate(graph, *arguments), graph.outputs, pointers[len(graph.inputs):]):
            if node.type.size:
                np.copyto(_view(pointer, node.type, None), value)


def _view(pointer, type_, strides):
    """The array in this memory, which the caller keeps."""
    if not type_.size:
        return np.empty(type_.shape, type_.dtype)
    strides = strides if strides is not None else np.empty(type_.shape, type_.dtype).strides
    low = sum(min(0, step * (n - 1)) for step, n in zip(strides, type_.shape))
    high = sum(max(0, step * (n - 1)) for step, n in zip(strides, type_.shape)) + type_.dtype.itemsize
    memory = (ctypes.c_char * (high - low)).from_address(pointer + low)
    return np.ndarray(type_.shape, type_.dtype, memory, -low, strides)
