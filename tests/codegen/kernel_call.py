"""Calling a kernel from Python, as the entry does it: pointers to data, byte strides, parameters and a workspace."""

from __future__ import annotations

import ctypes

import numpy as np

from codegen.pipeline import Kernel
from tracer.graph.graph import Graph

_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_ALIGNMENT = 64
_GUARD = 64  # bytes behind the workspace that must come back unchanged


def call(kernel: Kernel, graph: Graph, *arguments) -> tuple[np.ndarray, ...]:
    """The outputs of a kernel, one array each (0-d for scalars); raises what its error code stands for.

    Arguments take the dtype of their input. Arrays keep their strides, which must be those of C order unless the kernel was
    compiled with the input among the ``strided`` ones.
    """
    inputs = [_argument(a, node.type) for a, node in zip(arguments, graph.inputs, strict=True)]
    # Nothing is cleared, so that a place the kernel does not write shows.
    outputs = [np.full(node.type.shape, 113, node.type.dtype) for node in graph.outputs]
    buffers = np.array([a.ctypes.data for a in (*inputs, *outputs)], np.int64)
    strides = np.array([s for a in inputs for s in a.strides] or [0], np.int64)
    workspace = np.full(kernel.workspace_bytes + _ALIGNMENT + _GUARD, 0xA5, np.uint8)
    start = -workspace.ctypes.data % _ALIGNMENT
    code = _PROTOTYPE(kernel.address)(buffers.ctypes.data, strides.ctypes.data, kernel.params.ctypes.data, workspace.ctypes.data + start)
    if code:
        raise kernel.error(code)
    assert (workspace[start + kernel.workspace_bytes:] == 0xA5).all(), "the kernel writes behind its workspace"
    return tuple(outputs)


def _argument(value, type) -> np.ndarray:
    array = value if isinstance(value, np.ndarray) and value.dtype == type.dtype else np.array(value, type.dtype)
    assert array.shape == type.shape, (array.shape, type)
    return array
